"""What the room's database holds. The tables are made by the migrations; a test compares the two."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, DateTime, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

#: SQLite counts up only what it calls INTEGER
Key = BigInteger().with_variant(Integer(), "sqlite")


def now() -> dt.datetime:
    """The time, in UTC and without a zone: what the database keeps."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


class Table(DeclarativeBase):
    """Base of the tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {dict[str, Any]: JSON, list[Any]: JSON, dt.datetime: DateTime}


class Patient(Table):
    """A patient as the senders name one: an ID means nothing without who issued it."""

    __tablename__ = "patients"
    __table_args__ = (UniqueConstraint("patient_id", "issuer"),)
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    patient_id: Mapped[str] = mapped_column(String(256), default="")
    issuer: Mapped[str] = mapped_column(String(256), default="")
    name: Mapped[str] = mapped_column(Text, default="")
    birth_date: Mapped[str] = mapped_column(String(16), default="")
    sex: Mapped[str] = mapped_column(String(16), default="")
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("patients.id"))


class Study(Table):
    """An examination, how far it has come, and what decides its place in the worklist."""

    __tablename__ = "studies"
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    study_uid: Mapped[str] = mapped_column(String(64), unique=True)
    patient_key: Mapped[int] = mapped_column(ForeignKey("patients.id"), index=True)
    study_date: Mapped[str] = mapped_column(String(16), default="", index=True)
    study_time: Mapped[str] = mapped_column(String(32), default="")
    accession: Mapped[str] = mapped_column(String(64), default="", index=True)
    description: Mapped[str] = mapped_column(Text, default="")
    referrer: Mapped[str] = mapped_column(Text, default="")
    modalities: Mapped[str] = mapped_column(String(128), default="")
    instances: Mapped[int] = mapped_column(Integer, default=0)
    first_at: Mapped[dt.datetime]
    last_at: Mapped[dt.datetime] = mapped_column(index=True)
    digest: Mapped[str] = mapped_column(String(64), default="")
    """Of the images that a reading would be made from; a new one asks for a new reading."""
    due_at: Mapped[dt.datetime | None] = mapped_column(index=True)
    """When it is to be read; none where it is read, or has nothing to read."""
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    state: Mapped[str] = mapped_column(String(16), default="new", index=True)
    """new, read (by the network), reading (by a person), second (reader needed), signed."""
    suspicion: Mapped[float | None] = mapped_column(Float, index=True)
    uncertainty: Mapped[float | None] = mapped_column(Float, index=True)
    warnings: Mapped[list[Any]] = mapped_column(JSON, default=list)
    assumed: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    """Facts that a person stated because the files lack them, as --assume does."""
    deidentified: Mapped[bool] = mapped_column(default=False, index=True)
    """Whether every object of it says that the patient's identity was removed."""
    change: Mapped[int] = mapped_column(Integer, default=0, index=True)
    """Counts up with every change; the sum over all studies tells a page that something is new."""
    patient: Mapped[Patient] = relationship(lazy="joined", innerjoin=True)


class Series(Table):
    """A series of a study."""

    __tablename__ = "series"
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    series_uid: Mapped[str] = mapped_column(String(64), unique=True)
    study_key: Mapped[int] = mapped_column(ForeignKey("studies.id"), index=True)
    modality: Mapped[str] = mapped_column(String(16), default="")
    number: Mapped[int | None] = mapped_column(Integer)
    description: Mapped[str] = mapped_column(Text, default="")
    study: Mapped[Study] = relationship(lazy="joined", innerjoin=True)


class Instance(Table):
    """One DICOM object; its bytes lie in the object store under their hash."""

    __tablename__ = "instances"
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    sop_uid: Mapped[str] = mapped_column(String(64), unique=True)
    sop_class: Mapped[str] = mapped_column(String(64), default="", index=True)
    series_key: Mapped[int] = mapped_column(ForeignKey("series.id"), index=True)
    number: Mapped[int | None] = mapped_column(Integer)
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    syntax: Mapped[str] = mapped_column(String(64), default="")
    image_type: Mapped[str] = mapped_column(String(256), default="")
    frames: Mapped[int] = mapped_column(Integer, default=0)
    rows: Mapped[int] = mapped_column(Integer, default=0)
    columns: Mapped[int] = mapped_column(Integer, default=0)
    received_at: Mapped[dt.datetime]
    sender: Mapped[str] = mapped_column(String(64), default="")
    series: Mapped[Series] = relationship(lazy="joined", innerjoin=True)


class Version(Table):
    """Earlier bytes under the same instance UID: a sender corrected an object; nothing received is lost."""

    __tablename__ = "versions"
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    sop_uid: Mapped[str] = mapped_column(String(64), index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    received_at: Mapped[dt.datetime]
    replaced_at: Mapped[dt.datetime]
    sender: Mapped[str] = mapped_column(String(64), default="")


class NetworkReading(Table):
    """What one bundle says of one state of a study: at most one, however often it is tried."""

    __tablename__ = "network_readings"
    __table_args__ = (UniqueConstraint("study_key", "digest", "bundle_sha256"),)
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    study_key: Mapped[int] = mapped_column(ForeignKey("studies.id"), index=True)
    digest: Mapped[str] = mapped_column(String(64))
    bundle: Mapped[str] = mapped_column(String(256))
    bundle_sha256: Mapped[str] = mapped_column(String(64), index=True)
    made_at: Mapped[dt.datetime]
    seconds: Mapped[float] = mapped_column(Float, default=0.0)
    documents: Mapped[list[Any]] = mapped_column(JSON)
    """One ``reading/1`` with its maps and frames for each examination of the study."""


class Read(Table):
    """One person's read of one study; finished ones never change."""

    __tablename__ = "reads"
    __table_args__ = (UniqueConstraint("study_key", "reader_key", "cohort_key", "round"),)
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    study_key: Mapped[int] = mapped_column(ForeignKey("studies.id"), index=True)
    reader_key: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    cohort_key: Mapped[int] = mapped_column(Integer, default=0, index=True)
    """0 is clinical work."""
    round: Mapped[int] = mapped_column(Integer, default=1)
    state: Mapped[str] = mapped_column(String(16), default="draft", index=True)
    document: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    version: Mapped[int] = mapped_column(Integer, default=0)
    seconds: Mapped[float] = mapped_column(Float, default=0.0)
    revealed_at: Mapped[dt.datetime | None]
    """When the reader first saw what the network says; none is a blind read."""
    started_at: Mapped[dt.datetime]
    finished_at: Mapped[dt.datetime | None]


class Cohort(Table):
    """Studies that several people read, without seeing each other."""

    __tablename__ = "cohorts"
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(String(128), unique=True)
    blind: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[dt.datetime]
    creator_key: Mapped[int] = mapped_column(ForeignKey("users.id"))


class Assignment(Table):
    """A study of a cohort that a person is to read."""

    __tablename__ = "assignments"
    __table_args__ = (UniqueConstraint("cohort_key", "study_key", "reader_key"),)
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    cohort_key: Mapped[int] = mapped_column(ForeignKey("cohorts.id"), index=True)
    study_key: Mapped[int] = mapped_column(ForeignKey("studies.id"), index=True)
    reader_key: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)


class Consensus(Table):
    """What an adjudicator decided of one study of a cohort."""

    __tablename__ = "consensus"
    __table_args__ = (UniqueConstraint("cohort_key", "study_key"),)
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    cohort_key: Mapped[int] = mapped_column(ForeignKey("cohorts.id"), index=True)
    study_key: Mapped[int] = mapped_column(ForeignKey("studies.id"), index=True)
    adjudicator_key: Mapped[int] = mapped_column(ForeignKey("users.id"))
    document: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    decided_at: Mapped[dt.datetime]


class Report(Table):
    """One version of a study's report. The database itself refuses to change a signed one."""

    __tablename__ = "reports"
    __table_args__ = (UniqueConstraint("study_key", "number"),)
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    study_key: Mapped[int] = mapped_column(ForeignKey("studies.id"), index=True)
    number: Mapped[int] = mapped_column(Integer)
    """1, then 2 for its first amendment, and so on."""
    state: Mapped[str] = mapped_column(String(16), default="draft")
    author_key: Mapped[int] = mapped_column(ForeignKey("users.id"))
    document: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    version: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[dt.datetime]
    signed_at: Mapped[dt.datetime | None]
    signer: Mapped[str] = mapped_column(Text, default="")
    content_sha256: Mapped[str] = mapped_column(String(64), default="")
    bundle_sha256: Mapped[str] = mapped_column(String(64), default="")
    objects: Mapped[list[Any]] = mapped_column(JSON, default=list)
    """SOP instance UIDs of the SR, SEG and PDF made of it."""


class TextReport(Table):
    """A report written elsewhere, imported to be found again."""

    __tablename__ = "text_reports"
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    study_key: Mapped[int] = mapped_column(ForeignKey("studies.id"), index=True)
    name: Mapped[str] = mapped_column(String(256), default="")
    text: Mapped[str] = mapped_column(Text)
    imported_at: Mapped[dt.datetime]


class User(Table):
    """Who may sign in."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(String(128), unique=True)
    display: Mapped[str] = mapped_column(String(256), default="")
    role: Mapped[str] = mapped_column(String(16))
    password_hash: Mapped[str] = mapped_column(Text, default="")
    subject: Mapped[str] = mapped_column(String(512), default="", index=True)
    """Issuer and subject of OpenID Connect."""
    active: Mapped[bool] = mapped_column(default=True)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    locked_until: Mapped[dt.datetime | None]
    created_at: Mapped[dt.datetime]


class Session(Table):
    """A signed-in browser or program; the token itself is never kept."""

    __tablename__ = "sessions"
    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_key: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    csrf: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[dt.datetime]
    seen_at: Mapped[dt.datetime]
    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


class Audit(Table):
    """One line of the audit trail; each holds the hash of the one before it, and none can be changed."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    at: Mapped[dt.datetime]
    who: Mapped[str] = mapped_column(String(256), default="")
    address: Mapped[str] = mapped_column(String(64), default="")
    action: Mapped[str] = mapped_column(String(64), index=True)
    outcome: Mapped[str] = mapped_column(String(16), default="success")
    what: Mapped[str] = mapped_column(Text, default="")
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    previous: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)


class Destination(Table):
    """An archive that results are sent to, or that may ask for a C-MOVE."""

    __tablename__ = "destinations"
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    ae_title: Mapped[str] = mapped_column(String(16), unique=True)
    host: Mapped[str] = mapped_column(String(256))
    port: Mapped[int] = mapped_column(Integer)
    tls: Mapped[bool] = mapped_column(default=False)
    forward: Mapped[str] = mapped_column(String(16), default="none")
    """What is sent there by itself: none, results (what the room made), all."""


class Outgoing(Table):
    """An object on its way to a destination; it stays until the destination took it."""

    __tablename__ = "outgoing"
    __table_args__ = (UniqueConstraint("destination_key", "sop_uid", "sha256"), Index("ix_waiting", "state", "next_at"))
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    destination_key: Mapped[int] = mapped_column(ForeignKey("destinations.id"), index=True)
    sop_uid: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_at: Mapped[dt.datetime]
    error: Mapped[str] = mapped_column(Text, default="")


class Commitment(Table):
    """A storage commitment that was asked for, until its answer has been delivered."""

    __tablename__ = "commitments"
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    transaction_uid: Mapped[str] = mapped_column(String(64), index=True)
    peer: Mapped[str] = mapped_column(String(16))
    asked: Mapped[list[Any]] = mapped_column(JSON, default=list)
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_at: Mapped[dt.datetime]


class Scheduled(Table):
    """An examination that is planned: what the modality worklist serves."""

    __tablename__ = "scheduled"
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    patient_id: Mapped[str] = mapped_column(String(256), default="")
    issuer: Mapped[str] = mapped_column(String(256), default="")
    name: Mapped[str] = mapped_column(Text, default="")
    birth_date: Mapped[str] = mapped_column(String(16), default="")
    sex: Mapped[str] = mapped_column(String(16), default="")
    accession: Mapped[str] = mapped_column(String(64), default="")
    study_uid: Mapped[str] = mapped_column(String(64), unique=True)
    description: Mapped[str] = mapped_column(Text, default="")
    station: Mapped[str] = mapped_column(String(16), default="")
    modality: Mapped[str] = mapped_column(String(16), default="NM")
    start_date: Mapped[str] = mapped_column(String(16), default="", index=True)
    start_time: Mapped[str] = mapped_column(String(32), default="")


class Fact(Table):
    """A few things that are true of the room as a whole, such as which bundle is switched on."""

    __tablename__ = "facts"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(Text, default="")
