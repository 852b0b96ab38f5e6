"""What a plan and a preview take at the smallest and at the largest phase: everything in one run, in turns.

`python -m tools.bench` compares 10k with 1m; `python -m tools.bench 10k` looks at one stack. Every measurement has a
process of its own, and the best of its runs counts.

The plan is measured as a command (whole process), and again inside a process that has imported everything. Its floor is
a bare program that registers as many raw resources of the same types, with the same inputs, under Pulumi's mocks; it
imports the SDK class of every AWS type, as any Pulumi program has to.

The preview is the real engine's, of an empty stack on a local cloud of its own: once as `headroom preview` runs it, and
once the stock way, with Python's garbage collector on. In both it is the SDK that waits at the program's end: see
docs/decisions/0003-the-program-is-async.md. Its start-up is the same with nothing registered.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from infra import stack_file
from infra.errors import UserError
from infra.local import cloud
from tools.bench.parts import PROJECT
from tools.bench.times import WAYS, Seconds, Times, guard

ROWS: Final = {
    "plan": "plan, whole process",
    "inside": "plan, in-process",
    "floor": "plan, floor",
    "ours": "preview, ours",
    "start-up ours": "preview, ours, start-up alone",
    "stock": "preview, stock",
    "start-up stock": "preview, stock, start-up alone",
}
"""What is measured of each stack, and what it is called in the table."""


def main() -> None:
    """Measure, and show it."""
    parser = argparse.ArgumentParser(prog="tools.bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("stacks", nargs="*", default=["10k", "1m"], metavar="STACK", help="smallest first: 10k and 1m")
    parser.add_argument("--runs", type=int, default=3, help="of each measurement; the best counts")
    parser.add_argument("--json", action="store_true", help="for machines")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs: at least 1")
    try:
        times = measure(list(dict.fromkeys(arguments.stacks)), arguments.runs)
    except UserError as error:
        sys.exit(f"error: {error}")
    if arguments.json:
        ratios = [{**asdict(ratio), "verdict": ratio.verdict} for ratio in times.ratios()]
        sys.stdout.write(f"{json.dumps({**asdict(times), 'ratios': ratios}, indent=2)}\n")
    else:
        show(times, Console(highlight=False))


def measure(stacks: Sequence[str], runs: int) -> Times:
    """Take all measurements in turns, so that a busy moment of the machine meets every one of them.

    Raises:
        UserError: a stack is not there, or the local cloud does not start.
    """
    for stack in stacks:
        stack_file.read(stack_file.path_of(stack, PROJECT))  # told before a minute of preparation
    with tempfile.TemporaryDirectory() as directory, _local_cloud(Path(directory), stacks) as root:
        resources, jobs = _prepared(stacks, root)
        best: dict[str, float] = {}
        for number in range(runs):
            for name, job in jobs.items():
                _note(f"run {number + 1} of {runs}: {name} ... ")
                found = job()
                _note(f"{', '.join(f'{value:.2f} s' for value in found.values())}\n")
                best |= {key: min(value, best.get(key, value)) for key, value in found.items()}
    return Times(runs, resources, best)


def show(times: Times, console: Console) -> None:
    """Print what was measured, and each ratio with its aim."""
    table = Table("", box=None, pad_edge=False, header_style="bold")
    for stack, count in times.resources.items():
        table.add_column(f"{stack}, {count} resources", justify="right")
    for what, name in ROWS.items():
        table.add_row(
            name,
            *(
                f"{times.seconds[f'{what} {stack}']:.2f} s {times.each_ms(what, stack):5.1f} ms"
                for stack in times.resources
            ),
        )
    for small, large in pairwise(times.resources):
        before = [""] * list(times.resources).index(large)
        table.add_row(guard(small, large), *before, f"{times.seconds[guard(small, large)]:.2f} s {'':8}")
    compared = Table("", "ratio", "aim", box=None, pad_edge=False, header_style="bold")
    for ratio in times.ratios():
        compared.add_row(ratio.name, f"{ratio.value:.2f}", ratio.verdict)
    console.print(f"best of {times.runs}; milliseconds are by resource\n", table, "", compared, sep="\n")


def part(name: str, *arguments: str) -> Seconds:
    """Run one of `tools.bench.parts`; what it measured is the last line that it prints."""
    found: Seconds = json.loads(_output(_command(name, *arguments)).splitlines()[-1])
    return found


def _prepared(stacks: Sequence[str], root: Path) -> tuple[dict[str, int], dict[str, Callable[[], Seconds]]]:
    """Count the resources of each stack; everything that is to be measured, by name."""
    resources: dict[str, int] = {}
    jobs: dict[str, Callable[[], Seconds]] = {f"in-process {', '.join(stacks)}": partial(part, "plan", *stacks)}
    for stack in stacks:
        _note(f"preparing {stack} ...\n")
        plan = [sys.executable, "-m", "infra.cli", "plan", stack, "--json"]
        planned = [one for one in json.loads(_output(plan))["resources"] if not one["type"].startswith("headroom:")]
        resources[stack] = len(planned)
        listed = root / f"{stack}.json"
        listed.write_text(json.dumps([[one["type"], one["name"], one["inputs"]] for one in planned]), encoding="utf-8")
        floor = _command("floor", str(listed))
        # The first run may compile bytecode, and the first preview makes the stack: neither is measured.
        _output(floor)
        part("start-up", WAYS[0], stack, str(root), str(listed))
        jobs[f"plan {stack}"] = partial(_timed, f"plan {stack}", plan)
        jobs[f"floor {stack}"] = partial(_timed, f"floor {stack}", floor)
        for way in WAYS:
            jobs[f"preview {stack}, {way}"] = partial(part, "preview", way, stack, str(root))
            start_up = partial(part, "start-up", way, stack, str(root), str(listed))
            jobs[f"start-up of preview {stack}, {way}"] = start_up
    return resources, jobs


@contextmanager
def _local_cloud(root: Path, stacks: Sequence[str]) -> Iterator[Path]:
    """Run a cloud for a project of its own, so that the one of `make up` and its stacks are left alone."""
    for path in (PROJECT / "Pulumi.yaml", *(stack_file.path_of(stack, PROJECT) for stack in stacks)):
        shutil.copy(path, root)
    cloud.start(root)
    try:
        yield root
    finally:
        cloud.stop(root)


def _command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "tools.bench.parts", name, *arguments]


def _timed(name: str, command: Sequence[str]) -> Seconds:
    began = time.perf_counter()
    _output(command)
    return {name: time.perf_counter() - began}


def _output(command: Sequence[str]) -> str:
    completed = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True)
    if completed.returncode != 0:
        sys.exit(completed.stderr)
    return completed.stdout


def _note(text: str) -> None:
    """Show progress, apart from the result."""
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    main()
