"""Plans of both sides of a review: each by its own code, two processes at a time, a commit's kept for the next time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

from infra.plan import PlannedResource
from infra.review import snapshot
from infra.review.trees import Tree
from infra.stack_file import stack_of
from stacks.phase import PhaseName

KEPT: Final = 8
"""Commits whose plans are kept; the plans of one take some 10 MB."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One stack of one side.

    Attributes:
        stack: its name.
        phase: its phase.
        sizes: the phase with the stack's overrides, as its own side's model writes it.
        usage: `headroom:usage` of its stack file.
        resources: its plan.
        exempted: `headroom:exempted` of its stack file.
        is_production: whether its environment is production.
    """

    stack: str
    phase: str
    sizes: Mapping[str, Any]
    usage: Mapping[str, Any]
    resources: Sequence[PlannedResource]
    exempted: Sequence[str] = ()
    is_production: bool = True


@dataclass(frozen=True, slots=True)
class Broken:
    """A stack that its side cannot plan, and why."""

    stack: str
    why: str


@dataclass(frozen=True, slots=True)
class Side:
    """All stacks of one side.

    Attributes:
        tree: where it was taken from.
        stacks: by name; the phases' own first, in their order.
        ladder: the phases' own stacks once more, as if they were one stack: what growing leads through.
    """

    tree: Tree
    stacks: Mapping[str, Planned | Broken]
    ladder: tuple[Planned | Broken, ...]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Plans that one process makes, one after the other."""

    tree: Tree
    jobs: tuple[str, ...]


def plan_sides(trees: Sequence[Tree], cache: Path) -> list[Side]:
    """Plan every stack of each tree; plans of commits are taken from `cache`, and left there."""
    known = {tree: kept for tree in trees if (kept := _kept(cache, tree)) is not None}
    missing = [tree for tree in dict.fromkeys(trees) if tree not in known]
    # Two processes either way: one a side, or the one side's stacks apart from its ladder.
    split = len(missing) == 1
    batches = [_Batch(tree, tuple(part)) for tree in missing for part in _parts(tree.path, split=split) if part]
    made: dict[Tree, dict[str, Any]] = {tree: {} for tree in missing}
    for batch, found in zip(batches, _run(batches), strict=True):
        made[batch.tree].update(found)
    for tree, found in made.items():
        _keep(cache, tree, found)
    return [_side(tree, {**known, **made}[tree]) for tree in trees]


def stacks_of(tree: Path) -> list[str]:
    """Names of a tree's stacks; the phases' own first, in their order."""
    phases = [phase.value for phase in PhaseName]
    names = sorted(stack_of(path) for path in tree.glob("Pulumi.*.yaml"))
    return [*(name for name in phases if name in names), *(name for name in names if name not in phases)]


def _ladder(names: Sequence[str]) -> list[str]:
    """Jobs that plan the phases' own stacks under the first one's name; URNs and physical names carry the stack's."""
    steps = [phase.value for phase in PhaseName if phase.value in names]
    return [f"{name}={steps[0]}" for name in steps]


def _parts(tree: Path, *, split: bool) -> list[list[str]]:
    names = stacks_of(tree)
    own = [f"{name}={name}" for name in names]
    further = [job for job in _ladder(names) if job not in own]
    return [own, further] if split else [[*own, *further]]


def _run(batches: Sequence[_Batch]) -> list[dict[str, Any]]:
    """Run all batches at once; none outlives this, whatever interrupts it."""
    with tempfile.TemporaryDirectory(prefix="headroom-review-") as name:
        folder = Path(name)
        with _processes(batches, folder) as running:
            codes = [process.wait() for process in running]
        return [_result(batch, folder / str(number), codes[number]) for number, batch in enumerate(batches)]


@contextmanager
def _processes(batches: Sequence[_Batch], folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    # A program that is looked at finds its own modules, whatever the caller's path is.
    environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "PYTHONHOME"}}
    running: list[subprocess.Popen[bytes]] = []
    try:
        for number, batch in enumerate(batches):
            out = folder / str(number)
            command = [sys.executable, "-P", snapshot.__file__, str(batch.tree.path), str(out), *batch.jobs]
            if batch.tree.commit is not None:
                command.insert(1, "-B")  # the worktree goes away, and its bytecode with it
            with out.with_suffix(".log").open("wb") as log:
                running.append(
                    subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
                )
        yield running
    finally:
        for process in running:
            process.kill()  # nothing where it has ended
        for process in running:
            process.wait()


def _result(batch: _Batch, out: Path, code: int) -> dict[str, Any]:
    if code == 0 and out.is_file():
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return found
    last = out.with_suffix(".log").read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    why = f"its program ended with code {code}: {''.join(last) or 'without a word'}"
    return {job: {"error": why} for job in batch.jobs}


def _side(tree: Tree, found: Mapping[str, Any]) -> Side:
    names = stacks_of(tree.path)
    return Side(
        tree,
        {name: _stack(name, found[f"{name}={name}"]) for name in names},
        tuple(_stack(job.partition("=")[0], found[job]) for job in _ladder(names)),
    )


def _stack(name: str, found: Mapping[str, Any]) -> Planned | Broken:
    if "error" in found:
        return Broken(name, found["error"])
    resources = [PlannedResource(**one) for one in found["resources"]]
    return Planned(
        name,
        found["phase"],
        found["sizes"],
        json.loads(found["usage"]),
        resources,
        exempted=json.loads(found["exempted"]),
        is_production=found["environment"] == "production",
    )


def _place(cache: Path, tree: Tree) -> Path | None:
    """Where a commit's plans are kept: they depend on what it has, on this Python, and on every package in it."""
    if tree.content is None:
        return None
    packages = sorted(f"{one.name}=={one.version}" for one in distributions())
    parts = [tree.content, sys.version, Path(snapshot.__file__).read_text(encoding="utf-8"), *packages]
    digest = sha256("\n".join(parts).encode()).hexdigest()
    return cache / f"{digest}.json"


def _kept(cache: Path, tree: Tree) -> dict[str, Any] | None:
    place = _place(cache, tree)
    if place is None or not place.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    except ValueError:  # a disk that was full
        return None
    place.touch()
    return found


def _keep(cache: Path, tree: Tree, found: Mapping[str, Any]) -> None:
    """Keep what a commit's plans are; a failure may be this machine's, and is tried again."""
    place = _place(cache, tree)
    if place is None or any("error" in one for one in found.values()):
        return
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = place.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps(found), encoding="utf-8")
    unfinished.replace(place)
    newest = sorted(cache.glob("*.json"), key=lambda one: one.stat().st_mtime, reverse=True)
    for old in newest[KEPT:]:
        old.unlink(missing_ok=True)
