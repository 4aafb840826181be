"""Difficulty: ranges, JSON, and that every knob is described."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photopeak.core import PhotopeakError
from photopeak.patients.difficulty import Difficulty, knobs


def test_defaults_lie_inside_their_ranges_and_are_described():
    for knob in dataclasses.fields(Difficulty):
        assert knob.metadata["low"] <= knob.default <= knob.metadata["high"]
        assert knob.metadata["unit"]
        assert knob.metadata["meaning"]
    assert len(knobs()) == len(dataclasses.fields(Difficulty))


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_share_outside_0_to_1_is_refused_with_its_meaning(value):
    with pytest.raises(PhotopeakError, match=r"faint_share.*Remedy"):
        Difficulty(faint_share=value)


@given(st.floats(0.05, 5.0), st.floats(0.0, 1.0))
def test_json_round_trip(scale, share):
    one = Difficulty(lesion_contrast_scale=scale, tiny_share=share)
    assert Difficulty.from_json(one.to_json()) == one


def test_an_unknown_knob_in_json_is_refused_and_an_absent_one_is_default():
    with pytest.raises(PhotopeakError, match="hardness"):
        Difficulty.from_json('{"hardness": 2}')
    assert Difficulty.from_json('{"motion_rate": 0.5}') == Difficulty(motion_rate=0.5)
