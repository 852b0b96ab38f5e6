"""What the four stacks that ship cost, side by side; planned in two processes, since plans are most of the work."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from infra import stack_file
from infra.errors import UserError
from infra.problems import NAMESPACE
from stacks.phase import PhaseName, Sizing

PROCESSES: Final = 2
SIZING_KEY: Final = f"{NAMESPACE}:sizing"
LONGEST_FIRST: Final = tuple(reversed(PhaseName))
"""So that neither process is left with a long plan when the other is done."""


def compare(root: Path) -> dict[str, Any]:
    """All figures, as `headroom cost --all --json` prints them.

    Raises:
        UserError: one of the stack files does not hold; every problem of all of them.
    """
    tasks = [(root, name.value, sizing) for name in LONGEST_FIRST for sizing in Sizing]
    # A fresh interpreter each: a fork would copy the threads' locks of gRPC, but not its threads.
    with get_context("spawn").Pool(PROCESSES, initializer=gc.disable) as pool:
        answers = pool.starmap(_priced, tasks, chunksize=1)
    found = {(name, sizing): answer for (_, name, sizing), answer in zip(tasks, answers, strict=True)}
    if wrong := [f"{name}, {sizing}: {one['error']}" for (name, sizing), one in found.items() if "error" in one]:
        msg = "not every stack can be planned"
        raise UserError(msg, wrong)
    phases = {}
    for name in PhaseName:
        own, blueprint = found[name.value, Sizing.EFFICIENT], found[name.value, Sizing.BLUEPRINT]["figures"]
        phases[name.value] = {
            **own["figures"],
            "blueprint_usd": blueprint["expected_usd"],
            "blueprint_unpriced": blueprint["unpriced"],
        }
    return {
        "phases": phases,
        "lines": [line for name in PhaseName for line in found[name.value, Sizing.EFFICIENT]["lines"]],
    }


def _priced(root: Path, name: str, sizing: Sizing) -> dict[str, Any]:
    """One stack in one sizing; an error as text, since not every exception survives the way to another process."""
    from infra.cost import report
    from infra.cost.bands import stand
    from infra.cost.source import of_plan

    try:
        stored = stack_file.read(root / f"Pulumi.{name}.yaml")
        standing = stand(of_plan(replace(stored, raw={**stored.raw, SIZING_KEY: sizing.value})))
    except UserError as error:
        return {"error": str(error)}
    lines = standing.expected.lines if sizing is Sizing.EFFICIENT else ()
    return {"figures": report.figures(standing), "lines": [report.line_dict(name, line) for line in lines]}


def table(phases: Mapping[str, Mapping[str, Any]]) -> Table:
    """A column a phase."""
    found = Table(box=None, pad_edge=False)
    found.add_column("USD a month")
    for name in phases:
        found.add_column(name, justify="right", no_wrap=True)
    for title, show in _ROWS:
        found.add_row(title, *(show(one) for one in phases.values()))
    return found


def _verdict(one: Mapping[str, Any]) -> Text:
    if one["unpriced"]:
        return Text(f"{one['unpriced']} UNPRICED", style="bold red")
    return Text("inside", style="green") if one["inside"] else Text("OUTSIDE", style="bold red")


def _usd(key: str) -> Any:
    def show(one: Mapping[str, Any]) -> str:
        return "" if one[key] is None else f"{one[key]:,.2f}"

    return show


def _band(one: Mapping[str, Any]) -> str:
    low, high = one["band_usd"]
    return f"{low:,} to {high:,}"


_ROWS: Final = (
    ("low usage", _usd("low_usd")),
    ("expected usage", _usd("expected_usd")),
    ("high usage", _usd("high_usd")),
    ("budget band", _band),
    ("expected in the band", _verdict),
    ("headroom to its top", _usd("headroom_usd")),
    ("for 1,000 monthly users", _usd("usd_per_thousand_users")),
    ("for a million requests", _usd("usd_per_million_requests")),
    ("on unconfirmed prices", lambda one: f"{one['unconfirmed_share']:.0%}"),
    ("blueprint, expected usage", _usd("blueprint_usd")),
    ("blueprint against efficient", lambda one: f"{one['blueprint_usd'] / one['expected_usd']:.1f} times"),
)
