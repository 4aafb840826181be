"""Arthritis is peri-articular, mostly symmetric, leads in the knee and knows women from men."""

from collections import Counter

import numpy as np
import pytest

from photopeak.patients.arthritis import Joint, arthritis_at, draw_joints, draw_strength, joint_weights, table
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.lesions import deposit
from tests.patients.disease_bodies import healthy


def draw(n, sex="M", dominant="right", difficulty=Difficulty(), seed=0):  # noqa: B008
    rng = np.random.default_rng(seed)
    return [draw_joints(sex, dominant, difficulty, rng) for _ in range(n)]


def group_weights(sex):
    total = Counter()
    for name, weight in joint_weights(sex, Difficulty()).items():
        total[table()[name]["group"]] += weight
    return total


def test_the_knee_leads_and_the_shoulder_follows():
    for sex in ("F", "M"):
        assert [g for g, _ in group_weights(sex).most_common(2)] == ["knee", "shoulder"]
    drawn = Counter(j.row["group"] for joints in draw(1500) for j in joints)
    assert drawn.most_common(1)[0][0] == "knee"


def test_women_have_more_at_the_thumb_and_behind_the_patella():
    women, men = joint_weights("F", Difficulty()), joint_weights("M", Difficulty())
    for joint in ("first carpometacarpal", "patellofemoral"):
        assert women[joint] > 1.1 * men[joint]


def test_sides_correlate_by_about_0_6():
    """In a joint affected in a fifth of people, (P(other | one) − 0.2)/(1 − 0.2) ≈ 0.6."""
    pairs = [joints for joints in draw(3000) if joints[0].side]
    both = sum(len(joints) == 2 for joints in pairs) / len(pairs)
    other_given_one = 2 * both / (1 + both)
    assert (other_given_one - 0.2) / 0.8 == pytest.approx(0.6, abs=0.08)


def test_the_asymmetric_share_makes_it_one_sided():
    assert all(len(joints) == 1 for joints in draw(100, difficulty=Difficulty(arthritis_asymmetric_share=1.0)))
    paired = [j for j in draw(100, difficulty=Difficulty(arthritis_asymmetric_share=0.0)) if j[0].side]
    assert all({a.side, b.side} == {"left", "right"} for a, b in paired)


def test_the_atypical_share_is_axial():
    for share in (0.0, 0.5, 1.0):
        weights = joint_weights("M", Difficulty(arthritis_atypical_share=share))
        assert sum(w for n, w in weights.items() if table()[n]["axial"]) == pytest.approx(share)


def test_the_dominant_shoulder_leads():
    one_sided = [j[0] for j in draw(3000, dominant="left") if len(j) == 1 and j[0].row["group"] == "shoulder"]
    share = np.mean([j.side == "left" for j in one_sided])
    assert share == pytest.approx(0.7, abs=0.08)


@pytest.mark.parametrize(("name", "side", "bones"), [
    ("knee medial", "left", {"left femur", "left tibia"}),
    ("hip", "right", {"right femur", "right acetabulum"}),
    ("lumbar facet", "left", {"L3", "L4"}),
    ("acromioclavicular", "right", {"right clavicle", "right scapula"}),
])  # fmt: skip
def test_it_crosses_the_joint_and_stays_in_its_bones(name, side, bones):
    body = healthy(voxel_mm=4.0)
    lesion = arthritis_at(body, Joint(name, side), 1.0, Difficulty(), np.random.default_rng(3), 1)
    one = deposit(body, lesion, np.random.default_rng(3))
    touched = {body.names[i] for i in np.unique(body.label[one.box][one.uptake > 0.02])}
    assert bones <= touched <= set(lesion.within)
    assert lesion.crosses_joint
    assert lesion.side == side


def test_both_sides_of_a_patient_are_alike_and_harder_is_fainter():
    body, rng = healthy(), np.random.default_rng(1)
    ratio = [
        np.log(arthritis_at(body, Joint("hip", "left"), 0.8, Difficulty(), rng, 1).added)
        - np.log(arthritis_at(body, Joint("hip", "right"), 0.8, Difficulty(), rng, 2).added)
        for _ in range(60)
    ]
    assert np.std(ratio) == pytest.approx(0.2 * np.sqrt(2), rel=0.3)
    faint = arthritis_at(body, Joint("hip", "left"), 0.8, Difficulty(arthritis_uptake_scale=0.1), rng, 1)
    assert faint.added < 0.15
    strengths = [draw_strength(Difficulty(arthritis_uptake_sd=0.0), rng) for _ in range(100)]
    assert 0.3 <= min(strengths) < max(strengths) <= 1.0


def test_sites_are_named_with_side_and_level():
    assert Joint("lumbar facet", "right", 1).site == "right facet joint L4/L5"
    assert Joint("pubic symphysis", "").site == "pubic symphysis"
    assert Joint("knee medial", "left").site == "left knee, medial compartment"
    assert all(Joint(n, "left" if r["lr"] else "").site for n, r in table().items())
