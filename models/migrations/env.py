"""Tell alembic which tables are meant and on which connection to work."""

from alembic import context
from sqlalchemy import text
from sqlmodel import SQLModel

import models.tables  # noqa: F401 (fills the metadata)

connection = context.config.attributes["connection"]
if connection.dialect.name == "postgresql":
    # Processes that start at once take turns, and the second finds all done. A change of a table
    # waits for those who use it, and all others behind it: so it does not wait long.
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('calyx'), 0)"))
    connection.execute(text("SET LOCAL lock_timeout = '10s'"))
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
