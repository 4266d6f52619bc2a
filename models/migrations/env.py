"""Tell alembic which tables are meant and on which connection to work."""

import time

from alembic import context
from sqlalchemy import Connection, MetaData, text
from sqlmodel import SQLModel

import models.tables  # noqa: F401 (fills the metadata)
from models.dialect import is_meant

connection = context.config.attributes["connection"]
PAUSE_S = 0.2


def take_turns(connection: Connection) -> None:
    """Wait until no other process migrates: who starts second finds all done."""
    # It asks again and again, outside of any transaction: an index that is made meanwhile waits
    # for every transaction there is, and would wait for one that waits for it.
    while not connection.scalar(text("SELECT pg_try_advisory_lock(hashtext('calyx'), 0)")):
        connection.rollback()
        time.sleep(PAUSE_S)
    connection.execute(text("SET lock_timeout = '2s'"))
    connection.commit()


def meant(database: str) -> MetaData:
    """Return the tables with the indexes that they have in this kind of database."""
    metadata = MetaData(naming_convention=SQLModel.metadata.naming_convention)
    for table in SQLModel.metadata.tables.values():
        others = {index.name for index in table.indexes if not is_meant(index, database)}
        copy = table.to_metadata(metadata)
        for index in [index for index in copy.indexes if index.name in others]:
            copy.indexes.remove(index)
    return metadata


if connection.dialect.name == "postgresql":
    take_turns(connection)
context.configure(
    connection=connection,
    target_metadata=meant(connection.dialect.name),
    render_as_batch=True,
    compare_type=True,
    transaction_per_migration=True,
    # SQLite undoes DDL too, once it is told where a transaction begins.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
