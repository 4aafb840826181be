"""What Alembic runs: each migration on the connection that ``database.upgrade`` gives it."""

from alembic import context

from photopeak.room.schema import Table

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Table.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
