"""How customers, accounts, memberships and events are found: one by one, and as lists."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from api.graph import compile_event_filters as event_filters
from api.graph import compile_filters as filters
from api.graph import compile_indexed as indexed
from api.graph import compile_orders as orders
from api.graph import ids
from api.graph.columns import Render
from api.graph.compile import Compile
from api.graph.compile_branches import Sorting
from api.graph.compile_orders import ACCOUNT_COLUMNS, CUSTOMER_COLUMNS, MEMBER_COLUMNS, Term
from api.graph.compile_pages import Listing, connection
from api.graph.failures import bad_input
from api.graph.ids import BadId
from api.graph.page import Kind as PartKind
from api.graph.plan import Field, Leaf
from api.graph.statement import Binder, Row, Sql, Text
from ingest.indexes import Kind as IndexKind
from models.values import Entity, Kind


def customer(c: Compile, _: Row, field: Field) -> Sql:
    """Read one customer by one of its ids."""
    name, leaf = one_of(field, ("id", "userId", "anonymousId"))
    if name == "id":
        return customer_by_key(c, field, c.draft.bind_key(key_in_id(leaf, ids.CUSTOMER)))
    kind = Kind.USER if name == "userId" else Kind.DEVICE
    return customer_by_key(c, field, c.draft.bind_key(event_filters.key_of(leaf, kind)))


def account(c: Compile, _: Row, field: Field) -> Sql:
    """Read one account by one of its ids."""
    name, leaf = one_of(field, ("id", "groupId"))
    binder = key_in_id(leaf, ids.ACCOUNT) if name == "id" else event_filters.key_of(leaf, None)
    return account_by_key(c, field, c.draft.bind_key(binder))


def customer_by_key(c: Compile, field: Field, key: Sql) -> Sql:
    """Read the customer that an identity's key finds, joined into another or not."""
    i, t = c.draft.alias("i"), c.draft.alias("t")
    tables = {i: "identities", t: "customers"}
    row = Row(t, t, entity=Entity.CUSTOMER)
    return c.one(field, "Customer", row, tables, [f"{i}.key = {key}", f"{t}.id = {i}.customer_id"])


def account_by_key(c: Compile, field: Field, key: Sql) -> Sql:
    """Read the account with a key, deleted or not."""
    t = c.draft.alias("t")
    row = Row(t, t, entity=Entity.ACCOUNT)
    return c.one(field, "Account", row, {t: "accounts"}, [f"{t}.key = {key}"])


def event_by_key(c: Compile, field: Field, key: Sql) -> Sql:
    """Read the event with a key, if it is shown."""
    t = c.draft.alias("t")
    where = [f"{t}.key = {key}", f"{t}.veil = 0"]
    return c.one(field, "Event", Row(t, t), {t: "events"}, where)


def event_by_owner(c: Compile, owner: Row, field: Field, stamp: list[Sql]) -> Sql:
    """Read the event of a customer or an account that has a stamp."""
    t, number = c.draft.alias("t"), owner.column("id")
    if owner.entity == Entity.CUSTOMER:
        of = event_filters.of_customer(c.draft, t, number)
    else:
        of = event_filters.of_account(t, number)
    at, message_id, digest = stamp
    where = [of, f"{t}.at = {c.dialect.number(at)}", f"{t}.message_id = {message_id}"]
    # The second half of its key is the beginning of its digest.
    where.append(f"{c.dialect.hex(f'substr({t}.key, 9, 8)')} = {digest}")
    return c.one(field, "Event", Row(t, t), {t: "events"}, where)


def customer_of(column: str) -> Render:
    """Read the customer whose number a column holds."""

    def render(c: Compile, row: Row, field: Field) -> Sql:
        t = c.draft.alias("t")
        found = Row(t, t, entity=Entity.CUSTOMER)
        return c.one(field, "Customer", found, {t: "customers"}, [f"{t}.id = {row.column(column)}"])

    return render


def account_of(column: str) -> Render:
    """Read the account whose number a column holds."""

    def render(c: Compile, row: Row, field: Field) -> Sql:
        t = c.draft.alias("t")
        found = Row(t, t, entity=Entity.ACCOUNT)
        return c.one(field, "Account", found, {t: "accounts"}, [f"{t}.id = {row.column(column)}"])

    return render


def customer_of_event(c: Compile, row: Row, field: Field) -> Sql:
    """Read the customer to whom an event's identity belongs now."""
    i, t = c.draft.alias("i"), c.draft.alias("t")
    where = [f"{i}.id = {row.column('whom')}", f"{t}.id = {i}.customer_id"]
    found = Row(t, t, entity=Entity.CUSTOMER)
    return c.one(field, "Customer", found, {i: "identities", t: "customers"}, where)


def customers(c: Compile, _: Row, field: Field) -> Text:
    """List customers."""
    draft, t = c.draft, c.draft.alias("t")
    order = orders.asked_order(draft, t, field.given("orderBy"), [(t, CUSTOMER_COLUMNS)])
    where = [
        filters.customer_condition(draft, t, field.given("where")),
        *customer_search(c, t, field),
    ]
    order = closed(order or [orders.number(t, "last_seen_at")], t)
    listing = Listing("Customer", t, {t: "customers"}, where, order, entity=Entity.CUSTOMER)
    return connection(c, _indexed(c, listing, field), field)


def accounts(c: Compile, _: Row, field: Field) -> Text:
    """List accounts, deleted ones only where the filter mentions them."""
    draft, t = c.draft, c.draft.alias("t")
    order = orders.asked_order(draft, t, field.given("orderBy"), [(t, ACCOUNT_COLUMNS)])
    where = [filters.listed_account_condition(draft, t, field.given("where"))]
    words = field.given("search")
    if isinstance(words, Leaf):
        folded = [f"{t}.name_folded", f"{t}.group_id_folded"]
        where.append(filters.search_condition(draft, words, folded, None))
    order = closed(order or [orders.number(t, "last_seen_at")], t)
    if order[0].part.kind is PartKind.NUMBER:
        # An index has the keys of accounts by themselves, others have their times.
        order[-1] = replace(order[-1], said=draft.dialect.unled(order[-1].sql))
    listing = Listing("Account", t, {t: "accounts"}, where, order, entity=Entity.ACCOUNT)
    return connection(c, _indexed(c, listing, field), field)


def _indexed(c: Compile, listing: Listing, field: Field) -> Listing:
    """Return a list of all customers or accounts, with the indexes that help with it."""
    draft, entity = c.draft, Entity(listing.entity)
    finds = indexed.search_finds(draft, entity, field.given("search"))
    finds += indexed.finds(draft, entity, field.given("where"))
    key, sorting = listing.order[0].trait, None
    if key is not None and indexed.granted(draft, IndexKind(entity), key):
        number = indexed.index_number(draft, IndexKind(entity), key)
        sorting = Sorting(listing.node, number, draft.alias("v"))
    return replace(listing, finds=finds, sorting=sorting)


def accounts_of_customer(c: Compile, row: Row, field: Field) -> Text:
    """List the accounts that a customer is a member of, the latest joined first."""
    draft, m, t = c.draft, c.draft.alias("m"), c.draft.alias("t")
    where = [
        f"{m}.customer_id = {row.column('id')}",
        f"{t}.id = {m}.account_id",
        filters.live_in(m, t),
    ]
    where.append(filters.account_condition(draft, t, field.given("where")))
    where.append(filters.role_condition(draft, m, field.given("role")))
    order = closed([orders.number(m, "joined_at")], t)
    tables = {m: "memberships", t: "accounts"}
    listing = Listing("Account", t, tables, where, order, edge=m, entity=Entity.ACCOUNT)
    return connection(c, listing, field)


def members_of_account(c: Compile, row: Row, field: Field) -> Text:
    """List the customers who are members of an account."""
    draft, m, t = c.draft, c.draft.alias("m"), c.draft.alias("t")
    columns = [(m, MEMBER_COLUMNS), (t, CUSTOMER_COLUMNS)]
    order = orders.asked_order(draft, t, field.given("orderBy"), columns)
    live = filters.live(m, row.column("deleted_at"), row.column("last_deletion_at"))
    where = [f"{m}.account_id = {row.column('id')}", f"{t}.id = {m}.customer_id", live]
    where.append(filters.customer_condition(draft, t, field.given("where")))
    where.append(filters.role_condition(draft, m, field.given("role")))
    where += customer_search(c, t, field)
    order = closed(order or [orders.number(m, "joined_at")], t)
    tables = {m: "memberships", t: "customers"}
    listing = Listing("Customer", t, tables, where, order, edge=m, entity=Entity.CUSTOMER)
    return connection(c, listing, field)


def events(c: Compile, _: Row, field: Field) -> Text:
    """List the events of the workspace."""
    t = c.draft.alias("t")
    return _events(c, t, [f"{t}.veil = 0"], field)


def timeline(c: Compile, row: Row, field: Field) -> Text:
    """List the events of a customer or an account."""
    t, owner = c.draft.alias("t"), row.column("id")
    if row.entity == Entity.CUSTOMER:
        return _events(c, t, [event_filters.of_customer(c.draft, t, owner)], field)
    return _events(c, t, [event_filters.of_account(t, owner)], field)


def _events(c: Compile, t: str, where: list[Sql], field: Field) -> Text:
    where = [*where, event_filters.event_condition(c.draft, t, field.given("where"))]
    order = [orders.number(t, "at"), orders.text(t, "message_id", descending=True)]
    listing = Listing("Event", t, {t: "events"}, where, closed(order, t))
    return connection(c, listing, field)


def customer_search(c: Compile, t: str, field: Field) -> list[Sql]:
    """Return what `search` asks of the customer at `t`, if it is given."""
    words = field.given("search")
    if not isinstance(words, Leaf):
        return []
    draft = c.draft

    def ids_begin(word: Sql) -> Sql:
        i = draft.alias("i")
        begun = filters.begins(draft, f"{i}.folded", word)
        return draft.exists({i: "identities"}, [f"{i}.customer_id = {t}.id", begun])

    folded = [f"{t}.email_folded", f"{t}.name_folded"]
    return [filters.search_condition(draft, words, folded, ids_begin)]


def closed(order: list[Term], alias: str) -> list[Term]:
    """Return an order in which no two rows are alike."""
    return [*order, orders.key(alias, descending=order[-1].descending)]


def identifiers(*, device: bool) -> Render:
    """Read a customer's anonymousIds, or the userIds joined into it."""

    def render(c: Compile, row: Row, _: Field) -> Sql:
        i, x = c.draft.alias("i"), c.draft.alias("x")
        where = [f"{i}.customer_id = {row.column('id')}"]
        if device:
            where += [f"{i}.kind = 1", f"{i}.seen = 1"]
        else:
            same = c.dialect.same(f"{i}.identifier", row.column("user_id"))
            where += [f"{i}.kind = 0", f"NOT ({same})"]
        rows = c.draft.stored({i: "identities"}, where)
        inner = f"SELECT {i}.identifier AS identifier {rows} ORDER BY {i}.identifier"
        joined = c.dialect.joined(c.dialect.quoted(f"{x}.identifier"))
        return f"'[' || (SELECT {joined} FROM ({inner}) AS {x}) || ']'"

    return render


def sent_id(name: str) -> Render:
    """Read the userId, anonymousId or groupId that an event was sent with."""

    def render(c: Compile, row: Row, _: Field) -> Sql:
        draft, t = c.draft, c.draft.alias("t")
        if name == "groupId":
            where = [f"{t}.id = {row.column('account_id')}"]
            return c.dialect.quoted(draft.one(f"{t}.group_id", {t: "accounts"}, where))
        place, kind = row.column("whom"), Kind.USER
        if name == "anonymousId":
            place, kind = f"coalesce({row.column('device')}, {place})", Kind.DEVICE
        where = [f"{t}.id = {place}", f"{t}.kind = {kind.value}"]
        return c.dialect.quoted(draft.one(f"{t}.identifier", {t: "identities"}, where))

    return render


def body_object(name: str) -> Render:
    """Read an object out of an event's message; `{}` where it has none."""
    return lambda c, row, _: c.dialect.object_at(row.column("body"), name)


def previous_id(c: Compile, row: Row, _: Field) -> Sql:
    """Read the previousId that an event was sent with."""
    return c.dialect.id_at(row.column("body"), "previousId")


def position(_: Compile, row: Row, __: Field) -> Sql:
    """Read an event's place in the log."""
    return f"'\"' || {row.column('id')} || '\"'"


def one_of(field: Field, names: tuple[str, ...]) -> tuple[str, Leaf]:
    """Return the one argument that was given; raise Failure for none or several."""
    given = [(name, value) for name in names if isinstance(value := field.given(name), Leaf)]
    if len(given) != 1:
        listed = ", ".join(f"`{name}`" for name in names)
        raise bad_input(f"`{field.name}` takes exactly one of {listed}", field.node)
    return given[0]


def key_in_id(leaf: Leaf, prefix: str) -> Binder:
    """Bind the key in a global id; raise Failure for what is no id."""

    def bind(asked: Any) -> bytes:
        try:
            return ids.key_of_kind(leaf.read(asked.variables), prefix)
        except BadId as error:
            raise bad_input(str(error)) from None

    return bind
