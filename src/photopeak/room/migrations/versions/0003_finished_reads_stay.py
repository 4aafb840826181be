"""A finished read stays whole: none of it changes any more, and it cannot be taken away."""

from alembic import op

revision = "0003"
down_revision = "0002"

SQLITE_RAISE = "WHEN OLD.state = 'finished' BEGIN SELECT RAISE(ABORT, 'a finished read is frozen'); END"
POSTGRES_REFUSE = "FOR EACH ROW WHEN (OLD.state = 'finished') EXECUTE FUNCTION photopeak_refuse('a finished read')"
FROZEN = {
    "sqlite": [
        "DROP TRIGGER read_update",
        "CREATE TRIGGER read_update BEFORE UPDATE ON reads " + SQLITE_RAISE,
        "CREATE TRIGGER read_delete BEFORE DELETE ON reads " + SQLITE_RAISE,
    ],
    "postgresql": [
        "DROP TRIGGER read_frozen ON reads",
        "CREATE TRIGGER read_frozen BEFORE UPDATE OR DELETE ON reads " + POSTGRES_REFUSE,
    ],
}


def upgrade() -> None:
    """Replace what guarded a few columns by what guards the row."""
    for statement in FROZEN[op.get_bind().dialect.name]:
        op.execute(statement)
