"""Therapy with Lu-177: doses that were drawn are laid, on every day the same people, a camera's counts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from photopeak.core import Image, Mask, PhotopeakError, scaling
from photopeak.patients.protocol import Case, Streams
from photopeak.patients.therapy import Lu177Therapy, Treated, Truth, truth_of
from photopeak.patients.therapy_body import ORGANS, laid, of_organ
from photopeak.patients.therapy_kinetics import LEVELS, draw_curves, draw_tumour_curves
from photopeak.physics.electrons import electron_kev
from photopeak.physics.point_kernels import MGY_PER_KEV_G

pytestmark = pytest.mark.timeout(400)
PROTOCOL = Lu177Therapy(hours=96.0, views=2, matrix=64, seconds=300.0)
LOCAL = 1e-3 * MGY_PER_KEV_G * electron_kev("Lu-177")  # Gy ml per decay in 1 g


@pytest.fixture(scope="module")
def treated() -> Treated:
    return PROTOCOL.treated(PROTOCOL.plans(1, 3)[0], Streams(3, 0))


@pytest.fixture(scope="module")
def truth(treated: Treated) -> Truth:
    return truth_of(treated, 1, photons=20_000)


@pytest.fixture(scope="module")
def case(treated: Treated, truth: Truth) -> Case:
    return PROTOCOL.scanned(treated, truth, Streams(3, 0))


@pytest.mark.parametrize("agent", ["dotatate", "psma"])
def test_curves_give_the_doses_of_the_literature(agent):
    drawn = [draw_curves(agent, np.random.default_rng(k)) for k in range(60)]
    for name, level in LEVELS[agent].items():
        if name == "tumour":
            continue
        gy = [c[name].integral_s * LOCAL * 1000.0 for c in drawn]  # of 1 MBq/ml an hour and so on: for each GBq
        assert np.median(gy) == pytest.approx(level.gy_per_gbq, rel=0.15)
        assert np.median([c[name].half_life_h for c in drawn]) == pytest.approx(level.half_life_h, rel=0.1)


def test_tumours_rise_before_they_fall_and_resemble_each_other():
    curves = draw_tumour_curves("dotatate", 4, np.random.default_rng(5))
    one = curves[0]
    hours = np.linspace(0.01, 200.0, 400)
    values = np.array([one.at(float(h)) for h in hours])
    assert 5.0 < hours[values.argmax()] < 40.0
    by_steps = float(np.trapezoid([one.at(float(h)) for h in np.linspace(0, 2000, 4_001)], dx=1800.0))
    assert one.integral_s == pytest.approx(by_steps, rel=1e-3)
    lives = [math.log(c.half_life_h) for c in curves]
    assert np.std(lives) < LEVELS["dotatate"]["tumour"].half_life_sd


def test_regions_receive_what_their_curves_say(treated, truth):
    for name in ("left kidney", "liver", "spleen"):
        region = truth.regions[name]
        local = treated.curve(name).integral_s * treated.mbq * LOCAL / (region["mass_g"] / region["volume_ml"])
        patch = float(treated.field.cut(treated.laid.patch)[treated.field.cut(of_organ(treated.laid, name))].mean())
        # Photons add a few per cent; the rim of a kidney sends electrons out.
        assert 0.97 * patch < region["dose_gy"] / local < 1.25 * patch
    tumours = [r for n, r in truth.regions.items() if n.startswith("tumour")]
    assert tumours
    assert max(r["dose_gy"] for r in tumours) > truth.regions["liver"]["dose_gy"]


def test_energy_of_the_dose_is_that_of_the_decays(treated, truth):
    voxel_ml = (PROTOCOL.matrix and 9.6 / 20.0) ** 3
    decays = float(truth.integral.sum(dtype=np.float64)) * voxel_ml
    density = treated.mu > 0.1
    absorbed = float(truth.dose[density].sum(dtype=np.float64)) * voxel_ml  # in Gy·ml, of about 1 g each
    assert decays * LOCAL < absorbed < 1.35 * decays * LOCAL


@pytest.mark.parametrize(("agent", "sites"), [("dotatate", {"liver", "node"}), ("psma", {"L", "T", "node"})])
def test_where_tumours_of_each_disease_lie(treated, agent, sites):
    inside = laid(treated.laid.body, agent, np.random.default_rng(4))
    assert {t.site.split(" ")[0].rstrip("0123456789") for t in inside.tumours} <= sites
    assert len(inside.tumours) >= 2
    assert float(inside.share.max()) > 0.9
    held = {ORGANS[k] for k in np.unique(inside.organ)}
    assert {"liver", "spleen", "bowel", "marrow", "left kidney"} <= held


def test_activity_falls_as_the_curves_do(treated):
    early, late = (treated.activity(h) for h in (24.0, 96.0))
    where = treated.field.cut(of_organ(treated.laid, "spleen"))
    spleen = treated.curve("spleen")
    assert float(late[where].sum() / early[where].sum()) == pytest.approx(spleen.at(96.0) / spleen.at(24.0), rel=1e-4)


def test_what_the_camera_counts(case):
    counts = case.study["counts"]
    assert isinstance(counts, Image)
    rates = counts.values.sum((2, 3)) / 300.0  # of one head
    peak, lower, upper = rates.mean(1)
    assert 300 < peak < 6000  # counts a second of a body under therapy, four days on
    assert 0.02 < upper / lower < 1 or upper < lower
    assert 0.05 < lower * 41.7 / 12.5 / 2.0 / peak < 0.6  # the triangle under the window
    assert case.study.acquisition.energy_windows[0].ranges_kev == ((187.5, 229.2),)


def test_the_truth_lies_on_the_cameras_voxels(case):
    regions, lesions, dose = (case.study[f"truth/{n}"] for n in ("regions", "lesions", "dose"))
    assert isinstance(regions, Mask)
    assert isinstance(lesions, Mask)
    assert isinstance(dose, Image)
    assert regions.grid == lesions.grid == dose.grid
    assert {"left kidney", "right kidney", "liver", "spleen", "marrow"} <= set(regions.names.values())
    told = case.documents["truth.json"]["regions"]  # type: ignore[index,call-overload]
    liver = float(dose.values[regions.of("liver")].mean())
    assert liver == pytest.approx(told["liver"]["dose_gy"], rel=0.15)
    ml = float(regions.of("spleen").sum()) * 9.6**3 / 1000.0
    assert ml == pytest.approx(told["spleen"]["volume_ml"], rel=0.15)
    assert scaling((9.6,) * 3)[0][0] == regions.grid.spacing_mm["x"]


def test_settings_that_make_no_therapy_are_refused():
    with pytest.raises(PhotopeakError, match="hours"):
        Lu177Therapy(hours=0.0)
    with pytest.raises(PhotopeakError, match="views"):
        Lu177Therapy(views=0).treated(Lu177Therapy().plans(1, 1)[0], Streams(1, 0))
