"""How SQLite says what queries need."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256

from models.dialect_read import PlaceKind

# What SQLite says of a statement that is too long or too deep for it.
_TOO_MUCH = ("overflow", "too large", "too big", "too many", "too deep")
_BLANK = "' ' || char(9, 10, 11, 12, 13)"


class SqliteReading:
    """SQLite, from 3.38 on."""

    def fits(self, sql: str) -> bool:
        # SQLite's parser has a stack of 100 entries. It is asked where nothing can be read or done:
        # a statement that it understands, it refuses because there are no such tables.
        with closing(sqlite3.connect(":memory:")) as nowhere:
            try:
                nowhere.execute(sql)
            except sqlite3.Error as error:
                return not any(words in str(error) for words in _TOO_MUCH)
        return True

    def place(self, number: int, kind: PlaceKind) -> str:  # noqa: ARG002 (SQLite asks the value)
        return f"?{number}"

    def quoted(self, text: str) -> str:
        return f"json_quote({text})"

    def printed(self, number: str, *, nullable: bool) -> str:
        return f"coalesce({number}, 'null')" if nullable else number

    def moment(self, micros: str, *, nullable: bool) -> str:
        seconds = f"strftime('%Y-%m-%dT%H:%M:%S.', {micros} / 1000000, 'unixepoch')"
        text = f"'\"' || {seconds} || substr('00000' || ({micros} % 1000000), -6) || 'Z\"'"
        return f"coalesce({text}, 'null')" if nullable else text

    def hex(self, blob: str) -> str:
        return f"lower(hex({blob}))"

    def digest(self, text: str) -> str:
        return f"calyx_digest({text})"

    def hex_of_text(self, text: str) -> str:
        return f"lower(hex({text}))"

    def number(self, value: str) -> str:
        return value

    def by_bytes(self, text: str) -> str:
        return text

    def joined(self, text: str, where: str | None = None) -> str:
        # The sub-select it reads from is ordered, and SQLite keeps that order for this function.
        only = f" FILTER (WHERE {where})" if where else ""
        return f"coalesce(group_concat({text}, ','){only}, '')"

    def last(self, text: str, number: str, where: str) -> str:
        # The greatest text is the one of the highest number, once all numbers are equally long.
        return f"substr(max(printf('%03d', {number}) || {text}) FILTER (WHERE {where}), 4)"

    def same(self, left: str, right: str) -> str:
        return f"{left} IS {right}"

    def later(self, left: str, right: str) -> str:
        return f"max({left}, {right})"

    def listed(self, bound: str) -> str:
        return f"(SELECT value FROM json_each({bound}))"

    def listed_numbers(self, bound: str) -> str:
        return self.listed(bound)

    def beginning(self, text: str) -> str:
        return text

    def found(self, text: str, bound: str) -> str:
        return f"{text} = {bound}"

    def found_in(self, text: str, bound: str) -> str:
        return f"{text} IN {self.listed(bound)}"

    def among_few(self, number: str, select: str) -> str:
        return f"{number} IN ({select})"

    def unled(self, column: str) -> str:
        # Of two indexes that look as good, SQLite takes the one of what breaks ties, and sorts all there is.
        return f"+{column}"

    def in_turn(self, rows: str, turn: str, left: str) -> str:
        # A condition would be looked at once there is a row to look at it for.
        return f"SELECT * FROM ({rows}) AS q LIMIT CASE WHEN {turn} THEN {left} ELSE 0 END"

    def unfolded(self, bound: str, alias: str) -> str:
        return f"json_each({bound}) AS {alias}"

    def slice(self, bound: str, position: str, size: int) -> str:
        return f"substr({bound}, 1 + {size} * {position}, {size})"

    def contains(self, text: str, part: str) -> str:
        return f"instr({text}, {part}) > 0"

    def starts(self, text: str, part: str) -> str:
        return f"substr({text}, 1, length({part})) = {part}"

    def folded(self, text: str) -> str:
        # SQLite folds ASCII alone; the rest is asked of us, which costs a call into Python.
        return f"CASE WHEN {_is_ascii(text)} THEN lower({text}) ELSE calyx_folded({text}) END"

    def begins_word(self, folded: str, word: str) -> str:
        # Where it is not even part of the text, the exact look is spared.
        ascii_run = (
            f"{word} NOT GLOB '*[^a-z0-9]*' AND ' ' || {folded} GLOB '*[^a-z0-9]' || {word} || '*'"
        )
        begins = (
            f"CASE WHEN {_is_ascii(folded)} THEN {ascii_run} "
            f"ELSE calyx_begins_word({folded}, {word}) END"
        )
        return f"({self.contains(folded, word)} AND {begins})"

    def members(self, document: str, alias: str) -> str:
        return f"json_each({document}) AS {alias}"

    def member_type(self, alias: str) -> str:
        return (
            f"CASE {alias}.type WHEN 'text' THEN 'STRING' WHEN 'integer' THEN 'NUMBER' "
            f"WHEN 'real' THEN 'NUMBER' WHEN 'array' THEN 'ARRAY' WHEN 'object' THEN 'OBJECT' "
            f"ELSE 'BOOLEAN' END"
        )

    def member_json(self, document: str, alias: str) -> str:
        return (
            f"CASE {alias}.type WHEN 'text' THEN json_quote({alias}.value) WHEN 'true' THEN 'true' "
            f"WHEN 'false' THEN 'false' WHEN 'null' THEN 'null' "
            f"WHEN 'real' THEN {_number_as_stored(document, alias)} "
            f"WHEN 'integer' THEN CASE typeof({alias}.value) WHEN 'integer' THEN {alias}.value "
            f"ELSE {_number_as_stored(document, alias)} END ELSE {alias}.value END"
        )

    def member_equals(self, document: str, alias: str, json: str) -> str:
        # Beyond 64 bits SQLite rounds; then the digits themselves are compared.
        rounded = f"{alias}.type = 'integer' AND typeof({alias}.value) = 'real'"
        return (
            f"{_class(f'{alias}.type')} = {_class(f'json_type({json})')} "
            f"AND {alias}.value = json_extract({json}, '$') "
            f"AND (NOT ({rounded}) OR {_number_as_stored(document, alias)} = {json})"
        )

    def member_in(self, document: str, alias: str, json: str) -> str:
        # A list keeps its numbers as they were written, so an element is taken from it as text.
        element = f"{json} -> ('$[' || {alias}_l.key || ']')"
        return (
            f"EXISTS (SELECT 1 FROM json_each({json}) AS {alias}_l "
            f"WHERE {self.member_equals(document, alias, f'({element})')})"
        )

    def member_compares(self, alias: str, operator: str, json: str) -> str:
        kind = _class(f"{alias}.type")
        return (
            f"{kind} IN ('number', 'text') AND {kind} = {_class(f'json_type({json})')} "
            f"AND {alias}.value {operator} json_extract({json}, '$')"
        )

    def member_text(self, alias: str) -> str:
        return f"CASE {alias}.type WHEN 'text' THEN {alias}.value END"

    def member_sort(self, alias: str) -> str:
        # SQLite sorts numbers before text before blobs, which is the order that is promised.
        return (
            f"CASE WHEN {alias}.type IN ('integer', 'real', 'text') THEN {alias}.value ELSE x'' END"
        )

    def member_cursor(self, document: str, alias: str) -> str:
        kept = self.member_json(document, alias)
        return f"CASE WHEN {alias}.type IN ('integer', 'real', 'text') THEN {kept} ELSE 'true' END"

    def sort_of(self, json: str) -> str:
        return (
            f"CASE json_type({json}) WHEN 'integer' THEN json_extract({json}, '$') "
            f"WHEN 'real' THEN json_extract({json}, '$') WHEN 'text' THEN json_extract({json}, '$') "
            f"WHEN 'true' THEN x'' END"
        )

    def only(self, document: str, keys: str) -> str:
        # Patching the others away keeps every number as it is written, which building anew does not.
        return _without(document, f"o.key NOT IN {self.listed(keys)}")

    def object_at(self, document: str, name: str) -> str:
        path = f"'$.{name}'"
        return f"CASE json_type({document}, {path}) WHEN 'object' THEN {document} -> {path} ELSE '{{}}' END"

    def id_at(self, document: str, name: str) -> str:
        path = f"'$.{name}'"
        text = f"json_extract({document}, {path})"
        return (
            f"CASE json_type({document}, {path}) "
            f"WHEN 'text' THEN CASE WHEN trim({text}, {_BLANK}) <> '' THEN json_quote({text}) ELSE 'null' END "
            f"WHEN 'integer' THEN '\"' || ({document} -> {path}) || '\"' "
            f"WHEN 'real' THEN '\"' || ({document} -> {path}) || '\"' ELSE 'null' END"
        )

    def element(self, document: str, position: str) -> str:
        return f"json_extract({document}, '$[' || {position} || ']')"

    def part(self, document: str, name: str) -> str:
        return f"json_extract({document}, '$.{name}')"

    def member_is_list(self, alias: str) -> str:
        return f"{alias}.type = 'array'"

    def member_value(self, alias: str) -> str:
        return f"{alias}.value"


def fold(text: str | None) -> str | None:
    """Return a text in the lower case in which it is searched."""
    return None if text is None else text.lower()


def begins_word(folded: str | None, word: str | None) -> bool:
    """Return whether `word` begins a run of letters and digits in a folded text."""
    if not folded or not word or not word.isalnum():
        return False
    return any(run.startswith(word) for run in _RUNS.findall(folded))


def digest(text: str | None) -> str | None:
    """Return the SHA-256 of a text as lower-case hexadecimal digits."""
    return None if text is None else sha256(text.encode()).hexdigest()


_RUNS = re.compile(r"[^\W_]+")

SQLITE_FUNCTIONS: dict[str, tuple[int, Callable[..., object]]] = {
    "calyx_folded": (1, fold),
    "calyx_begins_word": (2, begins_word),
    "calyx_digest": (1, digest),
}
"""What a reading connection must be taught, by name: how many arguments, and what to call."""


def _class(kind: str) -> str:
    return f"CASE {kind} WHEN 'integer' THEN 'number' WHEN 'real' THEN 'number' ELSE {kind} END"


def _is_ascii(text: str) -> str:
    return f"length({text}) = length(CAST({text} AS BLOB))"


def _without(document: str, which: str) -> str:
    return (
        f"json_patch({document}, "
        f"(SELECT json_group_object(o.key, NULL) FROM json_each({document}) AS o WHERE {which}))"
    )


def _number_as_stored(document: str, alias: str) -> str:
    # Of the object only this member is left, and of that its key and the braces are cut off.
    alone = _without(document, f"o.key <> {alias}.key")
    return f"rtrim(substr({alone}, length(json_quote({alias}.key)) + 3), '}}')"
