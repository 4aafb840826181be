"""Attenuation against the tabulated values, and CT numbers against known materials."""

import numpy as np
import pytest

from photopeak.core import PhotopeakError
from photopeak.physics.materials import MATERIALS, mu_from_ct, mu_per_cm

ENERGIES_KEV = (113.0, 140.5, 159.0, 208.0, 364.5, 511.0)
#: 1/cm, from xraydb's cross-sections for the same compositions: another library than ours
TABLE = {
    "water": (0.1644, 0.1537, 0.1478, 0.1351, 0.1101, 0.0960),
    "adipose": (0.1549, 0.1453, 0.1399, 0.1282, 0.1047, 0.0913),
    "muscle": (0.1711, 0.1599, 0.1537, 0.1406, 0.1146, 0.0999),
    "lung": (0.0623, 0.0582, 0.0560, 0.0512, 0.0417, 0.0364),
    "mineral bone": (0.3277, 0.2926, 0.2766, 0.2473, 0.1980, 0.1719),
    "spongiosa": (0.1823, 0.1694, 0.1626, 0.1483, 0.1206, 0.1051),
    "skull": (0.1905, 0.1763, 0.1690, 0.1538, 0.1249, 0.1088),
    "sodium iodide": (4.47, 2.62, 1.96, 1.11, 0.476, 0.342),
    "lead": (46.2, 26.9, 19.8, 10.3, 3.12, 1.77),
    "tungsten": (62.6, 35.9, 26.3, 13.7, 4.33, 2.58),
    "LSO": (16.9, 9.80, 7.25, 3.88, 1.36, 0.868),
}


@pytest.mark.parametrize("name", TABLE)
def test_attenuation_agrees_with_another_library(name):
    ours = [mu_per_cm(name, e) for e in ENERGIES_KEV]
    assert ours == pytest.approx(TABLE[name], rel=7e-3)


@pytest.mark.parametrize("name", MATERIALS)
def test_compositions_add_up(name):
    assert sum(p for _, p in MATERIALS[name].percent) == pytest.approx(100.0, abs=0.15)
    assert mu_per_cm(name, 140.5) > mu_per_cm(name, 208.0) > 0


def test_metal_absorbs_more_than_bone_and_bone_more_than_tissue():
    order = ["air", "lung", "adipose", "muscle", "mineral bone", "titanium", "cobalt chrome", "lead"]
    values = [mu_per_cm(name, 140.5) for name in order]
    assert values == sorted(values)


def test_ct_numbers_of_air_water_and_bone():
    mu = mu_from_ct(np.array([-1000.0, -2000.0, 0.0, 1000.0]))
    assert mu[:2] == pytest.approx(0.0)
    assert mu[2] == pytest.approx(mu_per_cm("water", 140.5))
    # The slope above water of a published 130 kVp table is 1.09e-4 per CT number.
    assert (mu[3] - mu[2]) / 1000 == pytest.approx(1.09e-4, rel=0.05)


def test_an_unknown_material_is_refused_with_the_known_ones():
    with pytest.raises(PhotopeakError, match=r"unobtainium.*Remedy.*water"):
        mu_per_cm("unobtainium", 140.5)
