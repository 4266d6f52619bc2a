"""Pages of lists: connections and their edges."""

from __future__ import annotations

from typing import Any

import strawberry

from api.graph import columns
from api.graph.audiences import Audience
from api.graph.auditing import AuditEntry
from api.graph.changes import TraitChange
from api.graph.columns import sql
from api.graph.quarantine import QuarantinedMessage
from api.graph.scalars import Moment
from api.graph.trait_keys import TraitKey
from api.graph.types import Account, Customer, Event
from api.graph.viewer import ApiKey


def _field(description: str) -> Any:
    # How a page is read is the same for all: compile_pages knows these fields by name.
    return strawberry.field(description=description)


_CURSOR = "Where the row stands in the list, for `after` and `before`."
_EDGES = "Rows with their cursors."
_NODES = "Rows without cursors."


@strawberry.type(description="A page's place in the list.")
class PageInfo:
    """A page's place in the list."""

    has_next_page: bool = _field("Whether more rows follow.")
    has_previous_page: bool = _field("Whether rows come before.")
    start_cursor: str | None = _field("Cursor of the first row; null on an empty page.")
    end_cursor: str | None = _field("Cursor of the last row; null on an empty page.")


@strawberry.type
class _Page:
    page_info: PageInfo = _field("The page's place in the list.")
    total_count: int = _field("Rows of the whole list. Counted only when asked for.")


@strawberry.type(description="A row: a customer.")
class CustomerEdge:
    """A row: a customer."""

    cursor: str = _field(_CURSOR)
    node: Customer = _field("The row.")


@strawberry.type(description="A page of customers.")
class CustomerConnection(_Page):
    """A page of customers."""

    edges: list[CustomerEdge] = _field(_EDGES)
    nodes: list[Customer] = _field(_NODES)


@strawberry.type(description="A row: an account.")
class AccountEdge:
    """A row: an account."""

    cursor: str = _field(_CURSOR)
    node: Account = _field("The row.")


@strawberry.type(description="A page of accounts.")
class AccountConnection(_Page):
    """A page of accounts."""

    edges: list[AccountEdge] = _field(_EDGES)
    nodes: list[Account] = _field(_NODES)


@strawberry.type(description="A row: an account with the customer's place in it.")
class CustomerAccountEdge:
    """A row: an account with the customer's place in it."""

    cursor: str = _field(_CURSOR)
    node: Account = _field("The row.")
    role: str | None = strawberry.field(
        description="The customer's role in the account, as last stated.",
        metadata=sql(columns.text("role")),
    )
    joined_at: Moment = strawberry.field(
        description="When they joined, the last time they did.",
        metadata=sql(columns.moment("joined_at")),
    )


@strawberry.type(description="A page of a customer's accounts.")
class CustomerAccountConnection(_Page):
    """A page of a customer's accounts."""

    edges: list[CustomerAccountEdge] = _field(_EDGES)
    nodes: list[Account] = _field(_NODES)


@strawberry.type(description="A row: a customer with their place in the account.")
class AccountMemberEdge:
    """A row: a customer with their place in the account."""

    cursor: str = _field(_CURSOR)
    node: Customer = _field("The row.")
    role: str | None = strawberry.field(
        description="The customer's role in the account, as last stated.",
        metadata=sql(columns.text("role")),
    )
    joined_at: Moment = strawberry.field(
        description="When they joined, the last time they did.",
        metadata=sql(columns.moment("joined_at")),
    )


@strawberry.type(description="A page of an account's members.")
class AccountMemberConnection(_Page):
    """A page of an account's members."""

    edges: list[AccountMemberEdge] = _field(_EDGES)
    nodes: list[Customer] = _field(_NODES)


@strawberry.type(description="A row: a trait key.")
class TraitKeyEdge:
    """A row: a trait key."""

    cursor: str = _field(_CURSOR)
    node: TraitKey = _field("The row.")


@strawberry.type(description="A page of trait keys.")
class TraitKeyConnection(_Page):
    """A page of trait keys."""

    edges: list[TraitKeyEdge] = _field(_EDGES)
    nodes: list[TraitKey] = _field(_NODES)


@strawberry.type(description="A row: an audience.")
class AudienceEdge:
    """A row: an audience."""

    cursor: str = _field(_CURSOR)
    node: Audience = _field("The row.")


@strawberry.type(description="A page of audiences.")
class AudienceConnection(_Page):
    """A page of audiences."""

    edges: list[AudienceEdge] = _field(_EDGES)
    nodes: list[Audience] = _field(_NODES)


@strawberry.type(description="A row: a customer with their stay in the audience.")
class AudienceCustomerEdge:
    """A row: a customer with their stay in the audience."""

    cursor: str = _field(_CURSOR)
    node: Customer = _field("The row.")
    since: Moment = strawberry.field(
        description="When they came in.", metadata=sql(columns.moment("since"))
    )


@strawberry.type(description="A page of an audience's customers.")
class AudienceCustomerConnection(_Page):
    """A page of an audience's customers."""

    edges: list[AudienceCustomerEdge] = _field(_EDGES)
    nodes: list[Customer] = _field(_NODES)


@strawberry.type(description="A row: an account with its stay in the audience.")
class AudienceAccountEdge:
    """A row: an account with its stay in the audience."""

    cursor: str = _field(_CURSOR)
    node: Account = _field("The row.")
    since: Moment = strawberry.field(
        description="When they came in.", metadata=sql(columns.moment("since"))
    )


@strawberry.type(description="A page of an audience's accounts.")
class AudienceAccountConnection(_Page):
    """A page of an audience's accounts."""

    edges: list[AudienceAccountEdge] = _field(_EDGES)
    nodes: list[Account] = _field(_NODES)


@strawberry.type(description="A row: a write of a trait.")
class TraitChangeEdge:
    """A row: a write of a trait."""

    cursor: str = _field(_CURSOR)
    node: TraitChange = _field("The row.")


@strawberry.type(description="A page of writes of a trait.")
class TraitChangeConnection(_Page):
    """A page of writes of a trait."""

    edges: list[TraitChangeEdge] = _field(_EDGES)
    nodes: list[TraitChange] = _field(_NODES)


@strawberry.type(description="A row: an event.")
class EventEdge:
    """A row: an event."""

    cursor: str = _field(_CURSOR)
    node: Event = _field("The row.")


@strawberry.type(description="A page of events.")
class EventConnection(_Page):
    """A page of events."""

    edges: list[EventEdge] = _field(_EDGES)
    nodes: list[Event] = _field(_NODES)


@strawberry.type(description="A row: an API key.")
class ApiKeyEdge:
    """A row: an API key."""

    cursor: str = _field(_CURSOR)
    node: ApiKey = _field("The row.")


@strawberry.type(description="A page of API keys.")
class ApiKeyConnection(_Page):
    """A page of API keys."""

    edges: list[ApiKeyEdge] = _field(_EDGES)
    nodes: list[ApiKey] = _field(_NODES)


@strawberry.type(description="A row: an audit entry.")
class AuditEntryEdge:
    """A row: an audit entry."""

    cursor: str = _field(_CURSOR)
    node: AuditEntry = _field("The row.")


@strawberry.type(description="A page of audit entries.")
class AuditEntryConnection(_Page):
    """A page of audit entries."""

    edges: list[AuditEntryEdge] = _field(_EDGES)
    nodes: list[AuditEntry] = _field(_NODES)


@strawberry.type(description="A row: a quarantined message.")
class QuarantineEdge:
    """A row: a quarantined message."""

    cursor: str = _field(_CURSOR)
    node: QuarantinedMessage = _field("The row.")


@strawberry.type(description="A page of quarantined messages.")
class QuarantineConnection(_Page):
    """A page of quarantined messages."""

    edges: list[QuarantineEdge] = _field(_EDGES)
    nodes: list[QuarantinedMessage] = _field(_NODES)
