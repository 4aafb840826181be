"""What is said to somebody whose request comes to nothing: JSON to a program, a page in plain words to a browser.

A browser that goes to an address itself says that it takes ``text/html``; what a page's script fetches, and what any
other program asks for, does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

HEADLINES: Final = {
    401: "You are not signed in",
    403: "You were not let in",
    404: "There is nothing here",
    429: "Too many requests",
    502: "Another server does not answer",
    503: "Not ready yet",
}
PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{headline} – Photopeak</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
{styles}
</head>
<body>
<main class="sign-in">
<img src="/favicon.svg" alt="" width="56" height="56">
<h1>{headline}</h1>
{paragraphs}
<p><a href="/">To the reading room</a></p>
</main>
</body>
</html>
"""


def refusal(
    request: Request,
    status: int,
    detail: str,
    stylesheets: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer to a request that is refused or failed; ``stylesheets`` are those of the pages.

    DICOMweb is for programs: what it refuses is JSON whatever was asked for.
    """
    if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/dicomweb"):
        return HTMLResponse(page(status, detail, stylesheets), status, headers)
    return JSONResponse({"detail": detail}, status, headers)


def page(status: int, detail: str, stylesheets: Sequence[str] = ()) -> str:
    """Headline, what is wrong, and in a paragraph of its own what helps."""
    headline = HEADLINES.get(status, "This did not work")
    why, _, remedy = detail.partition("Remedy:")
    paragraphs = [f'<p class="fault" role="alert">{escape(why.strip())}</p>']
    if remedy:
        paragraphs.append(f"<p>What helps: {escape(remedy.strip())}</p>")
    styles = "\n".join(f'<link rel="stylesheet" href="{escape(name)}">' for name in stylesheets)
    return PAGE.format(headline=escape(headline), styles=styles, paragraphs="\n".join(paragraphs))
