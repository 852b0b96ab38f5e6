"""How long `headroom plan` takes, and how much of that is ours.

The floor is measured in the same run: a bare program that registers as many raw resources of the same types, with the
same inputs, under Pulumi's mocks. It imports the SDK class of every AWS type, as any Pulumi program has to.
"""

from __future__ import annotations

import argparse
import importlib
import json
import keyword
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
AIM = 1.3


def main() -> None:
    """Run either the comparison or, in a process of its own, the floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack", nargs="?", default="10k")
    parser.add_argument("--runs", type=int, default=5, help="of each; the best counts")
    parser.add_argument("--floor", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.floor:
        register(json.loads(arguments.floor.read_text()))
    else:
        compare(arguments.stack, arguments.runs)


def compare(stack: str, runs: int) -> None:
    """Time plan and floor in turns, so that a busy moment of the machine meets both."""
    plan = [sys.executable, "-m", "infra.cli", "plan", stack, "--json"]
    resources = [
        [resource["type"], resource["name"], resource["inputs"]]
        for resource in json.loads(_run(plan))["resources"]
        if not resource["type"].startswith("headroom:")
    ]
    with tempfile.TemporaryDirectory() as directory:
        listed = Path(directory) / "resources.json"
        listed.write_text(json.dumps(resources))
        floor = [sys.executable, str(Path(__file__)), "--floor", str(listed)]
        _run(floor)  # the first run may compile bytecode; the plan has had its own
        times = [(_seconds(plan), _seconds(floor)) for _ in range(runs)]
    best_plan, best_floor = (min(column) for column in zip(*times, strict=True))
    _say(f"plan {stack}   {best_plan:.2f} s   {len(resources)} resources, best of {runs}")
    _say(f"floor      {best_floor:.2f} s   the same resources, registered bare")
    _say(f"ratio      {best_plan / best_floor:.2f}     aim: {AIM} or less")


def register(resources: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
    """Register raw resources under mocks."""
    import pulumi

    class Echo(pulumi.runtime.Mocks):
        """Outputs are the inputs."""

        def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
            """Give the inputs back."""
            return f"{args.name}-id", dict(args.inputs)

        def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
            """Nothing is asked."""
            return dict(args.args), None

    pulumi.runtime.set_mocks(Echo(), preview=True)
    for token in dict.fromkeys(token for token, _, _ in resources if token.startswith("aws:")):
        _, module, name = token.split(":")
        package = module.partition("/")[0]
        # `lambda` is a word of Python: the SDK calls its module `lambda_`.
        getattr(importlib.import_module(f"pulumi_aws.{package}{'_' * keyword.iskeyword(package)}"), name)

    def program() -> None:
        for token, name, inputs in resources:
            pulumi.CustomResource(token, name, inputs)

    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call] # Pulumi's decorator has no types


def _run(command: Sequence[str]) -> str:
    completed = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True)
    if completed.returncode != 0:
        sys.exit(completed.stderr)
    return completed.stdout


def _seconds(command: Sequence[str]) -> float:
    started = time.perf_counter()
    _run(command)
    return time.perf_counter() - started


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
