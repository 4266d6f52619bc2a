"""The command `python -m tests.benchmarks`: measure, print a table, and record it if asked."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from tests.benchmarks import aged, heavy, imports, report
from tests.benchmarks.comparison import Broken, Sizes
from tests.benchmarks.run import QUICK, measure, sync_ms
from tests.benchmarks.servers import NotServing

CUSTOMERS_OF_DASHBOARDS = 100_000

Number = TypeVar("Number", int, float)

_ABOUT = """\
Measure Calyx beside services that do the same in the usual way, and print one table.

  ingest  Events a second that are durable before they are answered: `calyx serve` on SQLite
          (synchronous=FULL, keys checked) beside FastAPI with one SQLModel session an event and
          fastify with better-sqlite3; on PostgreSQL (fsync and synchronous_commit on) beside
          fastify with pg, and with 2 workers beside 1.
  read    GraphQL requests a second for a list page and a customer page: `calyx serve` beside
          Strawberry with dataloaders and SQLModel on the same file, with the same answers.

  dashboards
          The same pages, and filtered, deep and searched ones, on 100,000 customers, 10,000
          accounts, 150,000 memberships, 300,000 flags and 1,000,000 events, on both databases:
          beside the same SQL in a bare ASGI application, which is the limit, Strawberry with
          dataloaders, mercurius with graphql-jit and PostGraphile. `all` leaves it out. With
          --many 1000000 what must not take longer on more customers is measured on these, too.

  age     What is left of the rate of an empty database on one of 10,000, 100,000, 300,000 and
          1,000,000 customers (--customers) with three events each (--events), any of whom may be
          next; and bytes written and stored for each event, and memory. `all` leaves it out.

  limits  Arrivals that do not wait for answers, at 50 % and 90 % of what is carried; a disk with
          slower syncs; a bare ASGI application and bare inserts; ten times too much. `all` leaves
          it out.

  import  Events a second of `calyx import`, from its first line to its last commit: an archive of
          1,000,000 into an empty database, then another into the filled one, on SQLite and on
          PostgreSQL. No core is kept for anybody, and there is no peer. `all` leaves it out.

  heavy   An alias of a user of 1,000,000 events with a flag that both have, an earlier link of a
          kiosk of as many (--events), a late deletion of an account of 100,000 members who were
          added again (--members): seconds until each is answered, the longest wait of single
          messages sent meanwhile, rows read and memory. `all` leaves it out.

Everything runs on this machine, in temporary folders, and is stopped in the end. The server has one
core and the load another; PostgreSQL, which is started for this, has what is left. The servers take
turns, so that a machine that slows down slows all: trust the ratio more than the rates. Nothing is
judged. The first run installs the packages of the peers on Node with `npm ci`, beside them; without
Node, or without a PostgreSQL to start, the table says that they were not measured.
"""
_EXAMPLES = """\
examples:
  python -m tests.benchmarks                        both, in about ten minutes
  python -m tests.benchmarks ingest --seconds 20    only writing, in longer rounds
  python -m tests.benchmarks import                 a million events, in about ten minutes
  python -m tests.benchmarks heavy --events 100000  what a tenth of the largest costs
  python -m tests.benchmarks --quick                does it run at all? under a minute
  python -m tests.benchmarks --record               add the table to docs/benchmarks.md

Leave the machine alone while it runs. docs/benchmarks.md says what each figure means.
"""


def main() -> None:
    """Measure what was asked for."""
    asked = _parser().parse_args()
    if sys.platform != "linux":
        sys.exit(
            "The benchmark needs Linux: it reads CPU times in /proc and gives each side a core."
        )
    if asked.folder is not None:
        # PostgreSQL too is then on this disk: it is started in a temporary folder of its own.
        tempfile.tempdir = str(asked.folder)
    try:
        with tempfile.TemporaryDirectory(prefix="calyx-bench-") as folder:
            told = _measured(asked, Path(folder))
    except (Broken, NotServing) as error:
        sys.exit(f"Nothing was measured. {error}")
    print(told)
    if asked.record:
        report.record(told, datetime.now(UTC).date())
        _say(f"added to {report.RECORD}")


def _measured(asked: argparse.Namespace, room: Path) -> str:
    """Return what was measured, as it is printed."""
    if asked.what == "import":
        events = QUICK.senders if asked.quick else imports.EVENTS
        customers = asked.customers or (QUICK.customers if asked.quick else imports.CUSTOMERS)
        found = imports.measure(events, customers, room, _say)
        return report.render_imports(found, sync_ms(room))
    if asked.what == "heavy":
        events = asked.events or (QUICK.senders if asked.quick else heavy.EVENTS)
        members = asked.members or (QUICK.senders if asked.quick else heavy.MEMBERS)
        return report.render_heavy(heavy.measure(events, members, room, _say), sync_ms(room))
    if asked.what == "age":
        return _aged(asked, room)
    return report.render(measure(asked.what, _sizes(asked), room, _say, installs=not asked.quick))


def _aged(asked: argparse.Namespace, room: Path) -> str:
    customers = asked.customers or (QUICK.customers if asked.quick else max(aged.SIZES))
    events = asked.events or aged.EVENTS_EACH * customers
    sizes = _sizes(asked)
    found = aged.measure(customers, events, sizes, room, _say)
    told = report.render_ages(found, sizes, sync_ms(room))
    if asked.record:
        told = f"{report.draw_ages(found, datetime.now(UTC).date())}\n\n{told}"
    return told


def _sizes(asked: argparse.Namespace) -> Sizes:
    sizes = QUICK if asked.quick else Sizes()
    if asked.what == "dashboards" and not asked.quick:
        sizes = replace(sizes, customers=CUSTOMERS_OF_DASHBOARDS)
    given = {"rounds": asked.rounds, "seconds": asked.seconds, "customers": asked.customers}
    given["many"] = asked.many
    return replace(sizes, **{name: value for name, value in given.items() if value is not None})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "what",
        nargs="?",
        choices=["ingest", "age", "limits", "read", "dashboards", "import", "heavy", "all"],
        default="all",
        help="default: all",
    )
    add(
        "--seconds",
        type=_positive(float),
        metavar="N",
        help="length of one measurement; default: 5",
    )
    add("--rounds", type=_positive(int), metavar="N", help="measurements of each; default: 3")
    _add_sizes(parser)
    add("--folder", type=Path, help="where the databases are made; default: the system's temporary")
    add("--quick", action="store_true", help="one short round on little; its figures mean nothing")
    add("--record", action="store_true", help="append the table to docs/benchmarks.md")
    return parser


def _add_sizes(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--customers",
        type=_positive(int),
        metavar="N",
        help="customers in the database that is read; default: 20,000, of dashboards 100,000, of age"
        " up to 1,000,000",
    )
    add(
        "--events",
        type=_positive(int),
        metavar="N",
        help="events in it, of age; default: 3 each; behind an event, of heavy; default: 1,000,000",
    )
    add(
        "--members",
        type=_positive(int),
        metavar="N",
        help="members of an account, of heavy; default: 100,000",
    )
    add(
        "--many",
        type=_positive(int),
        metavar="N",
        help="customers of a larger database for dashboards; a million takes half an hour more",
    )


def _positive(kind: type[Number]) -> Callable[[str], Number]:
    def read(text: str) -> Number:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is not more than 0")
        return value

    # argparse says `invalid int value` with this name.
    read.__name__ = kind.__name__
    return read


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
