"""Thyroid: uptake as measured, patterns as described, the same bits for the same seed."""

import numpy as np
import pytest

from photopeak.patients.protocol import Clinic, counts_hash
from photopeak.patients.thyroid import DISEASES, THYROID, Thyroid, neck


@pytest.fixture(scope="module")
def scans():
    return {d: Clinic(Thyroid(diagnosis=d), 2, 7)[1] for d in DISEASES}


def test_deposited_uptake_is_what_the_truth_says():
    scene = neck(DISEASES["graves"], 12.0, 40.0, np.random.default_rng(1))
    gland = scene.owned(*THYROID)
    background = gland.sum() * scene.voxel_mm**3 / 1000 * 1.1e-3
    assert float(scene.share[gland].sum(dtype=np.float64)) == pytest.approx(12.0 + background, rel=1e-3)


def test_glands_lie_on_their_sides():
    scene = neck(DISEASES["normal"], 1.5, 18.0, np.random.default_rng(1))
    assert scene.x[scene.owned("left lobe")].mean() > 0 > scene.x[scene.owned("right lobe")].mean()
    assert scene.z[scene.owned("left parotid gland")].mean() > scene.z[scene.owned("left lobe")].mean() + 60


def test_patients_right_is_on_the_images_left(scans):
    regions = scans["normal"]["truth/regions"]
    right = np.nonzero(regions.of("right lobe"))[2].mean()
    assert right < np.nonzero(regions.of("left lobe"))[2].mean()


def test_graves_outshines_its_salivary_glands_and_subacute_does_not(scans):
    def ratio(study):
        counts, regions = study["counts"].values, study["truth/regions"]
        return counts[regions.of("left lobe")].mean() / counts[regions.of("left parotid gland")].mean()

    assert ratio(scans["graves"]) > 5 * ratio(scans["subacute"])
    assert ratio(scans["graves"]) > ratio(scans["normal"]) > ratio(scans["subacute"])


def test_hashimoto_is_patchier_than_graves():
    def spread(disease):
        scene = neck(DISEASES[disease], 5.0, 30.0, np.random.default_rng(3))
        gland = scene.share[scene.owned("left lobe")]
        return gland.std() / gland.mean()

    assert spread("hashimoto") > 3 * spread("graves")


def test_report_names_the_disease(scans):
    assert "Graves" in scans["graves"]["truth/report"].value
    assert scans["hashimoto"]["truth/diagnosis"].value == "hashimoto"


def test_mixed_cohort_draws_every_class_and_repeats_itself():
    plans = Thyroid().plans(80, 3)
    assert set(plans) == set(DISEASES)
    assert plans[:20] == Thyroid().plans(20, 3)
    assert counts_hash(Clinic(Thyroid(), 3, 5)[2]) == counts_hash(Clinic(Thyroid(), 9, 5)[2])
