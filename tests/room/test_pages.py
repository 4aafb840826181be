"""Further pages in a real browser: a study with two images, planned examinations, patients, imports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import select

from photopeak.dicom import write
from photopeak.dicom.labelme import Mark, write_labelme
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.protocol import Clinic
from photopeak.room.room import Room, open_room
from photopeak.room.schema import Report, Study
from photopeak.room.settings import Settings
from tests.room.node_peers import image as small
from tests.room.node_peers import put
from tests.room.running import Served, prepared, served
from tests.room.running import wait_for as wait
from tests.room.test_story import Reader, browser  # noqa: F401
from tests.room.two_images import CALLED, NAMES, image

PEOPLE = {"ames": "physician", "frey": "administrator"}
JANE = {"PatientName": "Doe^Jane", "PatientBirthDate": "19600102", "StudyDate": "20260302"}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    data = tmp_path_factory.mktemp("room") / "data"
    prepared(data, PEOPLE)
    scan = data.parent / "planar.dcm"
    write(Clinic(BoneScan(mix="M=1"), 1, 12)[0].only("counts"), scan)
    filled = open_room(Settings(data=data))
    for number in (0, 1):
        filled.receive(image(scan.read_bytes(), number), "CAMERA")
    put(filled, small(1, study=2, PatientID="4711", IssuerOfPatientID="North", AccessionNumber="ACC2", **JANE))
    put(filled, small(1, study=3, PatientID="4711", IssuerOfPatientID="South", AccessionNumber="ACC3", **JANE))
    sign_earlier(filled, dict(zip(CALLED, (1.25, 3.5), strict=True)))
    filled.database.close()
    with served(data) as running:
        yield running


def sign_earlier(room: Room, indices: dict[str, float]) -> None:
    """A study of the first patient's from long ago, with a signed report that has an index of each image."""
    put(room, small(1, study=4, PatientID="before", StudyDate="20200102"))
    with room.database.writing() as t:
        here, old = t.get(Study, 1), t.scalar(select(Study).where(Study.study_date == "20200102"))
        assert here is not None
        assert old is not None
        old.patient_key = here.patient_key
        report = Report(study_key=old.id, number=1, state="signed", author_key=1, created_at=old.first_at)
        report.document = {"bone_scan_index_percent": indices[CALLED[0]], "indices_percent": indices}
        t.add(report)


def test_two_images_are_read_side_by_side(room: Served, browser: Browser) -> None:  # noqa: F811
    ames = Reader(browser, room, "ames")
    page = ames.page
    page.wait_for_selector("tr[data-study='1'][data-state=read]", timeout=120_000)
    old_draft(ames)
    page.goto(f"{room.url}/studies/1")
    page.wait_for_selector(".view[data-ready=yes]")
    page.keyboard.press("n")
    page.wait_for_selector(".reading-of")
    assert [page.locator(".reading-of .of").nth(i).inner_text() for i in (0, 1)] == [
        "NM Early whole body", "NM Late whole body"
    ]  # fmt: skip
    trends = [page.locator(".reading-of .index svg").nth(i).get_attribute("aria-label") or "" for i in (0, 1)]
    assert ["1.25 %" in trends[0], "3.50 %" in trends[0]] == [True, False]  # early beside early
    assert ["1.25 %" in trends[1], "3.50 %" in trends[1]] == [False, True]
    rows = page.locator(".marks-list li")
    said = ames.ask("GET", "/api/studies/1/network")["body"]
    numbers = [len(d["reading"]["findings"]) for d in said["documents"]]
    assert min(numbers) > 0, "the network finds something on both images"
    wait(lambda: rows.count() == sum(numbers))  # the old draft's lesion is not there twice
    assert rows.nth(0).get_attribute("class") == "accepted "
    drawn = (
        page.locator(".views > .view").nth(0).locator("polygon"),
        page.locator(".views > .view").nth(1).locator("polygon"),
    )
    assert drawn[0].count() + drawn[1].count() == numbers[0]
    rows.last.locator(".mark-row").click()  # a lesion of the late image brings that to the front
    page.wait_for_selector(".strip [aria-selected=true]:has-text('Late')")
    page.wait_for_selector(".view[data-ready=yes]")
    wait(lambda: drawn[0].count() + drawn[1].count() == numbers[1])
    page.wait_for_selector(".statistics")
    assert ames.axe() == []
    page.wait_for_selector(".saved.saved")
    kept = ames.ask("GET", "/api/studies/1/read")["body"]["read"]["document"]["marks"]
    assert [sum(m["image"] == name for m in kept) for name in NAMES] == numbers
    assert len({m["id"] for m in kept}) == len(kept)
    page.click(".reading-of .of >> nth=0")
    page.wait_for_selector(".strip [aria-selected=true]:has-text('Early')")
    page.click(".reading-of >> nth=0 >> role=button[name='why'] >> nth=0")
    page.wait_for_selector(".reading-of .reasons li.for", timeout=90_000)
    assert ames.axe() == []
    assert ames.faults == []


def old_draft(reader: Reader) -> None:
    """A draft from before marks named their image: the first reading's first lesion, accepted."""
    said = reader.ask("GET", "/api/studies/1/network")["body"]
    lesion = said["documents"][0]["reading"]["findings"][0]
    assert said["documents"][0]["image"] == NAMES[0]
    mark = {"id": f"n{lesion['number']}-{said['bundle_sha256'][:6]}", "origin": "network", "state": "accepted"}
    mark |= {"number": lesion["number"], "finding": lesion["kind"], "site": lesion["site"], "view": lesion["view"]}
    mark |= {"shape": "polygon", "points_px": lesion["outline_px"]}
    saved = reader.ask("PUT", "/api/studies/1/read", {"version": 0, "document": {"marks": [mark]}})
    assert saved["status"] == 200, saved


def test_an_examination_is_planned_and_cancelled(room: Served, browser: Browser) -> None:  # noqa: F811
    frey = Reader(browser, room, "frey")
    page = frey.page
    page.goto(f"{room.url}/admin/planned")
    page.wait_for_selector("text=Plan one")
    for family, hour in (("Roe", "11:00"), ("Doe", "08:30")):
        fill(page, family=family, given="Mary", patient_id="77", start_date="2031-03-04", start_time=hour)
        page.click("text=Put it on the worklist")
        page.wait_for_selector(f"[data-planned] >> text={family}, Mary")
    lines = page.locator("[data-planned]")
    assert [lines.nth(i).locator("td").nth(0).inner_text() for i in (0, 1)] == ["08:30", "11:00"]
    assert frey.axe() == []
    page.click("[aria-label='Cancel Doe, Mary at 08:30']")
    page.click("text=Yes, cancel it")
    wait(lambda: lines.count() == 1)
    assert "audit trail keeps it" in page.inner_text("[role=status]")
    page.click("[aria-label='The day after']")
    page.wait_for_selector("text=Nothing is planned for 2031-03-05")
    fill(page, family="Late", patient_id="78", birth_date="2031-03-09", start_date="2031-03-05", start_time="09:00")
    page.click("text=Put it on the worklist")
    page.wait_for_selector("[role=alert]:has-text('born after the examination')")
    frey.faults = [f for f in frey.faults if "422" not in f]  # which the browser writes down as an error
    assert frey.faults == []


def fill(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        page.fill(f"[name={name}]", value)


def test_two_patients_are_compared_merged_and_parted(room: Served, browser: Browser) -> None:  # noqa: F811
    frey = Reader(browser, room, "frey")
    page = frey.page
    page.goto(f"{room.url}/admin/patients")
    page.click("button:has-text('Compare')")
    page.wait_for_selector(".beside >> text=issued by North and by South")
    assert page.locator(".moves li").count() == 2
    merge = page.locator("button.primary:has-text('Merge')")
    assert merge.is_disabled(), "not before somebody says that they checked"
    assert frey.axe() == []
    page.check("text=I have checked this")
    merge.click()
    page.wait_for_selector("h2:has-text('Merged')")
    assert len(frey.ask("GET", "/api/studies/2")["body"]["others"]) == 1
    assert frey.axe() == []
    page.click("text=Take back")
    page.wait_for_selector("[role=status]:has-text('taken back')")
    assert frey.ask("GET", "/api/studies/2")["body"]["others"] == []
    page.fill("[type=search]", "doe 4711")
    found = page.locator(".pairs li.one input")
    wait(lambda: found.count() == 2)
    for i in (0, 1):
        found.nth(i).check()
    page.wait_for_selector(".beside")
    assert frey.faults == []


def test_files_find_their_studies(room: Served, browser: Browser) -> None:  # noqa: F811
    ames = Reader(browser, room, "ames")
    page = ames.page
    page.goto(f"{room.url}/imports")
    box = ((1.0, 2.0), (9.0, 12.0))
    marks = write_labelme([Mark("metastasis", "sacrum", "anterior", "rectangle", box)], (40, 32))
    files: list[Any] = [
        {"name": "ACC2.txt", "mimeType": "text/plain", "buffer": "Kein Anhalt für xyzzy".encode("latin-1")},
        {"name": "4711.txt", "mimeType": "text/plain", "buffer": b"Which hospital's?"},
        {"name": "ACC3.json", "mimeType": "application/json", "buffer": marks},
        {"name": "scan.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7"},
    ]
    page.wait_for_selector("input[type=file]")
    page.set_input_files("input[type=file]", files)
    page.wait_for_selector("[data-file='scan.pdf']")
    assert "Windows-1252" in page.inner_text("[data-file='ACC2.txt']")
    assert "choose its study" in page.inner_text("[data-file='4711.txt']")
    assert "say above" in page.inner_text("[data-file='ACC3.json']")
    assert ames.axe() == []
    page.locator("[data-file='4711.txt'] .picker button").nth(0).click()
    page.locator("[name=unmarked]").nth(1).check()
    page.click("button:has-text('Import 3 files')")
    page.wait_for_selector("text=3 of 4 imported")
    assert "a draft: metastasis yes, arthritis open" in page.inner_text("[data-file='ACC3.json']")
    assert ames.ask("GET", "/api/worklist?search=xyzzy")["body"]["total"] == 1
    assert "für" in ames.ask("GET", "/api/studies/2")["body"]["texts"][0]["text"]
    assert ames.axe() == []
    assert ames.faults == []
