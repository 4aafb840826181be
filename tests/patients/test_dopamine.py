"""Specific binding ratios: age, sex, side and stage as published."""

from __future__ import annotations

import numpy as np
import pytest

from photopeak.patients.dopamine import STAGES, DopaminePlan, draw_plan, draw_sbr, expected_sbr

PATIENTS = 300
STRIATUM_ML = {"caudate": 0.42, "anterior putamen": 0.29, "posterior putamen": 0.29}


def plan(label: str = "normal", stage: int = 0, worse: str = "left", age: float = 60.0) -> DopaminePlan:
    return DopaminePlan(label, stage, worse, "M", age)


def drawn(one: DopaminePlan, patients: int = PATIENTS) -> dict[str, np.ndarray]:
    draws = [draw_sbr(one, np.random.default_rng(k)) for k in range(patients)]
    return {name: np.array([d[name] for d in draws]) for name in draws[0]}


def lost(sbr: dict[str, np.ndarray], side: str, *regions: str) -> float:
    """Share of what healthy people of this age have."""
    weight = np.array([STRIATUM_ML[r] for r in regions])
    kept = np.array([np.median(sbr[f"{side} {r}"]) / expected_sbr(r, "M", 60.0) for r in regions])
    return 1.0 - float((kept * weight).sum() / weight.sum())


def test_healthy_striata_decline_with_age_as_published():
    whole = [np.mean(list(drawn(plan(age=a)).values())) for a in (40.0, 60.0, 80.0)]
    per_decade = (whole[2] - whole[0]) / whole[1] / 4.0
    assert -0.067 < per_decade < -0.04  # ENC-DAT
    assert 5.0 < whole[1] < 7.5
    assert expected_sbr("caudate", "F", 60.0) > expected_sbr("caudate", "M", 60.0)


def test_healthy_striata_are_symmetric_and_people_differ():
    sbr = drawn(plan())
    left, right = sbr["left posterior putamen"], sbr["right posterior putamen"]
    assert np.abs(left - right).mean() / left.mean() < 0.06
    assert 0.09 < left.std() / left.mean() < 0.18


def test_the_first_stage_has_lost_what_was_measured():
    sbr = drawn(plan("parkinson", 1))
    assert lost(sbr, "left", "anterior putamen", "posterior putamen") == pytest.approx(0.56, abs=0.05)
    assert lost(sbr, "left", *STRIATUM_ML) == pytest.approx(0.43, abs=0.04)
    assert lost(sbr, "right", *STRIATUM_ML) == pytest.approx(0.34, abs=0.05)


@pytest.mark.parametrize("stage", STAGES)
def test_the_back_of_the_putamen_goes_first(stage):
    sbr = drawn(plan("parkinson", stage, "right"))
    for side in ("left", "right"):
        caudate, front, back = (lost(sbr, side, r) for r in STRIATUM_ML)
        assert caudate < front < back
    assert lost(sbr, "right", *STRIATUM_ML) > lost(sbr, "left", *STRIATUM_ML)


def test_stages_follow_one_another_and_lose_their_asymmetry():
    means, sides = [], []
    for stage in STAGES:
        sbr = drawn(plan("parkinson", stage))
        means.append(np.mean(list(sbr.values())))
        sides.append(1.0 - np.median(sbr["left anterior putamen"] / sbr["right anterior putamen"]))
    assert means == sorted(means, reverse=True)
    assert sides[0] > sides[-1] > 0.05


def test_a_scan_without_deficit_is_a_normal_scan():
    assert draw_sbr(plan("swedd"), np.random.default_rng(4)) == draw_sbr(plan("normal"), np.random.default_rng(4))


def test_plans_follow_the_mix_and_their_index_alone():
    mix = {"normal": 0.4, "parkinson": 0.45, "swedd": 0.15}
    plans = [draw_plan(5, i, mix, "mixed") for i in range(400)]
    counted = {c: sum(p.label == c for p in plans) / 400 for c in mix}
    assert counted == pytest.approx(mix, abs=0.07)
    assert all((p.stage > 0) == (p.label == "parkinson") for p in plans)
    assert plans[17] == draw_plan(5, 17, mix, "mixed")
    assert {draw_plan(5, i, {"normal": 0.0, "parkinson": 1.0, "swedd": 0.0}, "3").stage for i in range(5)} == {3}
