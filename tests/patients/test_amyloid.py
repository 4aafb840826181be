"""Amyloid: the true Centiloid is what an image without noise shows, and lies where amyloid lies."""

from __future__ import annotations

import numpy as np
import pytest

from photopeak.core.centiloid import CENTILOID
from photopeak.patients.amyloid import AmyloidPlan, draw_plan, draw_table, report, seen
from photopeak.patients.brain import NUMBER, Head, Variation, make_head
from photopeak.patients.brain_tracers import CEREBELLUM, mean_of


@pytest.fixture(scope="module")
def head() -> Head:
    return make_head(Variation(), 2.4)


def table(head: Head, centiloid: float, tracer: str = "pib") -> dict[str, float]:
    plan = AmyloidPlan("positive", centiloid, "F", 70.0)
    laid = draw_table(plan, tracer, head, np.random.default_rng(4))
    assert mean_of(CEREBELLUM, laid, head.volumes_ml()) == pytest.approx(1.0)
    target, reference = seen(head, laid)
    assert CENTILOID[tracer].centiloid(target / reference) == pytest.approx(centiloid, abs=0.01)
    return {name: float(laid[k]) for name, k in NUMBER.items()}


def test_the_scale_has_its_anchors():
    pib = CENTILOID["pib"]
    assert pib.centiloid(1.009) == pytest.approx(0.0, abs=0.1)
    assert pib.centiloid(2.076) == pytest.approx(100.0, abs=0.1)
    assert all(line.suvr(line.centiloid(1.4)) == pytest.approx(1.4) for line in CENTILOID.values())


def test_without_amyloid_white_matter_is_brightest(head):
    clean = table(head, 0.0)
    assert clean["left white matter"] > 1.7 * clean["left frontal cortex"]
    assert clean["left frontal cortex"] == pytest.approx(clean["left cerebellar cortex"], rel=0.25)


def test_amyloid_lies_where_it_lies(head):
    clean, full = table(head, 0.0), table(head, 100.0)
    more = {name: full[name] - clean[name] for name in full}
    assert more["left precuneus"] > more["left temporal cortex"] > more["left occipital cortex"]
    assert more["left frontal cortex"] > 1.5 * more["left sensorimotor cortex"]
    assert more["left caudate"] > more["left thalamus"] > 0.0
    assert abs(more["left white matter"]) < 0.05
    assert full["left frontal cortex"] > full["left white matter"]


def test_a_tracer_with_a_shorter_range_shows_less(head):
    assert table(head, 80.0, "florbetaben")["left precuneus"] < table(head, 80.0)["left precuneus"]


def test_classes_do_not_meet():
    drawn = [draw_plan(3, i, {"negative": 0.5, "positive": 0.5}) for i in range(200)]
    levels = {c: [p.centiloid for p in drawn if p.label == c] for c in ("negative", "positive")}
    assert max(levels["negative"]) < 20.0 < 25.0 < min(levels["positive"])
    assert "Negative" in report(drawn[[p.label for p in drawn].index("negative")], "pib")
    assert "Positive" in report(drawn[[p.label for p in drawn].index("positive")], "florbetaben")
