"""Brain PET from person to image: what was laid is found again, in its order, in files that others can read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from photopeak.cli import root
from photopeak.core import Image, Mask, PhotopeakError, Study
from photopeak.core.step import run
from photopeak.dicom import read
from photopeak.dicom.validate import errors_of
from photopeak.patients.protocol import Case, Clinic
from photopeak.quantify.brain_uptake import Uptake, brain_uptake
from photopeak.quantify.suv import SuvBw
from photopeak.recipes.brain_pet import BrainAmyloid, BrainFdg
from tests.patients.spect_cohorts import image, only, simulated

pytestmark = pytest.mark.timeout(400)
SEED = 5
SIDES = ("left", "right")


def case(protocol: BrainFdg | BrainAmyloid) -> Case:
    return Clinic(protocol, 1, SEED).case(0)


def measured(study: Study, tracer: str = "") -> Uptake:
    regions = study["truth/regions"]
    assert isinstance(regions, Mask)
    return brain_uptake(image(study, "activity"), [regions], tracer=tracer)


def of_both(uptake: Uptake, region: str) -> float:
    return float(np.mean([uptake.suvr(f"{side} {region}") for side in SIDES]))


@pytest.fixture(scope="module")
def healthy() -> Case:
    return case(BrainFdg("normal=1", voxel_mm="4.8"))


@pytest.fixture(scope="module")
def ill() -> Case:
    """At half the dose."""
    return case(BrainFdg("ad=1", "moderate", injected_mbq=92.5, voxel_mm="4.8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A positive patient, by command."""
    out = tmp_path_factory.mktemp("amyloid") / "clinic"
    return simulated(out, "brain-amyloid", "--mix", "positive=1", "--voxel-mm", "4.8")


def test_the_image_holds_the_activity_that_was_laid(healthy):
    study = healthy.study
    laid, seen = image(study, "truth/activity"), image(study, "activity")
    assert laid.grid == seen.grid
    regions = study["truth/regions"]
    assert isinstance(regions, Mask)
    brain = np.asarray(laid.values) > 0.25 * laid.values.max()
    assert seen.values[brain].sum() / laid.values[brain].sum() == pytest.approx(0.95, abs=0.05)
    assert np.corrcoef(seen.values.ravel(), laid.values.ravel())[0, 1] > 0.9


def test_coincidences_are_a_scanners(healthy):
    number = healthy.documents["truth.json"]["coincidences"]  # type: ignore[index,call-overload]
    assert 2e7 < number["trues"] < 1e8
    assert 0.15 < number["scattered"] / (number["trues"] + number["scattered"]) < 0.40
    assert 0.01 < number["randoms"] / number["trues"] < 0.4
    counts = image(healthy.study, "counts")
    assert np.issubdtype(counts.values.dtype, np.integer)
    assert counts.values.sum(dtype=np.int64) == pytest.approx(sum(number.values()), rel=0.001)


def test_uptake_is_that_of_brains(healthy):
    suv = run(SuvBw(), healthy.study)["suv/bw"]
    assert isinstance(suv, Image)
    assert 5.0 < np.percentile(suv.values, 99.5) < 20.0


def test_alzheimer_is_seen_where_it_is_and_spares_what_it_spares(healthy, ill):
    one, other = measured(healthy.study), measured(ill.study)
    lost = {r: of_both(other, r) / of_both(one, r) for r in ("parietal cortex", "precuneus", "posterior cingulate")}
    assert max(lost.values()) < 0.85
    for region in ("sensorimotor cortex", "thalamus"):
        assert of_both(other, region) / of_both(one, region) > max(lost.values()) + 0.05
    plan = BrainFdg("ad=1", "moderate").plans(1, SEED)[0]
    assert (other.asymmetry_percent("parietal cortex") < 0) == (plan.worse == "left")


def test_half_the_dose_has_half_the_trues(healthy, ill):
    """Both have the same person's draws, and heads that weaken photons alike."""
    numbers = [c.documents["truth.json"]["coincidences"] for c in (healthy, ill)]  # type: ignore[index,call-overload]
    assert numbers[1]["trues"] == pytest.approx(0.5 * numbers[0]["trues"], rel=0.1)
    assert numbers[1]["randoms"] == pytest.approx(0.25 * numbers[0]["randoms"], rel=0.2)
    given = [c.study.acquisition.radiopharmaceuticals[0].activity_mbq for c in (healthy, ill)]
    assert given == [185.0, 92.5]


def test_files_are_what_the_standard_says_and_read_back(folder, dciodvfy):
    patient = folder / "brain-amyloid-3-00000"
    assert errors_of(dciodvfy, str(patient / "pet" / "00020.dcm")) == []
    assert errors_of(dciodvfy, str(patient / "ct" / "00020.dcm")) == []
    pet, ct = (read(patient / name)[0] for name in ("pet", "ct"))
    assert pet.acquisition.radiopharmaceuticals[0].nuclide == "C-11"
    assert pet["activity"].grid.frame == ct["ct"].grid.frame  # type: ignore[union-attr]
    study = only(folder)
    laid, seen = image(study, "truth/activity").grid, image(study, "activity").grid
    assert np.asarray(seen.affine_mm) == pytest.approx(np.asarray(laid.affine_mm), abs=1e-3)
    assert (folder / "contact-sheet.png").stat().st_size > 2000


def test_the_centiloid_has_the_order_of_the_true_one(folder):
    negative = case(BrainAmyloid("negative=1", voxel_mm="4.8")).study
    positive = only(folder)
    levels = []
    for study in (negative, positive):
        found = measured(study, "pib").centiloid
        assert found is not None
        levels.append((found.value, study["truth/centiloid"].value))  # type: ignore[union-attr]
    (low, true_low), (high, true_high) = levels
    # Coarse voxels blur more than the scale's image: white matter lifts what is low, fluid lowers what is high.
    assert true_low - 5.0 < low < true_low + 25.0 < high
    assert true_high - 30.0 < high < true_high + 10.0


def test_the_command_measures_a_patient(folder, tmp_path):
    patient = folder / "brain-amyloid-3-00000"
    options = ["--regions", str(patient / "volumes.safetensors"), "--centiloid", "pib", "--out", str(tmp_path)]
    done = CliRunner().invoke(root, ["brain-uptake", str(patient / "pet"), *options])
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "brain-uptake.json").read_text())
    said = next(line for line in done.output.splitlines() if line.startswith("Centiloid"))
    assert float(said.split()[1]) == pytest.approx(told["centiloid"], abs=0.6)
    assert told["regions"]["left precuneus"]["suvr"] > told["regions"]["left cerebellar cortex"]["suvr"]
    assert (tmp_path / "brain-uptake.png").stat().st_size > 20_000


def test_no_activity_is_refused():
    for protocol in (BrainFdg, BrainAmyloid):
        with pytest.raises(PhotopeakError, match="injected_mbq"):
            protocol(injected_mbq=-1.0)
