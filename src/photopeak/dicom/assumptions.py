"""Facts that the user states because the file does not: ``--assume key=value``.

A stated fact fills a gap and never overrules the file: one that contradicts it is refused. What was
used lands in ``Acquisition.assumed`` and in the Study's history.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from photopeak.core.errors import PhotopeakError
from photopeak.dicom.codes import VIEWS, nuclide_of
from photopeak.dicom.elements import Elements


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError("a number above 0")
    return value


def _one_of(*words: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return text

    return check


def _views(text: str) -> tuple[str, ...]:
    check = _one_of(*VIEWS, "unknown")
    return tuple(check(word.strip()) for word in text.split(","))


def _nuclide(text: str) -> str:
    if not (nuclide := nuclide_of(text)):
        raise ValueError("a nuclide, as in Tc-99m")
    return nuclide


def _moment(text: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("a date and time, as in 2024-05-31T09:30") from None
    if moment.tzinfo is not None:
        raise ValueError("a time without zone: times of a file are local")
    return moment


def _pair(text: str) -> tuple[float, float]:
    numbers = [_positive(part) for part in text.split(",")]
    if len(numbers) > 2:
        raise ValueError("one number, or row and column distance with a comma")
    return numbers[0], numbers[-1]


#: key -> (how its value is read, what it states)
KEYS: Final[Mapping[str, tuple[Callable[[str], Any], str]]] = {
    "view": (_views, "the side each detector saw, with commas where there are several: anterior, posterior, …"),
    "units": (_one_of("CNTS", "BQML", "GML", "CM2ML"), "the unit of the pixel values, as DICOM's Units"),
    "lossy": (_one_of("accepted"), "that values altered by lossy compression will do"),
    "suv_type": (_one_of("BW", "LBMJANMA", "BSA"), "the kind of SUV, where the unit is GML"),
    "pixel_mm": (_pair, "distance of pixel centres, one number or rows,columns"),
    "slice_mm": (_positive, "distance of slice centres"),
    "nuclide": (_nuclide, "the nuclide, as in Tc-99m"),
    "half_life_s": (_positive, "its half-life"),
    "activity_mbq": (_positive, "the administered activity"),
    "administered_at": (_moment, "when it was given, as in 2024-05-31T09:30"),
    "started_at": (_moment, "when the acquisition started"),
    "duration_s": (_positive, "how long the acquisition took"),
    "decay_correction": (_one_of("START", "ADMIN", "NONE"), "the moment to which values are decay-corrected"),
    "decay_reference": (_moment, "that moment itself, where START leaves it open"),
    "weight_kg": (_positive, "the patient's weight"),
    "height_m": (_positive, "the patient's height"),
    "age_years": (_positive, "the patient's age"),
    "sex": (_one_of("M", "F", "O"), "the patient's sex"),
}


def parse_assumptions(pairs: Iterable[str]) -> dict[str, str]:
    """``("view=anterior", …)`` as a mapping; unknown keys and impossible values are refused.

    >>> parse_assumptions(("view=anterior", "weight_kg=71"))
    {'view': 'anterior', 'weight_kg': '71'}
    """
    stated: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise PhotopeakError(f"--assume {pair}: no value. Remedy: write it as key=value, as in view=anterior.")
        if key.strip() in stated:
            raise PhotopeakError(f"--assume states {key.strip()} twice. Remedy: state it once.")
        stated[key.strip()] = value.strip()
    Assumptions(stated)
    return stated


class Assumptions:
    """What the user stated for one reading; ``used`` collects what a file did not say itself."""

    def __init__(self, stated: Mapping[str, str] | None = None) -> None:
        self.stated = dict(stated or {})
        self.used: dict[str, str] = {}
        self._values = {key: _read(key, text) for key, text in self.stated.items()}

    def anew(self) -> Assumptions:
        """The same facts for another Study, none of them used yet."""
        return Assumptions(self.stated)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def settle(self, key: str, stated: Any, place: Elements, keyword: str) -> Any:
        """What the file states (``None`` and ``""`` state nothing), else what the user does, else ``stated``."""
        if key not in self._values:
            return stated
        value = self._values[key]
        if stated is None or stated == "":
            self.used[key] = self.stated[key]
            return value
        if not _same(stated, value):
            meaning = f"states {_show(stated)}, and --assume {key}={self.stated[key]} contradicts it."
            raise place.refuse(keyword, meaning, f"leave out --assume {key}, or correct the file.")
        return stated


def _read(key: str, text: str) -> Any:
    if key not in KEYS:
        known = "\n".join(f"  {k}: {meaning}" for k, (_, meaning) in KEYS.items())
        raise PhotopeakError(f"--assume knows no {key!r}. Remedy: use one of\n{known}")
    try:
        return KEYS[key][0](text)
    except ValueError as error:
        raise PhotopeakError(f"--assume {key}={text}: not {error}. Remedy: state {KEYS[key][1]}.") from None


def _same(stated: Any, value: Any) -> bool:
    if isinstance(stated, float) and isinstance(value, float):
        return abs(stated - value) <= 1e-6 * max(abs(stated), abs(value))
    if isinstance(stated, tuple) and isinstance(value, tuple):
        return len(stated) == len(value) and all(_same(a, b) for a, b in zip(stated, value, strict=True))
    return bool(stated == value)


def _show(value: Any) -> str:
    return ", ".join(map(_show, value)) if isinstance(value, tuple) else str(value)
