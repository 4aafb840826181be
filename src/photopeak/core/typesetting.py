"""Text from outside on a page: every character is shown as itself, in a font that has it, and never as markup.

The page's own font is Helvetica, which every viewer has. What it lacks is set in DejaVu Sans, which goes into the
file; Chinese, Japanese and Korean in the fonts that PDF defines for them (ISO 32000-1, 9.7.5.2), which a viewer takes
from its machine and leaves blank where there are none. A font of one's own (``own_font``) goes into the file and is
seen everywhere. What no font has is written as its number.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from photopeak.core.errors import PhotopeakError

LATIN: Final = "Helvetica"
BOLD: Final = "Helvetica-Bold"
WIDE: Final = "PhotopeakWide"
OWN: Final = "PhotopeakOwn"
JAPANESE: Final = "HeiseiKakuGo-W5"
KOREAN: Final = "HYGothic-Medium"
CHINESE: Final = "STSong-Light"
_HAN: Final = re.compile("[\u2e80-\u2fdf\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef]")
_KANA: Final = re.compile("[\u3040-\u30ff\u31f0-\u31ff]")
_RTL: Final = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]"
_RIGHT_TO_LEFT: Final = re.compile(f"{_RTL}+(?: +{_RTL}+)*")
"""Hebrew and Arabic: a page is set from left to right, so these are turned round."""
_HANGUL: Final = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")


_own: ContextVar[Mapping[int, int]] = ContextVar("own font", default={})  # noqa: B039 - never changed
"""The characters of the font that ``own_font`` names."""


@contextmanager
def own_font(path: Path | None) -> Iterator[None]:
    """Set what the page's fonts lack, and Chinese, Japanese and Korean, in this TrueType font within the block."""
    if path is None:
        yield
        return
    token = _own.set(_opened(path))
    try:
        yield
    finally:
        _own.reset(token)


@cache
def _opened(path: Path) -> dict[int, int]:
    """Make one's own font known; the characters that it has."""
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFError, TTFont

    try:
        font = TTFont(OWN, str(path))
    except (TTFError, OSError) as error:
        raise PhotopeakError(
            f"{path}: no page can be set in this font: {error}. "
            "Remedy: name a font with TrueType outlines (.ttf or .ttc) that has the characters of your language."
        ) from error
    registerFont(font)
    return dict(font.face.charToGlyph)


@cache
def registered() -> dict[int, int]:
    """Make the fonts known once; the characters that DejaVu Sans has."""
    import matplotlib
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    font = TTFont(WIDE, str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"))
    registerFont(font)
    for name in (JAPANESE, KOREAN, CHINESE):
        registerFont(UnicodeCIDFont(name))
    return dict(font.face.charToGlyph)


def markup(text: str, bold: bool = False) -> str:
    """Text as a paragraph's markup: escaped, each stretch in a font that has it, line breaks kept.

    >>> markup("<b>5 > 3</b>")
    '&lt;b&gt;5 &gt; 3&lt;/b&gt;'
    """
    plain = BOLD if bold else LATIN
    out = []
    for line in cleaned(text).split("\n"):
        parts = []
        for font, stretch in stretches(line, plain):
            marked = escape(stretch)
            parts.append(marked if font == plain else f'<font name="{font}">{marked}</font>')
        out.append("".join(parts))
    return "<br/>".join(out)


def cleaned(text: str) -> str:
    """Text without what has no picture: control and format characters; a tab is a space.

    >>> cleaned("a\\x00b\\r\\nc\\td\\u202ee")
    'ab\\nc de'
    """
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " "))
    return "".join(c for c in text if c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp"))


def stretches(text: str, plain: str = LATIN) -> list[tuple[str, str]]:
    """Stretches of one line, each with the font that has it.

    >>> [font for font, _ in stretches("Yamada 山田 たろう")]
    ['Helvetica', 'HeiseiKakuGo-W5', 'Helvetica', 'HeiseiKakuGo-W5']
    """
    text = _RIGHT_TO_LEFT.sub(lambda found: found[0][::-1], text)
    han = JAPANESE if _KANA.search(text) else KOREAN if _HANGUL.search(text) else CHINESE
    fonts = [(_font_of(c, plain, han), c) for c in text]
    out = []
    for font, group in groupby(fonts, key=lambda pair: pair[0]):
        stretch = "".join(c for _, c in group)
        out.append((font, stretch) if font else (plain, "".join(f"[U+{ord(c):04X}]" for c in stretch)))
    return out


def _font_of(character: str, plain: str, han: str) -> str:
    """The font that has a character, "" for none."""
    if character.isascii() or _in_latin(character):
        return plain
    eastern = _HANGUL.match(character) or _KANA.match(character) or _HAN.match(character)
    if ord(character) in _own.get() and (eastern or ord(character) not in registered()):
        return OWN
    if _HANGUL.match(character):
        return KOREAN
    if _KANA.match(character) or _HAN.match(character):
        return JAPANESE if _KANA.match(character) else han
    return WIDE if ord(character) in registered() else ""


def _in_latin(character: str) -> bool:
    try:
        return bool(character.encode("cp1252"))
    except UnicodeEncodeError:
        return False


def shortened(text: str, longest: int) -> str:
    """Text on one line that has at most so many characters.

    >>> shortened("a  name\\nthat is long", 10)
    'a name th…'
    """
    line = " ".join(cleaned(text[: 20 * longest]).split())
    return line if len(line) <= longest and len(text) <= 20 * longest else line[: longest - 1] + "…"


def draw_line(canvas: Any, x: float, y: float, text: str, size: float, width: float, bold: bool = False) -> None:
    """One line at a place of the page, cut with an ellipsis where it would be wider than ``width``."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    plain = BOLD if bold else LATIN
    registered()
    left = width - stringWidth("…", plain, size)
    line = canvas.beginText(x, y)
    for font, stretch in stretches(shortened(text, 300), plain):
        fitting = stretch
        while fitting and stringWidth(fitting, font, size) > left:
            fitting = fitting[:-1]
        line.setFont(font, size)
        line.textOut(fitting)
        left -= stringWidth(fitting, font, size)
        if fitting != stretch:
            line.setFont(plain, size)
            line.textOut("…")
            break
    canvas.drawText(line)
