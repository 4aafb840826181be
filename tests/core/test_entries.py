"""Entries: read-only, with units, picklable."""

import pickle

import numpy as np
import pytest

from photopeak.core import Grid, Image, Mask, Measurement, PhotopeakError, Text, UnitError, unit_of

GRID = Grid.planar(("anterior",), (2, 3), (2.0, 2.0))
VALUES = np.arange(6.0).reshape(1, 2, 3)


def test_image_is_read_only_also_after_pickling() -> None:
    image = Image(VALUES, GRID, "{counts}", sd=np.sqrt(VALUES))
    for one in (image, pickle.loads(pickle.dumps(image))):
        np.testing.assert_array_equal(one.values, VALUES)
        with pytest.raises(ValueError, match="read-only"):
            one.values[0, 0, 0] = 1
        with pytest.raises(ValueError, match="read-only"):
            one.sd[0, 0, 0] = 1


def test_conversion_scales_values_and_their_spread() -> None:
    image = Image(VALUES, GRID, "kBq/ml", sd=0.1 * VALUES).to("Bq/ml")
    np.testing.assert_allclose(image.values, 1000 * VALUES)
    np.testing.assert_allclose(image.sd, 100 * VALUES)
    number = Measurement(2.0, "h", sd=0.5, region="liver", flags=("extrapolated tail",)).to("min")
    assert (number.value, number.sd, number.unit) == (120.0, 30.0, "min")
    assert (number.region, number.flags) == ("liver", ("extrapolated tail",))


def test_a_wrong_unit_or_shape_is_refused() -> None:
    with pytest.raises(UnitError):
        Image(VALUES, GRID, "becquerel")
    with pytest.raises(UnitError):
        Measurement(1.0, "MBq").to("keV")
    with pytest.raises(PhotopeakError, match="shape"):
        Image(VALUES[0], GRID, "{counts}")
    with pytest.raises(PhotopeakError, match="shape"):
        Image(VALUES, GRID, "{counts}", sd=VALUES[0])


def test_mask_names_its_numbers() -> None:
    numbers = np.array([[[0, 1, 1], [2, 3, 0]]], dtype=np.uint8)
    mask = Mask(numbers, GRID, {1: "rib", 2: "femur", 3: "rib"})
    np.testing.assert_array_equal(mask.of("rib"), np.isin(numbers, [1, 3]))
    with pytest.raises(PhotopeakError, match="It names: rib, femur"):
        mask.of("skull")
    again = pickle.loads(pickle.dumps(mask))
    assert dict(again.names) == dict(mask.names)
    assert not again.values.flags.writeable


@pytest.mark.parametrize(("values", "names"), [(VALUES, {1: "rib"}), (VALUES.astype(int), {0: "nothing"})])
def test_a_mask_holds_whole_numbers_and_zero_has_no_name(values, names) -> None:
    with pytest.raises(PhotopeakError):
        Mask(values, GRID, names)


def test_unit_of_every_entry() -> None:
    assert unit_of(Image(VALUES, GRID, "{counts}")) == "{counts}"
    assert unit_of(Text("No metastases.")) == "{text}"
    rows = (Measurement(1.0, "1"), Measurement(2.0, "1"))
    assert unit_of(rows) == "1"
    assert unit_of((*rows, Measurement(1.0, "%"))) == ""
