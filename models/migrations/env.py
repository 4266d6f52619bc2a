"""Tell alembic which tables are meant and on which connection to work."""

from alembic import context
from sqlmodel import SQLModel

import models.tables  # noqa: F401 (fills the metadata)

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
