"""Brain perfusion SPECT: files, counts and truth of one patient."""

from __future__ import annotations

import numpy as np
import pytest

from photopeak.core import PhotopeakError, Study
from photopeak.dicom import write
from photopeak.dicom.validate import errors_of
from photopeak.patients.brain_perfusion import BrainPerfusion
from photopeak.patients.protocol import Case, Clinic
from tests.patients.spect_cohorts import image

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def case() -> Case:
    """As many counts in two long projections of each head as in 60 of 30 s."""
    return Clinic(BrainPerfusion("ad=1", "moderate", views=2, seconds=900.0), 1, 3).case(0)


@pytest.fixture(scope="module")
def study(case) -> Study:
    return case.study


def test_the_file_is_what_the_standard_says(case, tmp_path, dciodvfy):
    assert errors_of(dciodvfy, str(write(case.study.only("counts"), tmp_path / case.image))) == []
    assert case.documents["truth.json"]["class"] == "ad"  # type: ignore[index,call-overload]
    assert "Alzheimer" in case.study["truth/report"].value  # type: ignore[union-attr]


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
