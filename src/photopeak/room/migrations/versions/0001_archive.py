"""Archive, worklist, reads, reports, accounts, audit trail."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# The audit trail is append-only, and a signed report keeps its words for good, whatever program has the database open.
# What a signed report may still gain is the list of the objects that were made of it.
SQLITE_RAISE = "BEGIN SELECT RAISE(ABORT, '{why}'); END"
POSTGRES_REFUSE = """
CREATE FUNCTION photopeak_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% cannot be changed', TG_ARGV[0]; END $$
"""
FROZEN = {
    "sqlite": [
        "CREATE TRIGGER audit_update BEFORE UPDATE ON audit " + SQLITE_RAISE.format(why="the audit trail is frozen"),
        "CREATE TRIGGER audit_delete BEFORE DELETE ON audit " + SQLITE_RAISE.format(why="the audit trail is frozen"),
        "CREATE TRIGGER report_update BEFORE UPDATE OF state, document, content_sha256, signer, signed_at, number, "
        "study_key ON reports WHEN OLD.state = 'signed' " + SQLITE_RAISE.format(why="a signed report is frozen"),
        "CREATE TRIGGER report_delete BEFORE DELETE ON reports WHEN OLD.state = 'signed' "
        + SQLITE_RAISE.format(why="a signed report is frozen"),
        "CREATE TRIGGER read_update BEFORE UPDATE OF document, state, reader_key, study_key ON reads "
        "WHEN OLD.state = 'finished' " + SQLITE_RAISE.format(why="a finished read is frozen"),
    ],
    "postgresql": [
        POSTGRES_REFUSE,
        "CREATE TRIGGER audit_frozen BEFORE UPDATE OR DELETE ON audit FOR EACH ROW "
        "EXECUTE FUNCTION photopeak_refuse('the audit trail')",
        "CREATE TRIGGER report_frozen BEFORE UPDATE OF state, document, content_sha256, signer, signed_at, number, "
        "study_key ON reports FOR EACH ROW WHEN (OLD.state = 'signed') "
        "EXECUTE FUNCTION photopeak_refuse('a signed report')",
        "CREATE TRIGGER report_kept BEFORE DELETE ON reports FOR EACH ROW WHEN (OLD.state = 'signed') "
        "EXECUTE FUNCTION photopeak_refuse('a signed report')",
        "CREATE TRIGGER read_frozen BEFORE UPDATE OF document, state, reader_key, study_key ON reads FOR EACH ROW "
        "WHEN (OLD.state = 'finished') EXECUTE FUNCTION photopeak_refuse('a finished read')",
    ],
}


def upgrade() -> None:
    """Make the tables and what guards them."""
    op.create_table(
        "audit",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("who", sa.String(length=256), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("sha256"),
    )
    op.create_index(op.f("ix_audit_action"), "audit", ["action"], unique=False)
    op.create_table(
        "commitments",
        sa.Column("id", KEY, nullable=False),
        sa.Column("transaction_uid", sa.String(length=64), nullable=False),
        sa.Column("peer", sa.String(length=16), nullable=False),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_commitments_transaction_uid"), "commitments", ["transaction_uid"], unique=False)
    op.create_table(
        "destinations",
        sa.Column("id", KEY, nullable=False),
        sa.Column("ae_title", sa.String(length=16), nullable=False),
        sa.Column("host", sa.String(length=256), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("tls", sa.Boolean(), nullable=False),
        sa.Column("forward", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("ae_title"),
    )
    op.create_table(
        "facts",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "patients",
        sa.Column("id", KEY, nullable=False),
        sa.Column("patient_id", sa.String(length=256), nullable=False),
        sa.Column("issuer", sa.String(length=256), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("birth_date", sa.String(length=16), nullable=False),
        sa.Column("sex", sa.String(length=16), nullable=False),
        sa.Column("merged_into_id", KEY, nullable=True),
        sa.ForeignKeyConstraint(
            ["merged_into_id"],
            ["patients.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("patient_id", "issuer"),
    )
    op.create_table(
        "scheduled",
        sa.Column("id", KEY, nullable=False),
        sa.Column("patient_id", sa.String(length=256), nullable=False),
        sa.Column("issuer", sa.String(length=256), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("birth_date", sa.String(length=16), nullable=False),
        sa.Column("sex", sa.String(length=16), nullable=False),
        sa.Column("accession", sa.String(length=64), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("station", sa.String(length=16), nullable=False),
        sa.Column("modality", sa.String(length=16), nullable=False),
        sa.Column("start_date", sa.String(length=16), nullable=False),
        sa.Column("start_time", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("study_uid"),
    )
    op.create_index(op.f("ix_scheduled_start_date"), "scheduled", ["start_date"], unique=False)
    op.create_table(
        "users",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("display", sa.String(length=256), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("subject", sa.String(length=512), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.DateTime(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_index(op.f("ix_users_subject"), "users", ["subject"], unique=False)
    op.create_table(
        "versions",
        sa.Column("id", KEY, nullable=False),
        sa.Column("sop_uid", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("replaced_at", sa.DateTime(), nullable=False),
        sa.Column("sender", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_versions_sop_uid"), "versions", ["sop_uid"], unique=False)
    op.create_table(
        "outgoing",
        sa.Column("id", KEY, nullable=False),
        sa.Column("destination_key", KEY, nullable=False),
        sa.Column("sop_uid", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["destination_key"],
            ["destinations.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("destination_key", "sop_uid", "sha256"),
    )
    op.create_index(op.f("ix_outgoing_destination_key"), "outgoing", ["destination_key"], unique=False)
    op.create_index("ix_waiting", "outgoing", ["state", "next_at"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("user_key", KEY, nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("seen_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_key"],
            ["users.id"],
        ),
        sa.PrimaryKeyConstraint("token_sha256"),
    )
    op.create_index(op.f("ix_sessions_user_key"), "sessions", ["user_key"], unique=False)
    op.create_table(
        "studies",
        sa.Column("id", KEY, nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("patient_key", KEY, nullable=False),
        sa.Column("study_date", sa.String(length=16), nullable=False),
        sa.Column("study_time", sa.String(length=32), nullable=False),
        sa.Column("accession", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("referrer", sa.Text(), nullable=False),
        sa.Column("modalities", sa.String(length=128), nullable=False),
        sa.Column("instances", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.DateTime(), nullable=False),
        sa.Column("last_at", sa.DateTime(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("due_at", sa.DateTime(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("suspicion", sa.Float(), nullable=True),
        sa.Column("uncertainty", sa.Float(), nullable=True),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("assumed", sa.JSON(), nullable=False),
        sa.Column("deidentified", sa.Boolean(), nullable=False),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_key"],
            ["patients.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("study_uid"),
    )
    op.create_index(op.f("ix_studies_accession"), "studies", ["accession"], unique=False)
    op.create_index(op.f("ix_studies_change"), "studies", ["change"], unique=False)
    op.create_index(op.f("ix_studies_deidentified"), "studies", ["deidentified"], unique=False)
    op.create_index(op.f("ix_studies_due_at"), "studies", ["due_at"], unique=False)
    op.create_index(op.f("ix_studies_patient_key"), "studies", ["patient_key"], unique=False)
    op.create_index(op.f("ix_studies_state"), "studies", ["state"], unique=False)
    op.create_index(op.f("ix_studies_study_date"), "studies", ["study_date"], unique=False)
    op.create_index(op.f("ix_studies_suspicion"), "studies", ["suspicion"], unique=False)
    op.create_index(op.f("ix_studies_uncertainty"), "studies", ["uncertainty"], unique=False)
    op.create_table(
        "network_readings",
        sa.Column("id", KEY, nullable=False),
        sa.Column("study_key", KEY, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("bundle", sa.String(length=256), nullable=False),
        sa.Column("bundle_sha256", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("documents", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_key"],
            ["studies.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("study_key", "digest", "bundle_sha256"),
    )
    op.create_index(op.f("ix_network_readings_bundle_sha256"), "network_readings", ["bundle_sha256"], unique=False)
    op.create_index(op.f("ix_network_readings_study_key"), "network_readings", ["study_key"], unique=False)
    op.create_table(
        "reads",
        sa.Column("id", KEY, nullable=False),
        sa.Column("study_key", KEY, nullable=False),
        sa.Column("reader_key", KEY, nullable=False),
        sa.Column("cohort_key", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("revealed_at", sa.DateTime(), nullable=True),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["reader_key"],
            ["users.id"],
        ),
        sa.ForeignKeyConstraint(
            ["study_key"],
            ["studies.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("study_key", "reader_key", "cohort_key", "round"),
    )
    op.create_index(op.f("ix_reads_cohort_key"), "reads", ["cohort_key"], unique=False)
    op.create_index(op.f("ix_reads_reader_key"), "reads", ["reader_key"], unique=False)
    op.create_index(op.f("ix_reads_state"), "reads", ["state"], unique=False)
    op.create_index(op.f("ix_reads_study_key"), "reads", ["study_key"], unique=False)
    op.create_table(
        "reports",
        sa.Column("id", KEY, nullable=False),
        sa.Column("study_key", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("author_key", KEY, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("signed_at", sa.DateTime(), nullable=True),
        sa.Column("signer", sa.Text(), nullable=False),
        sa.Column("content_sha256", sa.String(length=64), nullable=False),
        sa.Column("bundle_sha256", sa.String(length=64), nullable=False),
        sa.Column("objects", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["author_key"],
            ["users.id"],
        ),
        sa.ForeignKeyConstraint(
            ["study_key"],
            ["studies.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("study_key", "number"),
    )
    op.create_index(op.f("ix_reports_study_key"), "reports", ["study_key"], unique=False)
    op.create_table(
        "series",
        sa.Column("id", KEY, nullable=False),
        sa.Column("series_uid", sa.String(length=64), nullable=False),
        sa.Column("study_key", KEY, nullable=False),
        sa.Column("modality", sa.String(length=16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_key"],
            ["studies.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("series_uid"),
    )
    op.create_index(op.f("ix_series_study_key"), "series", ["study_key"], unique=False)
    op.create_table(
        "instances",
        sa.Column("id", KEY, nullable=False),
        sa.Column("sop_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_class", sa.String(length=64), nullable=False),
        sa.Column("series_key", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("syntax", sa.String(length=64), nullable=False),
        sa.Column("image_type", sa.String(length=256), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("columns", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("sender", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["series_key"],
            ["series.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("sop_uid"),
    )
    op.create_index(op.f("ix_instances_series_key"), "instances", ["series_key"], unique=False)
    op.create_index(op.f("ix_instances_sop_class"), "instances", ["sop_class"], unique=False)
    for statement in FROZEN[op.get_bind().dialect.name]:
        op.execute(statement)
