"""Ratios, asymmetry and Centiloid of images of which they are known."""

from __future__ import annotations

import numpy as np
import pytest

from photopeak.core import Grid, Image, Mask, PhotopeakError, scaling
from photopeak.quantify.brain_uptake import brain_uptake, region_means

NAMES = {1: "left precuneus", 2: "right precuneus", 3: "cerebellar cortex", 4: "pons"}
FINE = Grid.volume((8, 8, 8), scaling((2.0, 2.0, 2.0), (-7.0, -7.0, 0.0)), "1.2")
COARSE = Grid.volume((4, 4, 4), scaling((4.0, 4.0, 4.0), (-6.0, -6.0, 1.0)), "1.2")


def labels() -> Mask:
    values = np.zeros((8, 8, 8), np.uint8)
    values[4:, :, 4:], values[4:, :, :4] = 1, 2  # x runs to the patient's left
    values[:2], values[2:4] = 3, 4
    return Mask(values, FINE, NAMES)


def picture(left: float = 3.0, right: float = 2.0, below: float = 1.0) -> Image:
    values = np.full((4, 4, 4), below, np.float32)
    values[2:, :, 2:], values[2:, :, :2] = left, right
    return Image(values, COARSE, "Bq/ml")


def test_a_linear_image_has_the_means_of_its_regions_middles():
    x = np.broadcast_to(np.arange(4.0), (4, 4, 4)).astype(np.float32)
    found = region_means(Image(x, COARSE, "Bq/ml"), labels())
    inside = [0.0, 0.25, 0.75, 1.25]  # x of the right half's voxels in those of the image, whose edge is its value
    assert found["right precuneus"].mean == pytest.approx(np.mean(inside))
    assert found["right precuneus"].outside == 0.0
    assert found["right precuneus"].volume_ml == pytest.approx(4 * 8 * 4 * 8.0 / 1000.0)


def test_ratios_and_asymmetry():
    whole = Grid.volume((10, 10, 10), scaling((2.0, 2.0, 2.0), (-9.0, -9.0, -2.0)), "1.2")
    values = np.ones((10, 10, 10), np.float32)
    values[5:, :, 5:], values[5:, :, :5] = 3.0, 2.0
    measured = brain_uptake(Image(values, whole, "Bq/ml"), [labels()], "cerebellum", "pib")
    assert measured.suvr("left precuneus") == pytest.approx(3.0)
    assert measured.asymmetry_percent("precuneus") == pytest.approx(40.0)
    assert measured.pairs() == ["precuneus"]
    assert measured.centiloid is not None
    assert measured.centiloid.value == pytest.approx(93.7 * 2.5 - 94.6)
    assert {m.region: m.flags for m in measured.table()}["pons"] == ()
    over_pons = brain_uptake(Image(values, whole, "Bq/ml"), [labels()], "pons")
    assert over_pons.suvr("right precuneus") == pytest.approx(2.0)


def higher(by_mm: float) -> Mask:
    return Mask(labels().values, Grid.volume((8, 8, 8), scaling((2.0, 2.0, 2.0), (-7.0, -7.0, by_mm)), "1.2"), NAMES)


def test_regions_that_the_image_lacks_are_left_out_and_said_to_be_cut():
    assert "left precuneus" not in region_means(picture(), higher(8.0))
    cut = brain_uptake(picture(), [higher(2.0)])
    assert cut.regions["left precuneus"].outside == pytest.approx(0.25)
    flags = {m.region: m.flags for m in cut.table()}
    assert flags["left precuneus"] == ("truncated field of view",)
    assert flags["pons"] == ()


def test_what_does_not_fit_is_refused():
    elsewhere = Mask(labels().values, Grid.volume((8, 8, 8), FINE.affine_mm, "9.9"), NAMES)
    with pytest.raises(PhotopeakError, match="different frames"):
        brain_uptake(picture(), [elsewhere])
    with pytest.raises(PhotopeakError, match="no region is called vermis"):
        brain_uptake(picture(), [labels()], "vermis")
    with pytest.raises(PhotopeakError, match="no Centiloid of pib relative to pons"):
        brain_uptake(picture(), [labels()], "pons", "pib")
    with pytest.raises(PhotopeakError, match="no Centiloid of fdg"):
        brain_uptake(picture(), [labels()], "cerebellum", "fdg")
    with pytest.raises(PhotopeakError, match="mean of 0"):
        brain_uptake(picture(below=0.0), [labels()])
