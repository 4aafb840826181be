"""Dose of regions from serial images: by hand where that can be done, and refused where facts are missing."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math

import numpy as np
import pytest

from photopeak.core import Acquisition, Axis, Grid, Image, Patient, PhotopeakError, Radiopharmaceutical, Study, scaling
from photopeak.core.step import run
from photopeak.physics.electrons import electron_kev
from photopeak.physics.internal_dose import density_of, sphere_s
from photopeak.physics.materials import mu_per_cm
from photopeak.physics.point_kernels import MGY_PER_KEV_G
from photopeak.quantify.absorbed_dose import AbsorbedDose, line_kev, patient_of, serial
from photopeak.quantify.region_dose import Uncertain, effective, histogram, received, region_doses

NOON = dt.datetime(2026, 3, 1, 12, 0)
HOURS, HALF_LIFE_H, EDGE_MM, N = (24.0, 72.0, 144.0), 60.0, 5.0, 16
GRID = Grid.volume((N, N, N), scaling((EDGE_MM,) * 3), "1.2.3")
BALL = sum((np.indices((N, N, N))[k] - 7.5) ** 2 for k in range(3)) < 5.0**2
START_BQ_ML = 4e6


def study(**changes: object) -> Study:
    """A ball of water that holds Lu-177, in water that holds none."""
    level = [START_BQ_ML * 2.0 ** (-h / HALF_LIFE_H) for h in HOURS]
    axis = Axis("time", 3, values=tuple(3600.0 * (h - HOURS[0]) for h in HOURS), unit="s")
    values = np.stack([np.where(BALL, v, 0.0).astype(np.float32) for v in level])
    acquisition = Acquisition(
        modality="NM",
        started_at=NOON + dt.timedelta(hours=HOURS[0]),
        radiopharmaceuticals=(Radiopharmaceutical("DOTATATE", "Lu-177", 7400.0, NOON, 574068.0),),
    )
    entries = {
        "activity": Image(values, Grid((axis, *GRID.axes), GRID.affine_mm, GRID.frame), "Bq/ml"),
        "mu": Image(np.full(GRID.shape, mu_per_cm("water", line_kev("Lu-177")), np.float32), GRID, "1/cm"),
    }
    return Study(entries, Patient("P"), dataclasses.replace(acquisition, **changes))  # type: ignore[arg-type]


DECAYS_PER_ML = START_BQ_ML * HALF_LIFE_H * 3600.0 / math.log(2.0)
LOCAL_GY = 1e-3 * MGY_PER_KEV_G * DECAYS_PER_ML * electron_kev("Lu-177")


def test_local_deposit_is_the_energy_of_its_electrons():
    done = run(AbsorbedDose("local"), study())
    tia, gy = done["tia"], done["dose"]
    assert isinstance(tia, Image)
    assert isinstance(gy, Image)
    assert np.asarray(tia.values)[BALL] == pytest.approx(DECAYS_PER_ML, rel=1e-4)
    assert np.asarray(gy.values)[BALL] == pytest.approx(LOCAL_GY, rel=1e-4)
    assert not gy.values[~BALL].any()


def test_kernel_and_transport_agree_in_water_and_add_the_photons():
    by_kernel, followed = (run(AbsorbedDose(m, photons=80_000), study())["dose"] for m in ("kernel", "transport"))
    assert isinstance(by_kernel, Image)
    assert isinstance(followed, Image)
    inner, outer = (float(np.mean(v.values[BALL])) for v in (by_kernel, followed))
    assert inner == pytest.approx(outer, rel=0.015)
    assert 0.95 * LOCAL_GY < inner < 1.06 * LOCAL_GY
    assert followed.sd is not None
    assert 0 < float(followed.sd[BALL].mean()) < 0.02 * outer


def regions_of(method: str = "kernel") -> list:
    one = study()
    series = serial(one)
    gy = run(AbsorbedDose(method), one)["dose"]  # type: ignore[arg-type]
    assert isinstance(gy, Image)
    maps = np.asarray(gy.values), np.zeros(GRID.shape, np.float32), density_of(patient_of(one, series, 1.04))
    return region_doses(series, maps, {"left kidney": BALL, "dot": np.zeros(GRID.shape, bool)}, "mono", Uncertain(0.05))


def test_a_region_is_told_by_its_map_and_by_its_own_s_value():
    (kidney,) = regions_of()  # what holds no voxel has no dose
    grams = float(BALL.sum()) * (EDGE_MM / 10.0) ** 3
    assert kidney.mass_g == pytest.approx(grams, rel=1e-3)
    assert kidney.curve.half_life_s == pytest.approx(HALF_LIFE_H * 3600.0, rel=1e-4)
    assert kidney.by_s == pytest.approx(DECAYS_PER_ML * 1e-6 * grams * sphere_s("Lu-177", grams) / 1000.0, rel=1e-3)
    assert kidney.mean == pytest.approx(kidney.by_s, rel=0.03)  # voxels of 5 mm see the rim's loss a little less well
    assert kidney.d2 >= kidney.d50 >= kidney.mean * 0.9
    assert kidney.bed == pytest.approx(effective(kidney.mean, HALF_LIFE_H))
    assert kidney.sd == pytest.approx(kidney.mean * kidney.curve.sd / kidney.curve.integral)


def test_a_histogram_falls_from_all_to_little():
    doses = np.random.default_rng(1).gamma(4.0, 2.0, 500)
    at, percent = histogram(doses)
    assert percent[0] == 100.0
    assert (np.diff(percent) <= 0).all()
    assert 0 < percent[-1] < 1
    assert np.interp(received(doses, 50.0), at, percent) == pytest.approx(50.0, abs=1.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"radiopharmaceuticals": ()}, "nuclide"),
        ({"radiopharmaceuticals": (Radiopharmaceutical("DOTATATE", "Lu-177"),)}, "StartDateTime"),
        ({"started_at": NOON - dt.timedelta(hours=1)}, "after the injection"),
    ],
)
def test_missing_facts_are_refused(changes, message):
    with pytest.raises(PhotopeakError, match=message):
        serial(study(**changes))


def test_one_volume_is_no_series():
    one = study()
    alone = Study({"activity": Image(one["activity"].values[0], GRID, "Bq/ml")}, one.patient, one.acquisition)  # type: ignore[union-attr]
    with pytest.raises(PhotopeakError, match="several times"):
        serial(alone)


def test_without_a_ct_one_density_stands_for_all():
    bare = study().only("activity")
    thin, thick = (run(AbsorbedDose("local", density_g_ml=d), bare)["dose"] for d in (1.0, 1.25))
    assert thin.values[BALL] == pytest.approx(1.25 * thick.values[BALL], rel=1e-5)  # type: ignore[union-attr]
