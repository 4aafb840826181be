"""Several readers: cohorts, assignments, consensus; text reports from elsewhere."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "cohorts",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("creator_key", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["creator_key"],
            ["users.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "assignments",
        sa.Column("id", KEY, nullable=False),
        sa.Column("cohort_key", KEY, nullable=False),
        sa.Column("study_key", KEY, nullable=False),
        sa.Column("reader_key", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["cohort_key"],
            ["cohorts.id"],
        ),
        sa.ForeignKeyConstraint(
            ["reader_key"],
            ["users.id"],
        ),
        sa.ForeignKeyConstraint(
            ["study_key"],
            ["studies.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("cohort_key", "study_key", "reader_key"),
    )
    op.create_index(op.f("ix_assignments_cohort_key"), "assignments", ["cohort_key"], unique=False)
    op.create_index(op.f("ix_assignments_reader_key"), "assignments", ["reader_key"], unique=False)
    op.create_index(op.f("ix_assignments_study_key"), "assignments", ["study_key"], unique=False)
    op.create_table(
        "consensus",
        sa.Column("id", KEY, nullable=False),
        sa.Column("cohort_key", KEY, nullable=False),
        sa.Column("study_key", KEY, nullable=False),
        sa.Column("adjudicator_key", KEY, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("decided_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["adjudicator_key"],
            ["users.id"],
        ),
        sa.ForeignKeyConstraint(
            ["cohort_key"],
            ["cohorts.id"],
        ),
        sa.ForeignKeyConstraint(
            ["study_key"],
            ["studies.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("cohort_key", "study_key"),
    )
    op.create_index(op.f("ix_consensus_cohort_key"), "consensus", ["cohort_key"], unique=False)
    op.create_index(op.f("ix_consensus_study_key"), "consensus", ["study_key"], unique=False)
    op.create_table(
        "text_reports",
        sa.Column("id", KEY, nullable=False),
        sa.Column("study_key", KEY, nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("imported_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_key"],
            ["studies.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_text_reports_study_key"), "text_reports", ["study_key"], unique=False)
