"""Hurts stacks in every way, recovers them, and writes what came of it into docs/recovery.md.

`python -m tools.fault_matrix` runs each row 20 times with a program of 41 resources, from nothing and from a stack that
stands, and some rows with the stack that ships for 10k; `--quick` runs each row twice. `--minutes` ends it earlier: the
table says how many runs each row had. Runs that are in the file of `--log` already count too, so several calls, also
side by side, make one table; each has a seed of its own.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from infra.errors import UserError
from tools.fault_matrix import page
from tools.fault_matrix.scenarios import MATRIX, FaultMissedError, Run, Scenario, run
from tools.fault_matrix.world import PRODUCT_CHANGES, SHOP_CHANGES, Patient, grown, product, shop, world

RUNS: Final = 20
QUICK_RUNS: Final = 2
PRODUCT_ROWS: Final = frozenset(
    {
        "AWS refuses a change",
        "AWS refuses every change once",
        "every third call is throttled",
        "the provider dies after a change",
        "SIGTERM to the command",
        "SIGKILL to the engine",
    }
)
"""Those that depend on what is in the stack."""


def main() -> None:
    """Run the matrix, and write the table."""
    parser = argparse.ArgumentParser(prog="tools.fault_matrix", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_RUNS} runs a row, without the 10k stack")
    parser.add_argument("--minutes", type=float, default=24 * 60.0, help="begin no run after so long")
    parser.add_argument("--product-minutes", type=float, default=0.0, help="of these, kept for the 10k stack")
    parser.add_argument("--seed", type=int, default=1, help="chooses which changes are hit")
    parser.add_argument("--log", type=Path, help="a line of JSON for each run is added to this file")
    arguments = parser.parse_args()
    deadline = time.monotonic() + 60 * arguments.minutes
    first = deadline - 60 * arguments.product_minutes
    rows: Rows = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, world(Path(folder)) as root:
        plan = _turns(root, QUICK_RUNS if arguments.quick else RUNS, first)
        later = () if arguments.quick else _product_turns(root, RUNS * (arguments.seed - 1), deadline)
        rng = random.Random(arguments.seed)  # noqa: S311 - when a signal hits, not a secret
        for turns in (plan, later):
            for scenario, what, make in turns:
                done = _one(scenario, make, rng)
                if done is not None:
                    rows[scenario.name, what].append(done)
                    _log(arguments.log, scenario.name, what, done)
    if arguments.log is not None:
        rows = _logged(arguments.log)
    if not arguments.quick:
        page.write(rows, datetime.now(UTC).date())
    for line in page.table(rows):
        print(line)  # noqa: T201 - the tool's own output


Rows = defaultdict[tuple[str, str], list[Run]]
Turn = tuple[Scenario, str, Callable[[], Patient]]


def _turns(root: Path, runs: int, deadline: float) -> Iterator[Turn]:
    """Row by row and again, so that whenever it ends the rows have as many runs; odd turns hurt a stack that stands."""
    for turn in range(runs):
        for number, scenario in enumerate(MATRIX):
            if time.monotonic() > deadline:
                return

            def make(turn: int = turn, number: int = number) -> Patient:
                name = f"s{number}-{turn}"
                patient = grown(root, name) if turn % 2 else shop(root, name)
                patient.turn = turn
                return patient

            yield scenario, f"{SHOP_CHANGES} resources", make


def _product_turns(root: Path, first: int, deadline: float) -> Iterator[Turn]:
    for turn in range(first, first + RUNS):
        for number, scenario in enumerate(one for one in MATRIX if one.name in PRODUCT_ROWS):
            if time.monotonic() > deadline:
                return

            def make(turn: int = turn, number: int = number) -> Patient:
                patient = product(root, f"p{number}-{turn}")
                patient.turn = number + 1 + turn * len(PRODUCT_ROWS)
                return patient

            yield scenario, f"10k, {PRODUCT_CHANGES} resources", make


def _one(scenario: Scenario, make: Callable[[], Patient], rng: random.Random) -> Run | None:
    """One run; None when the fault came too late to do anything."""
    patient = make()
    try:
        return run(scenario, patient, rng)
    except FaultMissedError as missed:
        print(missed, file=sys.stderr)  # noqa: T201 - the tool's own output
        return None
    except UserError as error:
        return Run(alone=False, whole=False, orphans=0, duplicates=0, replaced=0, seconds=0.0, note=str(error))
    finally:
        patient.faults.clear()


def _log(path: Path | None, row: str, what: str, done: Run) -> None:
    if path is not None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"row": row, "what": what, **asdict(done)}) + "\n")


def _logged(path: Path) -> Rows:
    """Every run in a log, in the order of the matrix."""
    rows: Rows = defaultdict(list)
    order = [scenario.name for scenario in MATRIX]
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for one in sorted(found, key=lambda one: (one["what"] != f"{SHOP_CHANGES} resources", order.index(one["row"]))):
        rows[one.pop("row"), one.pop("what")].append(Run(**one))
    return rows


if __name__ == "__main__":
    main()
