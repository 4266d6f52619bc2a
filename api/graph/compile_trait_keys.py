"""How the catalog of trait keys is read: counted as customers and accounts now stand."""

from __future__ import annotations

from api.graph import compile_orders as orders
from api.graph.compile import Compile
from api.graph.compile_pages import Listing, connection
from api.graph.compile_values import folded_of
from api.graph.enums import Entity as EntityName
from api.graph.enums import TraitType
from api.graph.failures import bad_input
from api.graph.plan import Field, Leaf
from api.graph.statement import Asked, Row, Sql, Text
from models.values import Entity

EXAMPLES_MAX = 5
EXAMPLES_AMONG_MAX = 500
"""Among how many of those seen last examples are looked for; a rarer key may have fewer, or none."""

_TABLES = {Entity.CUSTOMER: "customers", Entity.ACCOUNT: "accounts"}
_TYPES = [each.value for each in TraitType]


def trait_keys(c: Compile, _: Row, field: Field) -> Text:
    """List the trait keys of customers or of accounts, by key."""
    given, part = field.given("entity"), field.given("search")
    if not isinstance(given, Leaf):
        raise bad_input("`entity` must not be null: leave it out", field.node)
    entity = Entity.CUSTOMER if given.known() is EntityName.CUSTOMER else Entity.ACCOUNT
    o, m, t = (c.draft.alias(letter) for letter in "omt")
    rows = c.draft.stored({o: _TABLES[entity]}, [], [c.dialect.members(f"{o}.traits", m)])
    grouped = f"(SELECT {_summary(c, m, str(entity.value))} {rows} GROUP BY {m}.key)"
    where = []
    if isinstance(part, Leaf):
        folded = c.dialect.folded(f"{t}.key")
        where.append(c.dialect.contains(f"({folded})", c.draft.bind(folded_of(part))))
    order = [orders.text(t, "key")]
    listing = Listing("TraitKey", t, {t: grouped}, where, order, entity=entity, name=entity.name)
    return connection(c, listing, field)


def trait_key(c: Compile, field: Field, entity: Sql, key: Sql, *, in_use: bool) -> Sql:
    """Read one trait key; if it must be `in_use`, null where nobody has it."""
    o, m, t = (c.draft.alias(letter) for letter in "omt")
    each = []
    for kind, table in _TABLES.items():
        a = c.draft.alias("a")
        rows = c.draft.stored({a: table}, [f"{entity} = {kind.value}"])
        each.append(f"SELECT {a}.traits AS traits {rows}")
    members = c.dialect.members(f"{o}.traits", m)
    source = f"FROM ({' UNION ALL '.join(each)}) AS {o}, {members} WHERE {m}.key = {key}"
    # Without a GROUP BY it has one row, also where nobody has the key.
    summary = f"(SELECT {_summary(c, m, entity, key)} {source})"
    where = [f"{t}.owners > 0"] if in_use else []
    return c.one(field, "TraitKey", Row(t, t), {t: summary}, where)


def _summary(c: Compile, m: str, entity: Sql, key: Sql | None = None) -> Sql:
    kind = c.dialect.member_type(m)
    has = [f"max(CASE WHEN {kind} = '{each}' THEN 1 ELSE 0 END) AS has_{each}" for each in _TYPES]
    named = key or c.dialect.by_bytes(f"{m}.key")
    columns = [f"{c.draft.workspace} AS workspace_id", f"{entity} AS entity", f"{named} AS key"]
    return ", ".join([*columns, "count(*) AS owners", *has])


def key_id(c: Compile, row: Row, _: Field) -> Sql:
    """Read a trait key's global id."""
    letter = f"CASE {row.column('entity')} WHEN 0 THEN 'c' ELSE 'a' END"
    named = c.dialect.hex_of_text(f"{letter} || {row.column('key')}")
    return f"'\"trk_' || {named} || '\"'"


def types(_: Compile, row: Row, __: Field) -> Sql:
    """Read the kinds of value a trait has now."""
    cases = [
        f"CASE WHEN {row.column(f'has_{each}')} = 1 THEN ',\"{each}\"' ELSE '' END"
        for each in _TYPES
    ]
    return f"'[' || substr({' || '.join(cases)}, 2) || ']'"


def examples(c: Compile, row: Row, _: Field) -> Sql:
    """Read some values of a trait, of those who were seen last."""
    cases = []
    for kind, table in _TABLES.items():
        a, o, m, x = (c.draft.alias(letter) for letter in "aomx")
        recent = c.draft.stored({a: table}, [])
        latest = (
            f"SELECT {a}.traits AS traits {recent} ORDER BY {a}.last_seen_at DESC"
            f" LIMIT {EXAMPLES_AMONG_MAX}"
        )
        value = c.dialect.member_json(f"{o}.traits", m)
        source = f"FROM ({latest}) AS {o}, {c.dialect.members(f'{o}.traits', m)}"
        few = (
            f"SELECT DISTINCT {value} AS value {source} WHERE {m}.key = {row.column('key')}"
            f" LIMIT {EXAMPLES_MAX}"
        )
        joined = c.dialect.joined(f"{x}.value")
        cases.append(f"WHEN {kind.value} THEN (SELECT {joined} FROM ({few}) AS {x})")
    return f"'[' || CASE {row.column('entity')} {' '.join(cases)} END || ']'"


def is_indexed(c: Compile, row: Row, _: Field) -> Sql:
    """Read whether a complete index makes a trait fast."""
    k = c.draft.alias("k")
    where = [f"{k}.kind = {row.column('entity')}", f"{k}.key = {row.column('key')}"]
    there = c.draft.exists({k: "kept_indexes"}, [*where, f"{k}.state = 1"])
    return f"CASE WHEN {there} THEN 'true' ELSE 'false' END"


def origin(c: Compile, row: Row, _: Field) -> Sql:
    """Read whether an audience builder computes a trait, for anybody."""
    cases = []
    for kind, table in _TABLES.items():
        a, r = c.draft.alias("a"), c.draft.alias("r")
        registers = c.dialect.members(c.dialect.part(f"{a}.registers", "k"), r)
        mark = c.dialect.element(c.dialect.member_value(r), "2")
        marked = f"CASE WHEN {c.dialect.member_is_list(r)} THEN {mark} END IS NOT NULL"
        rows = c.draft.stored({a: table}, [marked], [registers])
        # Found once for all keys of a page.
        cases.append(f"WHEN {kind.value} THEN {row.column('key')} IN (SELECT {r}.key {rows})")
    is_computed = f"CASE {row.column('entity')} {' '.join(cases)} END"
    return f"CASE WHEN {is_computed} THEN '\"ENGAGE\"' ELSE '\"TRAIT\"' END"


def stated_trait_key(c: Compile, _: Row, field: Field) -> Sql:
    """Read the trait key of which an index was asked for or given up."""
    entity = c.draft.bind_number(lambda asked: int(_stated(asked)[0]))
    key = c.draft.bind(lambda asked: _stated(asked)[1])
    return trait_key(c, field, entity, key, in_use=False)


def _stated(asked: Asked) -> tuple[Entity, str]:
    if asked.stated is None:
        raise TypeError("only the payload of a mutation has a trait key")
    # Before it was done, other values are tried.
    return asked.stated.trait_key or (Entity.CUSTOMER, "")
