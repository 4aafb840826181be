"""FDG of the body: tissues shine as they do, stages are what their lesions say, the image is the activity."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from photopeak.core import Mask, PhotopeakError, Study
from photopeak.core.step import run
from photopeak.dicom import read
from photopeak.dicom.validate import errors_of
from photopeak.patients.fdg_lesions import Tumour, truth_of
from photopeak.patients.lung_cancer import CLASSES, TUMOUR, CancerPlan, plan, stage_of
from photopeak.patients.protocol import Streams
from photopeak.quantify.suv import SuvBw
from photopeak.recipes.fdg_body import FdgBody, Scene
from photopeak.recipes.pet_beds import F18, VOXEL_MM, Beds, scanned
from tests.patients.spect_cohorts import image, only, simulated

ML = VOXEL_MM**3 / 1000.0


@pytest.fixture(scope="module")
def scene() -> Scene:
    """A man with a tumour, nodes and metastases, before the scanner."""
    ill = CancerPlan(0, "M", 66.0, "metastatic", "T2a", "N2", "M1c", "right")
    return FdgBody().scene(ill, Streams(5, 0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fdg")
    return simulated(out / "clinic", "fdg-body", "--reach", "chest", "--mix", "nodal=1")


def mean_suv(scene: Scene, name: str) -> float:
    return float(scene.body.uptake[scene.body.label == scene.body.names.index(name)].mean(dtype=np.float64))


def test_stages_are_those_of_the_eighth_edition():
    table = {
        "IA1": "T1a N0", "IA2": "T1b N0", "IA3": "T1c N0", "IB": "T2a N0", "IIA": "T2b N0",
        "IIB": "T1a N1,T2b N1,T3 N0", "IIIA": "T4 N0,T3 N1,T4 N1,T1c N2,T2b N2", "IIIB": "T3 N2,T4 N2,T1b N3,T2a N3",
        "IIIC": "T3 N3,T4 N3",
    }  # fmt: skip
    for stage, members in table.items():
        for one in members.split(","):
            assert stage_of(*one.split(), "M0") == stage
    assert [stage_of("T1a", "N0", m) for m in ("M1a", "M1b", "M1c")] == ["IVA", "IVA", "IVB"]


def test_plans_follow_the_mix_and_depend_on_their_index_alone():
    weights = {"normal": 0.4, "local": 0.2, "nodal": 0.2, "metastatic": 0.2}
    plans = [plan(i, 7, weights) for i in range(150)]
    share = {c: np.mean([p.label == c for p in plans]) for c in CLASSES}
    assert share == pytest.approx(weights, abs=0.1)
    for one in plans:
        assert (one.t == "") == (one.label == "normal")
        assert (one.m != "M0") == (one.label == "metastatic")
        assert one.n == "N0" or one.label in ("nodal", "metastatic")
    assert FdgBody().plans(3, 7)[2] == FdgBody().plans(9, 7)[2]


def test_tissues_shine_as_they_do_in_people(scene):
    assert 1.6 < mean_suv(scene, "liver") < 2.8
    assert 1.2 < mean_suv(scene, "blood pool") < 2.2
    assert 0.35 < mean_suv(scene, "left lung") < 0.75
    assert 0.3 < mean_suv(scene, "soft tissue") < 0.9
    assert mean_suv(scene, "brain") > 2.5 * mean_suv(scene, "liver")
    assert mean_suv(scene, "bladder") > 4.0
    assert mean_suv(scene, "L3") > mean_suv(scene, "left femur")
    held = float(scene.body.uptake.sum(dtype=np.float64)) * ML / 1000.0 / scene.body.person.weight_kg
    assert 0.6 < held < 1.1  # of what was given, decay aside: the rest is not urine yet


def test_lesions_are_where_the_stage_says(scene):
    (primary,) = [t for t in scene.tumours if t.kind == "primary"]
    low, high, _ = TUMOUR["T2a"]
    assert low <= primary.diameter_mm <= high
    assert primary.site.startswith("right")
    nodes = [t.site for t in scene.tumours if t.kind == "node"]
    assert nodes
    assert not [n for n in nodes if n.startswith("left") or "supraclavicular" in n]
    assert sum(t.kind == "metastasis" for t in scene.tumours) >= 3
    z, y, x = ((primary.centre_mm[k] - scene.body.origin_mm[k]) / VOXEL_MM for k in (2, 1, 0))
    assert scene.body.mu_per_cm[round(z), round(y), round(x)] > 0.09  # a mass in the lung attenuates
    assert len(scene.lesions) == len(scene.tumours)


def test_the_truth_of_a_lesion_is_its_own_arithmetic(scene):
    for one, truth in scene.lesions:
        assert truth.suv_mean <= truth.suv_max
        assert truth.mtv_ml <= truth.volume_ml + 2.0
        assert truth.tlg_g <= truth.mtv_ml * truth.suv_max + 1e-6
        assert truth.volume_ml < 1.4 * np.pi / 6.0 * (one.diameter_mm / 10.0) ** 3
    suv = np.full((20, 20, 20), 0.5, np.float32)
    share = np.zeros((9, 9, 9), np.float32)
    share[1:8, 1:8, 1:8] = 1.0
    suv[5:14, 5:14, 5:14] += share * 4.5
    truth = truth_of(suv, Tumour(1, "node", "hilar", 28.0, (0.0, 0.0, 0.0), (5, 5, 5), share), VOXEL_MM)
    assert (truth.suv_max, truth.suv_mean) == (5.0, 5.0)
    assert truth.suv_peak == pytest.approx(5.0, rel=1e-6)
    assert truth.volume_ml == truth.mtv_ml == pytest.approx(343 * ML)
    assert truth.tlg_g == pytest.approx(5.0 * 343 * ML)


def test_beds_cover_the_body_and_decay_from_one_to_the_next():
    beds = Beds(240, 120.0)
    total = beds.sensitivity().sum(0)
    assert total.max() <= 1.0 + 1e-9
    assert total[30:-30].min() > 0.5
    assert total[0] == pytest.approx(0.4, abs=0.01)  # fewer lines meet where the scan ends
    late = beds.sensitivity()[-1].argmax()
    assert beds.decay_factors()[late] == pytest.approx(2.0 ** ((beds.duration_s - 60.0) / F18.half_life_s), rel=1e-3)
    assert beds.begins_s()[0] == 0.0
    assert beds.begins_s()[-1] == beds.duration_s - 120.0


def test_the_image_is_the_activity_and_noise_is_its_counts():
    z, y, x = np.meshgrid(np.arange(8), np.arange(64) - 31.5, np.arange(64) - 31.5, indexing="ij")
    inside = (y**2 + x**2 < 25.0**2) & (z >= 0)
    deep = (y**2 + x**2 < 18.0**2) & (z >= 0)
    seen = []
    for seconds in (400.0, 100.0):
        scan = scanned(
            5000.0 * inside.astype(np.float32), 0.096 * inside.astype(np.float32), Beds(8, seconds),
            np.random.default_rng(1),
        )  # fmt: skip
        seen.append(scan.image[deep])
        assert scan.counts.shape == scan.sinogram.shape
    assert seen[0].mean() == pytest.approx(5000.0, rel=0.02)
    assert seen[1].mean() == pytest.approx(5000.0, rel=0.02)
    assert seen[1].std() / seen[0].std() == pytest.approx(2.0, rel=0.15)


def test_a_ct_after_a_breath_in_makes_the_dome_cold():
    """A block of lung over a block of liver, of which the CT has less."""
    label = np.zeros((8, 64, 64), bool)
    body = np.hypot(*np.meshgrid(np.arange(64) - 31.5, np.arange(64) - 31.5, indexing="ij")) < 25.0
    label[:5] = body
    activity = np.where(label, 5000.0, np.where(body, 1000.0, 0.0)).astype(np.float32)
    mu = np.where(label, 0.096, np.where(body, 0.03, 0.0)).astype(np.float32)
    inspired = mu.copy()
    inspired[3:5] = np.where(body, 0.03, 0.0)
    seen = [
        scanned(activity, mu, Beds(8, 300.0), np.random.default_rng(1), ct).image[3][body].mean()
        for ct in (mu, inspired)
    ]
    assert seen[0] == pytest.approx(4800.0, rel=0.1)
    assert seen[1] < 0.5 * seen[0]


def test_a_patient_on_disk_has_the_true_liver(folder):
    study = only(folder)
    suv = np.asarray(image(run(SuvBw(), study), "suv/bw").values)
    told = json.loads(next(folder.glob("*/truth.json")).read_text())
    regions = study["truth/regions"]
    assert isinstance(regions, Mask)
    from scipy.ndimage import binary_erosion

    liver = binary_erosion(regions.of("liver"), iterations=3)
    true = float(image(study, "truth/activity").values[liver].mean()) / told["bq_ml_per_suv"]
    assert 1.5 < true < 2.9
    assert float(suv[liver].mean()) == pytest.approx(true, rel=0.05)
    assert 0.04 < float(suv[liver].std()) / true < 0.25
    lesions = study["truth/lesions"]
    assert isinstance(lesions, Mask)
    for one in told["lesions"]:
        hottest = float(suv[lesions.values == one["id"]].max())
        assert 0.3 * one["suv_max"] < hottest < 1.8 * one["suv_max"]
    assert told["n"] in ("N1", "N2", "N3")


def test_files_pass_the_validator(folder, dciodvfy):
    (patient,) = folder.glob("fdg-body-*")
    for part in ("pet", "ct"):
        assert errors_of(dciodvfy, str(sorted((patient / part).iterdir())[3])) == []


def test_files_say_what_was_given(folder):
    (patient,) = folder.glob("fdg-body-*")
    (pet,) = read(patient / "pet")
    assert isinstance(pet, Study)
    a, told = pet.acquisition, json.loads((patient / "truth.json").read_text())
    (tracer,) = a.radiopharmaceuticals
    assert tracer.nuclide == "F-18"
    assert tracer.activity_mbq == pytest.approx(told["mbq"])
    assert (a.started_at - tracer.administered_at).total_seconds() == told["waited_s"]
    assert pet.patient.weight_kg is not None
    (ct,) = read(patient / "ct")
    assert image(ct, "ct").grid.frame == image(pet, "activity").grid.frame


def test_the_sheet_shows_it_as_a_reader_sees_it(folder):
    with Picture.open(folder / "contact-sheet.png") as sheet:
        grey = np.asarray(sheet)
    assert grey.min() == 0  # the heart, or a tumour, beyond the window
    assert 0.3 < float((grey > 240).mean()) < 0.98  # inverted: what takes up is dark, air is white


def test_the_report_says_the_stage(folder):
    told = json.loads(next(folder.glob("*/truth.json")).read_text())
    text = next(folder.glob("*/report.txt")).read_text()
    assert f"{told['t']} {told['n']} {told['m']}, stage {told['stage']}" in text
    assert text.startswith("FDG PET/CT")


def test_settings_that_make_no_scan_are_refused():
    with pytest.raises(PhotopeakError, match="above 0"):
        FdgBody(mbq_per_kg=0.0)
    with pytest.raises(PhotopeakError, match="breath_mm"):
        FdgBody(breath_mm=-1.0)
    with pytest.raises(PhotopeakError, match="no scan"):
        Beds(0, 120.0)
    with pytest.raises(PhotopeakError, match="normal, local, nodal, metastatic"):
        FdgBody(mix="benign=1").plans(1, 7)
