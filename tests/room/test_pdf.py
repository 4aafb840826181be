"""A report's pages: who and what on every one, drafts marked, always the same bytes, and no text that breaks them."""

import base64
import dataclasses
import datetime as dt
import re
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from photopeak.core import PhotopeakError
from photopeak.core.report import SECTIONS, Report, SignedLesion, SignedReport
from photopeak.room.key_images import grey
from photopeak.room.pdf import DRAFT, FOOTER, report_pdf

PATIENT = {
    "name": "Doe^Jane", "id": "P-0042", "birth date": "1951-04-07", "sex": "F", "study date": "2026-03-01",
    "accession": "A17", "description": "Bone scan", "institution": "Ghent",
}  # fmt: skip
SQUARE = ((10.0, 20.0), (16.0, 20.0), (16.0, 25.0), (10.0, 25.0))
PICTURES = {
    view: np.random.default_rng(n).poisson(20, (64, 32)).astype(np.float32)
    for n, view in enumerate(("posterior", "anterior"))
}
SPACING = (2.4, 2.4)
LESIONS = (
    SignedLesion("metastasis", "left ribs", "posterior", SQUARE, 172.8, 88.0, "new <since> 2018", True, True),
    SignedLesion("arthritis", "", "anterior", SQUARE, 172.8, 51.0, "", False, False),
)
DRAFTED = Report(
    "1.2.3", "P-0042", 2, {name: f"About the {name}." for name in SECTIONS}, "yes", "", LESIONS, 2.35
)  # fmt: skip


@pytest.fixture
def signed() -> SignedReport:
    said = {f.name: getattr(DRAFTED, f.name) for f in dataclasses.fields(DRAFTED)}
    return SignedReport(
        **{**said, "arthritis": "unsure"}, signer_name="Dr. Ann Lee", signer_organization="Ghent NM",
        signed_at=dt.datetime(2026, 3, 2, 14, 0, 5, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        content_sha256="ab" * 32, bundle="bone-scan", bundle_sha256="cd" * 32, supersedes_sop_uid="1.2.9",
    )  # fmt: skip


def pages(pdf: bytes) -> list[str]:
    """The words of each page, as far as the built-in Latin fonts show them."""
    out = []
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        if not stream.strip().endswith(b"~>"):
            continue
        data = zlib.decompress(base64.a85decode(stream.strip().removesuffix(b"~>")))
        if b"BT" in data:
            shown = re.findall(rb"\(((?:[^()\\]|\\.)*)\) Tj", data, re.DOTALL)
            text = b" ".join(shown).replace(b"\\(", b"(").replace(b"\\)", b")")
            out.append(text.decode("cp1252", "replace"))
    return out


def test_a_signed_report_says_everything(signed: SignedReport) -> None:
    made = pages(report_pdf(signed, PATIENT, PICTURES, SPACING))
    whole = " ".join(made)
    for words in (
        *(f"About the {name}." for name in SECTIONS), *PATIENT.values(), "Left ribs", "No named region", "1.7 cm",
        "88 counts", "Network, edited", "Physician", "1: new <since> 2018", "2.35 %", "Yes", "Not sure",
        "Dr. Ann Lee", "Ghent NM", "2026-03-02 12:00:05 UTC", "ab" * 32, "cd" * 32, "the report 1.2.9",
    ):  # fmt: skip
        assert words.replace(" ", "") in whole.replace(" ", ""), words
    assert "DRAFT" not in whole
    assert "R L" in whole.partition("Anterior")[2]
    assert whole.index("Anterior") < whole.index("Posterior")


def test_every_page_names_the_patient_and_its_number(signed: SignedReport) -> None:
    long = dataclasses.replace(signed, sections={"findings": "A line of text.\n" * 200})
    made = pages(report_pdf(long, PATIENT, PICTURES, SPACING))
    assert len(made) > 3
    for number, page in enumerate(made, 1):
        assert "P-0042, born 1951-04-07" in page
        assert "Doe^Jane" in page
        assert f"Page {number} of {len(made)}" in page
        assert FOOTER in page


def test_a_draft_is_marked_on_every_page() -> None:
    long = dataclasses.replace(DRAFTED, sections={"findings": "A line of text.\n" * 200})
    made = pages(report_pdf(long, PATIENT, PICTURES, SPACING))
    assert all(DRAFT in page for page in made)
    assert "Not answered" in " ".join(made)
    assert "must not be acted upon" in " ".join(made)
    assert "Signed by" not in " ".join(made)


def test_the_same_report_gives_the_same_bytes(signed: SignedReport, monkeypatch: pytest.MonkeyPatch) -> None:
    named = {**PATIENT, "name": "Łukasz 山田 김철수"}
    first = report_pdf(signed, named, PICTURES, SPACING)
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    assert report_pdf(signed, named, PICTURES, SPACING) == first
    assert first.startswith(b"%PDF-")


EASTERN = {
    "STSong-Light": "多发骨转移可能。",
    "HeiseiKakuGo-W5": "骨シンチグラフィの所見",
    "HYGothic-Medium": "골전이가 의심됩니다",
}


def shown_as(pdf: bytes, text: str) -> bool:
    """Whether a text stands on a page in one of PDF's own eastern fonts, whose codes are those of UCS-2."""
    codes = text.encode("utf-16-be").decode("latin-1")
    octal = "".join(c if " " <= c <= "~" and c != "\\" else f"\\{ord(c):03o}" for c in codes)
    return any(octal.encode() in page.encode("cp1252", "replace") for page in pages(pdf))


@pytest.mark.parametrize(("font", "text"), EASTERN.items(), ids=["Chinese", "Japanese", "Korean"])
def test_eastern_text_is_on_the_page_in_the_font_of_its_script(signed: SignedReport, font: str, text: str) -> None:
    said = dataclasses.replace(signed, sections={"findings": text}, signer_name=text)
    pdf = report_pdf(said, {**PATIENT, "name": text}, PICTURES, SPACING)
    assert f"/BaseFont /{font}".encode() in pdf
    assert {other for other in EASTERN if f"/BaseFont /{other}".encode() in pdf} == {font}
    for stretch in text.replace(" ", "\n").split("\n"):
        assert shown_as(pdf, stretch), stretch


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A TrueType font with a square for 骨 and for 골, as small as one can be."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for point in ((0, 900), (900, 900), (900, 0)):
        pen.lineTo(point)
    pen.closePath()
    names = [".notdef", "bone", "gol"]
    made = FontBuilder(1000, isTTF=True)
    made.setupGlyphOrder(names)
    made.setupCharacterMap({ord("骨"): "bone", ord("골"): "gol"})
    made.setupGlyf(dict.fromkeys(names, pen.glyph()))
    made.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    made.setupHorizontalHeader(ascent=900, descent=-100)
    made.setupNameTable({"familyName": "Square", "styleName": "Regular", "psName": "Square"})
    made.setupOS2()
    made.setupPost()
    made.save(str(tmp_path / "square.ttf"))
    return tmp_path / "square.ttf"


def test_a_font_of_ones_own_goes_into_the_file(signed: SignedReport, own: Path, tmp_path: Path) -> None:
    bones, ours = dataclasses.replace(signed, sections={"findings": "骨 골"}), re.compile(rb"/BaseFont /\w+\+Square")
    pdf = report_pdf(bones, PATIENT, PICTURES, SPACING, font=own)
    assert ours.search(pdf)
    assert b"/FontFile2" in pdf
    assert not any(f"/BaseFont /{font}".encode() in pdf for font in EASTERN)
    other = report_pdf(dataclasses.replace(bones, sections={"findings": "骨多"}), PATIENT, PICTURES, SPACING, font=own)
    assert ours.search(other)
    assert b"/BaseFont /STSong-Light" in other  # for what one's own font lacks
    assert not ours.search(report_pdf(bones, PATIENT, PICTURES, SPACING))
    (tmp_path / "none.ttf").write_bytes(b"no font")
    with pytest.raises(PhotopeakError, match="no page can be set"):
        report_pdf(bones, PATIENT, PICTURES, SPACING, font=tmp_path / "none.ttf")


@pytest.mark.untraced
@pytest.mark.parametrize(
    "text",
    [
        "W" * 10_000,
        "漢" * 10_000,
        "😀" * 10_000,
        "Łukasz Δημήτρης Иванов 山田たろう 김철수 王小明 אברהם محمد 😀",
        "<script>alert(1)</script> <b>&nbsp;<font name='x'> </para> & <img src='/etc/passwd'/>",
        "".join(map(chr, range(0x20))) + "\x7f\x85\u2028\u202e\ud800\ufffe",
        "\n" * 500,
        " ",
        "",
    ],
)
def test_text_from_outside_is_only_text(signed: SignedReport, text: str) -> None:
    lesions = (dataclasses.replace(LESIONS[0], site=text, comment=text[:2000]),)
    evil = dataclasses.replace(
        signed, sections=dict.fromkeys(SECTIONS, text), lesions=lesions, signer_name=text, signer_organization=text,
        bundle=text, patient_id=text,
    )  # fmt: skip
    for report in (evil, dataclasses.replace(DRAFTED, sections=evil.sections)):
        pdf = report_pdf(report, dict.fromkeys(PATIENT, text), PICTURES, SPACING)
        assert pdf.rstrip().endswith(b"%%EOF")
        assert b"/JavaScript" not in pdf
        assert b"/URI" not in pdf
    if text.startswith("<script>"):
        assert "<script>alert(1)</script>" in " ".join(pages(pdf))


def test_many_lesions_and_few_images_fit(signed: SignedReport) -> None:
    many = dataclasses.replace(signed, lesions=LESIONS * 100)
    made = pages(report_pdf(many, PATIENT, PICTURES, SPACING))
    assert all("Proposed by" in page for page in made[1:-2])  # the table's head comes again
    one = {"left lateral": np.zeros((64, 64), np.float32)}
    assert "Left lateral" in " ".join(pages(report_pdf(signed, {}, one, SPACING)))
    assert "Posterior" in pages(report_pdf(signed, {}, {"posterior": PICTURES["posterior"]}, SPACING))[0]
    assert report_pdf(dataclasses.replace(signed, lesions=()), {}, {}, SPACING)


def test_counts_are_dark_and_linear() -> None:
    counts = np.zeros((10, 100))
    counts[0] = np.arange(100)
    counts[1, 0] = np.nan
    shown = grey(counts)
    top = np.percentile(np.arange(1, 100), 99.5)
    assert shown[0, 0] == shown[1, 0] == shown[5, 5] == 255
    assert shown[0, 99] == 0
    assert shown[0, 50] == round(255 * (1 - 50 / top))
