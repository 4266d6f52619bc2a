"""What an index finds: customers and accounts by a trait, by the words of a search; and by few or many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from api.graph.compile_values import folded_of, json_of, text_of, words_of
from api.graph.plan import Group, Leaf, Value
from api.graph.statement import Asked, Draft, Sql
from ingest.indexes import Holder, Kind
from ingest.places import (
    CHARACTERS_MAX,
    END,
    NUMBERS,
    REST,
    TEXTS,
    WORD_CHARACTERS_MAX,
    beyond_prefix,
    place_of,
)
from models.values import Entity

FINDS_MAX = 2
"""How many conditions of one filter are looked up; each makes the statement longer."""

WORDS_MAX = 2
"""How many words of a search are looked up: the longest."""

_RANGES = ("gt", "gte", "lt", "lte")
_ENDS = {NUMBERS: TEXTS, TEXTS: REST}
# No place begins so.
_NOWHERE = ""
# Of words there is one index.
_NO_KEY: Callable[[Asked], str] = lambda _: ""  # noqa: E731 (named for what it says)
_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode


def finds(draft: Draft, entity: Entity, given: Value) -> list[Sql]:
    """Return selects of the numbers of at least those that a filter holds for, each by one index."""
    found: list[Sql] = []
    _collect(draft, Kind(entity), given, found)
    return found[:FINDS_MAX]


def search_finds(draft: Draft, entity: Entity, words: Value) -> list[Sql]:
    """Return selects of at least those that a search finds, by one word each, if there is an index."""
    if not isinstance(words, Leaf) or granted(draft, Kind.WORDS, words) is None:
        return []
    # A first name that many share is typed with a last name that few do, or the other way round.
    return [_begun_by(draft, entity, words, nth) for nth in range(WORDS_MAX)]


def _begun_by(draft: Draft, entity: Entity, words: Leaf, nth: int) -> Sql:
    """Return the select of those of whom the longest word begins something, or the next longest."""
    read = words_of(words)

    def looked_up(asked: Asked) -> str:
        longest = sorted(read(asked), key=len, reverse=True) or [""]
        # Where there is no such word, the last there is says the same again.
        return longest[: nth + 1][-1][:WORD_CHARACTERS_MAX]

    low = draft.bind(looked_up)
    high = draft.bind(lambda asked: beyond_prefix(looked_up(asked)))

    def begun(holder: Holder) -> tuple[str, list[Sql]]:
        w = draft.alias("w")
        return w, [f"{w}.kind = {int(holder)}", f"{w}.word >= {low}", f"{w}.word < {high}"]

    if entity is Entity.ACCOUNT:
        w, where = begun(Holder.ACCOUNT)
        return f"SELECT {w}.owner_id AS id {draft.stored({w: 'words'}, where)}"
    w, where = begun(Holder.CUSTOMER)
    fields = f"SELECT {w}.owner_id AS id {draft.stored({w: 'words'}, where)}"
    w, where = begun(Holder.IDENTITY)
    i = draft.alias("i")
    rows = draft.stored({w: "words", i: "identities"}, [*where, f"{i}.id = {w}.owner_id"])
    return f"{fields} UNION ALL SELECT {i}.customer_id AS id {rows}"


def how_many(draft: Draft, find: Sql) -> Sql:
    """Return how many are found, counted only as far as it matters."""
    limit = draft.few_max + 1
    return f"(SELECT count(*) FROM (SELECT 1 AS one FROM ({find}) AS f LIMIT {limit}) AS m)"


def among_few(draft: Draft, number: Sql, find: Sql) -> Sql:
    """Return that a number is one of those found, which are known to be few."""
    limited = f"SELECT f.id FROM ({find}) AS f LIMIT {draft.few_max}"
    return draft.dialect.among_few(number, limited)


def granted(draft: Draft, kind: Kind, leaf: Leaf) -> bool | None:
    """Wish for the index of a trait, or of words; return whether one can sort by it, None where there is none."""
    return draft.granted((kind, id(leaf)), _NO_KEY if kind is Kind.WORDS else text_of(leaf))


def index_number(draft: Draft, kind: Kind, key: Leaf) -> Sql:
    """Return the bound number of an index that was granted."""
    name = text_of(key)
    return draft.bind_number(lambda asked: asked.indexes.numbers[kind, name(asked)])


def _collect(draft: Draft, kind: Kind, given: Value, found: list[Sql]) -> None:
    if isinstance(given, list):
        for each in given:
            _collect(draft, kind, each, found)
    elif isinstance(given, Group):
        trait = given.fields.get("trait")
        if isinstance(trait, Group):
            found += _trait(draft, kind, trait)
        _collect(draft, kind, given.fields.get("and"), found)


def _trait(draft: Draft, kind: Kind, given: Group) -> list[Sql]:
    key = given.fields.get("key")
    leaves = {name: leaf for name, leaf in given.fields.items() if isinstance(leaf, Leaf)}
    exists = leaves.get("exists")
    ranges = [name for name in _RANGES if name in leaves]
    helps = ranges or leaves.keys() & {"eq", "in", "startsWith"} or (exists and exists.known())
    if not helps or not isinstance(key, Leaf) or granted(draft, kind, key) is None:
        return []
    number = index_number(draft, kind, key)

    def rows(condition: Callable[[str], list[Sql]]) -> Sql:
        v = draft.alias("v")
        where = [f"{v}.index_id = {number}", *condition(v)]
        return f"SELECT {v}.owner_id AS id {draft.stored({v: 'trait_values'}, where)}"

    if "eq" in leaves:
        place, rest = (draft.bind(_one(leaves["eq"], rest=rest)) for rest in (False, True))
        told = rows(lambda v: [f"{v}.place = {place}"])
        return [f"{told} UNION ALL {rows(lambda v: [f'{v}.folded = {rest}'])}"]
    if "in" in leaves:
        lists = [draft.bind(_several(leaves["in"], rest=rest)) for rest in (False, True)]
        place, rest = (draft.dialect.listed(each) for each in lists)
        told = rows(lambda v: [f"{v}.place IN {place}"])
        return [f"{told} UNION ALL {rows(lambda v: [f'{v}.folded IN {rest}'])}"]
    if "startsWith" in leaves:
        begun = _begun(leaves["startsWith"])
        low, high = draft.bind(begun), draft.bind(lambda asked: beyond_prefix(begun(asked)))
        return [rows(lambda v: [f"{v}.folded >= {low}", f"{v}.folded < {high}"])]
    bounds = [(name, _bounds(draft, name, leaves[name])) for name in ranges]
    return [
        rows(
            lambda v: [
                f"{v}.place >= {low} AND {v}.place {'<' if name in {'gt', 'gte'} else '<='} {high}"
                for name, (low, high) in bounds
            ]
        )
    ]


def _one(leaf: Leaf, *, rest: bool) -> Callable[[Asked], str]:
    json = json_of(leaf)
    return lambda asked: _looked_up(json(asked), rest=rest)


def _several(leaf: Leaf, *, rest: bool) -> Callable[[Asked], str]:
    json = json_of(leaf)

    def bind(asked: Asked) -> str:
        values = [bytes(each).decode() for each in _raws(json(asked))]
        found = {_looked_up(value, rest=rest) for value in values}
        return msgspec.json.encode(sorted(found)).decode()

    return bind


def _looked_up(value: str, *, rest: bool) -> str:
    """Return where in one of the two trees a value is; the second has what is neither number nor text."""
    place, folded, _ = place_of(value)
    if place != REST:
        return _NOWHERE if rest else place
    return (folded or _NOWHERE) if rest else _NOWHERE


def _begun(leaf: Leaf) -> Callable[[Asked], str]:
    part = folded_of(leaf)
    return lambda asked: TEXTS + part(asked)[:CHARACTERS_MAX]


def _bounds(draft: Draft, name: str, leaf: Leaf) -> tuple[Sql, Sql]:
    json = json_of(leaf)

    def span(asked: Any) -> tuple[str, str]:
        place = place_of(json(asked)).place
        if place == REST:
            # Nothing compares with it.
            return END, _NOWHERE
        kind = place[0]
        return (place, _ENDS[kind]) if name in {"gt", "gte"} else (kind, place)

    return draft.bind(lambda asked: span(asked)[0]), draft.bind(lambda asked: span(asked)[1])
