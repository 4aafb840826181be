"""Dynamic brain PET from person to rates: Patlak finds the influx that was laid, files and input read back."""

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
from photopeak.patients.commands import simulate_cohort
from photopeak.patients.glioma import healthy
from photopeak.patients.protocol import Clinic
from photopeak.quantify.brain_uptake import region_means
from photopeak.quantify.graphical import Patlak
from photopeak.recipes.brain_dynamic import BrainFdgDynamic, BrainFet
from tests.patients.spect_cohorts import image, only

pytestmark = pytest.mark.timeout(400)
#: 1500 s before the first frame that is fitted
FRAMES = "1x60,1x1440,3x700"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy person, FDG."""
    out = tmp_path_factory.mktemp("dynamic")
    simulate_cohort(Clinic(BrainFdgDynamic("normal=1", frames=FRAMES, voxel_mm="4.8"), 1, 3), out, quiet=True)
    return out / "brain-fdg-dynamic-3-00000"


@pytest.fixture(scope="module")
def glioma() -> Study:
    """A tumour of high grade in the usual window of FET."""
    return Clinic(BrainFet("high-grade=1", frames="1x1200,1x1200", voxel_mm="4.8"), 1, 5)[0]


def test_patlak_finds_the_influx_that_was_laid(folder):
    study = only(folder.parent)
    found = np.asarray(image(run(Patlak(folder / "input.csv", 25.0), study), "patlak/ki").values)
    true = np.asarray(image(study, "truth/ki").values)
    brain = true > 0.25 * true.max()
    # What is blurred out of the brain's edge is beside it: 5 % of the static image's activity, and noise of few counts.
    assert found[brain].sum() / true[brain].sum() == pytest.approx(0.95, abs=0.07)
    assert np.corrcoef(found.ravel(), true.ravel())[0, 1] > 0.85
    rows = {m.region: m.value for m in study["truth/net_influx"]}  # type: ignore[union-attr]
    assert rows["left precuneus"] == pytest.approx(true.max(), rel=0.35)


def test_a_series_is_what_the_standard_says_and_the_command_takes_it(folder, dciodvfy, tmp_path):
    assert errors_of(dciodvfy, str(folder / "pet" / "00100.dcm")) == []
    (pet,) = read(folder / "pet")
    told = json.loads((folder / "truth.json").read_text())
    assert [s / 60.0 for s in image(pet, "activity").grid.axis("time").values] == pytest.approx(
        told["starts_min"], abs=1e-3
    )
    assert pet.acquisition.radiopharmaceuticals[0].administered_at == pet.acquisition.started_at
    options = ["--input-csv", str(folder / "input.csv"), "--start-min", "25", "--out", str(tmp_path / "rates")]
    done = CliRunner().invoke(root, ["patlak", str(folder / "pet"), *options])
    assert done.exit_code == 0, done.output


def test_frames_hold_the_curves_that_were_laid(glioma):
    seen = np.asarray(image(glioma, "activity").values)
    laid = np.asarray(image(glioma, "truth/activity").values)  # of the second frame, decay corrected
    inside = laid > 0.25 * laid.max()
    assert seen[1][inside].sum() / laid[inside].sum() == pytest.approx(0.95, abs=0.06)


def test_the_tumour_stands_out_as_it_should(glioma):
    lesions, regions = glioma["truth/lesions"], glioma["truth/regions"]
    assert isinstance(lesions, Mask)
    assert isinstance(regions, Mask)
    volume = image(glioma, "activity")
    late = Image(volume.values[1], volume.grid.without("time"), volume.unit)
    tumour = region_means(late, lesions)["tumour"].mean
    plan = BrainFet("high-grade=1").plans(1, 5)[0]
    brain = region_means(late, regions)[healthy(plan)[-1]].mean
    (ratio,) = glioma["truth/tbr"]  # type: ignore[misc]
    assert 0.55 * ratio.value < tumour / brain < 1.4 * ratio.value  # with its dead core, and blurred


def test_what_makes_no_scan_is_refused():
    for protocol in (BrainFdgDynamic, BrainFet):
        with pytest.raises(PhotopeakError, match="injected_mbq"):
            protocol(injected_mbq=0.0)
        with pytest.raises(PhotopeakError, match="frames"):
            protocol(frames="ten")
    with pytest.raises(PhotopeakError, match="k4_per_min"):
        BrainFdgDynamic(k4_per_min=-0.1)
