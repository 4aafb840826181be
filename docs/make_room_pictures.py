"""The reading room's pictures, taken anew in Chromium: ``.venv/bin/python docs/make_room_pictures.py``.

pictures/room-worklist.png    the worklist, sorted by suspicion
pictures/room-reading.png     a metastatic patient, what the network thinks, and marks
pictures/room-prior.png       the same patient beside the scan of a year before
pictures/room-consensus.png   three readers of one scan
pictures/room-cohort.png      how far readers agree
pictures/room-report.png      a signed report, in the dark
pictures/room-imports.png     reports and LabelMe files on their way to studies
pictures/room-planned.png     the plan of a day
pictures/room-patients.png    two patients who may be one

It starts the demonstration in a folder of its own and needs Debian's Chromium. ``further`` after its name takes the
last three alone, for which the first patients are enough.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pydicom
from playwright.sync_api import Page, sync_playwright
from pydicom.uid import generate_uid

from photopeak.room.demo import patients

FOLDER = Path(__file__).parent / "pictures"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
STUDIES = 32
FEW = 6


def main() -> int:
    """Start the demonstration, wait until it is read, and go through its pages."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("chromium is missing: install Debian's chromium", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as data, sync_playwright() as p:
        environment = {**os.environ, "PHOTOPEAK_ROOM_QUIET_SECONDS": "1"}
        command = [sys.executable, "-m", "photopeak", "room", "serve", "--demo", "--data", data, "--port", "0"]
        room = subprocess.Popen([*command, "--dicom-port", "0"], stdout=subprocess.PIPE, text=True, env=environment)
        try:
            assert room.stdout is not None
            url = room.stdout.readline().split(": ", 1)[1].strip()
            browser = p.chromium.launch(executable_path=chromium, args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            if "further" not in sys.argv[1:]:
                story(page, url)
            further(page, url)
            browser.close()
        finally:
            room.terminate()
            room.wait(30)
    return 0


def story(page: Page, url: str) -> None:
    """The pages one after the other."""
    enter(page, url, "Dr Ada Ames")
    ready(page)
    page.select_option("select", "suspicion")
    page.wait_for_timeout(1500)
    shot(page, "worklist")
    key = with_prior(page)
    page.goto(f"{url}/studies/{key}")
    page.wait_for_selector(".view[data-ready=yes]")
    page.keyboard.press("n")
    page.wait_for_selector(".judgement")
    rows = page.locator(".marks-list .mark-row")
    for i in range(rows.count()):
        rows.nth(i).click()
        page.keyboard.press("a")
    page.wait_for_timeout(800)
    shot(page, "reading")
    page.keyboard.press("y")
    page.wait_for_selector("[data-view^='posterior 20'][data-ready=yes]")
    shot(page, "prior")
    page.locator(".question label", has_text="yes").nth(0).click()
    page.locator(".question label", has_text="no").nth(1).click()
    page.click("text=Finish read")
    page.click("text=Draft it from my read")
    page.wait_for_selector(".section textarea")
    page.fill(".section textarea >> nth=0", "Known cancer of the prostate, rising PSA.")
    page.wait_for_selector(".banner:has-text('saved')")
    page.click("button.primary:has-text('Sign')")
    page.wait_for_selector(".banner.signed")
    page.click("[aria-label='Light or dark']")
    page.wait_for_selector("text=Kept and sent as", timeout=120_000)
    page.wait_for_timeout(8000)  # the browser's own PDF page does not say when it is drawn
    shot(page, "report")
    page.click("[aria-label='Light or dark']")
    cohort(page, url)


def further(page: Page, url: str) -> None:
    """The pages around reading: what comes from elsewhere, what is planned, who may be one."""
    page.context.clear_cookies()
    enter(page, url, "Dr Ada Ames")
    read(page, FEW)
    imports(page, url)
    administration(page, url)


def imports(page: Page, url: str) -> None:
    """Files whose names say a study, and one whose name says a patient alone."""
    rows = ask(page, "GET", "/api/worklist?sort=date&limit=3")["rows"]
    named = [f"{r['patient_id']}_{r['date'][:4]}-{r['date'][4:6]}-{r['date'][6:]}" for r in rows]
    shape = {"label": "M sacrum", "points": [[10, 20], [30, 20], [20, 44]], "shape_type": "polygon"}
    marks = {"version": "5.5.0", "shapes": [shape | {"flags": {"posterior": True}}], "imagePath": "scan.png"}
    files: list[Any] = [
        {"name": f"{named[0]}.txt", "mimeType": "text/plain", "buffer": b"New focal uptake in the sacrum."},
        {"name": f"{named[1]}.json", "mimeType": "application/json", "buffer": json.dumps(marks).encode()},
        {"name": f"{rows[2]['patient_id']}.txt", "mimeType": "text/plain", "buffer": b"No focal uptake."},
    ]
    page.goto(f"{url}/imports")
    page.wait_for_selector("input[type=file]")
    page.set_input_files("input[type=file]", files)
    page.wait_for_selector(f"[data-file='{named[1]}.json']")
    shot(page, "imports")


def administration(page: Page, url: str) -> None:
    """The plan of a day; a patient who was scanned elsewhere too, under the same ID."""
    ask(page, "DELETE", "/api/session")
    page.context.clear_cookies()
    enter(page, url, "Fay Frey")
    rows = ask(page, "GET", "/api/worklist?sort=patient&descending=false")["rows"]
    people = list({row["patient_id"]: row for row in rows}.values())[:4]
    for row, hour in zip(people, ("0815", "0900", "1015", "1330"), strict=True):
        form = {k: row[k] for k in ("patient_id", "issuer", "name", "birth_date", "sex")}
        form |= {"description": "Whole-body bone scan", "accession": f"NM{hour}", "start_time": hour}
        ask(page, "POST", "/api/admin/scheduled", form | {"start_date": time.strftime("%Y%m%d")})
    page.goto(f"{url}/admin/planned")
    page.wait_for_selector("[data-planned]")
    shot(page, "planned")
    ask(page, "POST", "/api/objects", {"name": "elsewhere.dcm", "base64": elsewhere()})
    page.goto(f"{url}/admin/patients")
    page.click("button:has-text('Compare')")
    page.wait_for_selector(".beside")
    shot(page, "patients")


def elsewhere() -> str:
    """The demonstration's first scan once more, as another hospital that issued the same ID sends it."""
    ds = pydicom.dcmread(io.BytesIO(next(patients())[0]))
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = (str(generate_uid()) for _ in range(3))
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.IssuerOfPatientID, ds.AccessionNumber = "Hospital South", "S2031"
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return base64.b64encode(out.getvalue()).decode()


def cohort(page: Page, url: str) -> None:
    """The third reader reads what two have read; then they are compared."""
    ask(page, "DELETE", "/api/session")
    page.context.clear_cookies()
    enter(page, url, "Dr Ada Ames")
    rows = ask(page, "GET", "/api/cohorts/1")["rows"]
    for row in rows:
        marks = ask(page, "GET", f"/api/cohorts/1/studies/{row['key']}/review")["lesions"][::2]
        found = {m["finding"] for m in marks}
        document: dict[str, Any] = {q: "yes" if q in found else "no" for q in ("metastasis", "arthritis")}
        document["marks"] = [
            {k: m[k] for k in ("id", "finding", "site", "view", "points_px")} | {"origin": "drawn", "shape": "polygon"}
            for m in marks
        ]
        path = f"/api/studies/{row['key']}/read"
        ask(page, "PUT", f"{path}?cohort=1", {"version": 0, "document": document, "active_seconds": 74.0})
        ask(page, "POST", f"{path}/finish?cohort=1", {"version": 1})
    page.goto(f"{url}/cohorts/1")
    page.wait_for_selector("text=Two by two")
    shot(page, "cohort")
    most = max(rows, key=lambda r: len(ask(page, "GET", f"/api/cohorts/1/studies/{r['key']}/review")["lesions"]))
    page.goto(f"{url}/cohorts/1/studies/{most['key']}")
    page.wait_for_selector(".views .view[data-ready=yes]")
    page.wait_for_timeout(500)
    shot(page, "consensus")


def enter(page: Page, url: str, who: str) -> None:
    """Sign in as one of the demonstration's people."""
    page.goto(url)
    page.click(f"text={who}")
    page.wait_for_selector(".worklist")


def ready(page: Page) -> None:
    """Wait until everybody has been sent and read, and the cohort stands."""
    read(page, STUDIES)
    end = time.monotonic() + 100
    while not ask(page, "GET", "/api/cohorts")["cohorts"]:
        if time.monotonic() > end:
            raise SystemExit("the demonstration made no cohort")
        time.sleep(2)


def read(page: Page, studies: int) -> None:
    """Wait until so many studies are read, by the network at least."""
    end = time.monotonic() + 1200
    while time.monotonic() < end:
        states = ask(page, "GET", "/api/worklist?limit=1")["states"]
        if sum(states.values()) - states["new"] >= studies:
            return
        time.sleep(2)
    raise SystemExit("the demonstration was not read in time")


def with_prior(page: Page) -> int:
    """The most suspicious patient with an earlier study."""
    rows = ask(page, "GET", "/api/worklist?sort=suspicion&limit=100")["rows"]
    return int(next(r["key"] for r in rows if r["studies_of_patient"] > 1 and r["state"] == "read"))


def ask(page: Page, method: str, path: str, body: Any = None) -> Any:
    """A request as the page makes it."""
    said = page.evaluate(
        """async ([method, path, body]) => {
            const s = await (await fetch('/api/session')).json()
            const headers = {'content-type': 'application/json', 'x-csrf-token': s.csrf ?? ''}
            const r = await fetch(path, {method, headers, body: body === null ? undefined : body})
            return await r.text()
        }""",
        [method, path, None if body is None else json.dumps(body)],
    )
    return json.loads(said)


def shot(page: Page, name: str) -> None:
    """Keep the page as it looks."""
    assert re.fullmatch(r"[a-z]+", name)
    page.screenshot(path=FOLDER / f"room-{name}.png")
    print(f"wrote {FOLDER / f'room-{name}.png'}")


if __name__ == "__main__":
    sys.exit(main())
