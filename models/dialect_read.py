"""The expressions in which queries differ between the databases."""

from __future__ import annotations

from typing import Literal, Protocol

PlaceKind = Literal["text", "number", "key"]
"""What is bound at a place; PostgreSQL wants to know."""


class Reading(Protocol):
    """How one database says what every query needs. Arguments and results are SQL text."""

    def fits(self, sql: str) -> bool:
        """Return whether the database can read a statement that nests as this one does."""
        ...

    def place(self, number: int, kind: PlaceKind) -> str:
        """Return the place of a bound value."""
        ...

    def quoted(self, text: str) -> str:
        """Return text as JSON, null included."""
        ...

    def printed(self, number: str, *, nullable: bool) -> str:
        """Return a whole number as JSON."""
        ...

    def moment(self, micros: str, *, nullable: bool) -> str:
        """Return microseconds since 1970 as the JSON of a moment."""
        ...

    def hex(self, blob: str) -> str:
        """Return a blob as lower-case hexadecimal digits."""
        ...

    def digest(self, text: str) -> str:
        """Return the SHA-256 of a text as lower-case hexadecimal digits."""
        ...

    def hex_of_text(self, text: str) -> str:
        """Return the bytes of a text as lower-case hexadecimal digits."""
        ...

    def number(self, value: str) -> str:
        """Return a whole number that was read out of JSON, as a number."""
        ...

    def by_bytes(self, text: str) -> str:
        """Return a text that was read out of JSON, to sort by its bytes."""
        ...

    def joined(self, text: str, where: str | None = None) -> str:
        """Return the texts of all rows, in their order, with commas between."""
        ...

    def last(self, text: str, number: str, where: str) -> str:
        """Return the text of the row with the highest `number`, null when there is none."""
        ...

    def same(self, left: str, right: str) -> str:
        """Return whether two values are equal, null being equal to null."""
        ...

    def later(self, left: str, right: str) -> str:
        """Return the greater of two numbers, neither null."""
        ...

    def listed(self, bound: str) -> str:
        """Return a sub-select of the texts of a bound JSON list."""
        ...

    def listed_numbers(self, bound: str) -> str:
        """Return a sub-select of the whole numbers of a bound JSON list."""
        ...

    def beginning(self, text: str) -> str:
        """Return what an index has of a column of text that may be long."""
        ...

    def found(self, text: str, bound: str) -> str:
        """Return whether such a column equals a bound text."""
        ...

    def found_in(self, text: str, bound: str) -> str:
        """Return whether such a column is one of the texts of a bound JSON list."""
        ...

    def among_few(self, number: str, select: str) -> str:
        """Return whether a number is one of those that a select gives, which are few."""
        ...

    def unled(self, column: str) -> str:
        """Return a column, to sort by, of which no index is to be followed."""
        ...

    def in_turn(self, rows: str, turn: str, left: str) -> str:
        """Return the first `left` of a select's rows, numbered `nth_of_arm`; it is run only if it is its `turn`."""
        ...

    def unfolded(self, bound: str, alias: str) -> str:
        """Return a bound JSON list as a source with the columns `key` (from 0) and `value`."""
        ...

    def slice(self, bound: str, position: str, size: int) -> str:
        """Return one of the blobs of `size` bytes that are bound as one."""
        ...

    def contains(self, text: str, part: str) -> str:
        """Return whether a text that is not null holds another."""
        ...

    def starts(self, text: str, part: str) -> str:
        """Return whether a text that is not null starts with another."""
        ...

    def folded(self, text: str) -> str:
        """Return a text in the lower case in which it is searched."""
        ...

    def begins_word(self, folded: str, word: str) -> str:
        """Return whether `word` begins a run of letters and digits in a folded text."""
        ...

    def members(self, document: str, alias: str) -> str:
        """Return a JSON object as a source of its members; the other `member_` read it."""
        ...

    def member_type(self, alias: str) -> str:
        """Return what kind of value a member is: STRING, NUMBER, BOOLEAN, ARRAY or OBJECT."""
        ...

    def member_json(self, document: str, alias: str) -> str:
        """Return the value of a member as the JSON text that was stored."""
        ...

    def member_equals(self, document: str, alias: str, json: str) -> str:
        """Return whether a member equals a JSON value, types kept apart."""
        ...

    def member_in(self, document: str, alias: str, json: str) -> str:
        """Return whether a member equals one of the values of a JSON list."""
        ...

    def member_compares(self, alias: str, operator: str, json: str) -> str:
        """Return whether a member compares so with a number, or with a text."""
        ...

    def member_text(self, alias: str) -> str:
        """Return a member that is text, else null."""
        ...

    def member_sort(self, alias: str) -> str:
        """Return what members sort by: numbers, then text, then the rest."""
        ...

    def member_cursor(self, document: str, alias: str) -> str:
        """Return what a cursor keeps of a member, as JSON."""
        ...

    def sort_of(self, json: str) -> str:
        """Return what the member sorts by of which a cursor kept this; null for null."""
        ...

    def only(self, document: str, keys: str) -> str:
        """Return a JSON object with only those members whose keys are in a JSON list."""
        ...

    def object_at(self, document: str, name: str) -> str:
        """Return the member `name` of a JSON object, `{}` unless it is an object."""
        ...

    def id_at(self, document: str, name: str) -> str:
        """Return the member `name` as JSON text, as an id is read; null when it is none."""
        ...

    def element(self, document: str, position: str) -> str:
        """Return an element of a JSON list by its number, the list not null."""
        ...

    def part(self, document: str, name: str) -> str:
        """Return the object or list that is the member `name`; the name is ours."""
        ...

    def member_is_list(self, alias: str) -> str:
        """Return whether a member is a list."""
        ...

    def member_value(self, alias: str) -> str:
        """Return the value of a member that is a whole number or a list, as it is."""
        ...
