"""Defects lie in their arteries' territories, fill or do not, and are scored as readers score."""

from __future__ import annotations

import numpy as np
import pytest

from photopeak.patients.coronary import (  # fmt: skip
    ARTERIES,
    CLASSES,
    Defect,
    HeartPlan,
    draw_defects,
    perfusion,
    plan,
    score,
    summed,
)
from photopeak.patients.ventricle import TERRITORIES, segment_of

U, PHI = np.meshgrid((np.arange(60) + 0.5) / 60, np.arange(120) * 3.0, indexing="ij")
SIZE = (26.0, 58.0)


def percent(defects, state):
    """Means over the wall of every segment; five depths."""
    depth = (np.arange(5) + 0.5) / 5
    share = np.mean([perfusion(defects, state, (U, PHI, np.full_like(U, d)), SIZE) for d in depth], axis=0)
    number = segment_of(U, PHI)
    return {k: 100.0 * float(share[number == k].mean()) for k in range(1, 18)}


@pytest.mark.parametrize("artery", list(ARTERIES))
@pytest.mark.parametrize("label", ["ischaemia", "infarct"])
def test_a_defect_is_deepest_in_its_artery_s_territory(artery, label):
    for seed in range(12):
        arteries = {"ischaemic" if label == "ischaemia" else "infarcted": (artery,)}
        defects = draw_defects(HeartPlan(0, "M", 60.0, label, **arteries), np.random.default_rng(seed))
        values = percent(defects, "stress")
        worst = min(values, key=values.get)
        assert worst in TERRITORIES[artery]
        assert values[worst] < 85.0
        far = [v for name, numbers in TERRITORIES.items() for k, v in values.items() if name != artery and k in numbers]
        assert np.median(far) > 95.0


def test_ischaemia_fills_at_rest_and_an_infarct_does_not():
    rng = np.random.default_rng
    ill = draw_defects(HeartPlan(0, "M", 60.0, "ischaemia", ("LAD",)), rng(1))
    scar = draw_defects(HeartPlan(0, "M", 60.0, "infarct", (), ("RCA",)), rng(1))
    assert min(percent(ill, "rest").values()) == 100.0
    assert summed(percent(ill, "stress")) > summed(percent(ill, "rest")) == 0
    assert percent(scar, "rest") == percent(scar, "stress")
    assert summed(percent(scar, "rest")) > 0
    both = percent((*ill, *scar), "stress"), percent((*ill, *scar), "rest")
    assert summed(both[0]) > summed(both[1]) > 0


def test_the_transmural_degree_says_what_is_left():
    residual = {"stress": 0.2, "rest": 1.0}
    defect = Defect("LCx", 268.0, 50.0, 0.1, 1.1, 0.5, residual)
    weight = defect.weight(np.full(100, 0.6), np.full(100, 268.0), *SIZE)
    assert weight.min() > 0.98
    left = defect.left("stress", weight, np.linspace(0.005, 0.995, 100))
    assert left[0] == pytest.approx(0.2, abs=0.03)
    assert left[-1] == pytest.approx(1.0)
    assert left.mean() == pytest.approx(1.0 - 0.5 * 0.8, abs=0.03)


def test_borders_are_smooth():
    defect = Defect("RCA", 155.0, 40.0, 0.1, 0.9, 1.0, {"stress": 0.1, "rest": 0.1})
    round_ = defect.weight(np.full(361, 0.5), np.arange(361.0), *SIZE)
    assert round_.max() > 0.95
    assert np.abs(np.diff(round_)).max() < 0.12  # per degree, 0.3 mm
    assert round_[0] < 1e-3


def test_plans_depend_on_their_own_index():
    shares = dict.fromkeys(CLASSES, 0.25)
    plans = [plan(i, 3, shares) for i in range(400)]
    assert plans[17] == plan(17, 3, shares)
    assert {p.label for p in plans} == set(CLASSES)
    for p in plans:
        assert bool(p.ischaemic) == (p.label in ("ischaemia", "both"))
        assert bool(p.infarcted) == (p.label in ("infarct", "both"))
        assert not set(p.ischaemic) & set(p.infarcted)
    assert 0.3 < np.mean([p.sex == "F" for p in plans]) < 0.55


def test_scores_fall_with_perfusion():
    assert [score(p) for p in range(100, -1, -20)] == [0, 1, 2, 3, 4, 4]
