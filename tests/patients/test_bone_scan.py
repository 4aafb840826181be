"""The bone-scan protocol: counts, geometry, truth and the same bits for the same seed."""

import json
import math

import numpy as np
import pytest

from photopeak.core import PhotopeakError
from photopeak.patients.acquisition import Acquisition
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.protocol import Clinic, counts_hash
from photopeak.patients.total_kernels import total_where

QUIET = Acquisition(camera="siemens", speed_cm_min=12.0)


@pytest.fixture(scope="module")
def cases():
    mix = "N=1,M=1,A=1,M&A=1"
    clinic = Clinic(BoneScan(mix=mix, acquisition=QUIET), 8, 21)
    return [clinic.case(i) for i in range(4)]


def test_counts_are_those_of_a_clinic(cases):
    for case in cases:
        for view in case.study["counts"].values:
            assert 1.2e6 < view.sum() < 5.5e6


def test_matrix_pixel_and_type(cases):
    counts = cases[0].study["counts"]
    assert counts.values.shape == (2, 1024, 256)
    assert counts.values.dtype == np.uint16
    assert counts.grid.spacing_mm == {"y": 2.4, "x": 2.4}
    assert counts.grid.labels("view") == ("anterior", "posterior")


def test_right_side_lies_on_the_left_of_the_front_view_only(cases):
    regions = cases[0].study["truth/regions"]
    anterior, posterior = (np.nonzero(regions.of("right femur")[v])[1].mean() for v in (0, 1))
    assert anterior < 128 < posterior


def test_head_is_up(cases):
    regions = cases[0].study["truth/regions"]
    assert np.nonzero(regions.of("skull"))[1].mean() < 200


def test_labels_report_and_lesions_agree(cases):
    for case in cases:
        truth, study = case.documents["truth.json"], case.study
        assert {r["label_m"] for r in case.rows} == {study["truth/label_m"].value}
        for view in ("anterior", "posterior"):
            assert (truth["views"][view]["metastases"] > 0) == bool(truth["label_m"])
            assert (truth["views"][view]["arthritis"] > 0) == bool(truth["label_a"])
        assert bool(study["truth/lesions"].values.any()) == bool(truth["label_m"] or truth["label_a"])


def test_three_readers_annotate(cases):
    assert {f"reader{i}.json" for i in (1, 2, 3)} <= set(cases[0].documents)
    assert json.dumps(cases[0].documents["reader1.json"])


def test_patient_has_the_same_bits_in_any_cohort(cases):
    protocol = BoneScan(mix="N=1,M=1,A=1,M&A=1", acquisition=QUIET)
    assert counts_hash(Clinic(protocol, 3, 21)[2]) == counts_hash(cases[2].study)


def test_another_camera_images_the_same_person():
    slow, fast = (
        Clinic(BoneScan(acquisition=Acquisition(speed_cm_min=s, column_ripple=0.0)), 1, 5)[0]["counts"].values.sum()
        for s in (10.0, 20.0)
    )
    assert slow / fast == pytest.approx(2.0, rel=0.01)


def test_difficulty_scales_counts():
    few, many = (
        Clinic(BoneScan(difficulty=Difficulty(counts_scale=s), acquisition=QUIET), 1, 5)[0]["counts"].values.sum()
        for s in (0.25, 1.0)
    )
    assert few / many == pytest.approx(0.25, rel=0.02)


def test_history_says_what_was_done(cases):
    (done,) = cases[0].study.history
    assert done.step == "simulate bone-scan"
    assert "vandenwyngaert2016" in done.references


def test_published_cohort_has_its_size():
    protocol = BoneScan(cohort="published")
    assert protocol.default_patients == len(protocol.plans(384, 1)) == 384
    with pytest.raises(PhotopeakError, match="384 patients"):
        protocol.plans(12, 1)


def test_total_where_sums_what_is_wanted():
    rng = np.random.default_rng(1)
    uptake = rng.random((5, 6, 7), dtype=np.float32)
    label = rng.integers(0, 4, (5, 6, 7)).astype(np.uint8)
    wanted = np.zeros(256, np.bool_)
    wanted[[1, 3]] = True
    assert math.isclose(total_where(uptake, label, wanted), uptake[(label == 1) | (label == 3)].sum(dtype=np.float64))
