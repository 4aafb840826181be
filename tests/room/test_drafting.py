"""A report's first text: grouped, sided, honest about what is unsure, and silent about what is not known."""

import datetime as dt
from typing import Any

import pytest

from photopeak.core.report import SECTIONS, SignedLesion
from photopeak.room.api.forms import Mark
from photopeak.room.drafting import HARD_SPACE, comparison, draft_sections, technique

CORNERS = ((1.0, 1.0), (4.0, 1.0), (4.0, 4.0))


def lesion(finding: str, site: str, view: str) -> SignedLesion:
    return SignedLesion(finding, site, view, CORNERS, 10.0, 5.0, "", False, False)


def drafted(marks: Any = (), metastasis: str = "no", arthritis: str = "no", **more: Any) -> dict[str, str]:
    given = {"index": None, "prior": None, "facts": {}, "flags": (), "network": None, **more}
    said = draft_sections(
        list(marks), metastasis, arthritis, given["index"], given["prior"], given["facts"], list(given["flags"]),
        given["network"],
    )  # fmt: skip
    return {name: text.replace(HARD_SPACE, " ") for name, text in said.items()}


def test_every_section_is_there_and_negatives_are_stated() -> None:
    said = drafted()
    assert tuple(said) == SECTIONS
    assert said["indication"] == said["technique"] == ""
    both = "No focal uptake suspicious for metastasis.\nNo uptake suggestive of arthritis."
    assert said["findings"] == said["conclusion"] == both


def test_foci_are_grouped_by_region_and_side_from_head_to_foot() -> None:
    marks = [
        lesion("arthritis", "right foot", "anterior"),
        lesion("metastasis", "left ribs", "posterior"),
        lesion("metastasis", "", "posterior"),
        lesion("metastasis", "skull", "anterior"),
        lesion("metastasis", "left ribs", "posterior"),
        lesion("metastasis", "right ribs", "anterior"),
    ]
    said = drafted(marks, "yes", "yes", index=2.346)
    assert said["findings"].splitlines() == [
        "One focus of increased uptake in the skull (anterior view), considered metastatic.",
        "Two foci of increased uptake in the left ribs (posterior view), considered metastatic.",
        "One focus of increased uptake in the right ribs (anterior view), considered metastatic.",
        "One focus of increased uptake outside the named regions (posterior view), considered metastatic.",
        "One focus of increased uptake in the right foot (anterior view), considered degenerative.",
        "The bone scan index is 2.35 %.",
    ]
    assert said["conclusion"].splitlines() == [
        "Bone metastases in the skull, the left ribs and the right ribs and outside the named regions.",
        "Degenerative (arthritic) uptake in the right foot.",
    ]


def test_marks_in_two_views_are_not_added_up() -> None:
    said = drafted([lesion("metastasis", "sacrum", v) for v in ("anterior", "posterior")], "yes")
    assert (
        "one focus in the anterior view and one focus in the posterior view, which may show the same"
        in (said["findings"])
    )


def test_only_marks_that_stand_are_reported() -> None:
    def mark(state: str) -> Mark:
        points = [(1.0, 1.0), (4.0, 1.0), (4.0, 4.0)]
        return Mark(
            id=state, origin="network", state=state, finding="metastasis", site="sacrum", view="anterior",
            shape="polygon", points_px=points,
        )  # fmt: skip

    said = drafted([mark(s) for s in ("open", "rejected", "accepted", "edited")], "yes")
    assert said["findings"].startswith("Two foci of increased uptake in the sacrum (anterior view)")


@pytest.mark.parametrize(
    ("marks", "answer", "section", "wanted"),
    [
        ([], "unsure", "conclusion", "SPECT/CT of the regions in question, or correlation with radiographs"),
        ([], "yes", "conclusion", "Bone metastases, without a marked focus."),
        ([], "yes", "findings", "No focus of uptake is marked as metastasis."),
        ([], "", "conclusion", "The question of metastasis is not answered yet."),
        ([("sacrum")], "no", "findings", "answered no, although foci are marked as such: to be resolved."),
        ([("")], "yes", "conclusion", "Bone metastases, outside the named regions."),
    ],
)
def test_answers_are_said_plainly(marks: list[str], answer: str, section: str, wanted: str) -> None:
    said = drafted([lesion("metastasis", site, "anterior") for site in marks], answer)
    assert wanted in said[section]


@pytest.mark.parametrize(
    ("index", "prior", "wanted"),
    [
        (1.0, (dt.date(2025, 3, 2), 2.5), "has fallen from 2.50 % to 1.00 %"),
        (1.0, (dt.date(2025, 3, 2), 1.001), "is unchanged at 1.00 %"),
        (None, (dt.date(2025, 3, 2), 1.0), "was 1.00 % on 2025-03-02; none was computed for this scan"),
        (1.0, (dt.date(2025, 3, 2), None), "no bone scan index is known of it"),
    ],
)
def test_the_prior_is_compared_where_it_can_be(
    index: float | None, prior: tuple[dt.date, float | None], wanted: str
) -> None:
    assert wanted in comparison(index, prior).replace(HARD_SPACE, " ")


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        ({}, ""),
        ({"activity_mbq": float("nan"), "tracer": ""}, ""),
        ({"activity_mbq": 600.0}, "Planar bone scan with 600 MBq."),
        ({"views": ["posterior"]}, "Planar bone scan in the posterior view."),
        ({"views": ["posterior"], "tracer": "MDP"}, "Planar bone scan in the posterior view with MDP."),
        ({"after_injection_min": 180}, "Planar bone scan 3 h after injection."),
        ({"scan_speed_cm_min": 13.5}, "The scan speed was 13.5 cm/min."),
    ],
)
def test_technique_leaves_out_what_is_missing(facts: dict[str, object], wanted: str) -> None:
    assert technique(facts).replace(HARD_SPACE, " ") == wanted


def test_flags_and_the_network_have_their_place() -> None:
    said = drafted(flags=["read from the anterior view alone", " "], network="metastasis, probably.")
    assert said["limitations"].splitlines()[1:] == ["Read from the anterior view alone."]
    assert said["conclusion"].endswith("For comparison, the network's reading: Metastasis, probably.")
