"""A report's first text, from what a reader marked and answered: plain sentences, which the physician then edits.

Nothing is guessed: what is not known is left out, what contradicts itself is said, and marks in two views are never
added up, since both may show the same focus.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

from photopeak.dicom.reading_codes import SIDES, SITES

STANDING: Final = ("accepted", "edited")
CONSIDERED: Final = {"metastasis": "considered metastatic", "arthritis": "considered degenerative"}
NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NEGATIVE: Final = {
    "metastasis": "No focal uptake suspicious for metastasis.",
    "arthritis": "No uptake suggestive of arthritis.",
}
POSITIVE: Final = {"metastasis": "Bone metastases", "arthritis": "Degenerative (arthritic) uptake"}
UNSURE: Final = {
    "metastasis": "Whether bone metastases are present cannot be decided from these images. SPECT/CT of the regions in "
    "question, or correlation with radiographs, CT or MRI, would help.",
    "arthritis": "Whether arthritis is present cannot be decided from these images. Correlation with radiographs and "
    "the clinical examination would help.",
}
PLANAR: Final = "Planar scintigraphy: small, deep or purely lytic lesions may not be seen."
HARD_SPACE: Final = "\N{NO-BREAK SPACE}"
"""Between a number and its unit, which no line break may part."""


@runtime_checkable
class Marked(Protocol):
    """What a mark of a read and a lesion of a report have in common; a mark's state says whether it stands."""

    @property
    def finding(self) -> str: ...
    @property
    def site(self) -> str: ...
    @property
    def view(self) -> str: ...


def draft_sections(
    marks: Sequence[Marked],
    metastasis: str,
    arthritis: str,
    bone_scan_index_percent: float | None,
    prior: tuple[dt.date, float | None] | None,
    technique_facts: Mapping[str, object],
    flags: Sequence[str],
    network_conclusion: str | None,
) -> dict[str, str]:
    """The text of each section; the indication is the physician's to write.

    >>> said = draft_sections([], "no", "unsure", None, None, {"tracer": "Tc-99m MDP"}, [], None)
    >>> said["technique"]
    'Planar bone scan with Tc-99m MDP.'
    >>> said["findings"]
    'No focal uptake suspicious for metastasis.\\nNo focus of uptake is marked as arthritis.'
    >>> said["conclusion"].splitlines()[0]
    'No focal uptake suspicious for metastasis.'
    """
    standing = [m for m in marks if getattr(m, "state", STANDING[0]) in STANDING]
    answers = {"metastasis": metastasis, "arthritis": arthritis}
    found = [*_findings(standing, answers)]
    if bone_scan_index_percent is not None:
        found.append(f"The bone scan index is {percent(bone_scan_index_percent)}.")
    concluded = [_conclusion(question, answer, standing) for question, answer in answers.items()]
    if network_conclusion and network_conclusion.strip():
        concluded.append(f"For comparison, the network's reading: {sentence(network_conclusion)}")
    return {
        "indication": "",
        "technique": technique(technique_facts),
        "comparison": comparison(bone_scan_index_percent, prior),
        "findings": "\n".join(found),
        "conclusion": "\n".join(concluded),
        "limitations": "\n".join([PLANAR, *(sentence(flag) for flag in flags if flag.strip())]),
    }


def _findings(marks: Sequence[Marked], answers: Mapping[str, str]) -> Iterable[str]:
    """Foci by region, then what was not found; an answer that the marks contradict is said."""
    for finding in CONSIDERED:
        places = {m.site for m in marks if m.finding == finding}
        for site in sorted(places, key=_place):
            yield foci(finding, site, [m.view for m in marks if (m.finding, m.site) == (finding, site)])
    for finding in CONSIDERED:
        marked = any(m.finding == finding for m in marks)
        answer = answers[finding]
        if marked and answer == "no":
            yield f"The question of {finding} is answered no, although foci are marked as such: to be resolved."
        elif not marked and answer == "no":
            yield NEGATIVE[finding]
        elif not marked:
            yield f"No focus of uptake is marked as {finding}."


def foci(finding: str, site: str, views: Sequence[str]) -> str:
    """What was marked in one region.

    >>> foci("metastasis", "left ribs", ["posterior", "posterior"])
    'Two foci of increased uptake in the left ribs (posterior view), considered metastatic.'
    >>> foci("arthritis", "right lower leg", ["anterior"])
    'One focus of increased uptake in the right lower leg (anterior view), considered degenerative.'
    >>> foci("metastasis", "", ["anterior", "posterior", "posterior"])
    'Increased uptake outside the named regions (one focus in the anterior view and two foci in the posterior view,
    which may show the same), considered metastatic.'
    """
    where = f"in the {site}" if site else "outside the named regions"
    counted = sorted(Counter(views).items())
    if len(counted) == 1:
        view, n = counted[0]
        return f"{_many(n).capitalize()} of increased uptake {where} ({view} view), {CONSIDERED[finding]}."
    listed = joined([f"{_many(n)} in the {view} view" for view, n in counted])
    return f"Increased uptake {where} ({listed}, which may show the same), {CONSIDERED[finding]}."


def _many(n: int) -> str:
    number = NUMBERS[n] if n < len(NUMBERS) else str(n)
    return f"{number} {'focus' if n == 1 else 'foci'}"


def _place(site: str) -> tuple[int, str]:
    """From head to foot, left before right; what has no name last."""
    side, _, rest = site.partition(" ")
    region = rest if side in SIDES else site
    order = list(SITES)
    return (order.index(region) if region in order else len(order)), site


def _conclusion(question: str, answer: str, marks: Sequence[Marked]) -> str:
    """One question's answer as a sentence, with where."""
    if answer == "unsure":
        return UNSURE[question]
    if answer == "no":
        return NEGATIVE[question]
    if answer != "yes":
        return f"The question of {question} is not answered yet."
    places = sorted({m.site for m in marks if m.finding == question}, key=_place)
    named = [f"the {site}" for site in places if site]
    if named:
        return f"{POSITIVE[question]} in {joined(named)}{' and outside the named regions' if '' in places else ''}."
    return f"{POSITIVE[question]}, {'outside the named regions' if places else 'without a marked focus'}."


def comparison(index: float | None, prior: tuple[dt.date, float | None] | None) -> str:
    """This scan's index beside the prior's.

    >>> print(comparison(2.35, (dt.date(2025, 3, 2), 1.1)).replace(HARD_SPACE, " "))
    Compared with the bone scan of 2025-03-02, the bone scan index has risen from 1.10 % to 2.35 %.
    >>> comparison(2.35, None)
    'No prior bone scan was at hand.'
    """
    if prior is None:
        return "No prior bone scan was at hand."
    day, before = prior
    if before is None:
        return f"A bone scan of {day:%Y-%m-%d} is at hand; no bone scan index is known of it."
    if index is None:
        was = f"The bone scan index was {percent(before)} on {day:%Y-%m-%d}"
        return f"{was}; none was computed for this scan."
    first, second = percent(before), percent(index)
    if first == second:
        return f"Compared with the bone scan of {day:%Y-%m-%d}, the bone scan index is unchanged at {second}."
    went = "risen" if index > before else "fallen"
    return f"Compared with the bone scan of {day:%Y-%m-%d}, the bone scan index has {went} from {first} to {second}."


def technique(facts: Mapping[str, object]) -> str:
    """How it was imaged, from ``tracer``, ``activity_mbq``, ``after_injection_min``, ``scan_speed_cm_min``, ``views``.

    >>> print(technique({"tracer": "Tc-99m MDP", "activity_mbq": 652.4, "after_injection_min": 190,
    ...                  "scan_speed_cm_min": 13.0, "views": ("anterior", "posterior")}).replace(HARD_SPACE, " "))
    Planar bone scan in the anterior and posterior view, 3 h 10 min after injection of 652 MBq Tc-99m MDP.
    The scan speed was 13 cm/min.
    >>> technique({"after_injection_min": 0.0})
    ''
    """
    tracer = str(facts.get("tracer") or "").strip()
    activity, delay, speed = (_positive(facts, k) for k in ("activity_mbq", "after_injection_min", "scan_speed_cm_min"))
    views = facts.get("views")
    given = f"{activity:.0f}{HARD_SPACE}MBq {tracer}".rstrip() if activity else tracer
    parts = []
    if isinstance(views, (tuple, list)) and views:
        parts.append(f"in the {joined([str(v) for v in views])} view{',' if delay else ''}")
    if delay:
        parts.append(f"{duration(delay)} after injection" + (f" of {given}" if given else ""))
    elif given:
        parts.append(f"with {given}")
    said = [f"Planar bone scan {' '.join(parts)}."] if parts else []
    if speed:
        said.append(f"The scan speed was {speed:g}{HARD_SPACE}cm/min.")
    return " ".join(said)


def _positive(facts: Mapping[str, object], name: str) -> float | None:
    value = facts.get(name)
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) and value > 0 else None


def duration(minutes: float) -> str:
    """Minutes as hours and minutes.

    >>> [duration(m).replace(HARD_SPACE, " ") for m in (45, 180, 190.4)]
    ['45 min', '3 h', '3 h 10 min']
    """
    hours, rest = divmod(round(minutes), 60)
    said = [f"{hours}{HARD_SPACE}h"] if hours else []
    return " ".join([*said, f"{rest}{HARD_SPACE}min"] if rest or not hours else said)


def percent(value: float) -> str:
    """A percentage with two decimals."""
    return f"{value:.2f}{HARD_SPACE}%"


def joined(words: Sequence[str]) -> str:
    """Words as a list in a sentence.

    >>> joined(["ribs"]), joined(["ribs", "skull"]), joined(["ribs", "skull", "femur"])
    ('ribs', 'ribs and skull', 'ribs, skull and femur')
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def sentence(text: str) -> str:
    """Text with a capital and a full stop.

    >>> sentence("read from the anterior view alone")
    'Read from the anterior view alone.'
    """
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
