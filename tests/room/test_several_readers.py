"""Three readers read the same study: blind to each other, counted, decided, and handed on as a cohort."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from photopeak.core import PhotopeakError
from photopeak.dicom.cohort import Cohort
from photopeak.dicom.labelme import read_labelme
from photopeak.room.accounts import add_user, open_session
from photopeak.room.several_readers import start_cohort, votes_of
from tests.room.one_patient import receive_patient, simulated
from tests.room.room_people import Browser, People, browser

FOCUS = [[100.0, 400.0], [120.0, 430.0]]
NEAR = [[101.0, 402.0], [121.0, 431.0]]
ELSEWHERE = [[50.0, 700.0], [60.0, 715.0]]


def mark(points: list[list[float]], finding: str = "metastasis", **more: Any) -> dict[str, Any]:
    return {
        "id": f"{finding}-{points[0][0]}", "origin": "drawn", "state": "accepted", "number": None, "finding": finding,
        "site": "sacrum", "view": "posterior", "shape": "rectangle", "points_px": points, "comment": "", **more,
    }  # fmt: skip


class Trial:
    """A room with one study, three readers of it, and a cohort that they read."""

    def __init__(self, folder: Path) -> None:
        self.people = People(folder)
        self.study = receive_patient(self.people.room)
        self.readers = [self._reader(f"Reader {x}") for x in "ABC"]
        self.lead = self.people.sign_in("physician")
        form = {"name": "three", "studies": [self.study], "readers": [r.key for r in self.readers]}
        self.cohort = self.lead.ask("POST", "/api/cohorts", json=form).json()["key"]
        self.path = f"/api/cohorts/{self.cohort}"

    def _reader(self, name: str) -> Browser:
        with self.people.room.database.writing() as t:
            user = add_user(t, name, "annotator")
            token, session = open_session(t, user)
        return browser(self.people.app, token, session.csrf, user.id)

    def read(self, reader: int, metastasis: str, arthritis: str, *marks: dict[str, Any]) -> None:
        who, document = self.readers[reader], {"metastasis": metastasis, "arthritis": arthritis, "marks": list(marks)}
        path = f"/api/studies/{self.study}/read"
        form = {"version": 0, "document": document, "active_seconds": 10.0 * (reader + 1)}
        assert who.ask("PUT", f"{path}?cohort={self.cohort}", json=form).status_code == 200
        assert who.ask("POST", f"{path}/finish?cohort={self.cohort}", json={"version": 1}).status_code == 200

    def decide(self, *marks: dict[str, Any], metastasis: str = "yes", arthritis: str = "no") -> Any:
        form = {"metastasis": metastasis, "arthritis": arthritis, "marks": list(marks), "reason": "seen together"}
        return self.lead.ask("PUT", f"{self.path}/studies/{self.study}/consensus", json=form)

    def review(self) -> Any:
        return self.lead.ask("GET", f"{self.path}/studies/{self.study}/review").json()

    def export(self, folder: Path) -> Cohort:
        data = self.lead.ask("GET", f"{self.path}/export").content
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            archive.extractall(folder)
        return Cohort(folder / "cohort")


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


def test_the_readers_see_their_cohort_and_nobody_elses_reads(trial: Trial) -> None:
    trial.read(0, "yes", "no", mark(FOCUS))
    second = trial.readers[1]
    shown = second.ask("GET", "/api/cohorts").json()
    assert [c["name"] for c in shown["cohorts"]] == ["three"]
    assert shown["readers"] == []
    assert second.ask("GET", f"/api/studies/{trial.study}/read?cohort={trial.cohort}").json() == {
        "read": None,
        "others": [],
    }
    assert second.ask("GET", f"{trial.path}/studies/{trial.study}/review").status_code == 403
    row = second.ask("GET", trial.path).json()["rows"][0]
    assert (row["mine"], row["done"], row["decided"], row["suspicion"]) == ("", 1, False, None)
    assert trial.people.sign_in("researcher").ask("GET", trial.path).status_code == 404
    progress = trial.lead.ask("GET", "/api/cohorts").json()["cohorts"][0]
    assert [(r["display"], r["done"], r["of"]) for r in progress["readers"]] == [
        ("Reader A", 1, 1), ("Reader B", 0, 1), ("Reader C", 0, 1),
    ]  # fmt: skip


def test_majorities_and_lesions_are_reviewed_and_then_decided(trial: Trial) -> None:
    trial.read(0, "yes", "no", mark(FOCUS), mark(ELSEWHERE, "arthritis"))
    trial.read(1, "yes", "unsure", mark(NEAR))
    refused = trial.decide()
    assert refused.status_code == 409
    assert "1 readers have not finished" in refused.json()["detail"]
    trial.read(2, "no", "yes", mark(FOCUS, state="rejected"))
    seen = trial.review()
    assert seen["readers"] == ["Reader 1", "Reader 2", "Reader 3"]
    assert seen["votes"] == {"metastasis": ["yes", "yes", "no"], "arthritis": ["no", "unsure", "yes"]}
    assert seen["majority"] == {"metastasis": True, "arthritis": None}
    lesions = {x["finding"]: (x["markers"], x["majority"]) for x in seen["lesions"]}
    assert lesions == {"arthritis": ([1], False), "metastasis": ([1, 2], True)}
    assert trial.decide(mark(FOCUS)).status_code == 200
    assert trial.review()["decided"]["reason"] == "seen together"
    assert trial.decide(metastasis="no").status_code == 200  # may be thought over
    assert trial.lead.ask("GET", trial.path).json()["decided"] == 1


def test_agreement_is_told_for_each_pair(trial: Trial) -> None:
    trial.read(0, "yes", "no", mark(FOCUS), mark(ELSEWHERE, "arthritis"))
    trial.read(1, "yes", "no", mark(NEAR))
    trial.read(2, "no", "no")
    told = trial.lead.ask("GET", f"{trial.path}/agreement").json()
    assert told["readers"] == ["Reader A", "Reader B", "Reader C"]
    assert told["seconds"] == {"Reader A": 10.0, "Reader B": 20.0, "Reader C": 30.0}
    assert told["studies"] == 1
    assert len(told["questions"]["metastasis"]["pairs"]) == 3
    first, second, third = told["lesions"]
    assert (first["both"], first["only_first"], first["only_second"]) == (1, 1, 0)
    assert first["specific_agreement"] == pytest.approx(2 / 3, abs=1e-4)
    area = 20 * 30
    assert first["mean_dice"] == pytest.approx(2 * 19 * 28 / (area + 20 * 29), abs=1e-3)
    assert (second["both"], third["both"]) == (0, 0)


def test_the_export_is_a_cohort_with_the_majoritys_labels(trial: Trial, tmp_path: Path) -> None:
    trial.read(0, "yes", "no", mark(FOCUS))
    trial.read(1, "yes", "no", mark(NEAR))
    trial.read(2, "no", "no", mark(ELSEWHERE))
    cohort = trial.export(tmp_path / "out")
    assert len(cohort) == 1
    study = cohort[0]
    assert (study["counts"].values == simulated()["counts"].values).all()
    assert [study[f"truth/label_{q}"].value for q in "ma"] == [1, 0]
    folder = next((tmp_path / "out" / "cohort").glob("*/"))
    agreed = read_labelme((folder / "consensus.json").read_bytes(), "consensus", (1024, 256))
    assert [m.finding for m in agreed] == ["metastasis"]
    assert sorted(p.name for p in folder.glob("reader*.json")) == ["reader1.json", "reader2.json", "reader3.json"]


def test_the_export_has_what_the_adjudicator_decided(trial: Trial, tmp_path: Path) -> None:
    trial.read(0, "yes", "no", mark(FOCUS))
    trial.read(1, "yes", "no", mark(NEAR))
    trial.read(2, "no", "unsure")
    trial.decide(mark(ELSEWHERE, "arthritis"), metastasis="no", arthritis="yes")
    trial.export(tmp_path / "out")
    lines = (tmp_path / "out" / "cohort" / "cohort.csv").read_text().splitlines()
    columns = lines[0].split(",")
    for line in lines[1:]:
        row = dict(zip(columns, line.split(","), strict=True))
        assert (row["label_m"], row["label_a"]) == ("0", "1")
    folder = next((tmp_path / "out" / "cohort").glob("*/"))
    agreed = read_labelme((folder / "consensus.json").read_bytes(), "consensus", (1024, 256))
    assert [(m.finding, m.shape) for m in agreed] == [("arthritis", "rectangle")]


def test_a_study_that_nobody_settled_is_left_out(trial: Trial, tmp_path: Path) -> None:
    trial.read(0, "yes", "no")
    trial.read(1, "no", "no")
    trial.read(2, "unsure", "no")
    trial.lead.ask("GET", f"{trial.path}/export")
    answer = trial.lead.ask("GET", f"{trial.path}/export")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert not [n for n in archive.namelist() if n.endswith(".dcm")]


def test_what_makes_no_cohort_is_refused(trial: Trial) -> None:
    for form in (
        {"name": "x", "studies": [99], "readers": [trial.readers[0].key]},
        {"name": "x", "studies": [1], "readers": [trial.people.keys["researcher"]]},
        {"name": "three", "studies": [1], "readers": [trial.readers[0].key]},
        {"name": "", "studies": [1], "readers": [1]},
    ):
        assert trial.lead.ask("POST", "/api/cohorts", json=form).status_code == 422, form
    with pytest.raises(PhotopeakError), trial.people.room.database.writing() as t:
        start_cohort(t, "none", True, 1, [], [1])
    assert trial.lead.ask("GET", "/api/cohorts/99").status_code == 404


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (["yes", "yes", "no"], True),
        (["no", "no", "yes"], False),
        (["yes", "no"], None),
        (["yes", "yes", "unsure"], True),
        (["yes", "unsure", "unsure"], None),
        (["no", "no", ""], False),
    ],
)
def test_votes(said: list[str], wanted: bool | None) -> None:
    assert votes_of([{"metastasis": s} for s in said], "metastasis") is wanted
