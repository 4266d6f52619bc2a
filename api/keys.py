"""API keys and workspaces: made, listed and revoked."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from api.auth import Scope, scopes_of
from ingest import audit
from ingest.audit import Entry
from models.database import Database, Raced, Transaction
from models.values import Micros, Workspace

DEFAULT_WORKSPACE = "default"
ADMIN_KEY_NAME = "CALYX_ADMIN_KEY"
SECRET_PREFIX = "calyx_"  # noqa: S105  # no secret: what each one begins with
WORKSPACE_NAME_BYTES_MAX = 256

_SECRET_BYTES = 32
_PREFIX_CHARACTERS = 12

_WORKSPACES = "select id, name, created_at from workspaces order by name"
_WORKSPACE = "select id, name, created_at from workspaces where name = ?1"
_NEW_WORKSPACE = """
insert into workspaces (id, name, created_at, erasure_key)
values ((select coalesce(max(id), 0) + 1 from workspaces), ?1, ?2, ?3)
on conflict do nothing
returning id, name, created_at
"""
_ANY_KEY = "select 1 from api_keys limit 1"
_KEYS = """
select k.key, w.name, k.name, k.prefix, k.scopes, k.created_at, k.expires_at, k.revoked_at, k.last_used_at,
    k.requests_per_minute
from api_keys k join workspaces w on w.id = k.workspace_id
"""
_NEW_KEY = """
insert into api_keys
    (workspace_id, id, key, hash, name, prefix, scopes, created_at, expires_at, requests_per_minute)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
on conflict (hash) do update
set revoked_at = null, scopes = excluded.scopes, expires_at = excluded.expires_at,
    requests_per_minute = excluded.requests_per_minute
where api_keys.workspace_id = excluded.workspace_id
"""
_REVOKE = (
    "update api_keys set revoked_at = coalesce(revoked_at, ?3) where workspace_id = ?1 and key = ?2"
)
_USED = "update api_keys set last_used_at = ?3 where workspace_id = ?1 and key = ?2"

RandomBytes = Callable[[int], bytes]


class Refused(Exception):
    """A key or workspace that cannot be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A workspace as listed."""

    workspace: Workspace
    created_at: Micros

    @property
    def public_id(self) -> str:
        """Return its global id."""
        return "wsp_" + sha256(self.workspace.name.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Key:
    """A key as listed: everything but its secret, which nobody has."""

    key: bytes
    workspace: str
    name: str
    prefix: str
    scopes: frozenset[Scope]
    created_at: Micros
    expires_at: Micros | None = None
    revoked_at: Micros | None = None
    last_used_at: Micros | None = None
    requests_per_minute: int | None = None

    @property
    def public_id(self) -> str:
        """Return its global id."""
        return f"key_{self.key.hex()}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key to be made: what it may do and what it is for; a `secret` only where the operator chose it."""

    name: str
    scopes: frozenset[Scope]
    expires_at: Micros | None = None
    secret: str | None = None
    requests_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made, and its secret, which is not to be had again."""

    key: Key
    secret: str


async def workspaces(database: Database) -> list[Tenant]:
    """Return every workspace, by name."""
    return [_tenant(row) for row in await database.read(_WORKSPACES)]


async def find_workspace(database: Database, name: str) -> Tenant | None:
    """Return the workspace of this name."""
    rows = await database.read(_WORKSPACE, (name,))
    return _tenant(rows[0]) if rows else None


async def ensure_workspace(
    database: Database, name: str, now: Micros, *, random: RandomBytes = secrets.token_bytes
) -> tuple[Tenant, bool]:
    """Return the workspace of this name, and whether it was made just now; raise Refused for no name."""
    if not name.strip() or not name.isprintable() or len(name.encode()) > WORKSPACE_NAME_BYTES_MAX:
        raise Refused(
            f"a workspace's name is 1 to {WORKSPACE_NAME_BYTES_MAX} bytes of printable text, not {name!r}"
        )
    found = await find_workspace(database, name)
    if found is not None:
        return found, False

    async def work(tx: Transaction) -> tuple[Tenant, bool]:
        made = await tx.fetch(_NEW_WORKSPACE, (name, now, random(_SECRET_BYTES)))
        rows = made or await tx.fetch(_WORKSPACE, (name,))
        if not rows:
            # Somebody just took the number for another name.
            raise Raced
        return _tenant(rows[0]), bool(made)

    return await database.write(work)


async def create(
    database: Database,
    workspace: Workspace,
    wanted: Wanted,
    *,
    now: Micros,
    random: RandomBytes = secrets.token_bytes,
    entry: Entry | None = None,
) -> NewKey:
    """Return a new key of a workspace, stored, with the audit's `entry` of it. A secret that is there already gets these scopes and works again."""
    if not wanted.scopes:
        raise Refused("a key needs at least one scope: ingest, read, write or admin")
    secret, row = _new_key(workspace, wanted, now, random)

    async def work(tx: Transaction) -> None:
        await tx.fetch(_NEW_KEY, row)
        await audit.write(tx, workspace, [] if entry is None else [entry])

    await database.write(work)
    made = await database.read(
        f"{_KEYS} where k.workspace_id = ?1 and k.hash = ?2", (workspace.id, row[3])
    )
    if not made:
        raise Refused("this secret is already a key of another workspace: take another")
    return NewKey(_key(made[0]), secret)


def _new_key(
    workspace: Workspace, wanted: Wanted, now: Micros, random: RandomBytes
) -> tuple[str, tuple[Any, ...]]:
    number = random(16)
    secret = wanted.secret or SECRET_PREFIX + random(_SECRET_BYTES).hex()
    digest = sha256(secret.encode()).digest()
    row = (
        workspace.id,
        int.from_bytes(number[:8]) >> 1,
        number,
        digest,
        wanted.name,
        # An operator's own secret may be short: its beginning would give too much of it away.
        "" if wanted.secret else secret[:_PREFIX_CHARACTERS],
        ",".join(scope for scope in Scope if scope in wanted.scopes),
        now,
        wanted.expires_at,
        wanted.requests_per_minute,
    )
    return secret, row


async def listed(database: Database, workspace: Workspace | None = None) -> list[Key]:
    """Return the keys of one workspace, or of all, revoked ones included, the newest first."""
    tail = "order by k.created_at desc, k.key"
    if workspace is None:
        rows = await database.read(f"{_KEYS} {tail}")
    else:
        rows = await database.read(f"{_KEYS} where k.workspace_id = ?1 {tail}", (workspace.id,))
    return [_key(row) for row in rows]


async def revoke(
    database: Database, public_id: str, now: Micros, entry: Entry | None = None
) -> Key | None:
    """Return the key of this global id, revoked; None if there is none. Revoking twice is no error."""
    try:
        number = bytes.fromhex(public_id.removeprefix("key_"))
    except ValueError:
        return None
    sql = (
        "select w.id, w.name from api_keys k join workspaces w on w.id = k.workspace_id"
        " where k.key = ?1"
    )
    for row in await database.read(sql, (number,)):
        return await revoke_in(database, Workspace(*row), number, now, entry)
    return None


async def revoke_in(
    database: Database, workspace: Workspace, number: bytes, now: Micros, entry: Entry | None = None
) -> Key | None:
    """Return the key of this number in this workspace, revoked; None if it has no such key."""
    sql = f"{_KEYS} where k.workspace_id = ?1 and k.key = ?2"

    async def work(tx: Transaction) -> list[tuple[Any, ...]]:
        await tx.fetch(_REVOKE, (workspace.id, number, now))
        found = await tx.fetch(sql, (workspace.id, number))
        await audit.write(tx, workspace, [] if entry is None or not found else [entry])
        return found

    for row in await database.write(work):
        return _key(row)
    return None


async def ensure_default(
    database: Database, now: Micros, admin_key: str | None, *, first_key: bool = True
) -> NewKey | None:
    """Make workspace `default`; where there is no key yet, return a new admin key that nobody else has seen.

    An `admin_key` of the operator's own is made to work instead, whatever became of it meanwhile.
    """
    if admin_key is not None:
        tenant, _ = await ensure_workspace(database, DEFAULT_WORKSPACE, now)
        wanted = Wanted(ADMIN_KEY_NAME, frozenset({Scope.ADMIN}), secret=admin_key)
        await create(database, tenant.workspace, wanted, now=now)
        return None
    if not first_key or await database.read(_ANY_KEY):
        return None
    tenant, _ = await ensure_workspace(database, DEFAULT_WORKSPACE, now)
    wanted = Wanted("first admin key", frozenset({Scope.ADMIN}))
    secret, row = _new_key(tenant.workspace, wanted, now, secrets.token_bytes)

    async def work(tx: Transaction) -> list[tuple[Any, ...]]:
        # Of servers that start at once on an empty database, one makes the key.
        await tx.enter(tenant.workspace.id)
        await tx.alone(tenant.workspace.id)
        if await tx.fetch(_ANY_KEY, ()):
            return []
        await tx.fetch(_NEW_KEY, row)
        sql = f"{_KEYS} where k.workspace_id = ?1 and k.hash = ?2"
        return await tx.fetch(sql, (tenant.workspace.id, row[3]))

    made = await database.write(work)
    return NewKey(_key(made[0]), secret) if made else None


async def note_used(database: Database, used: dict[tuple[int, bytes], Micros]) -> None:
    """Store when keys, by workspace and number, were last used."""
    if not used:
        return

    async def work(tx: Transaction) -> None:
        for (workspace_id, key), at in sorted(used.items()):
            await tx.fetch(_USED, (workspace_id, key, at))

    await database.write(work)


def _tenant(row: tuple[Any, ...]) -> Tenant:
    number, name, created_at = row
    return Tenant(Workspace(number, name), created_at)


def _key(row: tuple[Any, ...]) -> Key:
    key, workspace, name, prefix, scopes, *times = row
    return Key(key, workspace, name, prefix, scopes_of(scopes), *times)
