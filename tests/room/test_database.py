"""The migrations make the tables of the schema, keep rows, and guard what must not change: on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DatabaseError

from photopeak.core import PhotopeakError
from photopeak.room.care import NEWEST
from photopeak.room.database import MIGRATIONS, Database, revision_of, upgrade
from photopeak.room.schema import Audit, Patient, Read, Report, Study, Table, User, now
from tests.room.postgres import new_database, postgres_url  # noqa: F401


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'room.sqlite'}"
    else:
        make: Callable[[], str] = request.getfixturevalue("new_database")
        url = make()
    made = Database(url)
    yield made
    made.close()


def people(database: Database) -> tuple[int, int]:
    """A user and a study, by what the first revision knows of them."""
    with database.writing() as t:
        user = User(name="ames", display="Dr Ames", role="physician", password_hash="", subject="", created_at=now())
        user.active, user.failures = True, 0
        patient = Patient(patient_id="P1", issuer="", name="Müller^Jürgen", birth_date="", sex="F")
        t.add_all([user, patient])
        t.flush()
        study = Study(study_uid="2.25.1", patient_key=patient.id, first_at=now(), last_at=now(), digest="d", change=3)
        t.add(study)
        t.flush()
        return user.id, study.id


def test_the_migrations_make_the_tables_of_the_schema(database: Database) -> None:
    upgrade(database)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Table.metadata) == []


def test_the_newest_revision_is_the_one_that_the_doctor_expects(database: Database) -> None:
    assert revision_of(database) == ""
    upgrade(database)
    upgrade(database)  # at once where it is
    assert revision_of(database) == NEWEST == ScriptDirectory(str(MIGRATIONS)).get_current_head()


def test_an_older_room_keeps_its_rows(database: Database) -> None:
    upgrade(database, "0001")
    _, study = people(database)
    with database.reading() as t:
        before = [t.execute(text(f"SELECT * FROM {n}")).all() for n in ("users", "patients", "studies")]
    upgrade(database)
    with database.reading() as t:
        assert [t.execute(text(f"SELECT * FROM {n}")).all() for n in ("users", "patients", "studies")] == before
        row = t.get(Study, study)
        assert row is not None
        assert (row.patient.name, row.digest, row.warnings, row.deidentified) == ("Müller^Jürgen", "d", [], False)


def guarded(database: Database) -> dict[str, Any]:
    """A room with an audit line, a signed report and a finished read, and the rows that may still change."""
    upgrade(database)
    user, study = people(database)
    with database.writing() as t:
        t.add(Audit(at=now(), action="start", previous="0" * 64, sha256="1" * 64))
        for number, state in ((1, "signed"), (2, "draft")):
            report = Report(study_key=study, number=number, state=state, author_key=user, created_at=now())
            report.document = {"sections": {"conclusion": "said"}}
            t.add(report)
        for number, state in ((1, "finished"), (2, "draft")):
            read = Read(study_key=study, reader_key=user, round=number, state=state, started_at=now())
            read.document = {"metastasis": "yes"}
            t.add(read)
    return {"user": user, "study": study}


@pytest.mark.parametrize(
    "change",
    [
        update(Audit).values(who="nobody"),
        delete(Audit),
        update(Report).where(Report.state == "signed").values(document={"sections": {"conclusion": "other"}}),
        update(Report).where(Report.state == "signed").values(state="draft"),
        update(Report).where(Report.state == "signed").values(signer="somebody else"),
        delete(Report).where(Report.state == "signed"),
        update(Read).where(Read.state == "finished").values(document={"metastasis": "no"}),
        update(Read).where(Read.state == "finished").values(state="draft"),
        update(Read).where(Read.state == "finished").values(revealed_at=None),
        delete(Read).where(Read.state == "finished"),
    ],
    ids=str,
)
def test_what_is_final_is_refused_by_the_database_itself(database: Database, change: Any) -> None:
    guarded(database)
    with pytest.raises(DatabaseError, match=r"frozen|cannot be changed"), database.writing() as t:
        t.execute(change)
    with database.reading() as t:
        assert t.scalars(select(Audit.who)).all() == [""]
        signed = t.scalars(select(Report).where(Report.state == "signed")).one()
        assert signed.document == {"sections": {"conclusion": "said"}}
        assert t.scalars(select(Read.document).where(Read.state == "finished")).all() == [{"metastasis": "yes"}]


def test_what_is_not_final_can_change(database: Database) -> None:
    guarded(database)
    with database.writing() as t:
        t.execute(update(Report).where(Report.state == "draft").values(document={}))
        t.execute(update(Read).where(Read.state == "draft").values(document={}))
        # A signed report gains the objects that were made of it.
        t.execute(update(Report).where(Report.state == "signed").values(objects=["2.25.9"]))
        t.execute(delete(Report).where(Report.state == "draft"))
    with database.reading() as t:
        assert t.scalars(select(Report.objects)).all() == [["2.25.9"]]


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    upgrade(database)

    def fail() -> None:
        with database.writing() as t:
            t.add(Patient(patient_id="P2"))
            t.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with database.reading() as t:
        assert t.scalars(select(Patient)).all() == []


@pytest.mark.parametrize("url", ["nonsense://x", "no url", "sqlite:////proc/nowhere/room.sqlite"])
def test_a_database_that_cannot_be_used_says_what_helps(url: str) -> None:
    with pytest.raises(PhotopeakError, match="Remedy"):
        upgrade(Database(url))


def test_a_server_that_is_not_there_says_what_helps_and_no_password() -> None:
    with pytest.raises(PhotopeakError, match="Remedy") as failure:
        upgrade(Database("postgresql+psycopg://room:secret@127.0.0.1:1/room"))
    assert "secret" not in str(failure.value)
