"""Curves in a head: the window has what the static protocol lays, slopes are the true rates, gliomas run as known."""

from __future__ import annotations

import numpy as np
import pytest

from photopeak.core import PhotopeakError
from photopeak.patients import glioma
from photopeak.patients.brain import NAMES, NUMBER, Head, draw_variation, make_head
from photopeak.patients.brain.structures import BRAIN
from photopeak.patients.brain_kinetics import FDG_RATES, FET_RATES, Dynamics, draw_rates, dynamics
from photopeak.patients.brain_tracers import FDG, FET, mean_of, table_of
from photopeak.physics.kinetics import frame_times
from photopeak.quantify.graphical import logan, patlak
from photopeak.recipes.brain_dynamic import FDG_FRAMES, FET_FRAMES

EDGE_MM = 2.4
CORTEX = NUMBER["left precuneus"]


def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def gliomas(label: str) -> tuple[glioma.GliomaPlan, Head, Dynamics]:
    plan = glioma.GliomaPlan(label, "frontal lobe", "left", 36.0, 3.0, label == "high-grade", "F", 50.0)
    head = make_head(draw_variation(rng(), "F", 50.0), EDGE_MM, glioma.draw_tumour(plan, rng()))
    table = glioma.draw_table(plan, head.volumes_ml(), rng())
    rates = {k: v for k, v in FET_RATES.items() if k not in glioma.CLASSES or k == label}
    return plan, head, dynamics(head, table, FET, draw_rates(rates, rng()), 3.6, 40.0)


@pytest.fixture(scope="module")
def head() -> Head:
    return make_head(draw_variation(rng(), "M", 50.0), EDGE_MM)


@pytest.fixture(scope="module")
def high() -> tuple[glioma.GliomaPlan, Head, Dynamics]:
    return gliomas("high-grade")


def fdg(head: Head, k4: float = 0.0) -> Dynamics:
    grey = {f"{side} {region}": v for side in ("left", "right") for region, v in FDG.grey.items()}
    return dynamics(head, table_of(FDG, grey), FDG, draw_rates(FDG_RATES, rng(), k4), 15.0, 60.0)


def test_the_late_window_has_what_the_static_protocol_lays(head):
    late = fdg(head).frames(np.array([FDG.wait_min]), np.array([FDG.minutes]))[0]
    volumes = head.volumes_ml()
    assert sum(late[k] * volumes[NAMES[k]] for k in BRAIN) == pytest.approx(15e6, rel=1e-6)
    assert late[CORTEX] / late[NUMBER["left frontal cortex"]] == pytest.approx(1.08, rel=1e-6)
    assert late[NUMBER["left white matter"]] / late[NUMBER["left frontal cortex"]] == pytest.approx(0.26, rel=1e-6)


def test_patlaks_slope_of_noise_free_curves_is_the_true_influx(head):
    inside, (starts, lasts) = fdg(head), frame_times(FDG_FRAMES)
    slope, _ = patlak(inside.frames(starts, lasts), starts, lasts, (inside.time_min, inside.plasma), 25.0)
    assert slope[list(BRAIN)] == pytest.approx(inside.net_influx()[list(BRAIN)], rel=0.03)
    assert 0.02 < inside.net_influx()[CORTEX] < 0.05
    back = fdg(head, 0.0068)
    low, _ = patlak(back.frames(starts, lasts), starts, lasts, (back.time_min, back.plasma), 25.0)
    assert low[CORTEX] < 0.9 * back.net_influx()[CORTEX]


def test_high_grade_peaks_early_and_declines_and_low_grade_rises(high):
    starts, lasts = frame_times(FET_FRAMES)
    late = starts >= 5.0
    middle = (starts + 0.5 * lasts)[late]
    for label, made in (("high-grade", high), ("low-grade", gliomas("low-grade"))):
        plan, head, inside = made
        frames = inside.frames(starts, lasts)
        curve = frames[late][:, NUMBER["tumour"]]
        if label == "high-grade":
            assert 8.0 <= middle[curve.argmax()] <= 20.0
            assert curve[-1] < 0.95 * curve.max()
        else:
            assert middle[curve.argmax()] > 30.0
        healthy = frames[late][:, CORTEX]
        assert middle[healthy.argmax()] > 25.0
        assert healthy[-1] > 0.95 * healthy.max()  # a plateau
        window = inside.frames(np.array([20.0]), np.array([20.0]))[0]
        brain = mean_of(glioma.healthy(plan), window, head.volumes_ml())
        assert window[NUMBER["tumour"]] / brain == pytest.approx(plan.tbr, rel=1e-6)


def test_logans_slope_is_the_volume_where_the_tracer_comes_back(high):
    _, _, inside = high
    long = dynamics(high[1], np.ones(len(NAMES)), FET, FET_RATES, 3.6, 180.0)
    starts = np.arange(0.0, 180.0, 5.0)
    lasts = np.full(len(starts), 5.0)
    seen = logan(long.frames(starts, lasts), starts, lasts, (long.time_min, long.plasma), 100.0)
    assert seen[CORTEX] == pytest.approx(long.volume()[CORTEX], rel=0.03)
    assert inside.volume()[NUMBER["tumour"]] > 2.0 * inside.volume()[CORTEX]


def test_a_tumour_takes_the_place_of_brain_alone(high, head):
    plan, ill, _ = high
    healthy = make_head(draw_variation(rng(), "F", 50.0), EDGE_MM)
    changed = ill.label != healthy.label
    assert np.isin(healthy.label[changed], BRAIN).all()
    volumes = ill.volumes_ml()
    ball = np.pi / 6.0 * (plan.diameter_mm / 10.0) ** 3 * 0.9
    assert 0.5 * ball < volumes["tumour"] + volumes["necrosis"] < 1.15 * ball
    assert volumes["necrosis"] > 1.0
    assert head.volumes_ml()["tumour"] == 0.0
    x = np.argwhere(ill.label == NUMBER["tumour"]).mean(0)[2] * ill.edge_mm + ill.origin_mm[0]
    assert 20.0 < x < 40.0  # the left one


def test_plans_follow_the_mix_and_depend_on_their_index_alone():
    shares = {"high-grade": 0.7, "low-grade": 0.3}
    plans = [glioma.draw_plan(7, i, shares) for i in range(120)]
    assert np.mean([p.label == "high-grade" for p in plans]) == pytest.approx(0.7, abs=0.12)
    assert np.mean([p.tbr for p in plans if p.label == "high-grade"]) == pytest.approx(3.3, abs=0.3)
    assert np.mean([p.tbr for p in plans if p.label == "low-grade"]) == pytest.approx(2.1, abs=0.3)
    assert glioma.draw_plan(7, 3, shares) == plans[3]
    assert not any(p.core for p in plans if p.label == "low-grade")


def test_frames_that_cannot_be_read_are_refused():
    for text in ("", "10", "2x", "0x10", "3x0", "2x30;1x60", "2x30,"):
        with pytest.raises(PhotopeakError, match="6x10,4x30,10x300"):
            frame_times(text)
