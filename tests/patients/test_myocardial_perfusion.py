"""Perfusion SPECT/CT of virtual patients: files, counts, geometry and truth; stress and rest of one person."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from photopeak.core import Mask, PhotopeakError, Study
from photopeak.dicom import read
from photopeak.dicom.validate import errors_of
from photopeak.patients.heart_field import PIXEL_MM
from photopeak.patients.myocardial_perfusion import MyocardialPerfusion
from photopeak.patients.protocol import Clinic, counts_hash
from photopeak.recon.projections import projections
from tests.patients.spect_cohorts import image, only, simulated

pytestmark = pytest.mark.untraced

VIEWS = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return simulated(tmp_path_factory.mktemp("mpi") / "clinic", "mpi", "--mix", "ischaemia=1", "--views", str(VIEWS))


@pytest.fixture(scope="module")
def study(folder) -> Study:
    return only(folder)


@pytest.fixture(scope="module")
def rest() -> Study:
    return Clinic(MyocardialPerfusion(state="rest", mix="ischaemia=1", views=VIEWS, ct_low_mm=6.6), 1, 3)[0]


def test_the_files_are_what_the_standard_says(folder, dciodvfy):
    patient = folder / "mpi-3-00000"
    assert errors_of(dciodvfy, str(patient / "tomo.dcm")) == []
    assert errors_of(dciodvfy, str(sorted((patient / "ct").iterdir())[40])) == []
    tomo, ct = (read(patient / name)[0] for name in ("tomo.dcm", "ct"))
    assert tomo.acquisition.kind == "TOMO"
    assert tomo["counts"].grid.frame == ct["ct"].grid.frame
    assert (folder / "contact-sheet.png").exists()


def test_both_heads_go_a_quarter_turn_along_the_body(study):
    made = projections(study)
    angles = np.array(made.orbit.angles_deg)
    assert angles.min() == pytest.approx(45.0 + 90.0 / VIEWS)
    assert angles.max() == pytest.approx(225.0)
    assert np.diff(angles) == pytest.approx(90.0 / VIEWS)
    assert len(set(made.orbit.radii_mm)) > VIEWS  # along the contour
    assert 110.0 < min(made.orbit.radii_mm) < max(made.orbit.radii_mm) < 330.0
    assert made.collimator is not None
    assert made.frame_s == 20.0


def test_counts_are_a_departments(study):
    counts = image(study, "counts")
    assert counts.grid.shape == (2, 2 * VIEWS, 64, 64)
    peak, low = (counts.values[k].sum() / (2 * VIEWS) for k in (0, 1))
    assert 60e3 < peak < 300e3  # a projection of 20 s, an hour after 600 MBq
    assert 0.2 < low / peak < 0.6
    rows = counts.values.sum((0, 1, 3))
    assert rows[:3].sum() == rows[-3:].sum() == 0  # beyond the crystal
    assert rows[3:-3].min() > 0


def test_the_truth_says_where_the_ventricle_lies_and_what_it_lacks(folder, study):
    told = json.loads((folder / "mpi-3-00000" / "truth.json").read_text())
    regions, lesions, activity = study["truth/regions"], study["truth/lesions"], image(study, "truth/activity")
    assert isinstance(regions, Mask)
    assert isinstance(lesions, Mask)
    wall = np.isin(regions.values, [k for k, n in regions.names.items() if n.startswith("LV ")])
    index = np.stack(np.nonzero(wall)[::-1])
    middle = (regions.grid.matrix_mm[:3, :3] @ index).mean(1) + regions.grid.matrix_mm[:3, 3]
    shell = told["ventricle"]
    expected = np.array(shell["centre_mm"]) + 0.25 * shell["length_mm"] * np.array(shell["axis"])
    assert np.linalg.norm(middle - expected) < 12.0
    assert lesions.names
    ill = lesions.values > 0
    assert activity.values[ill & wall].mean() < 0.9 * activity.values[wall & ~ill].mean()
    assert told["sss"] > told["srs"] == 0
    assert told["sds"] == told["sss"]
    assert min(told["perfusion_percent"]["rest"].values()) == 100.0


def test_rest_is_the_same_person_on_another_day(study, rest):
    stressed = Clinic(MyocardialPerfusion(mix="ischaemia=1", views=VIEWS), 1, 3)[0]
    assert stressed.patient == rest.patient
    assert np.array_equal(image(stressed, "truth/mu").values, image(rest, "truth/mu").values)
    assert counts_hash(stressed) == counts_hash(study)  # the same seed, the same counts, from disk and anew
    assert counts_hash(stressed) != counts_hash(rest)
    days = (rest.acquisition.started_at - stressed.acquisition.started_at).days
    assert 1 <= days <= 3
    assert not rest["truth/lesions"].names
    assert rest["truth/sss"] == stressed["truth/sss"]
    assert rest["truth/srs"].value == 0 < stressed["truth/sss"].value
    frames = [image(s, "counts").grid.frame for s in (stressed, rest)]
    assert len(set(frames)) == 2  # nothing says that two days are aligned


def test_a_deep_breath_lowers_the_ct(study, folder, rest):
    """Two voxels of the CT: what lay in a slice lies two slices further down."""
    before = read(folder / "mpi-3-00000" / "ct")[0]["ct"].values
    lower = image(rest, "ct").values
    at = slice(30, 90)
    shifted = np.abs(lower[at] - before[32:92]).mean()
    assert shifted < np.abs(lower[at] - before[at]).mean()


def test_less_activity_gives_fewer_counts():
    full, quarter = (
        Clinic(MyocardialPerfusion(mix="normal=1", views=1, mbq=mbq), 1, 3)[0]["counts"].values.sum()
        for mbq in (600.0, 150.0)
    )
    assert quarter / full == pytest.approx(0.25, rel=0.02)


def test_no_acquisition_without_activity():
    for wrong in ({"mbq": 0.0}, {"seconds": -1.0}, {"views": 0}):
        with pytest.raises(PhotopeakError, match="Remedy"):
            dataclasses.replace(MyocardialPerfusion(), **wrong)


def test_pixels_are_a_departments():
    assert 6.4 <= PIXEL_MM <= 6.8
