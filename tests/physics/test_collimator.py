"""Collimators against the published table: a + b z, sensitivity, septal penetration."""

import pytest

from photopeak.core import PhotopeakError
from photopeak.physics.collimator import COLLIMATORS, collimator
from photopeak.physics.planar import PlanarCamera

#: a, b, system FWHM at 0, 5, 10, 20 cm (mm), sensitivity to total absorption (cps/MBq, energy)
TABLE = {
    "Siemens LEHR": (1.41, 0.0476, (4.1, 5.4, 7.3, 11.6), 97),
    "Siemens LEAP": (1.85, 0.0622, (4.2, 6.2, 8.9, 14.8), 168),
    "Siemens MELP": (3.43, 0.0760, (5.1, 8.2, 11.7, 19.0), None),
    "Siemens HE": (4.48, 0.0751, (5.9, 9.1, 12.6, 19.9), None),
    "GE LEHR": (1.78, 0.0438, (4.2, 5.5, 7.2, 11.2), 84),
    "GE LEGP": (2.25, 0.0555, (4.4, 6.3, 8.7, 13.9), 142),
    "GE ELEGP": (2.91, 0.0637, (4.8, 7.2, 10.0, 16.1), 170),
    "GE MEGP": (3.34, 0.0535, (5.1, 7.1, 9.5, 14.6), None),
    "GE HEGP": (4.43, 0.0671, (5.8, 8.7, 11.8, 18.3), None),
    "Philips LEHR": (1.52, 0.0465, (4.1, 5.4, 7.2, 11.5), 96),
}


@pytest.mark.parametrize("name", TABLE)
def test_resolution_and_sensitivity_follow_from_the_holes(name):
    a, b, system, sensitivity = TABLE[name]
    c = collimator(name)
    assert c.fwhm_mm(0.0) == pytest.approx(a, abs=0.006)
    assert c.fwhm_mm(1.0) - c.fwhm_mm(0.0) == pytest.approx(b, abs=6e-5)
    camera = PlanarCamera(collimator=c)
    assert [camera.fwhm_mm(z) for z in (0.0, 50.0, 100.0, 200.0)] == pytest.approx(system, abs=0.06)
    if sensitivity is not None:
        total = 1e6 * 0.891 * c.geometric_efficiency * camera.crystal.stopped(140.5)
        assert total == pytest.approx(sensitivity, rel=0.015)


def test_every_collimator_is_in_the_table():
    assert set(TABLE) == set(COLLIMATORS)


@pytest.mark.parametrize(("name", "share"), [("Siemens LEHR", 0.013), ("GE LEHR", 0.003), ("Siemens HE", 0.024)])
def test_septal_penetration(name, share):
    assert collimator(name).septal_penetration == pytest.approx(share, abs=6e-4)


def test_an_unknown_collimator_is_refused():
    with pytest.raises(PhotopeakError, match=r"LEHR.*Remedy.*Siemens LEHR"):
        collimator("LEHR")
