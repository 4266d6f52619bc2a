"""How what happened is counted per interval: activity of the workspace, and of one audience."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from api.graph import buckets
from api.graph.buckets import BadRange, Span
from api.graph.columns import Render
from api.graph.compile import Compile
from api.graph.failures import bad_input
from api.graph.plan import Field, Leaf
from api.graph.statement import Asked, Row, Sql

Count = Callable[[Compile, "Window"], Sql]
"""Return how many of something there were in a stretch of time."""


class Window:
    """A stretch of time, as a statement says it: from `low` (if there is one) up to `high`."""

    def __init__(self, low: Sql | None, high: Sql) -> None:
        self.low, self.high = low, high

    def holds(self, column: Sql) -> list[Sql]:
        """Return that a time lies in it."""
        later = [] if self.low is None else [f"{column} >= {self.low}"]
        return [*later, f"{column} < {self.high}"]


def stats(c: Compile, _: Row, field: Field) -> Sql:
    """Read the activity of the workspace, interval by interval."""
    s = c.draft.alias("s")
    found = Row(c.draft.alias("x"), s, {})
    rows = f"FROM ({_intervals(c, _asked_spans(field))}) AS {s}"
    return c.plain_list(field, found, rows, f"{s}.begun")


def counted(name: str, count: Count) -> Render:
    """Read how many of something there were in the interval that a row is."""

    def render(c: Compile, row: Row, _: Field) -> Sql:
        window = Window(f"{row.source}.begun", f"{row.source}.ended")
        return c.dialect.printed(row.note(name, count(c, window)), nullable=False)

    return render


def events(c: Compile, window: Window) -> Sql:
    """Count the events that are shown."""
    e = c.draft.alias("e")
    return c.draft.one("count(*)", {e: "events"}, [*window.holds(f"{e}.at"), f"{e}.veil = 0"])


def active_customers(c: Compile, window: Window) -> Sql:
    """Count the customers with an event, joined ones as one."""
    e, i = c.draft.alias("e"), c.draft.alias("i")
    shown = [*window.holds(f"{e}.at"), f"{e}.veil = 0"]
    # Their identities first: a customer has few, and many events.
    seen = c.draft.among(f"{i}.id", f"{e}.whom", {e: "events"}, shown)
    return c.draft.one(f"count(DISTINCT {i}.customer_id)", {i: "identities"}, [seen])


def new_customers(c: Compile, window: Window) -> Sql:
    """Count the customers first seen."""
    t = c.draft.alias("t")
    return c.draft.one("count(*)", {t: "customers"}, window.holds(f"{t}.first_seen_at"))


def new_accounts(c: Compile, window: Window) -> Sql:
    """Count the accounts created, those deleted since too."""
    t = c.draft.alias("t")
    return c.draft.one("count(*)", {t: "accounts"}, window.holds(f"{t}.created_at"))


def audience_entries(c: Compile, window: Window) -> Sql:
    """Count how often somebody entered an audience; a deleted account enters none."""
    a, v, b, w, d = (c.draft.alias(letter) for letter in "avbwd")
    people = [f"{a}.entity = 0", f"{v}.audience_id = {a}.id", *window.holds(f"{v}.entered_at")]
    firms = [f"{b}.entity = 1", f"{w}.audience_id = {b}.id", *window.holds(f"{w}.entered_at")]
    firms += _alive(w, d, f"{w}.entered_at")
    customers = c.draft.one("count(*)", {a: "audiences", v: "intervals"}, people)
    tables = {b: "audiences", w: "intervals", d: "accounts"}
    return f"{customers} + {c.draft.one('count(*)', tables, firms)}"


def activity(c: Compile, row: Row, field: Field) -> Sql:
    """Read who came into an audience and who went, interval by interval."""
    draft, s, m = c.draft, c.draft.alias("s"), c.draft.alias("m")
    spans = _asked_spans(field)
    names = {each.name for each in (field.selection or {})[field.type]}
    window = Window(f"{s}.begun", f"{s}.ended")
    columns = [f"{s}.begun AS begun", f"{s}.ended AS ended"]
    if names & {"entered", "members"}:
        columns.append(f"{_came(c, row, window)} AS entered")
    if names & {"left", "members"}:
        columns.append(f"{_went(c, row, window)} AS departed")
    # Sorted within, so that neither database counts again where a count is mentioned again.
    counts = f"SELECT {', '.join(columns)} FROM ({_intervals(c, spans)}) AS {s} ORDER BY {s}.begun"
    found = Row(draft.alias("x"), m, {})
    if "members" in names:
        before = Window(None, draft.bind_number(lambda asked: spans(asked)[0][0]))
        base = f"({_came(c, row, before)} - ({_went(c, row, before)}))"
        running = f"sum({m}.entered - {m}.departed) OVER (ORDER BY {m}.begun)"
        found.note("members", f"{base} + {running}")
    return c.plain_list(field, found, f"FROM ({counts}) AS {m}", f"{m}.begun")


def noted(name: str) -> Render:
    """Read what was counted along with the intervals of an audience."""
    return lambda c, row, _: c.dialect.printed(row.column(name), nullable=False)


def members(c: Compile, row: Row, _: Field) -> Sql:
    """Read how many were in an audience at the end of an interval."""
    return c.dialect.printed(f"{row.alias}.members", nullable=False)


def _came(c: Compile, audience: Row, window: Window) -> Sql:
    v, w, a = (c.draft.alias(letter) for letter in "vwa")
    of = f"audience_id = {audience.column('id')}"
    people = [f"{v}.{of}", *window.holds(f"{v}.entered_at")]
    firms = [f"{w}.{of}", *window.holds(f"{w}.entered_at"), *_alive(w, a, f"{w}.entered_at")]
    return _by_entity(
        audience,
        c.draft.one("count(*)", {v: "intervals"}, people),
        c.draft.one("count(*)", {w: "intervals", a: "accounts"}, firms),
    )


def _went(c: Compile, audience: Row, window: Window) -> Sql:
    v, w, a, y, b = (c.draft.alias(letter) for letter in "vwayb")
    of = f"audience_id = {audience.column('id')}"
    people = [f"{v}.{of}", *window.holds(f"{v}.left_at")]
    firms = [f"{w}.{of}", *window.holds(f"{w}.left_at"), f"{a}.id = {w}.owner_id"]
    firms.append(f"({a}.deleted_at IS NULL OR {w}.left_at <= {a}.deleted_at)")
    # Whoever is deleted leaves all that they are in.
    gone = [f"{b}.deleted_at IS NOT NULL", *window.holds(f"{b}.deleted_at"), f"{y}.{of}"]
    gone += [f"{y}.owner_id = {b}.id", f"{y}.entered_at < {b}.deleted_at"]
    gone.append(f"({y}.left_at IS NULL OR {y}.left_at > {b}.deleted_at)")
    left = c.draft.one("count(*)", {w: "intervals", a: "accounts"}, firms)
    deleted = c.draft.one("count(*)", {b: "accounts", y: "intervals"}, gone)
    return _by_entity(
        audience, c.draft.one("count(*)", {v: "intervals"}, people), f"{left} + {deleted}"
    )


def _by_entity(audience: Row, people: Sql, firms: Sql) -> Sql:
    return f"CASE {audience.column('entity')} WHEN 0 THEN {people} ELSE {firms} END"


def _alive(stay: str, account: str, at: Sql) -> list[Sql]:
    deleted = f"{account}.deleted_at"
    return [f"{account}.id = {stay}.owner_id", f"({deleted} IS NULL OR {at} < {deleted})"]


def _intervals(c: Compile, spans: Callable[[Asked], list[Span]]) -> Sql:
    b, dialect = c.draft.alias("b"), c.dialect
    listed = c.draft.bind(lambda asked: msgspec.json.encode(spans(asked)).decode())
    begun, ended = (dialect.number(dialect.element(f"{b}.value", place)) for place in "01")
    return f"SELECT {begun} AS begun, {ended} AS ended FROM {dialect.unfolded(listed, b)}"


def _asked_spans(field: Field) -> Callable[[Asked], list[Span]]:
    since, until, interval = (field.given(name) for name in ("since", "until", "interval"))
    if not isinstance(since, Leaf) or not isinstance(interval, Leaf):
        raise bad_input("`since` and `interval` must not be null", field.node)

    def spans(asked: Asked) -> list[Span]:
        # What a client saw last is part of its interval, so now belongs to the last one.
        end = until.read(asked.variables) if isinstance(until, Leaf) else asked.now + 1
        name = interval.read(asked.variables).name
        try:
            return buckets.spans(since.read(asked.variables), end, name)
        except BadRange as error:
            raise bad_input(str(error), field.node) from None

    return spans
