"""A document as A4 pages, numbered, with its notice at the foot of each."""

from __future__ import annotations

import io
from typing import Any, Final

from photopeak.core.typesetting import BOLD, LATIN, markup, registered, shortened
from photopeak.evaluate.document import Document, Part, Picture, Section, Table

MARGIN: Final = 45.0
"""16 mm in points."""
INK, SOFT, RULE, HEAD = "#1b2733", "#5c6b78", "#d5dce1", "#0b4f6c"
DPI: Final = 180


def pdf(document: Document) -> bytes:
    """The pages; the same document gives the same bytes."""
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate

    registered()
    out = io.BytesIO()
    pages = BaseDocTemplate(out, pagesize=A4, invariant=1, title=document.title, creator="Photopeak", lang="en")
    width, height = A4[0] - 2 * MARGIN, A4[1] - 2 * MARGIN
    frame = Frame(MARGIN, MARGIN, width, height, leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0)

    def foot(canvas: Any, page: Any) -> None:
        canvas.setFont(LATIN, 8)
        canvas.setFillColor(SOFT)
        canvas.drawString(MARGIN, 28, shortened(document.notice, 110))
        canvas.drawRightString(A4[0] - MARGIN, 28, f"Page {page.page}")

    pages.addPageTemplates([PageTemplate("page", [frame], onPage=foot)])
    story = [_text(document.title, 16, bold=True, spaceAfter=4), _text(document.notice, 9, textColor=SOFT)]
    for section in document.sections:
        story += _section(section, width, height)
    pages.build(story)
    return out.getvalue()


def _section(section: Section, width: float, height: float) -> list[Any]:
    """The heading stays with what comes first under it."""
    heading = _text(section.title, 11.5, bold=True, textColor=HEAD, spaceBefore=12, spaceAfter=4, keepWithNext=1)
    return [heading, *(_part(part, width, height) for part in section.parts)]


def _part(part: Part, width: float, height: float) -> Any:
    if isinstance(part, str):
        return _text(part, 9, spaceAfter=4)
    if isinstance(part, Table):
        return _table(part, width)
    return _picture(part, width, height)


def _text(text: str, size: float, bold: bool = False, **more: Any) -> Any:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    given = {"leading": 1.35 * size, "textColor": INK, "splitLongWords": 1, **more}
    style = ParagraphStyle("text", fontName=BOLD if bold else LATIN, fontSize=size, **given)
    return Paragraph(markup(text, bold), style)


def _table(table: Table, width: float) -> Any:
    from reportlab.platypus import Table as Grid

    headed = any(table.head)
    rows = [[_text(word, 8, bold=True) for word in table.head]] if headed else []
    rows += [[_text(w, 8, textColor=INK if c else SOFT) for c, w in enumerate(row)] for row in table.rows]
    columns = len(table.head)
    first = 0.27 * width
    widths = [first, *[(width - first) / (columns - 1)] * (columns - 1)]
    style: list[Any] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE),
    ]
    style += [("LINEBELOW", (0, 0), (-1, 0), 0.8, INK)] if headed else []
    return Grid(rows, colWidths=widths, style=style, repeatRows=int(headed), spaceAfter=8)


def _picture(picture: Picture, width: float, height: float) -> Any:
    from reportlab.platypus import Image, KeepTogether

    out = io.BytesIO()
    picture.figure.savefig(out, format="png", dpi=DPI, metadata={"Software": None})
    inches = picture.figure.get_size_inches()
    scale = min(width / inches[0], 0.85 * height / inches[1], 72.0)
    image = Image(io.BytesIO(out.getvalue()), scale * inches[0], scale * inches[1])
    image.hAlign = "LEFT"
    return KeepTogether([image, _text(picture.caption, 8, textColor=SOFT, spaceAfter=6)])
