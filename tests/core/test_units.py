"""Units: conversion within a dimension, refusal across."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photopeak.core.errors import UnitError
from photopeak.core.units import FWHM_PER_SIGMA, UNITS, dimension, factor

PAIRS = [(a, b) for a in UNITS for b in UNITS]


@given(st.sampled_from(PAIRS))
def test_factor_converts_there_and_back_or_refuses(pair: tuple[str, str]) -> None:
    source, target = pair
    if dimension(source) == dimension(target):
        assert factor(source, target) * factor(target, source) == pytest.approx(1.0)
    else:
        with pytest.raises(UnitError, match="Remedy"):
            factor(source, target)


@pytest.mark.parametrize(
    ("source", "target", "number"),
    [
        ("GBq", "MBq", 1e3),
        ("kBq/ml", "Bq/ml", 1e3),
        ("h", "min", 60.0),
        ("d", "s", 86400.0),
        ("1/mm", "1/cm", 10.0),
        ("cm2", "mm2", 100.0),
        ("%", "1", 0.01),
        ("a", "d", 365.25),
    ],
)
def test_known_factors(source: str, target: str, number: float) -> None:
    assert factor(source, target) == pytest.approx(number)


def test_suv_kinds_share_a_shape_of_unit_and_are_never_mixed() -> None:
    with pytest.raises(UnitError, match="lean body mass"):
        factor("g/ml{SUVbw}", "g/ml{SUVlbm}")


def test_an_unknown_unit_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnitError, match="MBq"):
        dimension("mCi")


def test_fwhm_of_a_gaussian() -> None:
    sigma = 1.7
    half = FWHM_PER_SIGMA * sigma / 2
    assert math.exp(-(half**2) / (2 * sigma**2)) == pytest.approx(0.5)
