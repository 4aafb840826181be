"""One person's read of one study: kept while it is made, finished once, honest about who saw what before."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from photopeak.dicom import read as read_dicom
from photopeak.room.accounts import add_user, open_session
from photopeak.room.schema import Read, Study, User
from tests.room.node_peers import audited, image, put
from tests.room.one_patient import labelme, planar_file, receive_patient, simulated
from tests.room.room_people import Browser, People, browser

MARK = {
    "id": "m1", "origin": "drawn", "state": "accepted", "number": None, "finding": "metastasis", "site": "sacrum",
    "image": "", "view": "posterior", "shape": "rectangle", "points_px": [[100.0, 400.0], [120.0, 430.0]],
    "comment": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    """A room with the patient, whose study is number 1."""
    made = People(tmp_path_factory.mktemp("reads"))
    assert receive_patient(made.room) == 1
    return made


@pytest.fixture
def physician(people: People) -> Browser:
    """A physician who has read nothing yet: each test has one of its own."""
    with people.room.database.writing() as t:
        user = add_user(t, f"physician {len(t.scalars(select(User)).all())}", "physician")
        token, session = open_session(t, user)
    return browser(people.app, token, session.csrf, user.id)


def document(**more: Any) -> dict[str, Any]:
    return {"metastasis": "yes", "arthritis": "no", "marks": [MARK], "comment": "", **more}


def save(who: Browser, version: int = 0, cohort: int = 0, **more: Any) -> Any:
    form = {"version": version, "document": document(**more), "active_seconds": 30.0}
    return who.ask("PUT", f"/api/studies/1/read?cohort={cohort}", json=form)


def finish(who: Browser, version: int = 1, cohort: int = 0, **more: Any) -> Any:
    return who.ask("POST", f"/api/studies/1/read/finish?cohort={cohort}", json={"version": version, **more})


def get(who: Browser, path: str, status: int = 200) -> Any:
    answer = who.ask("GET", f"/api{path}")
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_draft_is_kept_version_by_version(physician: Browser) -> None:
    assert get(physician, "/studies/1/read")["read"] is None
    first = save(physician, comment="one").json()["read"]
    assert (first["version"], first["state"], first["round"], first["seconds"]) == (1, "draft", 1, 30.0)
    assert save(physician, 1, comment="two").json()["read"]["version"] == 2
    kept = get(physician, "/studies/1/read")["read"]
    assert kept["document"] == document(comment="two")
    assert kept["seconds"] == 60.0


def test_a_window_that_is_behind_overwrites_nothing(physician: Browser) -> None:
    save(physician, comment="one")
    save(physician, 1, comment="two")
    late = save(physician, 1, comment="late")
    assert late.status_code == 409
    assert "Another window" in late.json()["detail"]
    assert save(physician, 0, comment="late").status_code == 409
    assert get(physician, "/studies/1/read")["read"]["document"]["comment"] == "two"


def test_a_pause_is_no_reading_time(physician: Browser) -> None:
    form = {"version": 0, "document": document(), "active_seconds": 5000.0}
    assert physician.ask("PUT", "/api/studies/1/read", json=form).json()["read"]["seconds"] == 120.0


def test_finishing_needs_both_answers(physician: Browser) -> None:
    save(physician, arthritis="")
    refused = finish(physician)
    assert refused.status_code == 422
    assert "arthritis" in refused.json()["detail"]
    assert "metastasis" not in refused.json()["detail"]
    save(physician, 1)
    assert finish(physician, 1).status_code == 409  # of an older version
    assert finish(physician, 2).json()["read"]["state"] == "finished"


def test_a_finished_read_never_changes_and_another_goes_on_from_it(people: People, physician: Browser) -> None:
    assert physician.ask("POST", "/api/studies/1/read/again").status_code == 409
    save(physician)
    done = finish(physician).json()["read"]
    assert done["finished"] is not None
    assert save(physician, 1, comment="later").status_code == 409
    assert finish(physician).status_code == 409
    second = physician.ask("POST", "/api/studies/1/read/again").json()["read"]
    assert (second["round"], second["state"], second["document"]) == (2, "draft", document())
    save(physician, 0, comment="second thoughts")
    finish(physician, 1)
    with people.room.database.reading() as t:
        mine = select(Read).where(Read.reader_key == physician.key).order_by(Read.round)
        assert [r.document["comment"] for r in t.scalars(mine)] == ["", "second thoughts"]
    rows = get(physician, "/worklist")["rows"]
    assert rows[0]["mine"] == "finished"


def test_finishing_is_written_down_and_moves_the_study_on(people: People, physician: Browser) -> None:
    save(physician)
    finish(physician, second_reader=True)
    assert get(physician, "/worklist")["rows"][0]["state"] == "second"
    line = audited(people.room, "read")[-1]
    assert (line.who.split()[0], line.details["cohort"], line.details["blind"]) == ("physician", 0, True)
    others = get(people.sign_in("annotator"), "/studies/1/read")["others"]
    assert physician.key in [people_key(people, o["key"]) for o in others]


def people_key(people: People, read: int) -> int:
    with people.room.database.reading() as t:
        found = t.get(Read, read)
        assert found is not None
        return found.reader_key


def test_who_saw_the_network_reads_no_more_blind(physician: Browser) -> None:
    assert save(physician).json()["read"]["blind"]
    said = get(physician, "/studies/1/network")
    assert said["bundle"] == "bone-scan"
    assert said["documents"][0]["reading"]["judgements"][0]["question"] == "metastasis"
    assert not get(physician, "/studies/1/read")["read"]["blind"]
    assert not finish(physician).json()["read"]["blind"]
    assert not physician.ask("POST", "/api/studies/1/read/again").json()["read"]["blind"]


@pytest.mark.parametrize("blind", [True, False])
def test_a_blind_cohort_hides_the_network_until_its_read_is_finished(
    people: People, physician: Browser, blind: bool
) -> None:
    form = {"name": f"c{physician.key}", "blind": blind, "studies": [1], "readers": [physician.key]}
    cohort = people.sign_in("administrator").ask("POST", "/api/cohorts", json=form).json()["key"]
    assert save(physician, 0, cohort).status_code == 200
    status = 403 if blind else 200
    get(physician, "/studies/1/network", status)  # however it is asked for
    get(physician, f"/studies/1/network?cohort={cohort}", status)
    row = get(physician, "/worklist")["rows"][0]
    assert (row["suspicion"] is None) == blind
    assert finish(physician, 1, cohort).json()["read"]["blind"] == blind
    assert get(physician, "/studies/1/network")["documents"]
    assert get(physician, "/worklist")["rows"][0]["suspicion"] is not None


def test_a_blind_reader_neither_sees_nor_finds_an_imported_report(people: People, physician: Browser) -> None:
    text = {"name": "old.txt", "text": f"Metastasis of the sacrum, said by {physician.key} xyzzy."}
    assert physician.ask("POST", "/api/studies/1/texts", json=text).status_code == 200
    assert get(physician, "/studies/1")["texts"]
    assert get(physician, "/worklist?search=xyzzy")["total"] == 1
    form = {"name": f"unread {physician.key}", "blind": True, "studies": [1], "readers": [physician.key]}
    cohort = people.sign_in("administrator").ask("POST", "/api/cohorts", json=form).json()["key"]
    assert get(physician, "/studies/1")["texts"] == []
    assert get(physician, "/worklist?search=xyzzy")["total"] == 0
    save(physician, 0, cohort)
    finish(physician, 1, cohort)
    assert get(physician, "/studies/1")["texts"]
    assert get(physician, "/worklist?search=xyzzy")["total"] == 1


def test_an_answer_is_explained_spot_by_spot_to_who_may_see_it(people: People, physician: Browser) -> None:
    said = get(physician, "/studies/1/network")["documents"][0]
    save(physician)
    path = f"/studies/1/explanation?image={said['image']}&question=metastasis"
    found = get(physician, path)
    assert found["probability"] == pytest.approx(said["reading"]["judgements"][0]["probability"], abs=0.02)
    assert {name.split("/")[1] for name in found["maps"]} == {"for", "against"}
    first = found["places"][0]
    assert (first["without"] < found["probability"]) == (first["log_odds"] > 0)
    bright = {name: np.asarray(picture(png)).max() for name, png in found["maps"].items()}
    assert max(bright.values()) > 0
    assert not finish(physician).json()["read"]["blind"]
    get(physician, "/studies/1/explanation?image=1.2.3&question=metastasis", 404)
    get(physician, f"/studies/1/explanation?image={said['image']}&question=gout", 422)
    form = {"name": f"reasons {physician.key}", "blind": True, "studies": [1], "readers": [physician.key]}
    people.sign_in("administrator").ask("POST", "/api/cohorts", json=form)
    get(physician, path, 403)


def picture(png: str) -> Any:
    from PIL import Image

    return Image.open(io.BytesIO(base64.b64decode(png)))


def test_only_its_readers_read_in_a_cohort(people: People, physician: Browser) -> None:
    form = {"name": "of others", "studies": [1], "readers": [people.keys["annotator"]]}
    cohort = people.sign_in("administrator").ask("POST", "/api/cohorts", json=form).json()["key"]
    assert save(physician, 0, cohort).status_code == 403
    file = {"name": "x.json", "base64": base64.b64encode(labelme()).decode(), "unmarked": "no"}
    assert physician.ask("POST", f"/api/studies/1/labelme?cohort={cohort}", json=file).status_code == 403
    with people.room.database.reading() as t:
        assert t.scalars(select(Read).where(Read.cohort_key == cohort)).all() == []


def test_who_saw_the_network_in_one_read_is_blind_in_no_later_one(people: People, physician: Browser) -> None:
    form = {"name": f"open {physician.key}", "blind": False, "studies": [1], "readers": [physician.key]}
    cohort = people.sign_in("administrator").ask("POST", "/api/cohorts", json=form).json()["key"]
    save(physician, 0, cohort)
    get(physician, "/studies/1/network")  # as clinical work
    assert not finish(physician, 1, cohort).json()["read"]["blind"]
    assert not save(physician).json()["read"]["blind"]


def test_a_cohort_takes_one_read_of_each_reader(people: People, physician: Browser) -> None:
    form = {"name": f"once {physician.key}", "studies": [1], "readers": [physician.key]}
    cohort = people.sign_in("administrator").ask("POST", "/api/cohorts", json=form).json()["key"]
    file = {"name": "x.json", "base64": base64.b64encode(labelme()).decode(), "unmarked": "no"}
    path = f"/api/studies/1/labelme?cohort={cohort}"
    assert physician.ask("POST", path, json=file).status_code == 200
    assert physician.ask("POST", path, json=file).status_code == 409
    assert save(physician, 0, cohort).status_code == 409


def test_statistics_are_those_of_the_counts(physician: Browser) -> None:
    counts = np.asarray(simulated()["counts"].values)
    region = {"picture": 0, "plane": 1, "shape": "rectangle", "points_px": [[100.0, 400.0], [120.0, 430.0]]}
    said = physician.ask("POST", "/api/studies/1/statistics", json=region).json()
    inside = counts[1, 400:430, 100:120].astype(float)
    assert said["pixels"] == inside.size
    assert said["area_mm2"] == pytest.approx(inside.size * 2.21**2, rel=1e-6)
    for name, wanted in (
        ("sum", inside.sum()), ("mean", inside.mean()), ("maximum", inside.max()),
        ("minimum", inside.min()), ("sd", inside.std()),
    ):  # fmt: skip
        assert said[name] == pytest.approx(wanted), name
    mirrored = counts[1, 400:430, 136:156].astype(float).mean()
    assert said["to_other_side"] == pytest.approx(inside.mean() / mirrored)
    for wrong in ({"picture": 9}, {"plane": 2}):
        assert physician.ask("POST", "/api/studies/1/statistics", json={**region, **wrong}).status_code == 404


def test_the_brush_adds_and_takes_away(physician: Browser) -> None:
    from photopeak.evaluate.outlines import filled

    def brush(status: int = 200, **more: Any) -> Any:
        form = {"stroke": [[20.0, 20.0]], "radius_px": 5.0, "rows": 64, "columns": 48, **more}
        answer = physician.ask("POST", "/api/outline", json=form)
        assert answer.status_code == status, answer.text
        return [tuple(p) for p in answer.json()["points_px"]] if status == 200 else answer.json()["detail"]

    y, x = np.mgrid[:64, :48] + 0.5
    disc = (x - 20) ** 2 + (y - 20) ** 2 <= 25
    first = brush()
    assert (filled(tuple(first), (64, 48)) ^ disc).sum() == 0
    longer = brush(base=first, stroke=[[20.0, 20.0], [34.0, 20.0]])
    capsule = (np.hypot(x - np.clip(x, 20, 34), y - 20) <= 5) | disc
    assert (filled(tuple(longer), (64, 48)) ^ capsule).sum() == 0
    less = brush(base=longer, stroke=[[34.0, 20.0]], erase=True)
    assert not (filled(tuple(less), (64, 48)) & ((x - 34) ** 2 + (y - 20) ** 2 <= 25)).any()
    assert "nothing is left" in brush(422, base=first, stroke=[[20.0, 20.0]], radius_px=20.0, erase=True)


def test_labelme_comes_in_and_goes_out_as_it_was(people: People, physician: Browser) -> None:
    from photopeak.dicom.labelme import read_labelme

    get(physician, "/studies/1/labelme", 404)
    marks = [MARK, {**MARK, "id": "m2", "shape": "polygon", "points_px": [[10.0, 20.0], [30.0, 20.0], [20.5, 44.0]]},
             {**MARK, "id": "m3", "state": "rejected"}]  # fmt: skip
    save(physician, marks=marks)
    out = physician.ask("GET", "/api/studies/1/labelme").content
    assert len(read_labelme(out, "out", (1024, 256))) == 2  # what was rejected is not hers
    file = {"name": "mine.json", "base64": base64.b64encode(out).decode(), "unmarked": "no"}
    said = physician.ask("POST", "/api/studies/1/labelme", json=file).json()
    assert said == {"marks": 2, "state": "finished", "metastasis": "yes", "arthritis": "no"}
    mine = get(physician, "/studies/1/read")["read"]
    assert (mine["state"], mine["round"]) == ("finished", 2)
    assert (mine["document"]["metastasis"], mine["document"]["arthritis"]) == ("yes", "no")
    kept = [(m["shape"], m["points_px"], m["site"], m["view"]) for m in mine["document"]["marks"]]
    assert kept == [(m["shape"], m["points_px"], "sacrum", "posterior") for m in marks[:2]]
    again = physician.ask("GET", "/api/studies/1/labelme").content
    assert json.loads(again)["shapes"] == json.loads(out)["shapes"]


@pytest.mark.parametrize("data", ["!!", base64.b64encode(b"{}").decode(), base64.b64encode(b"\xff{").decode()])
def test_a_broken_labelme_file_is_refused(physician: Browser, data: str) -> None:
    answer = physician.ask("POST", "/api/studies/1/labelme", json={"name": "x.json", "base64": data})
    assert answer.status_code == 422
    assert get(physician, "/studies/1/read")["read"] is None


def test_pictures_show_the_values_that_dicom_reads(people: People, physician: Browser, tmp_path: Any) -> None:
    path = tmp_path / "planar.dcm"
    path.write_bytes(planar_file())
    counts = np.asarray(read_dicom(path)[0]["counts"].values)
    shown = get(physician, "/studies/1/pictures")["pictures"][0]
    assert (shown["manner"], shown["planes"], shown["rows"], shown["columns"]) == ("planar", *counts.shape)
    for plane in range(2):
        answer = physician.ask("GET", f"/api/studies/1/pictures/0/plane?plane={plane}")
        kind = answer.headers["x-number-type"]
        assert kind == "uint16"
        assert answer.content == counts[plane].astype("<u2").tobytes()
    same = {"If-None-Match": answer.headers["etag"]}
    assert physician.ask("GET", "/api/studies/1/pictures/0/plane?plane=1", headers=same).status_code == 304
    volume = physician.ask("GET", "/api/studies/1/pictures/0/volume").content
    assert volume == counts.astype("<f4").tobytes()
    for path_ in ("pictures/0/plane?plane=2", "pictures/7/plane", "pictures/0/projections"):
        get(physician, f"/studies/1/{path_}", 404)


def test_maps_are_shown_to_who_may_see_them(people: People, physician: Browser) -> None:
    maps = get(people.sign_in("physician"), "/studies/1/network")["documents"][0]["maps"]
    assert save(physician).json()["read"]["blind"]
    for sha256 in maps.values():
        assert physician.ask("GET", f"/api/studies/1/maps/{sha256}").content[1:4] == b"PNG"
    assert not get(physician, "/studies/1/read")["read"]["blind"]
    get(physician, f"/studies/1/maps/{'0' * 64}", 404)


def test_a_text_from_elsewhere_is_found_by_the_worklist(people: People, physician: Browser) -> None:
    text = {"name": "old.txt", "text": "Zwei fokale Mehrspeicherungen, 100%_sicher"}
    assert physician.ask("POST", "/api/studies/1/texts", json=text).status_code == 200
    for search in ("Mehrspeicherungen", "fokale%20zwei", "100%25_", "bone-scan-7-00000"):
        assert get(physician, f"/worklist?search={search}")["total"] == 1, search
    for search in ("Mehrspeicherungen%20nirgends", "0__s", "%25%25"):
        assert get(physician, f"/worklist?search={search}")["total"] == 0, search
    assert get(physician, "/studies/1")["texts"][-1]["text"] == text["text"]


def test_a_stated_fact_asks_for_a_new_reading(people: People, physician: Browser) -> None:
    def digest() -> str:
        with people.room.database.reading() as t:
            row = t.get(Study, 1)
            assert row is not None
            return row.digest

    before = digest()
    refused = physician.ask("PUT", "/api/studies/1/assumed", json={"facts": {"no such fact": "x"}})
    assert refused.status_code == 422
    assert physician.ask("PUT", "/api/studies/1/assumed", json={"facts": {"nuclide": "Tc-99m"}}).status_code == 200
    assert get(physician, "/studies/1")["waiting"]
    assert digest() != before
    physician.ask("PUT", "/api/studies/1/assumed", json={"facts": {}})
    assert digest() == before


def test_the_worklist_is_sorted_paged_and_counted(tmp_path: Any) -> None:
    people = People(tmp_path)
    who = people.sign_in("physician")
    for number, (name, date) in enumerate((("Berg", "20240103"), ("Adam", "20240102"), ("Cruz", "20240101")), 1):
        put(people.room, image(study=number, PatientID=f"P{number}", PatientName=name, StudyDate=date))
    with people.room.database.writing() as t:
        for key, (state, suspicion) in enumerate((("read", 0.2), ("read", 0.9), ("signed", None)), 1):
            row = t.get(Study, key)
            assert row is not None
            row.state, row.suspicion, row.uncertainty = state, suspicion, suspicion

    def names(query: str) -> list[str]:
        return [r["name"] for r in get(who, f"/worklist?{query}")["rows"]]

    assert names("") == ["Cruz", "Adam", "Berg"]
    assert names("sort=date") == ["Berg", "Adam", "Cruz"]
    assert names("sort=patient&descending=false") == ["Adam", "Berg", "Cruz"]
    for sort in ("suspicion", "uncertainty", "informative"):
        assert names(f"sort={sort}") == ["Adam", "Berg", "Cruz"]
        assert names(f"sort={sort}&descending=false") == ["Berg", "Adam", "Cruz"]  # what is not known comes last
    assert [names(f"limit=1&offset={i}") for i in range(4)] == [["Cruz"], ["Adam"], ["Berg"], []]
    page = get(who, "/worklist?state=read&limit=1")
    assert (page["total"], len(page["rows"])) == (2, 1)
    assert page["states"] == {"new": 0, "read": 2, "reading": 0, "second": 0, "signed": 1}
    get(who, "/worklist?sort=nothing", 422)
    form = {"name": "blind", "blind": True, "studies": [1, 2], "readers": [who.key]}
    assert people.sign_in("administrator").ask("POST", "/api/cohorts", json=form).status_code == 200
    for sort in ("suspicion", "uncertainty"):  # a rank would tell what the figure may not
        orders = [names(f"sort={sort}&descending={way}") for way in ("true", "false")]
        assert orders == [["Cruz", "Adam", "Berg"]] * 2
