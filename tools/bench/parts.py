"""What is measured in a process of its own: `python -m tools.bench.parts PART ARGUMENT...` prints its seconds."""

from __future__ import annotations

import gc
import importlib
import json
import keyword
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from infra.errors import UserError
from tools.bench.times import Seconds, guard

PROJECT: Final = Path(__file__).resolve().parents[2]


def floor(listed: str) -> Seconds:
    """Register the raw resources that a file lists under mocks. Nothing is timed here: the whole process is."""
    import pulumi

    resources = json.loads(Path(listed).read_text(encoding="utf-8"))

    class Echo(pulumi.runtime.Mocks):
        """Outputs are the inputs."""

        def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
            """Give the inputs back."""
            return f"{args.name}-id", dict(args.inputs)

        def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
            """Nothing is asked."""
            return dict(args.args), None

    pulumi.runtime.set_mocks(Echo(), preview=True)
    _import_types(token for token, _, _ in resources)

    def program() -> None:
        for token, name, inputs in resources:
            pulumi.CustomResource(token, name, inputs)

    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call] # Pulumi's decorator has no types
    return {}


def plan(*stacks: str) -> Seconds:
    """Time plans whose imports are done, and the guard between them. All have the first one's name, as a growth has."""
    gc.disable()  # as `headroom plan` and `headroom grow` do
    from infra import stack_file
    from infra.growth.guard import judge
    from infra.plan import make_plan

    stored = [stack_file.read(stack_file.path_of(stack, PROJECT)) for stack in stacks]
    make_plan(stored[-1])  # imports what the largest needs
    seconds, plans = dict[str, float](), []
    for stack, one in zip(stacks, stored, strict=True):
        began = time.perf_counter()
        plans.append(make_plan(replace(one, stack=stored[0].stack)).resources)
        seconds[f"inside {stack}"] = time.perf_counter() - began
    for (small, before), (large, after) in pairwise(zip(stacks, plans, strict=True)):
        began = time.perf_counter()
        judge(before, after)
        seconds[guard(small, large)] = time.perf_counter() - began
    return seconds


def preview(way: str, stack: str, root: str) -> Seconds:
    """Time a preview on the local cloud at `root`."""
    return {f"{way} {stack}": _preview(way, stack, root)}


def start_up(way: str, stack: str, root: str, listed: str) -> Seconds:
    """Time a preview that imports the program, with the types that a file lists, and registers nothing."""
    tokens = [token for token, _, _ in json.loads(Path(listed).read_text(encoding="utf-8"))]

    async def program() -> None:
        importlib.import_module("stacks.platform")
        _import_types(tokens)

    return {f"start-up {way} {stack}": _preview(way, stack, root, program)}


def _preview(way: str, stack: str, root: str, program: Any = None) -> float:
    from infra.local import stack as local_stack

    # The stock way is Python as it is: the pause of the collector is the only thing that is ours.
    with patch.object(local_stack, "uncollected", nullcontext) if way == "stock" else nullcontext():
        return local_stack.LocalStack(stack, root=Path(root), program=program).preview().seconds


def _import_types(tokens: Iterable[str]) -> None:
    """Import the SDK's class of each AWS type: it loads a service's module when it is first asked for."""
    for token in dict.fromkeys(token for token in tokens if token.startswith("aws:")):
        _, module, name = token.split(":")
        package = module.partition("/")[0]
        # `lambda` is a word of Python: the SDK calls its module `lambda_`.
        getattr(importlib.import_module(f"pulumi_aws.{package}{'_' * keyword.iskeyword(package)}"), name)


PARTS: Final[Mapping[str, Callable[..., Seconds]]] = {
    "floor": floor,
    "plan": plan,
    "preview": preview,
    "start-up": start_up,
}


def main(part: str, *arguments: str) -> None:
    """Take one measurement, and print it as the last line."""
    try:
        seconds = PARTS[part](*arguments)
    except UserError as error:
        sys.exit(f"error: {error}")
    sys.stdout.write(f"\n{json.dumps(seconds)}\n")
    sys.stdout.flush()
    if part != "floor":  # Nobody times the end of the others; as the command does, they do not take the SDK apart.
        os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
