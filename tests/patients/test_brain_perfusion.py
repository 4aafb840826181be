"""Brain perfusion SPECT: files, counts and truth of one patient."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from photopeak.core import PhotopeakError, Study
from photopeak.dicom.validate import errors_of
from photopeak.patients.brain_perfusion import BrainPerfusion
from tests.patients.spect_cohorts import image, only, simulated

pytestmark = pytest.mark.timeout(400)
ILL = ("--mix", "ad=1", "--stage", "moderate", "--views", "2", "--seconds", "900")  # as many counts as 60 of 30 s


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return simulated(tmp_path_factory.mktemp("perfusion") / "clinic", "brain-perfusion", *ILL)


@pytest.fixture(scope="module")
def study(folder) -> Study:
    return only(folder)


def test_the_files_are_what_the_standard_says(folder, dciodvfy):
    patient = folder / "brain-perfusion-3-00000"
    assert errors_of(dciodvfy, str(patient / "tomo.dcm")) == []
    truth = json.loads((patient / "truth.json").read_text())
    assert truth["class"] == "ad"
    assert "Alzheimer" in (patient / "report.txt").read_text()


def test_counts_are_a_departments(study):
    peak, scatter = image(study, "counts").values.sum((1, 2, 3), dtype=np.int64)
    assert 5e6 < peak < 2.5e7  # the guideline wants 5 million
    assert 0.1 < scatter / peak < 0.5


def test_truth_has_the_pattern(study):
    suvr = {m.region: m.value for m in study["truth/suvr"]}  # type: ignore[union-attr]
    healthy = np.mean([suvr[f"{s} sensorimotor cortex"] for s in ("left", "right")])
    for region in ("parietal cortex", "precuneus", "posterior cingulate"):
        assert np.mean([suvr[f"{s} {region}"] for s in ("left", "right")]) < 0.9 * healthy
    assert image(study, "truth/activity").grid.frame == image(study, "counts").grid.frame


def test_no_activity_is_refused():
    with pytest.raises(PhotopeakError, match="injected_mbq"):
        BrainPerfusion(injected_mbq=0.0)
