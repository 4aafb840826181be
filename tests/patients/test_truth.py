"""The truth lies where the camera sees it, names what it is, and follows the patient's motion."""

import numpy as np
import pytest

from photopeak.patients.acquisition import Acquisition, Motion
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.disease import draw_disease
from photopeak.patients.lesions import paint
from photopeak.patients.truth import metastatic_ml, polygon, region_map, region_names, region_of, truth_of
from photopeak.patients.truth_kernels import close_gaps, strongest_region
from photopeak.patients.visibility import Footprint
from photopeak.physics.planar import expected_counts
from tests.patients.disease_bodies import MBQ_PER_UNIT, healthy, plan, viewing

STILL = Acquisition()


@pytest.fixture(scope="module")
def both():
    hard = Difficulty(mimic_rate=10.0, occult_rate=3.0)
    disease = draw_disease(healthy(), plan("M&A", (4, 5), (3, 3)), hard, viewing, np.random.default_rng(4))
    return disease, viewing(healthy()), truth_of(disease, viewing(healthy()), STILL)


def test_there_are_at_least_twenty_regions_and_every_bone_has_one():
    from photopeak.patients.lesions import is_bone

    assert len(region_names()) >= 20
    assert {region_of(n) for n in healthy().names if is_bone(n)} <= set(region_names().values())
    assert region_of("liver") == ""


def test_regions_lie_where_they_belong(both):
    _, _, truth = both
    number = {name: i for i, name in truth.region_names.items()}

    def place(view, name):
        return np.argwhere(truth.regions[view] == number[name]).mean(axis=0)

    assert place(0, "skull")[0] < place(0, "sternum")[0] < place(0, "left pelvis")[0] < place(0, "left foot")[0]
    assert place(0, "right femur")[1] < place(0, "left femur")[1]
    assert place(1, "left femur")[1] < place(1, "right femur")[1]
    seen = [{truth.region_names[i] for i in np.unique(truth.regions[v]) if i} for v in (0, 1)]
    assert len(seen[0]) >= 25
    assert (truth.regions[0] == number["sternum"]).sum() > 1.5 * (truth.regions[1] == number["sternum"]).sum()


def test_masks_cover_what_the_lesions_add_to_the_image(both):
    disease, view, truth = both
    diseased = [f.deposit for f in disease.findings]
    with_it, without = (expected_counts(b.uptake, b.mu_per_cm, view.placement, view.camera, MBQ_PER_UNIT)
                        for b in (paint(healthy(), diseased), healthy()))  # fmt: skip
    added = with_it - without
    for f in disease.findings:
        for v in (0, 1):
            mask = truth.lesions[v] == f.lesion.id
            assert mask.any() == f.annotated[v] or truth.lesions[v].any()
            if f.annotated[v] and not f.lesion.lytic:
                assert added[v][mask].mean() > 3 * np.abs(added[v]).mean()
                column = np.argwhere(mask)[:, 1].mean()
                x = f.lesion.centre_mm[0]
                wanted = 127.5 + (1 if v == 0 else -1) * x / view.camera.pixel_mm
                assert abs(column - wanted) < 12


def test_only_annotated_lesions_are_in_a_views_mask(both):
    disease, _, truth = both
    for v in (0, 1):
        assert set(np.unique(truth.lesions[v])) - {0} <= {f.lesion.id for f in disease.findings if f.annotated[v]}
    assert set(truth.lesion_names) == {f.lesion.id for f in disease.findings if any(f.annotated)}


def test_the_document_says_the_same_and_is_json(both):
    import json

    disease, _, truth = both
    document = json.loads(json.dumps(truth.document))
    assert (document["label_m"], document["label_a"]) == (1, 1)
    assert document["views"]["anterior"] == {"label_m": 1, "label_a": 1, "metastases": 4, "arthritis": 3}
    assert len(document["lesions"]) == len(disease.findings)
    for one in document["lesions"]:
        for view in one["views"].values():
            assert not view["annotated"] or len(view["polygon"]) >= 4
    assert document["mimics"]
    assert 0 < document["metastatic_ml"] < document["skeleton_ml"]
    assert document["metastatic_ml"] == pytest.approx(metastatic_ml(disease), abs=1e-3)


def test_visibility_lists_every_lesion_in_each_view(both):
    disease, _, truth = both
    assert len(truth.visibility) == 2 * len(disease.findings)
    assert {row.flags[2] for row in truth.visibility} == {"annotated", "not annotated"}


def test_polygons_follow_their_mask(both):
    from skimage.draw import polygon2mask

    disease, _, _ = both
    for f in disease.findings:
        for foot, annotated in zip(f.seen, f.annotated, strict=True):
            if not annotated:
                continue
            points = np.array(polygon(foot)) - 0.5 - [foot.column, foot.row]
            drawn = polygon2mask(foot.lesion.shape, points[:, ::-1])
            overlap = 2 * (drawn & foot.mask).sum() / (drawn.sum() + foot.mask.sum())
            assert overlap > 0.75
    assert polygon(Footprint(0, 0, np.zeros((4, 4), np.float32), np.ones((4, 4), np.float32))) == []


def test_motion_takes_masks_and_polygons_along(both):
    disease, view, still = both
    moved = truth_of(disease, view, Acquisition(motion=(Motion(0, 24.0),)))
    np.testing.assert_array_equal(moved.lesions[0][:, 10:], still.lesions[0][:, :-10])
    np.testing.assert_array_equal(moved.lesions[1][:, :-10], still.lesions[1][:, 10:])
    np.testing.assert_array_equal(moved.regions[0][:, 10:], still.regions[0][:, :-10])
    for a, b in zip(still.document["lesions"], moved.document["lesions"], strict=True):
        for name, shift in (("anterior", 10), ("posterior", -10)):
            p, q = (np.array(d["views"][name]["polygon"]) for d in (a, b))
            if len(p):
                np.testing.assert_allclose(q.mean(axis=0), p.mean(axis=0) + np.array([shift, 0]), atol=0.2)


def test_a_step_through_a_lesion_shears_it(both):
    disease, view, still = both
    f = next(f for f in disease.findings if f.annotated[0])
    row = int(np.argwhere(still.lesions[0] == f.lesion.id)[:, 0].mean())
    moved = truth_of(disease, view, Acquisition(motion=(Motion(row, 12.0),)))
    before, after = (np.argwhere(t.lesions[0] == f.lesion.id) for t in (still, moved))
    assert len(after) == pytest.approx(len(before), rel=0.3)
    assert np.ptp(after[:, 1]) > np.ptp(before[:, 1])


def test_a_normal_patient_has_no_lesions_and_all_regions():
    disease = draw_disease(healthy(), plan("N"), Difficulty(), viewing, np.random.default_rng(1))
    truth = truth_of(disease, viewing(healthy()), STILL)
    assert not truth.lesions.any()
    assert truth.visibility == ()
    assert truth.document["views"]["posterior"] == {"label_m": 0, "label_a": 0, "metastases": 0, "arthritis": 0}
    np.testing.assert_array_equal(truth.regions, region_map(disease.body, viewing(healthy())))


def test_strongest_region_against_plain_numpy():
    rng = np.random.default_rng(5)
    label = rng.integers(0, 5, (6, 7, 8)).astype(np.uint8)
    label[2, :, 3] = 0
    uptake = rng.random(label.shape).astype(np.float32)
    region_of_label = np.zeros(256, np.uint8)
    region_of_label[[1, 2, 4]] = [1, 2, 1]
    weight = rng.random((2, 7)).astype(np.float32)
    seen = np.zeros((2, 6, 8), np.uint8)
    strongest_region(uptake, label, region_of_label, 2, weight, seen)
    region = region_of_label[label]
    for v in (0, 1):
        total = np.stack([((region == r) * (uptake + 1e-6) * weight[v][None, :, None]).sum(axis=1) for r in (1, 2)])
        wanted = np.where(total.max(axis=0) > 0, total.argmax(axis=0) + 1, 0)
        np.testing.assert_array_equal(seen[v], wanted)
    assert seen[0, 2, 3] == 0


def test_close_gaps_against_plain_numpy():
    rng = np.random.default_rng(6)
    seen = (rng.integers(1, 3, (30, 20)) * (rng.random((30, 20)) > 0.35)).astype(np.uint8)
    out = np.zeros_like(seen)
    close_gaps(seen, out)
    wanted = seen.copy()
    for r in range(1, 29):
        for c in range(1, 19):
            if seen[r, c] == 0:
                around = seen[r - 1 : r + 2, c - 1 : c + 2]
                for region in (1, 2):
                    if (around == region).sum() >= 5:
                        wanted[r, c] = region
    np.testing.assert_array_equal(out, wanted)
    assert (out != seen).any()
