"""How PostgreSQL says what queries need."""

from __future__ import annotations

from models.dialect import start
from models.dialect_read import PlaceKind

_TYPES: dict[PlaceKind, str] = {"text": "text", "number": "bigint", "key": "bytea"}
_BLANK = r"E' \t\n\r\f\v'"


# What folds case as Python's `str.lower()` does, the nearest first. Each has its odd characters:
# - `und-x-icu` has none in the Unicode both know, but a server may be built without ICU.
# - `pg_unicode_fast` (from 18 on) knows letters that are newer than a Python's Unicode.
# - `pg_c_utf8` (from 17 on) also folds letter by letter: U+0130 loses its dot, and a sigma that
#   ends a word becomes no final one. So does the operating system's `C.utf8`, by either name.
# - `default` is as the database was made; with the locale `C` it folds ASCII alone.
# None counts numbers such as a superscript two among letters and digits, as `str.isalnum()` does.
COLLATIONS = ("und-x-icu", "pg_unicode_fast", "pg_c_utf8", "C.utf8", "C.UTF-8", "default")
"""Collations that can fold case, the best first; every server has the last."""


class PostgresReading:
    """PostgreSQL, from 14 on; `collation`, which its server has, says what letters are."""

    def __init__(self, collation: str = COLLATIONS[0]) -> None:
        self._letters = f'COLLATE "{collation}"'

    def fits(self, sql: str) -> bool:  # noqa: ARG002 (it reads thousands of levels)
        return True

    def place(self, number: int, kind: PlaceKind) -> str:
        return f"${number}::{_TYPES[kind]}"

    def quoted(self, text: str) -> str:
        return f"coalesce(to_json(({text})::text)::text, 'null')"

    def printed(self, number: str, *, nullable: bool) -> str:
        return f"coalesce(({number})::text, 'null')" if nullable else f"({number})::text"

    def moment(self, micros: str, *, nullable: bool) -> str:
        moment = f"to_timestamp(({micros}) / 1000000) AT TIME ZONE 'UTC'"
        seconds = f"to_char({moment}, 'YYYY-MM-DD\"T\"HH24:MI:SS.')"
        fraction = f"lpad((({micros}) % 1000000)::text, 6, '0')"
        text = f"'\"' || {seconds} || {fraction} || 'Z\"'"
        return f"coalesce({text}, 'null')" if nullable else text

    def hex(self, blob: str) -> str:
        return f"encode({blob}, 'hex')"

    def digest(self, text: str) -> str:
        return f"encode(sha256(convert_to({text}, 'UTF8')), 'hex')"

    def hex_of_text(self, text: str) -> str:
        return f"encode(convert_to({text}, 'UTF8'), 'hex')"

    def number(self, value: str) -> str:
        return f"({value})::bigint"

    def by_bytes(self, text: str) -> str:
        return f'{text} COLLATE "C"'

    def joined(self, text: str, where: str | None = None) -> str:
        only = f" FILTER (WHERE {where})" if where else ""
        return f"coalesce(string_agg({text}, ','){only}, '')"

    def last(self, text: str, number: str, where: str) -> str:
        return f"(array_agg({text} ORDER BY {number} DESC) FILTER (WHERE {where}))[1]"

    def same(self, left: str, right: str) -> str:
        return f"{left} IS NOT DISTINCT FROM {right}"

    def later(self, left: str, right: str) -> str:
        return f"greatest({left}, {right})"

    def listed(self, bound: str) -> str:
        return f"(SELECT value FROM json_array_elements_text(({bound})::json) AS l(value))"

    def listed_numbers(self, bound: str) -> str:
        return f"(SELECT value::bigint FROM json_array_elements_text(({bound})::json) AS l(value))"

    def beginning(self, text: str) -> str:
        return start(text)

    def found(self, text: str, bound: str) -> str:
        return f"{start(text)} = {start(bound)} AND {text} = {bound}"

    def found_in(self, text: str, bound: str) -> str:
        # An array is looked up in an index; of a sub-select the planner expects too much.
        begun = f"ARRAY(SELECT {start('value')} FROM {self.listed(bound)} AS s)"
        return f"{start(text)} = ANY ({begun}) AND {text} IN {self.listed(bound)}"

    def among_few(self, number: str, select: str) -> str:
        # Of a sub-select, a plan that is kept for any values expects too much as well.
        return f"{number} = ANY (ARRAY({select}))"

    def unled(self, column: str) -> str:
        return column

    def in_turn(self, rows: str, turn: str, left: str) -> str:
        # A LIMIT that the planner does not know makes it look for a plan that begins early, whatever the whole costs.
        return f"SELECT * FROM ({rows}) AS q WHERE {turn} AND {left} > 0 AND q.nth_of_arm <= {left}"

    def unfolded(self, bound: str, alias: str) -> str:
        elements = f"json_array_elements_text(({bound})::json) WITH ORDINALITY AS o(value, place)"
        return f"(SELECT o.value, o.place - 1 AS key FROM {elements} ORDER BY o.place) AS {alias}"

    def slice(self, bound: str, position: str, size: int) -> str:
        return f"substring({bound} FROM (1 + {size} * ({position}))::int FOR {size})"

    def contains(self, text: str, part: str) -> str:
        return f"strpos({text}, {part}) > 0"

    def starts(self, text: str, part: str) -> str:
        return f"starts_with({text}, {part})"

    def folded(self, text: str) -> str:
        return f'lower(({text}) {self._letters}) COLLATE "C"'

    def begins_word(self, folded: str, word: str) -> str:
        # Only a word of letters and digits becomes a pattern, so it holds no sign that means more.
        letters = f"({word}) {self._letters} ~ '^[[:alnum:]]+$'"
        begins = f"({folded}) {self._letters} ~ ('(^|[^[:alnum:]])' || {word})"
        return f"CASE WHEN {letters} THEN {begins} ELSE false END"

    def members(self, document: str, alias: str) -> str:
        return f"json_each(({document})::json) AS {alias}"

    def member_type(self, alias: str) -> str:
        return f"upper(json_typeof({alias}.value))"

    def member_json(self, document: str, alias: str) -> str:  # noqa: ARG002 (it is kept as written)
        return f"{alias}.value::text"

    def member_equals(self, document: str, alias: str, json: str) -> str:  # noqa: ARG002 (it is kept as written)
        both = f"json_typeof({alias}.value) = 'number' AND json_typeof(({json})::json) = 'number'"
        numbers = f"({alias}.value::text)::numeric = {_number(json)}"
        return f"CASE WHEN {both} THEN {numbers} ELSE {alias}.value::text = {json} END"

    def member_in(self, document: str, alias: str, json: str) -> str:
        elements = f"json_array_elements(({json})::json) AS {alias}_l(value)"
        equals = self.member_equals(document, alias, f"{alias}_l.value::text")
        return f"EXISTS (SELECT 1 FROM {elements} WHERE {equals})"

    def member_compares(self, alias: str, operator: str, json: str) -> str:
        kinds = f"json_typeof({alias}.value) || json_typeof(({json})::json)"
        numbers = f"({alias}.value::text)::numeric {operator} {_number(json)}"
        texts = f"({alias}.value #>> '{{}}') COLLATE \"C\" {operator} (({json})::json #>> '{{}}')"
        cases = f"WHEN 'numbernumber' THEN {numbers} WHEN 'stringstring' THEN {texts}"
        return f"CASE {kinds} {cases} ELSE false END"

    def member_text(self, alias: str) -> str:
        return f"CASE json_typeof({alias}.value) WHEN 'string' THEN {alias}.value #>> '{{}}' END"

    def member_sort(self, alias: str) -> str:
        return _sort_key(f"{alias}.value")

    def member_cursor(self, document: str, alias: str) -> str:  # noqa: ARG002 (it is kept as written)
        value = f"{alias}.value"
        return f"CASE WHEN json_typeof({value}) IN ('number', 'string') THEN {value}::text ELSE 'true' END"

    def sort_of(self, json: str) -> str:
        return f"CASE WHEN {json} IS NOT NULL THEN {_sort_key(f'({json})::json')} END"

    def only(self, document: str, keys: str) -> str:
        member = "to_json(o.key)::text || ':' || o.value::text"
        joined = f"string_agg({member}, ',' ORDER BY o.key COLLATE \"C\")"
        rows = f"json_each(({document})::json) AS o WHERE o.key IN {self.listed(keys)}"
        return f"(SELECT '{{' || coalesce({joined}, '') || '}}' FROM {rows})"

    def object_at(self, document: str, name: str) -> str:
        value = f"(({document})::json -> '{name}')"
        return f"CASE json_typeof({value}) WHEN 'object' THEN {value}::text ELSE '{{}}' END"

    def id_at(self, document: str, name: str) -> str:
        value, text = f"(({document})::json -> '{name}')", f"(({document})::json ->> '{name}')"
        return (
            f"CASE json_typeof({value}) "
            f"WHEN 'string' THEN CASE WHEN btrim({text}, {_BLANK}) <> '' THEN {value}::text ELSE 'null' END "
            f"WHEN 'number' THEN '\"' || {text} || '\"' ELSE 'null' END"
        )

    def element(self, document: str, position: str) -> str:
        return f"(({document})::json ->> ({position})::int)"

    def part(self, document: str, name: str) -> str:
        return f"(({document})::json -> '{name}')"

    def member_is_list(self, alias: str) -> str:
        return f"json_typeof({alias}.value) = 'array'"

    def member_value(self, alias: str) -> str:
        return f"{alias}.value::text"


def _number(json: str) -> str:
    # PostgreSQL works out what is constant before it looks which case holds.
    return f"(CASE json_typeof(({json})::json) WHEN 'number' THEN {json} END)::numeric"


def _sort_key(value: str) -> str:
    # Numbers by size, then text by bytes, then the rest, which is not told apart.
    kind = f"json_typeof({value})"
    rank = f"CASE {kind} WHEN 'number' THEN 0 WHEN 'string' THEN 1 ELSE 2 END"
    number = f"CASE {kind} WHEN 'number' THEN ({value}::text)::numeric END"
    text = f"(CASE {kind} WHEN 'string' THEN {value} #>> '{{}}' END) COLLATE \"C\""
    return f"ROW({rank}, {number}, {text})"
