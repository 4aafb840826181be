"""The whole story in a real browser: from the camera's push to the report in another archive."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dicomweb_client import DICOMwebClient
from playwright.sync_api import Browser, Page, sync_playwright

from photopeak.dicom import write
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.protocol import Clinic
from photopeak.room.dicomweb import router  # the room is served with it
from tests.room.running import CHROMIUM_FLAGS, PASSWORD, Orthanc, Served, chromium, dcmtk, orthanc, prepared, served
from tests.room.running import wait_for as wait

AXE = Path(__file__).resolve().parents[2] / "src/photopeak/room/pages/node_modules/axe-core/axe.min.js"
PEOPLE = {"ames": "physician", "baum": "physician", "cruz": "physician", "frey": "administrator"}
assert router.routes


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with orthanc(tmp_path_factory.mktemp("orthanc") / "store") as running:
        yield running


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, archive: Orthanc) -> Iterator[Served]:
    data = tmp_path_factory.mktemp("room") / "data"
    prepared(data, PEOPLE, (archive.ae_title, archive.dicom_port))
    with served(data) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    with sync_playwright() as p:
        started = p.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A patient with metastases."""
    path = tmp_path_factory.mktemp("scan") / "planar.dcm"
    write(Clinic(BoneScan(mix="M=1"), 1, 12)[0].only("counts"), path)
    return path


class Reader:
    """A person at the room, signed in, and whatever their page complained of."""

    def __init__(self, browser: Browser, room: Served, name: str) -> None:
        self.page: Page = browser.new_page(viewport={"width": 1280, "height": 720})
        self.faults: list[str] = []
        self.page.on("pageerror", lambda e: self.faults.append(str(e)))
        self.page.on("console", lambda m: self.faults.append(m.text) if m.type == "error" else None)
        self.page.goto(room.url)
        self.page.fill("[name=name]", name)
        self.page.fill("[name=password]", PASSWORD)
        self.page.click("button.primary")
        self.page.wait_for_selector(".worklist")
        # A page that nobody is signed in on is told so by a 401, which a browser writes down as an error.
        self.faults = [f for f in self.faults if "401" not in f]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """A request as the page makes it."""
        return self.page.evaluate(
            """async ([method, path, body]) => {
                const s = await (await fetch('/api/session')).json()
                const headers = {'content-type': 'application/json', 'x-csrf-token': s.csrf}
                const r = await fetch(path, {method, headers, body: body ? JSON.stringify(body) : undefined})
                return {status: r.status, body: await r.json()}
            }""",
            [method, path, body],
        )

    def axe(self) -> list[str]:
        """What the accessibility checker finds wrong on the page as it stands."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate(
            "async () => (await axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa']})).violations"
        )
        return [f"{v['id']}: {n['html'][:120]}" for v in found for n in v["nodes"]]


def test_from_the_camera_to_the_archive(
    room: Served, archive: Orthanc, browser: Browser, scan: Path, tmp_path: Path
) -> None:
    push = [dcmtk("storescu"), "-aet", "CAMERA", "-aec", "PHOTOPEAK", "127.0.0.1", str(room.dicom_port), str(scan)]
    subprocess.run(push, check=True)
    ames = Reader(browser, room, "ames")
    key = int(ames.page.wait_for_selector("tr[data-state=read]", timeout=120_000).get_attribute("data-study") or 0)
    assert ames.axe() == []
    read_in_the_browser(ames, key)
    report_in_the_browser(ames, key)
    cohort_of_three(browser, room, ames, key)
    found_elsewhere(archive, ames, key, tmp_path)
    assert ames.faults == []


def read_in_the_browser(reader: Reader, key: int) -> None:
    """Look, window, let the network speak, judge its lesions, draw one, finish."""
    page = reader.page
    page.click(f"tr[data-study='{key}'] a")
    page.wait_for_selector(".view[data-ready=yes]")
    before = page.inner_text(".view >> nth=0 >> .bottom-right")
    box = page.locator(".view").nth(0).bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down(button="right")
    page.mouse.move(middle[0], middle[1] - 80, steps=4)
    page.mouse.up(button="right")
    assert page.inner_text(".view >> nth=0 >> .bottom-right") != before
    assert page.locator(".judgement").count() == 0, "the network is silent until it is asked"
    page.keyboard.press("n")
    page.wait_for_selector(".judgement")
    assert "metastasis: yes" in page.inner_text(".network")
    marks = page.locator(".marks-list .mark-row")
    wait(lambda: marks.count() > 0)
    marks.nth(0).click()
    page.keyboard.press("a")
    drag_a_corner(page)
    assert page.locator(".marks-list li").nth(0).get_attribute("class") == "edited chosen"
    page.keyboard.press("Control+z")
    assert page.locator(".marks-list li").nth(0).get_attribute("class") == "accepted chosen"
    drawn = marks.count()
    page.keyboard.press("r")
    page.mouse.move(middle[0] - 20, middle[1] - 20)
    page.mouse.down()
    page.mouse.move(middle[0] + 15, middle[1] + 10, steps=5)
    page.mouse.up()
    wait(lambda: marks.count() == drawn + 1)
    page.select_option(".mark-form select >> nth=1", "sacrum")
    page.wait_for_selector(".statistics")
    page.locator(".question label", has_text="yes").nth(0).click()
    page.locator(".question label", has_text="no").nth(1).click()
    assert reader.axe() == []
    page.wait_for_selector(".saved.saved")
    page.reload()  # a closed tab loses nothing
    page.wait_for_selector(".view[data-ready=yes]")
    wait(lambda: page.locator(".marks-list .mark-row").count() >= 2)
    page.click("text=Finish read")


def drag_a_corner(page: Page) -> None:
    """Move one corner of the chosen mark."""
    corner = page.locator(".handle").nth(0).bounding_box()
    assert corner is not None
    page.mouse.move(corner["x"] + 4, corner["y"] + 4)
    page.mouse.down()
    page.mouse.move(corner["x"] - 6, corner["y"] - 6, steps=4)
    page.mouse.up()


def report_in_the_browser(reader: Reader, key: int) -> None:
    page = reader.page
    page.click("text=Draft it from my read")
    page.wait_for_selector(".section textarea")
    page.fill(".section textarea >> nth=0", "Known prostate cancer, pain in the back.")
    page.wait_for_selector(".banner:has-text('saved')")
    assert reader.axe() == []
    page.fill("[aria-label='Password, to sign']", PASSWORD)
    page.click("button.primary:has-text('Sign')")
    page.wait_for_selector(".banner.signed")
    again = reader.ask("PUT", f"/api/studies/{key}/reports/draft", {"version": 1, "sections": {"findings": "other"}})
    assert again["status"] == 409


def cohort_of_three(browser: Browser, room: Served, lead: Reader, key: int) -> None:
    """Two more read blind, one of them another lesion; the lead decides."""
    users = {p["display"].lower(): p["key"] for p in lead.ask("GET", "/api/cohorts")["body"]["readers"]}
    names = ["ames", "baum", "cruz"]
    made = lead.ask("POST", "/api/cohorts", {"name": "three", "studies": [key], "readers": [users[n] for n in names]})
    cohort = made["body"]["key"]
    mark = {"id": "m", "origin": "drawn", "finding": "metastasis", "site": "sacrum", "view": "posterior"}
    mark |= {"shape": "rectangle", "points_px": [[100, 400], [140, 440]]}
    for name, marks in (("ames", [mark]), ("baum", [mark]), ("cruz", [])):
        reader = lead if name == "ames" else Reader(browser, room, name)
        assert reader.ask("GET", f"/api/studies/{key}/network?cohort={cohort}")["status"] == 403
        document = {"metastasis": "yes" if marks else "no", "arthritis": "no", "marks": marks}
        path = f"/api/studies/{key}/read"
        saved = reader.ask("PUT", f"{path}?cohort={cohort}", {"version": 0, "document": document})
        assert saved["status"] == 200, saved
        done = reader.ask("POST", f"{path}/finish?cohort={cohort}", {"version": 1})
        assert done["status"] == 200, done
    # The refusals above are what the browser writes down as errors.
    lead.faults = [f for f in lead.faults if "403" not in f and "409" not in f]
    page = lead.page
    page.goto(f"{room.url}/cohorts/{cohort}")
    page.click("text=compare and decide")
    page.wait_for_selector(".views .view[data-ready=yes]")
    assert lead.axe() == []
    page.fill("textarea", "Two of three, and it is seen on the first look.")
    page.click("button:has-text('Decide')")
    page.wait_for_selector("text=decided")
    assert lead.axe() == []


def found_elsewhere(archive: Orthanc, reader: Reader, key: int, folder: Path) -> None:
    """SR, SEG and PDF are in the other archive, by both of its doors."""
    uid = reader.ask("GET", f"/api/studies/{key}")["body"]["study_uid"]
    client = DICOMwebClient(f"{archive.url}/dicom-web")
    modalities = wait(
        lambda: (m := {s["00080060"]["Value"][0] for s in client.search_for_series(uid)}) >= {"SR", "SEG", "DOC"} and m
    )
    assert {"SR", "SEG", "DOC"} <= modalities
    query = [dcmtk("findscu"), "-aec", archive.ae_title, "-S", "-k", "QueryRetrieveLevel=SERIES"]
    query += ["-k", f"StudyInstanceUID={uid}", "-k", "Modality=SR", "-X", "-od", str(folder)]
    subprocess.run([*query, "127.0.0.1", str(archive.dicom_port)], check=True)
    assert list(folder.glob("rsp*"))
    report = next(s for s in client.search_for_series(uid) if s["00080060"]["Value"][0] == "DOC")
    (pdf,) = client.retrieve_series(uid, report["0020000E"]["Value"][0])
    assert bytes(pdf.EncapsulatedDocument).startswith(b"%PDF-")
