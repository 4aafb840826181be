"""C-FIND: what the catalogue and the plan of examinations hold (PS3.4 C.4.1 and K.4.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pynetdicom import evt
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as Transaction

from photopeak.core import DicomError
from photopeak.dicom.elements import Elements
from photopeak.dicom.parse import parse
from photopeak.room.node.contexts import PATIENT_ROOT, WORKLIST
from photopeak.room.node.keys import LEVELS, PLANNED, STEP, UNIQUE, Key, keys, statement
from photopeak.room.node.matching import matches, narrowed
from photopeak.room.node.storing import status, write_audit
from photopeak.room.room import Room
from photopeak.room.schema import Scheduled

PENDING: Final = 0xFF00
PENDING_WITHOUT_SOME: Final = 0xFF01
"""Pending, and some of the keys are not known here."""
CANCELLED: Final = 0xFE00
NO_SUCH_IDENTIFIER: Final = 0xA900
UNABLE: Final = 0xC000
STEPS: Final = "ScheduledProcedureStepSequence"
#: Of a request, but no key
FRAME: Final = frozenset({"SpecificCharacterSet", "QueryRetrieveLevel", "TimezoneOffsetFromUTC", "RetrieveAETitle"})

Answers = Iterator[tuple[Dataset | int, Dataset | None]]


class BadIdentifier(Exception):
    """An identifier that asks for nothing that can be answered; the status and comment to say so."""

    def __init__(self, code: int, comment: str) -> None:
        super().__init__(comment)
        self.answer = status(code, comment)


def identifier(event: evt.Event, keyword: str = "Identifier") -> Elements:
    """The dataset of a request, through the reader that trusts no length (pydicom's own would be lazy)."""
    syntax = str(event.context.transfer_syntax).encode()
    syntax += b"\0" * (len(syntax) % 2)
    head = b"\x02\x00\x10\x00UI" + len(syntax).to_bytes(2, "little") + syntax  # (0002,0010), as of a file
    data = b"".join((bytes(128), b"DICM", head, getattr(event.request, keyword).getvalue()))
    try:
        return Elements(parse(data, "identifier"), "identifier")
    except DicomError as error:
        raise BadIdentifier(UNABLE, f"{error.tag} {error.meaning}") from error


def level_of(asked: Elements, sop_class: str) -> str:
    """The level of a query or retrieval (PS3.4 C.4.1.1.3.1)."""
    level = asked.text("QueryRetrieveLevel")
    if level not in LEVELS or (level == "PATIENT" and sop_class not in PATIENT_ROOT):
        raise BadIdentifier(NO_SUCH_IDENTIFIER, f"(0008,0052) {level or 'no level'} is no level of this model")
    return level


def find(event: evt.Event, room: Room) -> Answers:
    """Answer a C-FIND request."""
    sop_class = str(event.context.abstract_syntax)
    found, level = 0, "WORKLIST"
    try:
        asked = identifier(event)
        if sop_class != WORKLIST:
            level = level_of(asked, sop_class)
        with room.database.reading() as t:
            code, answers = planned(t, asked) if sop_class == WORKLIST else catalogued(t, asked, level)
        for answer in answers:
            if event.is_cancelled:
                yield CANCELLED, None
                return
            found += 1
            if sop_class != WORKLIST:
                _put(answer, "RetrieveAETitle", room.settings.ae_title)
            yield code, answer
    except BadIdentifier as bad:
        yield bad.answer, None
    except DicomError as error:
        yield status(UNABLE, f"{error.tag} {error.meaning}"), None
    except SQLAlchemyError as error:
        yield status(0xA700, f"the catalogue cannot be read: {type(error).__name__}"), None
    finally:
        write_audit(room, event.assoc, "query", "", {"level": level, "found": found})


def catalogued(t: Transaction, asked: Elements, level: str) -> tuple[int, list[Dataset]]:
    """(the status of each answer, the answers) of a query at a level."""
    known = keys(level)
    wanted, unknown = _wanted(asked, known)
    wanted.setdefault(UNIQUE[level], [])
    chosen = [known[keyword] for keyword in wanted]
    asking = statement(level, [k.column for k in chosen])
    for key in chosen:
        condition = narrowed(key.kind, wanted[key.keyword], key.column)
        if condition is not None:
            asking = asking.where(condition)
    answers = []
    for row in t.execute(asking):
        if all(matches(k.kind, wanted[k.keyword], v) for k, v in zip(chosen, row, strict=True)):
            answer = _answer(dict(zip(wanted, row, strict=True)))
            _put(answer, "QueryRetrieveLevel", level)
            answers.append(answer)
    if "InstanceAvailability" in unknown:
        unknown.remove("InstanceAvailability")
        for answer in answers:
            _put(answer, "InstanceAvailability", "ONLINE")
    return (PENDING_WITHOUT_SOME if unknown else PENDING), answers


def planned(t: Transaction, asked: Elements) -> tuple[int, list[Dataset]]:
    """(the status of each answer, the answers) of a query of the modality worklist."""
    wanted, unknown = _wanted(asked, PLANNED)
    with_step = STEPS in unknown
    steps = asked.data[STEPS].value if with_step else []
    in_step, unknown_in_step = _wanted(Elements(steps[0], asked.path, asked), STEP) if steps else ({}, [])
    in_step = in_step or {key: [] for key in STEP}  # an empty sequence asks for all of the step (PS3.4 C.2.2.2.6)
    chosen = [(PLANNED[k], w) for k, w in wanted.items()] + [(STEP[k], w) for k, w in in_step.items()]
    asking = select(*(k.column for k, _ in chosen)).order_by(Scheduled.start_date, Scheduled.start_time, Scheduled.id)
    for key, words in chosen:
        condition = narrowed(key.kind, words, key.column)
        if condition is not None:
            asking = asking.where(condition)
    answers = []
    for row in t.execute(asking):
        if all(matches(k.kind, words, v) for (k, words), v in zip(chosen, row, strict=True)):
            answer = _answer(dict(zip(wanted, row, strict=False)))
            if with_step:
                values = dict(zip(in_step, row[len(wanted) :], strict=True))
                station = in_step.get("ScheduledStationAETitle", [])
                if len(station) == 1 and not values["ScheduledStationAETitle"]:
                    values["ScheduledStationAETitle"] = station[0].replace("*", "").replace("?", "")
                answer.add(DataElement(_tag(STEPS), "SQ", Sequence([_answer(values, whole=False)])))
            answers.append(answer)
    missing = [k for k in unknown if k != STEPS] + unknown_in_step
    return (PENDING_WITHOUT_SOME if missing else PENDING), answers


def _wanted(asked: Elements, known: Mapping[str, Key]) -> tuple[dict[str, list[str]], list[str]]:
    """(keyword -> its values, of every key that is known; the keywords of the others)."""
    wanted: dict[str, list[str]] = {}
    unknown: list[str] = []
    for tag in asked.elements:
        keyword = keyword_for_tag(tag) or f"{tag:08X}"
        if keyword in known:
            wanted[keyword] = [w for v in asked.values(keyword) if (w := str(v).strip(" \0"))]
        elif keyword not in FRAME and tag & 0xFFFF:
            unknown.append(keyword)
    return wanted, unknown


def _answer(values: Mapping[str, Any], whole: bool = True) -> Dataset:
    answer = Dataset()
    if whole:
        answer.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in values.items():
        _put(answer, keyword, value)
    return answer


def _put(answer: Dataset, keyword: str, value: Any) -> None:
    """A value as it was sent: one that the standard does not allow is no reason to hide the study."""
    vr = dictionary_VR(_tag(keyword))
    kept: Any = value
    if vr not in ("US", "UL"):
        kept = "" if value is None else str(value)
    answer.add(DataElement(_tag(keyword), vr, kept, validation_mode=IGNORE))


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return tag
