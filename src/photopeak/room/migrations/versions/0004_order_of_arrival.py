"""An index over when a study last changed: the worklist shows the newest first."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the index."""
    op.create_index(op.f("ix_studies_last_at"), "studies", ["last_at"], unique=False)
