"""The error audit: what a view shows, and the rate of each error in each group of images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from photopeak.core import PhotopeakError
from photopeak.evaluate.audit import GROUPS, audit, exact, read_shown, shown_in, write_shown
from photopeak.evaluate.predictions import Predictions


def lesion(kind: str, region: str, side: str, **cnr: float) -> dict[str, Any]:
    views = {v: {"cnr": cnr.get(v, 0.0), "annotated": cnr.get(v, 0.0) >= 3} for v in ("anterior", "posterior")}
    return {"kind": kind, "region": region, "side": side, "semi_axes_mm": [10.0, 12.0, 14.0], "views": views}


def document(*lesions: dict[str, Any], mimics: tuple[dict[str, Any], ...] = (), variants: tuple[str, ...] = ()) -> Any:
    return {"lesions": list(lesions), "mimics": list(mimics), "variants": [{"name": v, "side": ""} for v in variants]}


KNEES = document(
    lesion("arthritis", "knee", "left", anterior=40.0),
    lesion("arthritis", "knee", "right", anterior=9.0, posterior=4.0),
    variants=("sacroiliac asymmetry", "dental"),
    mimics=(lesion("isolated rib focus", "rib", "left", posterior=5.0),),
)
VERTEBRA = document(lesion("metastasis", "vertebra", "", posterior=12.0))


def test_a_view_shows_what_is_annotated_in_it() -> None:
    front, back, both = (shown_in("P1", v, KNEES) for v in ("anterior", "posterior", ""))
    assert (front.a_lesions, back.a_lesions, both.a_lesions) == (2, 1, 2)
    assert (front.a_symmetric, back.a_symmetric, both.a_symmetric) == (1, 0, 1)
    assert (front.mimics, back.mimics) == (0, 1)
    assert (front.joint_variants, front.other_variants) == (1, 1)
    assert shown_in("P2", "anterior", VERTEBRA).m_lesions == 0
    back = shown_in("P2", "posterior", VERTEBRA)
    assert (back.m_sites, back.m_largest_mm, back.m_best_cnr) == ("vertebra", 24.0, 12.0)


def predictions(*rows: tuple[str, str, str, tuple[float, float, float]]) -> Predictions:
    patients, views, labels, scores = zip(*rows, strict=True)
    return Predictions(patients, views, ("f",) * len(rows), labels, ("N", "M", "A"), np.array(scores))


def test_errors_are_counted_in_the_groups_they_belong_to() -> None:
    shown = {(p, v): shown_in(p, v, d) for p, d in (("P1", KNEES), ("P2", VERTEBRA)) for v in ("anterior", "posterior")}
    these = predictions(
        ("P1", "anterior", "A", (0.8, 0.1, 0.1)),
        ("P1", "posterior", "A", (0.1, 0.1, 0.8)),
        ("P2", "anterior as M", "M", (0.9, 0.1, 0.0)),
        ("P2", "posterior", "M", (0.2, 0.5, 0.3)),
        ("P2", "posterior as A", "M&A", (0.2, 0.5, 0.3)),
    )
    rates = audit(these, shown)
    assert rates["A, both sides of a joint, read as N"].value == 1.0
    assert rates["A, one side, read as N"].value == 0.0
    assert rates["A, read as N"].value == 0.5
    assert (rates["A, read as N"].images, rates["A, read as N"].patients) == (2, 1)
    assert rates["M, none in the view, read as N"].value == 1.0
    assert rates["M, vertebrae alone, read as N"].value == 0.0
    assert rates["M, read as N"].images == 2  # the case of two classes is left out
    assert not [k for k in rates if k.startswith("N,")]
    assert audit(these, shown, fewest=2) == {}  # one patient a group says nothing


def test_groups_of_a_class_cover_it_without_overlap() -> None:
    both = [shown_in("P", v, d) for d in (KNEES, VERTEBRA, document()) for v in ("anterior", "posterior")]
    for group in (("M, none in the view", "M, one", "M, two or three", "M, four or more"),
                  ("A, none in the view", "A, both sides of a joint", "A, one side"),
                  ("N, a joint's variant", "N, another variant alone", "N, no variant")):  # fmt: skip
        assert all(sum(GROUPS[name][1](s) for name in group) == 1 for s in both)


def test_an_interval_counts_patients() -> None:
    assert exact(0.5, 10) == pytest.approx((0.187, 0.813), abs=1e-3)
    assert exact(0.0, 10)[0] == 0.0
    assert exact(0.5, 40)[1] < exact(0.5, 10)[1]


def test_a_case_of_another_cohort_is_refused() -> None:
    with pytest.raises(PhotopeakError, match="nothing is known of 1 of the images, such as patient 'P9'"):
        audit(predictions(("P9", "anterior", "N", (1.0, 0.0, 0.0))), {})


def test_rows_come_back(tmp_path: Path) -> None:
    rows = [shown_in("P1", "anterior", KNEES), shown_in("P2", "posterior", VERTEBRA)]
    write_shown(rows, tmp_path / "shown.csv")
    assert list(read_shown(tmp_path / "shown.csv").values()) == rows
