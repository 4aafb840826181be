"""Each view shows exactly the lesions that the plan wants, whatever the difficulty."""

from dataclasses import replace

import numpy as np
import pytest

from photopeak.core import PhotopeakError
from photopeak.patients.anatomy import draw_person, draw_variation
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.disease import draw_disease, vary
from photopeak.patients.lesions import paint
from tests.patients.disease_bodies import healthy, plan, viewing

pytestmark = pytest.mark.untraced


def draw(which, difficulty=Difficulty(), seed=1, **more):  # noqa: B008
    return draw_disease(healthy(), which, difficulty, viewing, np.random.default_rng(seed), **more)


SPINE_AND_RIBS = [((1, 1), (0, 0)), ((3, 6), (0, 0)), ((12, 9), (0, 0))]
JOINTS_TOO = [((0, 0), (1, 3)), ((0, 0), (5, 2)), ((4, 4), (2, 2))]


@pytest.mark.parametrize(("metastases", "arthritis"), SPINE_AND_RIBS + JOINTS_TOO)
def test_the_plan_is_met_in_each_view(metastases, arthritis):
    label = "M&A" if sum(metastases) and sum(arthritis) else "M" if sum(metastases) else "A"
    for seed in (1, 2):
        disease = draw(plan(label, metastases, arthritis), seed=seed)
        assert disease.annotated("metastasis") == metastases
        assert disease.annotated("arthritis") == arthritis


def test_annotated_lesions_are_visible_there_and_others_are_not():
    disease = draw(plan("M", (5, 7)), Difficulty(occult_rate=4.0))
    occult = 0
    for f in disease.findings:
        for cnr, annotated in zip(f.cnr, f.annotated, strict=True):
            assert annotated == (cnr >= Difficulty().visible_cnr)
        occult += not any(f.annotated)
    assert occult > 0


def test_normals_have_mimics_at_most():
    disease = draw(plan("N"), Difficulty(mimic_rate=5.0))
    assert not disease.findings
    assert disease.mimics
    assert [m.lesion.id for m in disease.mimics] == list(range(1, len(disease.mimics) + 1))


def test_without_anything_the_body_is_the_healthy_one():
    quiet = Difficulty(mimic_rate=0.0, benign_focus_rate=0.0)
    assert draw(plan("N"), quiet).body.uptake is healthy().uptake


def test_the_body_is_the_healthy_one_with_every_deposit():
    disease = draw(plan("M&A", (3, 3), (2, 2)))
    deposits = [f.deposit for f in (*disease.mimics, *disease.findings)]
    np.testing.assert_array_equal(disease.body.uptake, paint(healthy(), deposits).uptake)


def test_taking_over_gives_the_same_body_without_a_copy():
    body = replace(healthy(), uptake=healthy().uptake.copy(), mu_per_cm=healthy().mu_per_cm.copy())
    which = plan("M", (3, 3))
    disease = draw_disease(body, which, Difficulty(), viewing, np.random.default_rng(1), take_over=True)
    assert disease.body.uptake is body.uptake
    np.testing.assert_array_equal(disease.body.uptake, draw(which).body.uptake)


def test_the_same_stream_gives_the_same_bits():
    a, b = draw(plan("M", (4, 5)), seed=9), draw(plan("M", (4, 5)), seed=9)
    assert [f.lesion for f in a.findings] == [f.lesion for f in b.findings]
    assert a.body.uptake.tobytes() == b.body.uptake.tobytes()


def test_lesions_stand_apart():
    findings = draw(plan("M", (10, 10))).findings
    centres = np.array([f.lesion.centre_mm for f in findings])
    gaps = np.linalg.norm(centres[:, None] - centres[None], axis=2)[np.triu_indices(len(centres), 1)]
    assert gaps.min() > 10.0


def test_harder_means_a_lower_mean_cnr():
    def mean_cnr(difficulty):
        found = [f for s in range(4) for f in draw(plan("M", (5, 5)), difficulty, seed=s).findings]
        return np.mean([c for f in found for c, a in zip(f.cnr, f.annotated, strict=True) if a])

    easy, usual, hard = (mean_cnr(Difficulty(lesion_contrast_scale=c, lesion_size_scale=s)) for c, s in
                         ((2.0, 1.3), (1.0, 1.0), (0.3, 0.7)))  # fmt: skip
    assert easy > usual > hard


def test_arthritis_gets_fainter_with_its_knob():
    def mean_cnr(scale):
        hard = Difficulty(arthritis_uptake_scale=scale)
        found = [f for s in range(3) for f in draw(plan("A", (0, 0), (3, 3)), hard, seed=s).findings]
        return np.mean([max(f.cnr) for f in found])

    assert mean_cnr(2.0) > 1.3 * mean_cnr(0.4)


def test_arthritis_is_mostly_on_both_sides_even_where_one_is_wanted():
    sites = [
        {f.lesion.site for f in draw(plan("A", (0, 0), (n, n)), seed=s).findings} for s in range(25) for n in (1, 3)
    ]
    other = {"left": "right", "right": "left"}
    paired = [f"{other[side]} {rest}" in found for found in sites for side, _, rest in (s.partition(" ") for s in found)
              if side in other]  # fmt: skip
    assert (np.mean(paired) - 0.2) / 0.8 == pytest.approx(0.6, abs=0.2)


def test_a_superscan_is_redistributed_and_still_meets_its_plan():
    disease = draw(plan("M", (14, 15), superscan=True))
    assert disease.annotated("metastasis") == (14, 15)
    kidney = healthy().label == healthy().names.index("left kidney")
    assert disease.body.uptake[kidney].mean() < 0.5 * healthy().uptake[kidney].mean()


def test_an_impossible_plan_is_refused():
    nothing = Difficulty(visible_cnr=20.0, lytic_share=1.0, lesion_contrast_scale=0.05)
    with pytest.raises(PhotopeakError, match="Remedy"):
        draw(plan("M", (2, 2)), nothing)


def test_variants_and_wear_follow_the_difficulty():
    rng = np.random.default_rng(2)
    person = draw_person(rng, age_years=70.0)
    variation = draw_variation(rng, person)

    def number(rate):
        hard = Difficulty(variant_rate=rate)
        return np.mean([len(vary(variation, person, hard, np.random.default_rng(s)).variants) for s in range(30)])

    assert number(0.0) == 0
    assert number(0.0) < number(0.5) < number(1.0) < number(3.0)
    assert number(1.0) == len(variation.variants)
    assert vary(variation, person, Difficulty(joint_wear_scale=2.0), rng).joint_wear == 2 * variation.joint_wear
