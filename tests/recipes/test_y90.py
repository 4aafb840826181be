"""Radioembolisation: spheres where they should lie, dose by the law of decay, and again from the noisy image."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image as Picture

from photopeak.cli import root
from photopeak.core import Mask, PhotopeakError, Study
from photopeak.dicom import read
from photopeak.dicom.validate import errors_of
from photopeak.patients.commands import draw_sheet, simulate_cohort
from photopeak.patients.protocol import Clinic
from photopeak.patients.radioembolisation import TARGETS, draw_plan
from photopeak.recipes.pet_beds import F18, Beds, gain
from photopeak.recipes.y90 import Radioembolisation
from tests.patients.spect_cohorts import image, only

pytestmark = pytest.mark.timeout(400)
GY_KG_PER_GBQ = 49.67
"""T½/ln 2 · 0.933 MeV of a kilogram that keeps every electron."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("spheres")
    simulate_cohort(Clinic(Radioembolisation("right lobe=1"), 1, 5), out, quiet=True)
    return out / "y90-5-00000"


@pytest.fixture(scope="module")
def study(folder) -> Study:
    return only(folder.parent)


def test_the_contact_sheet_shows_tumours_in_the_liver(folder) -> None:
    grey = np.asarray(Picture.open(draw_sheet(folder.parent)))
    assert 0.001 < (grey < 30).mean() < 0.05  # tumours are black
    assert (grey[20:] > 225).mean() > 0.5  # and the body around the liver is not


@pytest.fixture(scope="module")
def told(folder) -> dict:
    return json.loads((folder / "truth.json").read_text())


@pytest.fixture(scope="module")
def dosed(folder, tmp_path_factory) -> dict:
    out = tmp_path_factory.mktemp("dose")
    options = ["--regions", str(folder / "volumes.safetensors"), "--fit", "decay", "--voxels", "decay"]
    paths = [str(folder / "pet"), str(folder / "ct")]
    done = CliRunner().invoke(root, ["dose", *paths, *options, "--out", str(out)])
    assert done.exit_code == 0, done.output
    return {r["region"]: r for r in json.loads((out / "dose.json").read_text())["regions"]}


def test_every_sphere_is_somewhere_and_decays_there(told):
    parts = told["regions"]
    given = told["mbq"] * 64.05 / np.log(2.0)
    total = sum(r["tia_mbq_h"] for r in parts.values())
    assert total == pytest.approx(given, rel=0.01)  # edges of tumours reach a little into the spared liver
    lungs = sum(parts[f"{side} lung"]["tia_mbq_h"] for side in ("left", "right"))
    assert lungs / given == pytest.approx(told["shunt"], rel=1e-3)
    assert parts["spared liver"]["dose_gy"] < 0.1 * parts["treated liver"]["dose_gy"]
    lungs_gy = parts["left lung"]["dose_gy"]
    assert 0.8 < lungs_gy * parts["left lung"]["mass_g"] / (parts["left lung"]["tia_mbq_h"] * _gy_g_per_mbq_h()) < 1.1


def test_dose_is_energy_over_mass(told):
    """In what is large, all but the rim keeps its electrons; neighbours of tumours gain what those lose."""
    parts = told["regions"]
    liver = [r for n, r in parts.items() if "lung" not in n]
    mean = sum(r["dose_gy"] * r["mass_g"] for r in liver)
    made = sum(r["tia_mbq_h"] for r in liver) * _gy_g_per_mbq_h()
    assert 0.9 < mean / made < 1.0
    for name, r in parts.items():
        if name.startswith("tumour"):
            own = r["tia_mbq_h"] * _gy_g_per_mbq_h() / r["mass_g"]
            assert 0.7 * own < r["dose_gy"] < 1.02 * own


def _gy_g_per_mbq_h() -> float:
    return GY_KG_PER_GBQ / (64.05 / np.log(2.0))


def test_the_image_shows_tumours_in_the_treated_lobe(study, told):
    seen, laid = (np.asarray(image(study, n).values) for n in ("activity", "truth/activity"))
    regions, lesions = study["truth/regions"], study["truth/lesions"]
    assert isinstance(regions, Mask)
    assert isinstance(lesions, Mask)
    treated, spared = regions.of("treated liver"), regions.of("spared liver")
    assert seen[treated].mean() / laid[treated].mean() == pytest.approx(0.92, abs=0.1)
    assert seen[spared].mean() < 0.25 * seen[treated].mean()
    for name in lesions.names.values():
        where = lesions.of(name)
        if told["regions"][name]["volume_ml"] > 20.0:
            assert seen[where].mean() / laid[where].mean() == pytest.approx(0.9, abs=0.15)
    assert seen[treated].std() > 0.2 * seen[treated].mean()  # few counts


def test_the_dose_command_finds_the_dose_from_one_scan(told, dosed):
    for name, r in told["regions"].items():
        if "lung" in name or name == "spared liver" or r["volume_ml"] < 20.0:
            continue
        assert dosed[name]["mean_gy"] == pytest.approx(r["dose_gy"], rel=0.15)
        assert dosed[name]["half_life_h"] == pytest.approx(64.05)
    assert dosed["treated liver"]["volume_ml"] == pytest.approx(told["regions"]["treated liver"]["volume_ml"], rel=0.01)


def test_files_are_what_the_standard_says(folder, dciodvfy):
    for part in ("pet", "ct"):
        assert errors_of(dciodvfy, str(sorted((folder / part).iterdir())[9])) == []
    (pet,) = read(folder / "pet")
    (tracer,) = pet.acquisition.radiopharmaceuticals
    assert (tracer.nuclide, tracer.activity_mbq) == ("Y-90", 2000.0)


def test_positrons_and_randoms_are_those_of_yttrium():
    beds = Beds(40, 600.0, "Y-90", 6.0)
    assert beds.counts_per_bq_ml_mm() / gain() == pytest.approx(3.19e-5 / F18.positrons)
    assert beds.decay_factors() == pytest.approx(1.0, abs=0.003)


def test_plans_follow_the_mix_and_depend_on_their_index_alone():
    shares = {"right lobe": 0.5, "left lobe": 0.2, "whole liver": 0.3}
    plans = [draw_plan(7, i, shares) for i in range(150)]
    for target in TARGETS:
        assert np.mean([p.target == target for p in plans]) == pytest.approx(shares[target], abs=0.12)
    ratios = [times for p in plans for _, times in p.tumours]
    assert np.mean(ratios) == pytest.approx(3.6, abs=0.3)
    assert all(0.0 < p.shunt <= 0.18 for p in plans)
    assert draw_plan(7, 3, shares) == plans[3]


def test_settings_that_make_no_scan_are_refused():
    for wrong in ({"mbq": 0.0}, {"hours": -1.0}, {"seconds": 0.0}):
        with pytest.raises(PhotopeakError, match="above 0"):
            Radioembolisation(**wrong)
