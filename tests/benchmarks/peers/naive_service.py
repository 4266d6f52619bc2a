"""The usual way to take events in: FastAPI, and one SQLModel session for each event.

It does less than Calyx: no identities, audiences, histories or receipts. What it does it does right:
each messageId once, the newest word on each trait whatever comes last, and a 200 is as durable.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import AwareDatetime, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from sqlalchemy import JSON, Column, Connection, Index, create_engine
from sqlalchemy import event as listen
from sqlmodel import Field, Session, SQLModel, select

Json = dict[str, Any]


class Event(SQLModel, table=True):
    """A message, each once."""

    __table_args__ = (Index("ix_event_user_id_at", "user_id", "at"),)

    id: int | None = Field(default=None, primary_key=True)
    message_id: str = Field(unique=True)
    type: str
    name: str | None
    user_id: str | None
    group_id: str | None
    at: datetime
    body: Json = Field(sa_column=Column(JSON, nullable=False))


class Customer(SQLModel, table=True):
    """A person."""

    id: int | None = Field(default=None, primary_key=True)
    user_id: str = Field(unique=True)
    email: str | None = Field(default=None, index=True)
    name: str | None = None
    first_seen_at: datetime
    last_seen_at: datetime = Field(index=True)


class Account(SQLModel, table=True):
    """A company."""

    id: int | None = Field(default=None, primary_key=True)
    group_id: str = Field(unique=True)
    name: str | None = None
    first_seen_at: datetime
    last_seen_at: datetime = Field(index=True)


class Membership(SQLModel, table=True):
    """A person's place in a company."""

    customer_id: int = Field(primary_key=True, foreign_key="customer.id")
    account_id: int = Field(primary_key=True, foreign_key="account.id", index=True)
    joined_at: datetime


class Trait(SQLModel):
    """One trait, as the newest message has it."""

    owner_id: int = Field(primary_key=True)
    key: str = Field(primary_key=True)
    value: Any = Field(sa_type=JSON)
    at: datetime
    message_id: str


class CustomerTrait(Trait, table=True):
    """One trait of a person."""

    owner_id: int = Field(primary_key=True, foreign_key="customer.id")


class AccountTrait(Trait, table=True):
    """One trait of a company."""

    owner_id: int = Field(primary_key=True, foreign_key="account.id")


class Message(BaseModel):
    """A Segment message."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")

    message_id: str
    type: str
    timestamp: AwareDatetime
    user_id: str | None = None
    group_id: str | None = None
    event: str | None = None
    traits: Json | None = None
    properties: Json | None = None


class Batch(BaseModel):
    """What an SDK posts."""

    batch: list[Message]


# SQLite has room for one that writes: to wait for the one connection costs less than to fight for
# the lock. Tried beside this: an async engine gave a quarter less; all traits in one JSON column, where
# no index can reach them, gave a quarter to a third more.
engine = create_engine(os.environ["PEER_DATABASE_URL"], pool_size=1, max_overflow=0)


@listen.listens_for(engine, "connect")
def _set_up(connection: Any, _record: object) -> None:
    # SQLAlchemy says when a transaction begins, not the driver: its own rule would begin too late.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


@listen.listens_for(engine, "begin")
def _begin(connection: Connection) -> None:
    # Two sessions that read before they write would lose one of two changes, or fail.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Make the tables."""
    SQLModel.metadata.create_all(engine)
    yield


def check_key(key: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]) -> None:
    """Refuse whoever does not know the key."""
    if not secrets.compare_digest(key.username, os.environ["PEER_KEY"]):
        raise HTTPException(401, "the key is wrong")


app = FastAPI(lifespan=lifespan, dependencies=[Depends(check_key)])


@app.post("/segment")
def post_message(message: Message) -> dict[str, bool]:
    """Take one message in."""
    save(message)
    return {"success": True}


@app.post("/v1/batch")
def post_batch(batch: Batch) -> dict[str, bool]:
    """Take many messages in."""
    for message in batch.batch:
        save(message)
    return {"success": True}


def save(message: Message) -> None:
    """Store a message and what follows from it, in one transaction."""
    with Session(engine) as session:
        known = select(Event.id).where(Event.message_id == message.message_id)
        if session.exec(known).first() is not None:
            return
        session.add(_event(message))
        user_id, group_id = message.user_id, message.group_id
        customer = _customer(session, message, user_id) if user_id else None
        account = _account(session, message, group_id) if group_id else None
        if customer and account and message.type == "group":
            _join(session, customer, account, message.timestamp)
        session.commit()


def _event(message: Message) -> Event:
    return Event(
        message_id=message.message_id,
        type=message.type,
        name=message.event,
        user_id=message.user_id,
        group_id=message.group_id,
        at=message.timestamp,
        body=message.model_dump(mode="json", by_alias=True, exclude_none=True),
    )


def _customer(session: Session, message: Message, user_id: str) -> Customer:
    at = message.timestamp
    customer = session.exec(select(Customer).where(Customer.user_id == user_id)).first()
    if customer is None:
        customer = Customer(user_id=user_id, first_seen_at=at, last_seen_at=at)
        session.add(customer)
    _sight(customer, at)
    if message.type == "identify" and message.traits:
        traits = _write(session, CustomerTrait, _number(session, customer), message)
        customer.name, customer.email = traits.get("name"), traits.get("email")
    return customer


def _account(session: Session, message: Message, group_id: str) -> Account:
    at = message.timestamp
    account = session.exec(select(Account).where(Account.group_id == group_id)).first()
    if account is None:
        account = Account(group_id=group_id, first_seen_at=at, last_seen_at=at)
        session.add(account)
    _sight(account, at)
    if message.type == "group" and message.traits:
        traits = _write(session, AccountTrait, _number(session, account), message)
        account.name = traits.get("name")
    return account


def _sight(profile: Customer | Account, at: datetime) -> None:
    profile.first_seen_at = min(_utc(profile.first_seen_at), at)
    profile.last_seen_at = max(_utc(profile.last_seen_at), at)


def _number(session: Session, profile: Customer | Account) -> int:
    if profile.id is None:
        # A new row has its number once it is written.
        session.flush()
    return profile.id or 0


def _write(session: Session, table: type[Trait], owner_id: int, message: Message) -> Json:
    """Write the traits of a message where none newer stands; return all that stand then."""
    stamp = (message.timestamp, message.message_id)
    rows = session.exec(select(table).where(table.owner_id == owner_id))
    traits = {row.key: row for row in rows}
    for key, value in (message.traits or {}).items():
        row = traits.get(key)
        if row is None:
            row = table(owner_id=owner_id, key=key, value=value, at=stamp[0], message_id=stamp[1])
            traits[key] = row
            session.add(row)
        elif (_utc(row.at), row.message_id) < stamp:
            row.value, row.at, row.message_id = value, *stamp
    return {key: row.value for key, row in traits.items()}


def _join(session: Session, customer: Customer, account: Account, at: datetime) -> None:
    numbers = _number(session, customer), _number(session, account)
    place = session.get(Membership, numbers)
    if place is None:
        session.add(Membership(customer_id=numbers[0], account_id=numbers[1], joined_at=at))
    else:
        place.joined_at = min(_utc(place.joined_at), at)


def _utc(at: datetime) -> datetime:
    # SQLite keeps no zone; everything here is UTC.
    return at if at.tzinfo else at.replace(tzinfo=UTC)
