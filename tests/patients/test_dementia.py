"""What age and disease take from the brain, and what they spare."""

from __future__ import annotations

import numpy as np
import pytest

from photopeak.patients.brain_tracers import FDG, HMPAO, table_of
from photopeak.patients.dementia import CLASSES, BrainPlan, described, draw_plan, draw_uptake, kept

LOBES = ("frontal cortex", "parietal cortex", "temporal cortex", "occipital cortex", "sensorimotor cortex")
SPARED = ("caudate", "posterior putamen", "thalamus", "cerebellar cortex", "sensorimotor cortex")


def plan(label: str, severity: float = 0.0, age: float = 70.0) -> BrainPlan:
    return BrainPlan(label, "", severity, 0.0, "left", "F", age)


def left(label: str, severity: float, region: str) -> float:
    """Of what is left at this age without the disease."""
    return kept(plan(label, severity), region, "left") / kept(plan("normal"), region, "left")


def test_alzheimer_begins_at_the_back_and_spares_what_it_spares():
    mild = {r: left("ad", 0.5, r) for r in (*LOBES, "posterior cingulate", "precuneus", "hippocampus", *SPARED)}
    assert 0.70 < mild["posterior cingulate"] < 0.85  # a fifth at the earliest stage of dementia
    assert max(mild[r] for r in ("parietal cortex", "temporal cortex", "precuneus")) < 0.80
    assert mild["frontal cortex"] > 0.90
    assert min(mild[r] for r in (*SPARED, "occipital cortex")) > 0.95
    assert left("ad", 1.0, "frontal cortex") < 0.75  # late
    assert 0.86 < left("mci", 0.27, "posterior cingulate") < 0.95


def test_lewy_bodies_darken_the_occipital_cortex_around_an_island():
    assert left("dlb", 0.7, "occipital cortex") < 0.75 < left("ad", 0.7, "occipital cortex")
    island = {d: left(d, 0.7, "posterior cingulate") / left(d, 0.7, "precuneus") for d in ("ad", "dlb")}
    assert island["dlb"] > 1.2
    assert island["ad"] == pytest.approx(1.0, abs=0.02)


def test_age_takes_from_the_front():
    old = {r: kept(plan("normal", 0.0, 85.0), r, "right") for r in (*LOBES, "anterior cingulate")}
    assert old["anterior cingulate"] < old["frontal cortex"] < 0.9 < old["parietal cortex"]
    assert old["occipital cortex"] == 1.0


def test_the_worse_side_is_worse():
    lopsided = BrainPlan("ad", "mild", 0.5, 0.4, "left", "F", 70.0)
    assert kept(lopsided, "parietal cortex", "left") < kept(lopsided, "parietal cortex", "right") - 0.05


def test_plans_depend_on_their_own_index_and_on_the_mix():
    shares = dict.fromkeys(CLASSES, 0.25)
    many = [draw_plan(5, i, shares, "mixed") for i in range(400)]
    assert {p.label for p in many} == set(CLASSES)
    assert many[7] == draw_plan(5, 7, shares, "mixed")
    assert all((p.stage != "") == (p.label in ("ad", "dlb")) for p in many)
    severe = [draw_plan(5, i, {**dict.fromkeys(CLASSES, 0.0), "ad": 1.0}, "severe") for i in range(20)]
    assert min(p.severity for p in severe) > 0.85
    assert np.mean([p.atrophy for p in severe]) > 1.0


def test_grey_matter_takes_four_times_as_much_glucose_as_white():
    table = table_of(FDG, draw_uptake(plan("normal", age=45.0), FDG.grey, 1.0, np.random.default_rng(1)))
    from photopeak.patients.brain.structures import CORTEX, NUMBER

    assert 3.2 < table[list(CORTEX)].mean() / table[NUMBER["left white matter"]] < 4.2
    assert (table[list(CORTEX)] > 0.8).all()


def test_blood_flow_falls_less_than_metabolism():
    ill = plan("ad", 0.9)
    glucose = draw_uptake(ill, FDG.grey, 1.0, np.random.default_rng(1))["left precuneus"] / FDG.grey["precuneus"]
    flow = draw_uptake(ill, HMPAO.grey, 0.75, np.random.default_rng(1))["left precuneus"] / HMPAO.grey["precuneus"]
    assert glucose < flow < 1.0


@pytest.mark.parametrize(
    ("who", "word"),
    [
        (plan("normal"), "No evidence"),
        (plan("mci", 0.3), "early"),
        (BrainPlan("ad", "severe", 0.95, 0.4, "right", "M", 70.0), "more so on the right"),
        (plan("dlb", 0.7), "Lewy"),
    ],
)
def test_reports_say_what_is_there(who, word):
    assert word in described(who, "PET", "metabolism")
