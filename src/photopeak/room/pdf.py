"""A report as pages: who it is about on every one of them, the images with what was marked, the text, the signature.

The same report gives the same bytes. What is not signed says so across every page.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Shaped

from photopeak.core.report import SECTIONS, Report, SignedLesion, SignedReport
from photopeak.core.typesetting import BOLD, LATIN, draw_line, markup, own_font, registered, shortened
from photopeak.room.key_images import key_images

Pictures = Mapping[str, Shaped[np.ndarray, "row column"]]
MARGIN: Final = 51.0
"""18 mm in points."""
INK: Final = "#1b2733"
GREY: Final = "#5c6b78"
RULE: Final = "#c9d2d9"
FOOTER: Final = "Research software, not a medical device."
DRAFT: Final = "DRAFT, NOT SIGNED"
ANSWERS: Final = {"yes": "Yes", "no": "No", "unsure": "Not sure", "": "Not answered"}
ORIGINS: Final = {
    "physician": "Physician",
    "network": "Network, accepted",
    "network, edited": "Network, edited",
}
#: what of the patient and the study stands at the report's head, row by row
FIELDS: Final = (
    (("name", "Patient"), ("id", "Patient ID")),
    (("birth date", "Date of birth"), ("sex", "Sex")),
    (("study date", "Study date"), ("accession", "Accession")),
    (("description", "Examination"), ("institution", "Institution")),
)
LONGEST_FIELD: Final = 200
LABEL: Final = 72.0
"""Points that a label takes beside its value."""


def report_pdf(
    report: Report,
    patient: Mapping[str, str],
    pictures: Pictures,
    spacing: tuple[float, float],
    further: Sequence[tuple[Pictures, tuple[float, float]]] = (),
    font: Path | None = None,
) -> bytes:
    """The pages of a report; of one that is no ``SignedReport``, a draft.

    ``patient`` says in words the name, id, birth date, sex, study date, accession, description and institution;
    ``pictures`` holds the counts of each view and ``spacing`` the height and width of their pixels in mm; ``further``
    are the same of other images of the study, each a row of its own; ``font`` is one's own for other scripts.
    """
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate

    registered()
    out = io.BytesIO()
    document = BaseDocTemplate(
        out, pagesize=A4, invariant=1, title="Bone scan report", author="", creator="Photopeak", lang="en"
    )
    width, height = A4[0] - 2 * MARGIN, A4[1] - 2 * MARGIN
    frame = Frame(MARGIN, MARGIN, width, height - 16, leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0)
    furniture = _Furniture(report, patient)
    document.addPageTemplates([PageTemplate("page", [frame], onPage=furniture.under, onPageEnd=furniture.over)])
    rows = [row for row in ((pictures, spacing), *further) if row[0]]
    with own_font(font):
        document.build(_story(report, patient, rows, width), canvasmaker=_counting(furniture))
    return out.getvalue()


class _Furniture:
    """What stands on every page, around its text."""

    def __init__(self, report: Report, patient: Mapping[str, str]) -> None:
        self._signed = isinstance(report, SignedReport)
        born = f", born {patient['birth date']}" if patient.get("birth date") else ""
        # The name last: it is what may be too long, and the identifier must stay readable.
        identity = f"{shortened(patient.get('id', '') or report.patient_id, 64)}{born}"
        self._who = f"{identity}  ·  {patient.get('name', '')}"
        self._study = f"Study of {patient['study date']}" if patient.get("study date") else ""
        self._version = f"Bone scan report, version {report.number}"

    def under(self, canvas: Any, _document: Any) -> None:
        """The head and the foot, but for the number of pages, which nobody knows yet."""
        width, height = canvas._pagesize
        canvas.saveState()
        canvas.setFillColor(INK)
        draw_line(canvas, MARGIN, height - 38, self._who, 9, width - 2 * MARGIN - 120, bold=True)
        canvas.setFillColor(GREY)
        canvas.setFont(LATIN, 8)
        canvas.drawRightString(width - MARGIN, height - 38, shortened(self._study, 40))
        canvas.setStrokeColor(RULE)
        canvas.setLineWidth(0.6)
        canvas.line(MARGIN, height - 45, width - MARGIN, height - 45)
        canvas.line(MARGIN, 42, width - MARGIN, 42)
        canvas.drawString(MARGIN, 31, f"{FOOTER}  {self._version}{'' if self._signed else ', ' + DRAFT.lower()}.")
        canvas.restoreState()

    def over(self, canvas: Any, _document: Any) -> None:
        """What a draft is must be seen over pictures too."""
        if self._signed:
            return
        width, height = canvas._pagesize
        canvas.saveState()
        canvas.translate(width / 2, height / 2)
        canvas.rotate(52)
        canvas.setFillColor("#b3261e", alpha=0.22)
        canvas.setFont(BOLD, 62)
        canvas.drawCentredString(0, -20, DRAFT)
        canvas.restoreState()

    def number(self, canvas: Any, page: int, pages: int) -> None:
        canvas.setFillColor(GREY)
        canvas.setFont(LATIN, 8)
        canvas.drawRightString(canvas._pagesize[0] - MARGIN, 31, f"Page {page} of {pages}")


def _counting(furniture: _Furniture) -> Any:
    """A canvas that numbers its pages once it knows how many there are."""
    from reportlab.pdfgen.canvas import Canvas

    class Counting(Canvas):  # type: ignore[misc]
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self._kept: list[dict[str, Any]] = []

        def showPage(self) -> None:
            self._kept.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for page, state in enumerate(self._kept, 1):
                self.__dict__.update(state)
                furniture.number(self, page, len(self._kept))
                super().showPage()
            super().save()

    return Counting


def _style(name: str, size: float, bold: bool = False, **more: Any) -> Any:
    from reportlab.lib.styles import ParagraphStyle

    font = BOLD if bold else LATIN
    given = {"leading": 1.35 * size, "textColor": INK, **more}
    return ParagraphStyle(name, fontName=font, fontSize=size, **given)


def _text(text: str, size: float = 9.5, bold: bool = False, **more: Any) -> Any:
    from reportlab.platypus import Paragraph

    return Paragraph(markup(text, bold), _style("text", size, bold, **more))


def _heading(text: str) -> Any:
    return _text(text, 10.5, bold=True, spaceBefore=9, spaceAfter=2, keepWithNext=1, textColor="#0b4f6c")


def _story(
    report: Report, patient: Mapping[str, str], images: Sequence[tuple[Pictures, tuple[float, float]]], width: float
) -> list[Any]:
    """The report from its title to its signature."""
    from reportlab.platypus import KeepTogether, Spacer

    story = [_text("Bone scan report", 17, bold=True, spaceAfter=5), _identity(report, patient, width)]
    for name in ("indication", "technique", "comparison"):
        story += _section(report, name)
    for pictures, spacing in images:
        story += [Spacer(1, 8), key_images(report.lesions, pictures, spacing, width)]
    story += _section(report, "findings")
    if report.lesions:
        story += [Spacer(1, 5), _lesions(report.lesions, width), *_comments(report.lesions)]
    story += [KeepTogether([_heading("Answers"), _answers(report, width)])]
    for name in ("conclusion", "limitations"):
        story += _section(report, name)
    return [*story, Spacer(1, 12), KeepTogether([_signature(report, width)])]


def _section(report: Report, name: str) -> list[Any]:
    text = report.sections.get(name, "").strip()
    assert name in SECTIONS
    return [_heading(name.capitalize()), _text(text, bold=name == "conclusion")] if text else []


def _table(rows: Sequence[Sequence[Any]], widths: Sequence[float], *style: Any, head: int = 0) -> Any:
    from reportlab.platypus import Table

    plain = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 4),
        ("RIGHTPADDING", (0, 0), (-1, -1), 4),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
    ]
    return Table(rows, colWidths=widths, style=[*plain, *style], repeatRows=head)


def _identity(report: Report, patient: Mapping[str, str], width: float) -> Any:
    """Who and what was examined."""
    known = {**patient, "id": patient.get("id") or report.patient_id}
    rows = []
    for pair in FIELDS:
        row: list[Any] = []
        for key, label in pair:
            value = shortened(known.get(key, ""), LONGEST_FIELD) or "–"
            row += [_text(label, 8.5, textColor=GREY), _text(value, 9.5, bold=key == "name")]
        rows.append(row)
    rest = (width - 2 * LABEL) / 2
    return _table(rows, (LABEL, rest, LABEL, rest), ("BACKGROUND", (0, 0), (-1, -1), "#f2f5f7"))


def _lesions(lesions: Sequence[SignedLesion], width: float) -> Any:
    """One row a lesion, numbered as on the images."""
    head = ("No.", "Finding", "Site", "View", "Area", "Maximum", "Proposed by")
    rows: list[list[Any]] = [[_text(word, 8.5, bold=True) for word in head]]
    for number, x in enumerate(lesions, 1):
        numbers = f"{x.area_mm2 / 100:.1f} cm²", f"{x.max_counts:.0f} counts"
        words = str(number), x.finding.capitalize(), x.site.capitalize() or "No named region", x.view.capitalize()
        cells = (*words, *numbers, ORIGINS[x.origin])
        rows.append([_text(shortened(cell, LONGEST_FIELD), 8.5) for cell in cells])
    shares = (0.06, 0.14, 0.22, 0.13, 0.12, 0.14, 0.19)
    rules = ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE), ("LINEBELOW", (0, 0), (-1, 0), 0.8, INK)
    return _table(rows, [share * width for share in shares], *rules, head=1)


def _comments(lesions: Sequence[SignedLesion]) -> list[Any]:
    return [
        _text(f"{number}: {x.comment.strip()}", 8.5, spaceBefore=3)
        for number, x in enumerate(lesions, 1)
        if x.comment.strip()
    ]


def _answers(report: Report, width: float) -> Any:
    """The two questions and the bone scan index, side by side."""
    said = [(f"{question.capitalize()}", ANSWERS[answer]) for question, answer in report.questions.items()]
    if report.bone_scan_index_percent is not None:
        said.append(("Bone scan index", f"{report.bone_scan_index_percent:.2f} %"))
    row = [[_text(label, 8.5, textColor=GREY), _text(value, 11, bold=True)] for label, value in said]
    return _table([row], [width / len(row)] * len(row), ("BOX", (0, 0), (-1, -1), 0.6, RULE))


def _signature(report: Report, width: float) -> Any:
    """Who signed when, and what exactly."""
    if not isinstance(report, SignedReport):
        return _text("This report is a draft. It has not been signed and must not be acted upon.", bold=True)
    signed = report.signed_at.astimezone(dt.UTC)
    bundle = f"{report.bundle or 'unnamed'}, SHA-256 {report.bundle_sha256}" if report.bundle_sha256 else report.bundle
    said = [
        ("Signed by", report.signer_name),
        ("Organization", report.signer_organization or "–"),
        ("Signed at", f"{signed:%Y-%m-%d %H:%M:%S} UTC"),
        ("Content", f"SHA-256 {report.content_sha256}"),
        ("Network", bundle or "None was at hand."),
    ]
    if report.supersedes_sop_uid:
        said.append(("Replaces", f"the report {report.supersedes_sop_uid}"))
    rows = [
        [_text(label, 8.5, textColor=GREY), _text(shortened(value, LONGEST_FIELD), 8.5, bold=label == "Signed by")]
        for label, value in said
    ]
    return _table(rows, (LABEL, width - LABEL), ("LINEABOVE", (0, 0), (-1, 0), 0.8, INK))
