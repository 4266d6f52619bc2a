"""The usual way to read by GraphQL: Strawberry types, dataloaders and async SQLModel sessions.

It reads Calyx's own tables, has what the documents of the comparison ask for, and answers them as
Calyx does, but for cursors: they are opaque, and each server makes its own.
"""

from __future__ import annotations

import json
import os
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Annotated, Any, Generic, NewType, Self, TypeVar

import strawberry
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlmodel import col, desc, func, select
from sqlmodel.ext.asyncio.session import AsyncSession
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.fastapi import BaseContext, GraphQLRouter
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig

from models import tables
from models.values import Entity, Identifier, Kind, Veil, identity_key

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WORKSPACE, _WORKSPACE_NAME = 1, "default"
_PAGE = 50

T = TypeVar("T")
DateTime = NewType("DateTime", int)
Place = tuple[tables.Membership, tables.Account]
Flagged = tuple[tables.Flag, tables.Audience]

engine = create_async_engine(os.environ["PEER_DATABASE_URL"])
new_session = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)


async def load_identities(customers: list[int]) -> list[list[tables.Identity]]:
    """Return the ids of each customer."""
    identity = tables.Identity
    query = select(identity).where(
        identity.workspace_id == _WORKSPACE, col(identity.customer_id).in_(customers)
    )
    async with new_session() as session:
        rows = (await session.exec(query.order_by(identity.identifier))).all()
    return _grouped(customers, ((row.customer_id, row) for row in rows))


async def load_flags(customers: list[int]) -> list[list[Flagged]]:
    """Return the audience flags of each customer, by key."""
    flag, audience = tables.Flag, tables.Audience
    query = (
        select(flag, audience)
        .join(audience, onclause=col(audience.id) == flag.audience_id)
        .where(audience.workspace_id == _WORKSPACE, flag.workspace_id == _WORKSPACE)
        .where(flag.entity == Entity.CUSTOMER, col(flag.owner_id).in_(customers))
        .where(col(flag.member).is_not(None))
        .order_by(audience.key)
    )
    async with new_session() as session:
        rows = (await session.exec(query)).all()
    return _grouped(customers, ((row[0].owner_id, row) for row in rows))


async def load_places(customers: list[int]) -> list[list[Place]]:
    """Return the live memberships of each customer with their accounts, the latest joined first."""
    place, account = tables.Membership, tables.Account
    query = (
        select(place, account)
        .join(account, onclause=col(account.id) == place.account_id)
        .where(place.workspace_id == _WORKSPACE, account.workspace_id == _WORKSPACE)
        .where(col(place.customer_id).in_(customers), col(account.deleted_at).is_(None))
        .where(col(place.joined_at) > func.coalesce(account.last_deletion_at, -1))
        .order_by(desc(col(place.joined_at)))
    )
    async with new_session() as session:
        rows = (await session.exec(query)).all()
    return _grouped(customers, ((row[0].customer_id, row) for row in rows))


def _grouped(keys: list[int], pairs: Iterable[tuple[int, Any]]) -> list[list[Any]]:
    groups: dict[int, list[Any]] = defaultdict(list)
    for key, row in pairs:
        groups[key].append(row)
    return [groups[key] for key in keys]


class Context(BaseContext):
    """What lives as long as one request: its dataloaders."""

    def __init__(self) -> None:
        super().__init__()
        self.identities = DataLoader(load_identities)
        self.flags = DataLoader(load_flags)
        self.places = DataLoader(load_places)


Info = strawberry.Info[Context, None]


@strawberry.enum
class EventType(Enum):
    """Kinds of call."""

    TRACK = 0
    IDENTIFY = 1
    GROUP = 2
    ALIAS = 3
    PAGE = 4
    SCREEN = 5
    DELETE = 6


@strawberry.type
class PageInfo:
    """Where a page stands in its list."""

    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class Edge(Generic[T]):
    """A place in a list."""

    node: T
    cursor: str


@strawberry.type
class Connection(Generic[T]):
    """A page of a list."""

    edges: list[Edge[T]]
    page_info: PageInfo

    @classmethod
    def of(cls, nodes: list[T], cursors: list[str], *, more: bool) -> Self:
        """Return a page."""
        edges = [
            Edge(node=node, cursor=cursor) for node, cursor in zip(nodes, cursors, strict=True)
        ]
        last = cursors[-1] if cursors else None
        return cls(edges=edges, page_info=PageInfo(has_next_page=more, end_cursor=last))


@strawberry.type
class AudienceFlag:
    """A customer as seen by one audience."""

    key: str
    member: bool
    since: DateTime


@strawberry.type
class Account:
    """A company."""

    id: strawberry.ID
    group_id: str
    name: str | None
    plan: str | None
    employees: int | None
    traits: JSON

    @classmethod
    def of(cls, row: tables.Account) -> Self:
        """Return an account as it is stored."""
        return cls(
            id=strawberry.ID(f"acc_{row.key.hex()}"),
            group_id=row.group_id,
            name=row.name,
            plan=row.plan,
            employees=row.employees,
            traits=json.loads(row.traits),
        )


@strawberry.type
class CustomerAccountEdge:
    """A customer's place in an account."""

    node: Account
    role: str | None
    joined_at: DateTime


@strawberry.type
class CustomerAccountConnection:
    """A page of a customer's accounts."""

    edges: list[CustomerAccountEdge]
    page_info: PageInfo


@strawberry.type
class Event:
    """A message."""

    id: strawberry.ID
    type: EventType
    name: str | None
    timestamp: DateTime
    properties: JSON

    @classmethod
    def of(cls, row: tables.Event) -> Self:
        """Return an event as it is stored."""
        return cls(
            id=strawberry.ID(f"evt_{row.key.hex()}"),
            type=EventType(row.type),
            name=row.name,
            timestamp=DateTime(row.at),
            properties=json.loads(row.body).get("properties", {}),
        )


@strawberry.type
class Customer:
    """A person."""

    number: strawberry.Private[int]
    id: strawberry.ID
    user_id: str | None
    name: str | None
    email: str | None
    first_seen_at: DateTime
    last_seen_at: DateTime
    traits: JSON

    @classmethod
    def of(cls, row: tables.Customer) -> Self:
        """Return a customer as they are stored."""
        return cls(
            number=row.id,
            id=strawberry.ID(f"cus_{row.key.hex()}"),
            user_id=row.user_id,
            name=row.name,
            email=row.email,
            first_seen_at=DateTime(row.first_seen_at),
            last_seen_at=DateTime(row.last_seen_at),
            traits=json.loads(row.traits),
        )

    @strawberry.field
    async def anonymous_ids(self, info: Info) -> list[str]:
        """Return the devices."""
        identities = await info.context.identities.load(self.number)
        return [one.identifier for one in identities if one.kind == Kind.DEVICE and one.seen]

    @strawberry.field
    async def audiences(self, info: Info) -> list[AudienceFlag]:
        """Return the audience flags."""
        return [
            AudienceFlag(key=audience.key, member=bool(flag.member), since=DateTime(flag.since))
            for flag, audience in await info.context.flags.load(self.number)
        ]

    @strawberry.field
    async def accounts(self, info: Info, first: int = _PAGE) -> CustomerAccountConnection:
        """Return the accounts they are a member of."""
        places = await info.context.places.load(self.number)
        edges = [
            CustomerAccountEdge(
                node=Account.of(account),
                role=place.role,
                joined_at=DateTime(place.joined_at or 0),
            )
            for place, account in places[:first]
        ]
        last = str(places[:first][-1][0].joined_at) if edges else None
        page_info = PageInfo(has_next_page=len(places) > first, end_cursor=last)
        return CustomerAccountConnection(edges=edges, page_info=page_info)

    @strawberry.field
    async def events(self, info: Info, first: int = _PAGE) -> Connection[Event]:
        """Return the timeline: a page of one customer, so there is nothing to load together."""
        identities = await info.context.identities.load(self.number)
        event = tables.Event
        query = (
            select(event)
            .where(event.workspace_id == _WORKSPACE, event.veil == Veil.NONE)
            .where(col(event.whom).in_([identity.id for identity in identities]))
            .order_by(desc(col(event.at)), desc(event.message_id), desc(event.key))
            .limit(first + 1)
        )
        async with new_session() as session:
            rows = (await session.exec(query)).all()
        nodes = [Event.of(row) for row in rows[:first]]
        cursors = [f"{row.at}:{row.message_id}" for row in rows[:first]]
        return Connection.of(nodes, cursors, more=len(rows) > first)


@strawberry.type
class Query:
    """Everything that can be read."""

    @strawberry.field
    async def customer(self, user_id: str) -> Customer | None:
        """Return one customer, by any of their userIds."""
        customer, identity = tables.Customer, tables.Identity
        key = identity_key(_WORKSPACE_NAME, Identifier(Kind.USER, user_id))
        query = (
            select(customer)
            .join(identity, onclause=col(identity.customer_id) == customer.id)
            .where(customer.workspace_id == _WORKSPACE, identity.workspace_id == _WORKSPACE)
            .where(identity.key == key)
        )
        async with new_session() as session:
            row = (await session.exec(query)).first()
        return Customer.of(row) if row else None

    @strawberry.field
    async def customers(self, first: int = _PAGE) -> Connection[Customer]:
        """Return customers, the last seen first."""
        customer = tables.Customer
        query = (
            select(customer)
            .where(customer.workspace_id == _WORKSPACE)
            .order_by(desc(customer.last_seen_at), desc(customer.id))
            .limit(first + 1)
        )
        async with new_session() as session:
            rows = (await session.exec(query)).all()
        nodes = [Customer.of(row) for row in rows[:first]]
        cursors = [f"{row.last_seen_at}:{row.id}" for row in rows[:first]]
        return Connection.of(nodes, cursors, more=len(rows) > first)


def _print(at: int) -> str:
    return (_EPOCH + timedelta(microseconds=at)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


schema = strawberry.Schema(
    Query,
    # Documents come again and again: both are what Strawberry advises for that.
    extensions=[ParserCache, ValidationCache],
    config=StrawberryConfig(
        scalar_map={DateTime: strawberry.scalar(name="DateTime", serialize=_print)}
    ),
)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Close the connections in the end."""
    yield
    await engine.dispose()


def check_key(
    key: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
) -> None:
    """Refuse whoever does not know the key."""
    if not secrets.compare_digest(key.credentials, os.environ["PEER_KEY"]):
        raise HTTPException(401, "the key is wrong")


async def new_context() -> Context:
    """Return a context for one request."""
    return Context()


app = FastAPI(lifespan=lifespan, dependencies=[Depends(check_key)])
app.include_router(GraphQLRouter(schema, context_getter=new_context), prefix="/graphql")
