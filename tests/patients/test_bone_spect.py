"""SPECT/CT of virtual patients: counts, geometry and truth fit together, and what was laid comes back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from photopeak.core import Mask, Study
from photopeak.core.step import run_chain
from photopeak.dicom import read
from photopeak.dicom.validate import errors_of
from photopeak.patients.bone_spect import PIXEL_MM, BoneSpect
from photopeak.patients.protocol import Clinic
from photopeak.physics.spect import SpectCamera
from photopeak.recon.reconstruct import MuFromCt, Reconstruct
from tests.patients.spect_cohorts import image, only, simulated

pytestmark = pytest.mark.untraced

VIEWS = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return simulated(tmp_path_factory.mktemp("spect") / "clinic", "bone-spect", "--mix", "M=1", "--views", str(VIEWS))


@pytest.fixture(scope="module")
def study(folder) -> Study:
    return only(folder)


def test_the_files_are_what_the_standard_says(folder, dciodvfy):
    patient = folder / "bone-spect-3-00000"
    assert errors_of(dciodvfy, str(patient / "tomo.dcm")) == []
    assert errors_of(dciodvfy, str(patient / "ct" / "00064.dcm")) == []
    assert len(list((patient / "ct").iterdir())) == 128
    assert (folder / "contact-sheet.png").exists()
    tomo, ct = (read(patient / name)[0] for name in ("tomo.dcm", "ct"))
    assert tomo.acquisition.kind == "TOMO"
    assert tomo.acquisition.study_uid or tomo.patient.patient_id == ct.patient.patient_id
    assert tomo["counts"].grid.frame == ct["ct"].grid.frame
    assert ct["ct"].unit == "[hnsf'U]"
    assert np.median(ct["ct"].values[60, 120:136, 120:136]) == pytest.approx(0, abs=120)


def test_counts_are_a_departments(study):
    counts = image(study, "counts")
    assert counts.grid.shape == (2, 2 * VIEWS, 128, 128)
    peak, low = (counts.values[k].sum() / (2 * VIEWS) for k in (0, 1))
    assert 20e3 < peak < 120e3  # a projection of 15 s, 3 h after 740 MBq
    assert 0.2 < low / peak < 0.7
    assert counts.values[:, :, :24].sum() == 0  # beyond the crystal
    assert counts.values[:, :, 24:104].sum() == counts.values.sum()


def test_truth_lies_where_the_image_will(folder, study):
    activity, mu = image(study, "truth/activity"), image(study, "truth/mu")
    lesions, regions = study["truth/lesions"], study["truth/regions"]
    assert isinstance(lesions, Mask)
    assert isinstance(regions, Mask)
    assert activity.grid == mu.grid == lesions.grid == regions.grid
    spine = activity.values[regions.of("L1") & (lesions.values == 0)].mean()
    assert spine > 4 * activity.values[regions.of("soft tissue")].mean()
    document = json.loads((folder / "bone-spect-3-00000" / "truth.json").read_text())
    centres = {one["id"]: one["centre_mm"] for one in document["lesions"]}
    for k in lesions.names:
        z, y, x = (float(n.mean()) for n in np.nonzero(lesions.values == k))
        assert np.linalg.norm((lesions.grid.matrix_mm @ [x, y, z, 1.0])[:3] - centres[k]) < 15.0
    hot = [activity.values[lesions.values == k].mean() for k in lesions.names]
    assert len(hot) > 0
    assert np.median(hot) > spine


@pytest.mark.parametrize("scatter", ["tew", "photons"])
def test_the_activity_that_was_laid_comes_back_with_all_corrections(folder, study, scatter):
    patient = folder / "bone-spect-3-00000"
    both = read(patient / "tomo.dcm")[0].add({"ct": read(patient / "ct")[0]["ct"]})
    camera = SpectCamera(energy_kev=140.511, frame_s=15.0)
    per_mbq = camera.counts_per_bq_ml(PIXEL_MM) / (15.0 * PIXEL_MM**3 * 1e-9)
    step = Reconstruct(attenuation=True, scatter=scatter, cps_per_mbq=per_mbq, iterations=4, subsets=4)
    made = image(run_chain([MuFromCt(), step], both), "reconstruction")
    truth = image(study, "truth/activity")
    assert made.grid.frame == truth.grid.frame
    assert np.asarray(made.grid.affine_mm) == pytest.approx(np.asarray(truth.grid.affine_mm), abs=0.01)
    inner = slice(30, 98)  # away from the field's ends
    assert made.values[inner].sum() == pytest.approx(truth.values[inner].sum(), rel=0.1)
    far = np.corrcoef(made.values[inner].ravel(), truth.values[inner].ravel())[0, 1]
    assert far > 0.8


def test_regions_choose_the_field():
    pelvis, thorax = (
        Clinic(BoneSpect(mix="N=1", region=where, views=2), 1, 5)[0]["truth/regions"] for where in ("pelvis", "thorax")
    )
    assert isinstance(pelvis, Mask)
    assert isinstance(thorax, Mask)
    present = [{m.names[int(v)] for v in np.unique(m.values) if v} for m in (pelvis, thorax)]
    assert "sacrum" in present[0] - present[1]
    assert "T4" in present[1] - present[0]
