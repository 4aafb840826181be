"""What a scan does to expected counts: field of view, motion, defects, speed."""

import dataclasses

import numpy as np
import pytest

from photopeak.core import PhotopeakError
from photopeak.patients.acquisition import (
    FIELD_LENGTH_MM,
    Acquisition,
    Motion,
    draw_acquisition,
    moved,
    record,
    smeared,
)

PLAIN = Acquisition(column_ripple=0.0, background_per_pixel=0.0)


def views(rows=1024, columns=256):
    image = np.zeros((2, rows, columns), np.float32)
    image[:, 400:420, 100:110] = 5.0
    return image


def test_outside_the_field_nothing_is_recorded():
    out = record(np.ones((2, 1024, 256), np.float32), PLAIN, slice(50, 900))
    assert out[:, :50].max() == out[:, 900:].max() == 0
    field = PLAIN.field_columns
    assert out[:, 60, : field.start].max() == out[:, 60, field.stop :].max() == 0
    assert (out[:, 50:900, field] == 1).all()


def test_useful_field_is_as_wide_as_the_camera_says():
    for camera, width in (("siemens", 533.0), ("ge", 520.0)):
        acquisition = Acquisition(camera=camera)
        field = acquisition.field_columns
        assert (field.stop - field.start) * acquisition.pixel == pytest.approx(width, abs=2 * acquisition.pixel)


def test_a_step_goes_opposite_ways_in_front_and_behind_and_keeps_counts():
    moving = dataclasses.replace(PLAIN, motion=(Motion(410, 24.0),))
    out = moved(views(), moving)
    shift = round(24.0 / moving.pixel)
    assert out.sum() == views().sum()
    np.testing.assert_array_equal(out[:, :410], views()[:, :410])
    assert np.nonzero(out[0, 415])[0].tolist() == list(range(100 + shift, 110 + shift))
    assert np.nonzero(out[1, 415])[0].tolist() == list(range(100 - shift, 110 - shift))


def test_the_detectors_length_blends_before_and_after():
    moving = dataclasses.replace(PLAIN, motion=(Motion(500, 24.0),))
    image = np.zeros((2, 1024, 256), np.float32)
    image[:, :, 128] = 1.0
    out = smeared(image, moving)
    half = FIELD_LENGTH_MM / moving.pixel / 2
    shift = round(24.0 / moving.pixel)
    assert out[0, 500, 128] == pytest.approx(0.5)
    assert out[0, 500, 128 + shift] == pytest.approx(0.5)
    assert out[0, int(500 - half - 1), 128] == 1.0
    assert out[0, int(500 + half + 2), 128 + shift] == 1.0
    np.testing.assert_allclose(out.sum(axis=2), 1.0, rtol=1e-6)


def test_failing_tube_darkens_its_columns_by_its_share_of_the_field():
    profile = dataclasses.replace(PLAIN, dead_tube_column=128).response()
    assert profile[128] == pytest.approx(1 - 0.4 * 75 / 387, rel=1e-3)
    assert profile[40] == pytest.approx(1, abs=1e-3)


def test_background_grows_with_time():
    def background(speed):
        acquisition = dataclasses.replace(PLAIN, background_per_pixel=0.04, speed_cm_min=speed)
        return float(record(np.zeros((2, 1024, 256), np.float32), acquisition, slice(0, 1024)).max())

    assert background(6.0) == pytest.approx(2 * background(12.0)) == pytest.approx(0.08)


def test_draws_repeat_and_accidents_have_their_rate():
    def draw(seed, **kw):
        return draw_acquisition(np.random.default_rng(seed), **kw)

    assert draw(3) == draw(3)
    assert all(draw(i, motion_rate=1.0).motion for i in range(20))
    assert not any(draw(i, motion_rate=0.0).motion for i in range(20))


def test_absurd_settings_are_refused():
    with pytest.raises(PhotopeakError, match="unknown camera"):
        Acquisition(camera="polaroid")
    with pytest.raises(PhotopeakError, match="speed_cm_min"):
        Acquisition(speed_cm_min=0)
