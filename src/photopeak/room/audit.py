"""The audit trail: append-only, each line with the hash of the one before it, exported as DICOM audit messages.

The hash of a line is SHA-256 over its fields as JSON, the previous hash among them; a line that was changed, taken out
or put in breaks the chain at that place. The export follows the audit message of PS3.15 A.5.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from xml.etree import ElementTree as Xml

from sqlalchemy import select, text
from sqlalchemy.orm import Session as Transaction

from photopeak.room.schema import Audit, now

FIRST: Final = "0" * 64
LOCK: Final = 7_305_001
"""PostgreSQL's advisory lock that makes the lines follow each other."""

#: action -> code of PS3.16 CID 400, its meaning, and the action code (C, R, U, D, E)
EVENTS: Final = {
    "start": ("110100", "Application Activity", "E"),
    "stop": ("110100", "Application Activity", "E"),
    "sign in": ("110114", "User Authentication", "E"),
    "sign out": ("110114", "User Authentication", "E"),
    "receive": ("110104", "DICOM Instances Transferred", "C"),
    "refuse": ("110113", "Security Alert", "E"),
    "send": ("110104", "DICOM Instances Transferred", "R"),
    "query": ("110112", "Query", "E"),
    "view": ("110103", "DICOM Instances Accessed", "R"),
    "read": ("110103", "DICOM Instances Accessed", "U"),
    "sign": ("110103", "DICOM Instances Accessed", "U"),
    "export": ("110106", "Export", "R"),
    "import": ("110107", "Import", "C"),
    "administer": ("110113", "Security Alert", "E"),
}
#: action -> code of PS3.16 CID 401, where PS3.15 A.5.3 asks for one
TYPES: Final = {
    "start": ("110120", "Application Start"),
    "stop": ("110121", "Application Stop"),
    "sign in": ("110122", "Login"),
    "sign out": ("110123", "Logout"),
}


@dataclass(frozen=True)
class Event:
    """What is to be written down."""

    action: str
    who: str = ""
    what: str = ""
    outcome: str = "success"
    address: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


def record(t: Transaction, event: Event) -> None:
    """Append a line within the transaction of what it tells."""
    assert event.action in EVENTS, event.action
    if t.get_bind().dialect.name == "postgresql":
        t.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    previous = t.scalar(select(Audit.sha256).order_by(Audit.id.desc()).limit(1)) or FIRST
    line = Audit(at=now(), who=event.who[:256], action=event.action, outcome=event.outcome, what=event.what)
    line.address, line.details, line.previous = event.address[:64], dict(event.details), previous
    line.sha256 = _digest(line)
    t.add(line)
    t.flush()


def _digest(line: Audit) -> str:
    fields = [line.at.isoformat(), line.who, line.address, line.action, line.outcome, line.what, line.details]
    return hashlib.sha256(json.dumps([*fields, line.previous], sort_keys=True).encode()).hexdigest()


def lines(t: Transaction) -> Iterator[Audit]:
    """Every line, from the first on."""
    yield from t.scalars(select(Audit).order_by(Audit.id).execution_options(yield_per=1000))


def broken_at(t: Transaction) -> int | None:
    """The number of the first line that does not follow from those before it; none where all do."""
    previous = FIRST
    for line in lines(t):
        if line.previous != previous or line.sha256 != _digest(line):
            return int(line.id)
        previous = line.sha256
    return None


def as_message(line: Audit) -> str:
    """One line as the audit message of PS3.15 A.5.1."""
    code, meaning, kind = EVENTS[line.action]
    message = Xml.Element("AuditMessage")
    stamp = line.at.replace(tzinfo=dt.UTC).isoformat()
    outcome = "0" if line.outcome == "success" else "8"
    event = Xml.SubElement(
        message,
        "EventIdentification",
        EventActionCode=kind,
        EventDateTime=stamp,
        EventOutcomeIndicator=outcome,
    )
    Xml.SubElement(event, "EventID", {"csd-code": code, "codeSystemName": "DCM", "originalText": meaning})
    if line.action in TYPES:
        code, meaning = TYPES[line.action]
        Xml.SubElement(event, "EventTypeCode", {"csd-code": code, "codeSystemName": "DCM", "originalText": meaning})
    Xml.SubElement(
        event, "EventTypeCode", {"csd-code": line.action, "codeSystemName": "99PHOTOPEAK", "originalText": line.action}
    )
    Xml.SubElement(
        message,
        "ActiveParticipant",
        UserID=_printable(line.who or "nobody"),
        UserIsRequestor="true",
        NetworkAccessPointID=_printable(line.address or "local"),
        NetworkAccessPointTypeCode="2",
    )
    source = Xml.SubElement(message, "AuditSourceIdentification", AuditSourceID="photopeak")
    Xml.SubElement(source, "AuditSourceTypeCode", {"csd-code": "4", "codeSystemName": "DCM", "originalText": "Server"})
    if line.what:
        thing = Xml.SubElement(
            message,
            "ParticipantObjectIdentification",
            ParticipantObjectID=_printable(line.what),
            ParticipantObjectTypeCode="2",
        )
        Xml.SubElement(
            thing,
            "ParticipantObjectIDTypeCode",
            {"csd-code": "110180", "codeSystemName": "DCM", "originalText": "Study Instance UID"},
        )
    return Xml.tostring(message, encoding="unicode")


def _printable(words: str) -> str:
    """Without the characters that XML forbids: control characters, lone surrogates, and two that are none."""
    return "".join("\ufffd" if c < " " or "\ud800" <= c <= "\udfff" or c in "\ufffe\uffff" else c for c in words)
