"""A document of sections, tables and pictures, and its form as one HTML file that needs nothing else.

The same document becomes pages in ``document_pdf``. Pictures go in as SVG whose ink is that of the text around, so
they are readable on a dark screen as well.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Table:
    """Rows of words under a head; the first column names the row."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure with what is to be seen in it; ``name`` is its own in the document."""

    name: str
    figure: Figure
    caption: str


Part = str | Table | Picture


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Document:
    """What is said, in its order; ``notice`` stands at the head and at the foot of every page."""

    title: str
    notice: str
    sections: Sequence[Section]


def html(document: Document) -> str:
    """One HTML file: no script, nothing loaded, light or dark as the reader's screen is, white on paper."""
    parts = [f"<h2>{escape(s.title)}</h2>\n" + "\n".join(map(_part, s.parts)) for s in document.sections]
    title, notice = escape(document.title), escape(document.notice)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head>\n<body><main>\n"
        f'<h1>{title}</h1>\n<p class="notice">{notice}</p>\n' + "\n".join(parts) + "\n</main></body></html>\n"
    )


def _part(part: Part) -> str:
    if isinstance(part, str):
        return f"<p>{escape(part)}</p>"
    if isinstance(part, Table):
        return _table(part)
    return f"<figure>{_svg(part)}<figcaption>{escape(part.caption)}</figcaption></figure>"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(word)}</th>' for word in table.head)
    rows = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(word)}</td>" for word in rest)}</tr>'
        for first, *rest in table.rows
    )
    top = f"<thead><tr>{head}</tr></thead>" if any(table.head) else ""
    return f'<div class="wide"><table>{top}<tbody>{rows}</tbody></table></div>'


def _svg(picture: Picture) -> str:
    """The figure's drawing. Its black is the text's colour, and its names are no other figure's."""
    import matplotlib as mpl

    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": picture.name}):
        picture.figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    text = out.getvalue()
    text = text[text.index("<svg") :].replace("#000000", "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{picture.name}-", text)
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(picture.caption)}" ', 1)


STYLE = """
:root{color-scheme:light dark;--ink:#1b2733;--soft:#5c6b78;--page:#fff;--rule:#d5dce1;--band:#f2f5f7;--head:#0b4f6c}
@media screen and (prefers-color-scheme:dark){:root{--ink:#dde4ea;--soft:#9aa8b4;--page:#12181d;--rule:#2f3a43;
--band:#1b242b;--head:#7cc4e4}}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,Helvetica,Arial,sans-serif}
main{max-width:64rem;margin:0 auto;padding:1.5rem}
h1{font-size:1.6rem;margin:0 0 .6rem}h2{font-size:1.15rem;color:var(--head);margin:2rem 0 .5rem}
p{max-width:48rem;margin:.4rem 0}.notice{background:var(--band);padding:.5rem .8rem;max-width:none}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.87rem;margin:.6rem 0}
th,td{text-align:left;vertical-align:top;padding:.25rem .9rem .25rem 0;font-variant-numeric:tabular-nums}
td{overflow-wrap:anywhere}tbody th{font-weight:400;color:var(--soft);white-space:nowrap}
thead th{border-bottom:1px solid var(--ink)}tbody tr{border-bottom:1px solid var(--rule)}
figure{margin:1rem 0;break-inside:avoid}figure svg{max-width:100%;height:auto;fill:currentColor}
figcaption{font-size:.87rem;color:var(--soft);max-width:48rem}
@media print{main{max-width:none;padding:0}body{font-size:10pt}h2{break-after:avoid}tr{break-inside:avoid}}
@page{size:A4;margin:16mm}
"""
