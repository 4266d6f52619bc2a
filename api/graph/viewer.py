"""Who is asking, as the API shows it: the key, its workspace, and the limits."""

from __future__ import annotations

import strawberry

from api.graph import columns, compile_roots
from api.graph.columns import sql
from api.graph.enums import Scope
from api.graph.scalars import Moment
from api.graph.types import Node


@strawberry.type(description="A key to the API. Only a hash of its secret is kept.")
class ApiKey(Node):
    """A key to the API."""

    id: strawberry.ID = strawberry.field(
        description="Global id: opaque, permanent.", metadata=sql(columns.global_id("key"))
    )
    name: str = strawberry.field(
        description="What it is for, in the words of whoever made it.",
        metadata=sql(columns.text("name")),
    )
    prefix: str = strawberry.field(
        description="First characters of the secret, to tell keys apart.",
        metadata=sql(columns.text("prefix")),
    )
    scopes: list[Scope] = strawberry.field(
        description="What it may do.", metadata=sql(compile_roots.api_key_scopes)
    )
    created_at: Moment = strawberry.field(
        description="When it was created.", metadata=sql(columns.moment("created_at"))
    )
    expires_at: Moment | None = strawberry.field(
        description="When it ceases to work; null when never.",
        metadata=sql(columns.moment("expires_at", nullable=True)),
    )
    revoked_at: Moment | None = strawberry.field(
        description="When it was revoked; null while it works.",
        metadata=sql(columns.moment("revoked_at", nullable=True)),
    )
    last_used_at: Moment | None = strawberry.field(
        description="When it was last used, to about a minute; null when never.",
        metadata=sql(columns.moment("last_used_at", nullable=True)),
    )


@strawberry.type(description="A tenant. Nothing is shared between workspaces.")
class Workspace(Node):
    """A tenant."""

    id: strawberry.ID = strawberry.field(
        description="Global id: opaque, permanent.", metadata=sql(compile_roots.workspace_id)
    )
    name: str = strawberry.field(description="Its name.", metadata=sql(columns.text("name")))
    created_at: Moment = strawberry.field(
        description="When it was created.", metadata=sql(columns.moment("created_at"))
    )


@strawberry.type(description="What a request may ask for. More is refused before it runs.")
class Limits:
    """What a request may ask for."""

    page_size_default: int = strawberry.field(
        description="Rows of a page when none is asked for.",
        metadata=sql(compile_roots.PAGE_SIZE_DEFAULT),
    )
    page_size_max: int = strawberry.field(
        description="Rows of a page at most.", metadata=sql(compile_roots.PAGE_SIZE_MAX)
    )
    cost_max: int = strawberry.field(
        description="Cost of an operation at most; what it did cost is in `extensions.cost`.",
        metadata=sql(compile_roots.limit(lambda asked: asked.limits.cost_max)),
    )
    depth_max: int = strawberry.field(
        description="Depth of an operation at most.",
        metadata=sql(compile_roots.limit(lambda asked: asked.limits.depth_max)),
    )
    message_bytes_max: int = strawberry.field(
        description="Bytes of a posted message at most.",
        metadata=sql(compile_roots.limit(lambda asked: asked.message_bytes_max)),
    )
    requests_per_minute: int | None = strawberry.field(
        description="Requests per minute of this key; null when not limited.",
        metadata=sql(compile_roots.limit(lambda asked: asked.requests_per_minute)),
    )


@strawberry.type(description="The key that asks, and what it may do.")
class Viewer:
    """The key that asks, and what it may do."""

    key: ApiKey = strawberry.field(description="The key.", metadata=sql(compile_roots.viewer_key))
    scopes: list[Scope] = strawberry.field(
        description="What the key may do; `ADMIN` implies all.",
        metadata=sql(compile_roots.viewer_scopes),
    )
    workspace: Workspace = strawberry.field(
        description="The workspace the key belongs to.",
        metadata=sql(compile_roots.viewer_workspace),
    )
    limits: Limits = strawberry.field(
        description="What a request may ask for.", metadata=sql(compile_roots.viewer_limits)
    )
