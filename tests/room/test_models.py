"""Bundles: which one reads, back again, two beside each other, and how one does over time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from photopeak.core import PhotopeakError
from photopeak.room import models
from photopeak.room.results import active_bundle, commit_reading
from photopeak.room.schema import Study
from photopeak.room.several_readers import finished_read, start_cohort
from tests.room.node_peers import image, put
from tests.room.room_people import Browser, People


@pytest.fixture
def people(tmp_path: Path) -> People:
    """Four studies; ``strict`` and ``mild`` have read them all, and people know what the first three are."""
    made = People(tmp_path)
    for key, (p, q) in enumerate(((0.9, 0.4), (0.8, 0.9), (0.3, 0.2), (0.6, 0.6)), 1):
        put(made.room, image(study=key, PatientID=f"P{key}"))
        said(made, key, "strict", p)
        said(made, key, "mild", q, ["yes", "no"])
    return made


def said(people: People, key: int, bundle: str, probability: float, answers: list[str] | None = None) -> None:
    judged = [
        {"question": q, "probability": probability, "answers": answers or ["yes"]} for q in ("metastasis", "arthritis")
    ]
    with people.room.database.reading() as t:
        study = t.get(Study, key)
        assert study is not None
    made = {"bundle_sha256": bundle.ljust(64, "0"), "documents": [{"reading": {"judgements": judged}}], "seconds": 1.0}
    assert commit_reading(people.room, key, study.digest, bundle, made)


def get(who: Browser, path: str, status: int = 200) -> Any:
    answer = who.ask("GET", f"/api/models{path}")
    assert answer.status_code == status, answer.text
    return answer.json()


def test_bundles_are_listed_with_their_cards(people: People) -> None:
    shown = get(people.sign_in("annotator"), "")
    here = {b["name"]: b for b in shown["bundles"]}
    assert here["bone-scan"]["active"]
    assert here["bone-scan"]["card"]
    assert len(here["bone-scan"]["sha256"]) == 64
    assert (shown["before"], shown["teaching"]) == ("", "")


def test_a_bundle_is_switched_on_and_the_one_before_back_again(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    who = people.sign_in("physician")

    def switch(bundle: str) -> Any:
        return who.ask("PUT", "/api/models/active", json={"bundle": bundle})

    assert switch("no-such-bundle").status_code == 422
    assert switch("../../etc").status_code == 422
    assert switch("bone-scan").json() == {"was": "bone-scan", "is": "bone-scan"}
    assert get(who, "")["before"] == ""  # it was on already
    monkeypatch.setattr("photopeak.classify.reader.load_model", lambda name: None)
    assert switch("mild").json() == {"was": "bone-scan", "is": "mild"}
    with people.room.database.reading() as t:
        assert active_bundle(t, people.room) == "mild"
    shown = get(who, "")
    assert shown["before"] == "bone-scan"
    assert next(b for b in shown["bundles"] if b["active"])["fault"]  # it is named, and said to be missing
    assert switch(shown["before"]).json() == {"was": "mild", "is": "bone-scan"}
    assert get(who, "")["before"] == "mild"
    assert people.sign_in("annotator").ask("PUT", "/api/models/active", json={"bundle": "mild"}).status_code == 403


def test_bundles_are_compared_with_a_cohorts_consensus(people: People) -> None:
    reader = people.keys["annotator"]
    with people.room.database.writing() as t:
        cohort = start_cohort(t, "c", True, reader, [1, 2, 3, 4], [reader]).id
        for key, answer in ((1, "yes"), (2, "no"), (3, "no"), (4, "unsure")):
            finished_read(t, key, reader, cohort, {"metastasis": answer, "arthritis": "no", "marks": []})
    who = people.sign_in("physician")
    found = get(who, f"/compared?cohort={cohort}&bundles=strict&bundles=mild&bundles=none")
    assert found["studies"] == 4
    strict, mild = (found["bundles"][b]["metastasis"] for b in ("strict", "mild"))
    assert strict == {"n": 3, "auc": 1.0, "sensitivity": 1.0, "specificity": 0.5, "unsure": 0.0}
    assert mild == {"n": 3, "auc": 0.5, "sensitivity": 0.0, "specificity": 0.5, "unsure": 1.0}
    assert found["bundles"]["strict"]["arthritis"]["auc"] is None  # nobody has it
    assert found["bundles"]["none"]["read"] == 0
    get(who, "/compared?cohort=99&bundles=strict", 404)


def test_a_bundle_is_followed_over_time(people: People) -> None:
    with people.room.database.writing() as t:
        for key, answer in ((1, "yes"), (2, "no"), (3, "unsure")):
            finished_read(t, key, people.keys["physician"], 0, {"metastasis": answer})
    who = people.sign_in("physician")
    (month,) = get(who, "/drift?bundle=strict")
    assert (month["read"], month["refused"], month["suspected"], month["unsure"]) == (4, 0, 0.75, 0.0)
    assert (month["compared_with_people"], month["agreed_with_people"]) == (2, 0.5)
    assert get(who, "/drift?bundle=mild")[0]["unsure"] == 1.0
    assert get(who, "/drift?bundle=none") == []


def test_without_a_worker_nothing_is_taught_or_read(people: People) -> None:
    who = people.sign_in("physician")
    for path in ("read", "teach"):
        answer = who.ask("POST", f"/api/models/{path}", json={"bundle": "new", "cohort": 1})
        assert answer.status_code == 409


def test_a_bundle_that_is_there_is_not_taught_over(
    people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "home", lambda: tmp_path)
    (tmp_path / "bundles" / "mine").mkdir(parents=True)
    with pytest.raises(PhotopeakError, match="already"):
        models.teach(people.room, 1, "mine", 1)


def test_teaching_that_fails_says_why(people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "home", lambda: tmp_path)
    with pytest.raises(PhotopeakError, match="no such cohort"):
        models.teach(people.room, 99, "new", 1)
    assert not (tmp_path / "bundles").exists()
