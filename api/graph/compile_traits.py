"""How traits, audience flags and audiences are read."""

from __future__ import annotations

from dataclasses import dataclass

from api.graph import compile_filters as filters
from api.graph import compile_orders as orders
from api.graph.compile import Compile
from api.graph.compile_pages import Listing, connection
from api.graph.compile_reads import closed, event_by_owner
from api.graph.compile_values import folded_of, list_of, text_of, value_of
from api.graph.enums import Entity as EntityName
from api.graph.enums import FlagOrigin
from api.graph.failures import bad_input
from api.graph.page import SIZE_MAX
from api.graph.plan import Field, Leaf
from api.graph.statement import Row, Sql, Text
from models.values import Entity

ORIGINS = ("TRAIT", "ENGAGE")


@dataclass(slots=True)
class TraitRow(Row):
    """A trait: a member of its owner's traits, and of the registers beside them."""

    member: str = ""
    register: str = ""

    def of(self) -> Row:
        """Return whose trait it is."""
        if self.owner is None:
            raise TypeError("a trait has an owner")
        return self.owner


def traits(c: Compile, row: Row, field: Field) -> Sql:
    """Read all traits as they are stored, or those with the keys asked for."""
    keys, document = field.given("keys"), row.column("traits")
    if not isinstance(keys, Leaf):
        return document
    return c.dialect.only(document, c.draft.bind(list_of(keys)))


def trait(c: Compile, row: Row, field: Field) -> Sql:
    """Read one trait with where it comes from."""
    key = field.given("key")
    if not isinstance(key, Leaf):
        raise bad_input("`key` must not be null: say which trait", field.node)
    bound = c.draft.bind(text_of(key))
    found = _trait_row(c, row, "")
    where = [f"{found.member}.key = {bound}", f"{found.register}.key = {bound}"]
    rows = _trait_rows(c, found, where)
    return f"coalesce((SELECT {c.object(found, 'Trait', field)} {rows}), 'null')"


def trait_entries(c: Compile, row: Row, field: Field) -> Sql:
    """Read traits one by one, by key."""
    keys = field.given("keys")
    found = _trait_row(c, row, c.draft.alias("x"))
    found.noted = {}
    where = [f"{found.register}.key = {found.member}.key"]
    if isinstance(keys, Leaf):
        where.append(f"{found.member}.key IN {c.dialect.listed(c.draft.bind(list_of(keys)))}")
    return c.plain_list(
        field, found, _trait_rows(c, found, where), c.dialect.by_bytes(f"{found.member}.key")
    )


def _trait_row(c: Compile, owner: Row, alias: str) -> TraitRow:
    member, register = c.draft.alias("j"), c.draft.alias("r")
    return TraitRow(alias, member, owner=owner, member=member, register=register)


def _trait_rows(c: Compile, row: TraitRow, where: list[Sql]) -> Sql:
    owner = row.of()
    registers = c.dialect.part(owner.column("registers"), "k")
    sources = [
        c.dialect.members(owner.column("traits"), row.member),
        c.dialect.members(registers, row.register),
    ]
    return c.draft.stored({}, where, sources)


def _as_trait(row: Row) -> TraitRow:
    if not isinstance(row, TraitRow):
        raise TypeError("only a trait has these fields")
    return row


def _stamp(c: Compile, row: Row) -> Sql:
    """Return the stamp of the newest write: a list of its time, messageId and digest."""
    trait = _as_trait(row)
    dialect, value = c.dialect, c.dialect.member_value(trait.register)
    listed = dialect.member_is_list(trait.register)
    place = f"CASE WHEN {listed} THEN {dialect.element(value, '0')} ELSE {value} END"
    stamps = dialect.part(trait.of().column("registers"), "s")
    return row.note("stamp", dialect.element(stamps, place))


def trait_key(c: Compile, row: Row, _: Field) -> Sql:
    """Read a trait's key."""
    return c.dialect.quoted(row.note("key", f"{_as_trait(row).member}.key"))


def trait_value(c: Compile, row: Row, _: Field) -> Sql:
    """Read a trait's value, as it was stored."""
    trait = _as_trait(row)
    return row.note("value", c.dialect.member_json(trait.of().column("traits"), trait.member))


def trait_set_at(c: Compile, row: Row, _: Field) -> Sql:
    """Read when a trait was said."""
    at = c.dialect.number(c.dialect.element(_stamp(c, row), "0"))
    return c.dialect.moment(at, nullable=False)


def trait_message_id(c: Compile, row: Row, _: Field) -> Sql:
    """Read the id of the message that said a trait."""
    return c.dialect.quoted(c.dialect.element(_stamp(c, row), "1"))


def trait_set_by(c: Compile, row: Row, field: Field) -> Sql:
    """Read the event that said a trait."""
    stamp = _stamp(c, row)
    parts = [c.dialect.element(stamp, str(at)) for at in range(3)]
    return event_by_owner(c, _as_trait(row).of(), field, parts)


def trait_origin(c: Compile, row: Row, _: Field) -> Sql:
    """Read whether an audience builder computed a trait."""
    register = _as_trait(row).register
    mark = c.dialect.element(c.dialect.member_value(register), "2")
    marked = f"CASE WHEN {c.dialect.member_is_list(register)} THEN {mark} END"
    return f"CASE WHEN {row.note('marked', marked)} IS NULL THEN '\"TRAIT\"' ELSE '\"ENGAGE\"' END"


@dataclass(slots=True)
class FlagRow(Row):
    """A flag, and the audience whose key it has."""

    audience: str = ""


def flags(c: Compile, row: Row, field: Field) -> Sql:
    """Read the audience flags of a customer or an account, by key."""
    draft, f, a = c.draft, c.draft.alias("f"), c.draft.alias("a")
    where = [f"{f}.entity = {int(row.entity)}", f"{f}.owner_id = {row.column('id')}"]
    where += [f"{f}.member IS NOT NULL", f"{a}.id = {f}.audience_id"]
    keys, member, origin = (field.given(name) for name in ("keys", "member", "origin"))
    if isinstance(keys, Leaf):
        where.append(f"{a}.key IN {c.dialect.listed(draft.bind(list_of(keys)))}")
    if isinstance(member, Leaf):
        where.append(f"{f}.member = {int(member.known())}")
    if isinstance(origin, Leaf):
        where.append(f"{f}.origin = {_origin(origin)}")
    found = FlagRow(draft.alias("x"), f, {}, audience=a)
    return c.plain_list(field, found, draft.stored({f: "flags", a: "audiences"}, where), f"{a}.key")


def in_audience(c: Compile, row: Row, field: Field) -> Sql:
    """Read whether a customer or an account is in an audience now."""
    key = field.given("key")
    if not isinstance(key, Leaf):
        raise bad_input("`key` must not be null: say which audience", field.node)
    bound = c.draft.bind(text_of(key))
    member = filters.is_member(c.draft, row.entity, row.column("id"), f"= {bound}")
    return f"CASE WHEN {member} THEN 'true' ELSE 'false' END"


def flag_key(c: Compile, row: Row, _: Field) -> Sql:
    """Read the key of a flag's audience."""
    if not isinstance(row, FlagRow):
        raise TypeError("only a flag has this field")
    return c.dialect.quoted(row.note("key", f"{row.audience}.key"))


def flag_intervals(c: Compile, row: Row, field: Field) -> Sql:
    """Read the latest stays in an audience, oldest first."""
    draft, v, y = c.draft, c.draft.alias("v"), c.draft.alias("y")
    last = field.given("last")
    size = last.known() if isinstance(last, Leaf) else SIZE_MAX
    if not 0 <= size <= SIZE_MAX:
        raise bad_input(f"`last` is {size}: send 0 to {SIZE_MAX}", field.node)
    where = [
        f"{v}.audience_id = {row.column('audience_id')}",
        f"{v}.owner_id = {row.column('owner_id')}",
    ]
    columns = f"{v}.entered_at AS entered_at, {v}.left_at AS left_at"
    rows = draft.stored({v: "intervals"}, where)
    latest = f"SELECT {columns} {rows} ORDER BY {v}.entered_at DESC LIMIT {size}"
    found = Row(draft.alias("x"), y, {})
    return c.plain_list(field, found, f"FROM ({latest}) AS {y}", f"{y}.entered_at")


def audience_of_flag(c: Compile, row: Row, field: Field) -> Sql:
    """Read the catalog's entry of a flag's audience."""
    t = c.draft.alias("t")
    return c.one(
        field, "Audience", Row(t, t), {t: "audiences"}, [f"{t}.id = {row.column('audience_id')}"]
    )


def audience(c: Compile, _: Row, field: Field) -> Sql:
    """Read one audience by its key."""
    key, entity = field.given("key"), field.given("entity")
    if not isinstance(key, Leaf) or not isinstance(entity, Leaf):
        raise bad_input("`key` and `entity` must not be null", field.node)
    t, bound = c.draft.alias("t"), c.draft.bind(text_of(key))
    where = [f"{t}.entity = {_entity(entity)}", f"{t}.key = {bound}", _in_use(c, t)]
    return c.one(field, "Audience", Row(t, t), {t: "audiences"}, where)


def audience_by_name(c: Compile, field: Field, entity: Sql, key: Sql) -> Sql:
    """Read the audience that a global id names."""
    t = c.draft.alias("t")
    where = [f"{t}.entity = {entity}", f"{t}.key = {key}", _in_use(c, t)]
    return c.one(field, "Audience", Row(t, t), {t: "audiences"}, where)


def audiences(c: Compile, _: Row, field: Field) -> Text:
    """List the catalog of audiences, by key."""
    draft, t = c.draft, c.draft.alias("t")
    where = [_in_use(c, t)]
    entity, origin, part = (field.given(name) for name in ("entity", "origin", "search"))
    if isinstance(entity, Leaf):
        where.append(f"{t}.entity = {_entity(entity)}")
    if isinstance(origin, Leaf):
        computed = _computed(c, t)
        where.append(computed if origin.known() is FlagOrigin.ENGAGE else f"NOT {computed}")
    if isinstance(part, Leaf):
        where.append(c.dialect.contains(f"{t}.folded", draft.bind(folded_of(part))))
    order = [orders.text(t, "key"), orders.number(t, "entity", descending=False)]
    return connection(c, Listing("Audience", t, {t: "audiences"}, where, order), field)


def audience_id(c: Compile, row: Row, _: Field) -> Sql:
    """Read an audience's global id."""
    letter = f"CASE {row.column('entity')} WHEN 0 THEN 'c' ELSE 'a' END"
    named = c.dialect.hex_of_text(f"{letter} || {row.column('key')}")
    return f"'\"aud_' || {named} || '\"'"


def audience_origin(c: Compile, row: Row, _: Field) -> Sql:
    """Read whether any write of an audience's key came from an audience builder."""
    f = c.draft.alias("f")
    where = [f"{f}.audience_id = {row.column('id')}", f"{f}.origin = 1"]
    return f"CASE WHEN {c.draft.exists({f: 'flags'}, where)} THEN '\"ENGAGE\"' ELSE '\"TRAIT\"' END"


def audience_computation_id(c: Compile, row: Row, _: Field) -> Sql:
    """Read the computation of the newest flag that has one."""
    f = c.draft.alias("f")
    where = [f"{f}.audience_id = {row.column('id')}", f"{f}.computation_id IS NOT NULL"]
    newest = f"{f}.since DESC, {f}.computation_id DESC"
    return c.dialect.quoted(c.draft.one(f"{f}.computation_id", {f: "flags"}, where, newest))


def audience_first_changed_at(c: Compile, row: Row, _: Field) -> Sql:
    """Read when anyone first entered; of an audience nobody was ever in, when its first flag came."""
    entered = _extreme(c, row, "intervals", "min", "entered_at")
    since = _extreme(c, row, "flags", "min", "since")
    return c.dialect.moment(
        row.note("first_changed", f"coalesce({entered}, {since})"), nullable=False
    )


def audience_last_changed_at(c: Compile, row: Row, _: Field) -> Sql:
    """Read when anyone last entered or left."""
    entered = _extreme(c, row, "intervals", "max", "entered_at")
    left = _extreme(c, row, "intervals", "max", "left_at")
    since = _extreme(c, row, "flags", "max", "since")
    changed = c.dialect.later(f"coalesce({entered}, -1)", f"coalesce({left}, -1)")
    either = f"CASE WHEN {entered} IS NULL THEN {since} ELSE {changed} END"
    return c.dialect.moment(row.note("last_changed", either), nullable=False)


def _extreme(c: Compile, row: Row, table: str, function: str, column: str) -> Sql:
    v = c.draft.alias("v")
    # Of a page's row this is computed where the row itself is, not in the object around it.
    audience = f"{row.source}.id" if row.noted is not None else row.column("id")
    return c.draft.one(f"{function}({v}.{column})", {v: table}, [f"{v}.audience_id = {audience}"])


def audience_member_count(c: Compile, row: Row, _: Field) -> Sql:
    """Count the members of an audience, deleted accounts left out."""
    f, g, a = (c.draft.alias(letter) for letter in "fga")
    of = f"audience_id = {row.column('id')}"
    people = c.draft.one("count(*)", {f: "flags"}, [f"{f}.{of}", f"{f}.member = 1"])
    where = [f"{g}.{of}", f"{g}.member = 1", f"{a}.id = {g}.owner_id", f"{a}.deleted_at IS NULL"]
    firms = c.draft.one("count(*)", {g: "flags", a: "accounts"}, where)
    return f"CASE {row.column('entity')} WHEN 0 THEN {people} ELSE {firms} END"


def audience_customers(c: Compile, row: Row, field: Field) -> Text:
    """List the customers who are in an audience, the latest entered first."""
    t = c.draft.alias("t")
    condition = filters.customer_condition(c.draft, t, field.given("where"))
    return _audience_members(c, row, field, t, Entity.CUSTOMER, condition)


def audience_accounts(c: Compile, row: Row, field: Field) -> Text:
    """List the accounts that are in an audience, the latest entered first."""
    t = c.draft.alias("t")
    condition = filters.listed_account_condition(c.draft, t, field.given("where"))
    return _audience_members(c, row, field, t, Entity.ACCOUNT, condition)


def _audience_members(
    c: Compile, row: Row, field: Field, t: str, entity: Entity, condition: Sql
) -> Text:
    f, then = c.draft.alias("f"), field.given("asOf")
    kind, table = (
        ("Customer", "customers") if entity is Entity.CUSTOMER else ("Account", "accounts")
    )
    where = [f"{f}.audience_id = {row.column('id')}", f"{t}.id = {f}.owner_id", condition]
    name, members = "", "flags"
    if isinstance(then, Leaf):
        name, members = f"{field.type} asOf", _stays(c)
        at = c.draft.bind_number(value_of(then))
        of_kind = f"{row.column('entity')} = {entity.value}"
        where += [of_kind, f"{f}.since <= {at}", f"({f}.left_at IS NULL OR {f}.left_at > {at})"]
    else:
        where += [f"{f}.member = 1", f"{f}.entity = {entity.value}"]
    order = closed([orders.number(f, "since")], t)
    tables = {f: members, t: table}
    listing = Listing(kind, t, tables, where, order, edge=f, entity=entity, name=name)
    return connection(c, listing, field)


def _stays(c: Compile) -> Sql:
    """Return the stays in audiences, by the names by which the flags of now are read."""
    v = c.draft.alias("v")
    return f"(SELECT {v}.*, {v}.entered_at AS since {c.draft.stored({v: 'intervals'}, [])})"


def _in_use(c: Compile, t: str) -> Sql:
    f = c.draft.alias("f")
    return c.draft.exists({f: "flags"}, [f"{f}.audience_id = {t}.id"])


def _computed(c: Compile, t: str) -> Sql:
    f = c.draft.alias("f")
    return c.draft.exists({f: "flags"}, [f"{f}.audience_id = {t}.id", f"{f}.origin = 1"])


def _origin(leaf: Leaf) -> int:
    return ORIGINS.index(leaf.known().name)


def _entity(leaf: Leaf) -> int:
    return 0 if leaf.known() is EntityName.CUSTOMER else 1
