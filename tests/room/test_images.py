"""A study with two images: readings, marks, reports and exports keep them apart, and old drafts stay what they were."""

from __future__ import annotations

import base64
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from sqlalchemy import select

from photopeak.dicom.labelme import read_labelme
from photopeak.room.cohort_export import export_cohort
from photopeak.room.reporting import complete_signed
from photopeak.room.schema import Instance, User
from tests.room.one_patient import labelme, planar_file, read_by_network, simulated
from tests.room.room_people import PASSWORD, Browser, People
from tests.room.two_images import CALLED, NAMES, image

BOX = [[100.0, 400.0], [120.0, 430.0]]
ANSWERS = {"metastasis": "yes", "arthritis": "no"}


@pytest.fixture
def people(tmp_path: Path) -> Any:
    made = People(tmp_path)
    for number in (1, 0):  # the late one came first
        made.room.receive(image(planar_file(), number), "CAMERA")
    read_by_network(made.room, 1)
    yield made
    made.room.database.close()


@pytest.fixture
def who(people: People) -> Browser:
    from photopeak.room.accounts import set_password

    with people.room.database.writing() as t:
        user = t.get(User, people.keys["physician"])
        assert user is not None
        set_password(user, PASSWORD)
    return people.sign_in("physician")


def mark(number: int | None, name: str = "m", **more: Any) -> dict[str, Any]:
    of = {} if number is None else {"image": NAMES[number]}
    where = {"site": "sacrum", "view": "posterior", "shape": "rectangle", "points_px": BOX}
    return {"id": name, "origin": "drawn", "finding": "metastasis", **where, **of, **more}


def read(who: Browser, *marks: dict[str, Any], cohort: int = 0) -> None:
    path, query = "/api/studies/1/read", f"?cohort={cohort}" if cohort else ""
    form = {"version": 0, "document": {**ANSWERS, "marks": list(marks)}}
    assert who.ask("PUT", path + query, json=form).status_code == 200
    assert who.ask("POST", f"{path}/finish{query}", json={"version": 1}).status_code == 200


def test_every_reading_says_which_image_it_is_about(who: Browser) -> None:
    pictures = who.ask("GET", "/api/studies/1/pictures").json()["pictures"]
    assert [(p["image"], p["title"]) for p in pictures] == list(zip(NAMES, CALLED, strict=True))
    assert [p["started"][11:16] for p in pictures] == ["09:00", "12:00"]
    documents = who.ask("GET", "/api/studies/1/network").json()["documents"]
    assert [d["image"] for d in documents] == list(NAMES)
    assert [d["views"]["anterior"]["sop"] for d in documents] == list(NAMES)


def test_a_lesion_is_measured_and_sent_on_the_image_that_it_lies_on(people: People, who: Browser) -> None:
    read(who, mark(0), mark(1, "n"), mark(None, "old"))
    made = who.ask("POST", "/api/studies/1/reports").json()[-1]
    counts = simulated()["counts"].values[1, 400:430, 100:120]
    late = (counts + counts // 3).max()
    assert [x["max_counts"] for x in made["document"]["lesions"]] == [counts.max(), late, counts.max()]
    said = made["document"]["sections"]["findings"]
    assert "one focus in the 2nd posterior view and two foci in the posterior view" in said
    signed = who.ask("POST", "/api/studies/1/reports/sign", json={"version": made["version"], "password": PASSWORD})
    assert signed.status_code == 200, signed.text
    assert complete_signed(people.room) == 1
    kinds: dict[str, list[Any]] = {}
    with people.room.database.reading() as t:
        for sha256 in t.scalars(select(Instance.sha256).where(Instance.sender == "PHOTOPEAK")):
            ds = pydicom.dcmread(pydicom.filebase.DicomBytesIO(people.room.objects.get(sha256)))
            kinds.setdefault(ds.Modality, []).append(ds)
    assert {k: len(v) for k, v in kinds.items()} == {"SR": 1, "SEG": 2, "DOC": 1}
    about = {
        ds.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID: len(ds.SegmentSequence)
        for ds in kinds["SEG"]
    }
    assert about == {NAMES[0]: 2, NAMES[1]: 1}
    regions = [str(i) for i in kinds["SR"][0].iterall() if i.keyword == "ReferencedSOPInstanceUID"]
    assert all(any(name in r for r in regions) for name in NAMES)


def test_a_mark_on_an_image_that_is_gone_makes_no_report(who: Browser) -> None:
    read(who, mark(0, image="2.25.1"))
    answer = who.ask("POST", "/api/studies/1/reports")
    assert answer.status_code == 422
    assert "2.25.1" in answer.json()["detail"]


def test_of_two_images_one_is_exported_or_imported(who: Browser) -> None:
    read(who, mark(0), mark(1, "n", points_px=[[1.0, 2.0], [3.0, 5.0]]), mark(None, "old"))
    path = "/api/studies/1/labelme"
    assert who.ask("GET", path).status_code == 422
    for number, n in ((0, 2), (1, 1)):
        out = who.ask("GET", f"{path}?image={NAMES[number]}").content
        assert len(read_labelme(out, "out", (1024, 256))) == n
    file = {"name": "x.json", "base64": base64.b64encode(labelme()).decode(), "unmarked": "no"}
    refused = who.ask("POST", path, json=file)
    assert refused.status_code == 422
    assert "2 images" in refused.json()["detail"]
    assert who.ask("POST", path, json={**file, "image": NAMES[1]}).status_code == 200
    marks = who.ask("GET", "/api/studies/1/read").json()["read"]["document"]["marks"]
    assert {m["image"] for m in marks} == {NAMES[1]}


def test_readers_agree_about_one_image_at_a_time(people: People, who: Browser, tmp_path: Path) -> None:
    other = people.sign_in("annotator")
    form = {"name": "both", "blind": False, "studies": [1], "readers": [who.key, other.key]}
    cohort = people.sign_in("administrator").ask("POST", "/api/cohorts", json=form).json()["key"]
    read(who, mark(0), cohort=cohort)
    read(other, mark(0), mark(1, "n"), cohort=cohort)
    lesions = who.ask("GET", f"/api/cohorts/{cohort}/studies/1/review").json()["lesions"]
    assert {x["image"]: (x["majority"], x["markers"]) for x in lesions} == {
        NAMES[0]: (True, [1, 2]), NAMES[1]: (False, [2])
    }  # fmt: skip
    export_cohort(people.room, cohort, tmp_path / "out")
    rows = list(csv.DictReader((tmp_path / "out" / "cohort.csv").read_text(encoding="utf-8").splitlines()))
    folders = sorted({r["path"].split("/")[0] for r in rows})
    assert folders == ["000001", "000001-2"]
    found = [[len(json.loads((tmp_path / "out" / f / f"reader{i}.json").read_text())["shapes"]) for i in (1, 2)]
             for f in folders]  # fmt: skip
    assert found == [[1, 1], [0, 1]]
    files = [pydicom.dcmread(tmp_path / "out" / f / "planar.dcm") for f in folders]
    assert [ds.SOPInstanceUID for ds in files] == list(NAMES)


def test_reads_from_before_images_were_named_agree_with_those_from_after(people: People, who: Browser) -> None:
    from photopeak.room.several_readers import outlines_of, places_of

    documents = [{"marks": [mark(None, state="accepted")]}, {"marks": [mark(0, state="accepted")]}]
    places, home = places_of(documents)
    assert places == [(NAMES[0], "posterior")]
    assert [len(outlines_of(d, places[0], home)) for d in documents] == [1, 1]
    several = [*documents, {"marks": [mark(1, state="accepted")]}]  # now nobody knows which was meant
    assert places_of(several) == ([("", "posterior"), (NAMES[1], "posterior"), (NAMES[0], "posterior")], "")


def test_counts_of_the_two_differ(who: Browser) -> None:
    """Or the test of where a lesion is measured would pass wherever it was."""
    early, late = (
        np.frombuffer(who.ask("GET", f"/api/studies/1/pictures/{i}/plane?plane=1").content, "<u2") for i in (0, 1)
    )
    assert late.sum() > 1.2 * early.sum()
