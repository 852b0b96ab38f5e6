"""`headroom cost`: what a stack costs in a month, on demand, from the plan or from what the engine prints."""

from __future__ import annotations

import gc
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

    from infra.cost.bands import Standing
    from infra.cost.source import Source
    from infra.cost.usage import Level

WIDTH: Final = 140
LEVELS: Final = click.Choice(["low", "expected", "high"])


@click.command()
@click.argument("stack", required=False)
@click.option("--level", type=LEVELS, help="How busy the month is; expected unless given.")
@click.option("--from", "file", type=click.Path(path_type=Path), help="A preview or a state, as the engine prints it.")
@click.option("--commitments", "is_committed", is_flag=True, help="Beside it: reservations, savings plans and spot.")
@click.option("--coverage", type=click.IntRange(0, 100), help="Percent of a quiet month to commit to, 100 by default.")
@click.option("--all", "is_all", is_flag=True, help="The four stacks that ship, side by side.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(
    stack: str | None,
    *,
    level: str | None,
    file: Path | None,
    is_committed: bool,
    coverage: int | None,
    is_all: bool,
    as_json: bool,
) -> None:
    """Show what STACK costs in a month at on-demand list prices, without network or credentials.

    Exit code 1 when the expected total is outside of the phase's budget band, or anything has no price.
    """
    gc.disable()  # As in `headroom plan`: the process ends before anything would have to be collected.
    from infra.errors import UserError

    if is_all:
        if stack or level or file or is_committed or coverage is not None:
            msg = "--all is about the four stacks that ship, at every level: it goes with --json only"
            raise UserError(msg)
        _all(as_json=as_json)
        return
    if coverage is not None and not is_committed:
        msg = "--coverage is about --commitments: give both"
        raise UserError(msg)
    from infra.cost.bands import stand
    from infra.cost.usage import Level

    standing = stand(_source(stack, file))
    percent = (100 if coverage is None else coverage) if is_committed else None
    _show(standing, Level(level or Level.EXPECTED), percent, as_json=as_json)
    if not standing.is_inside:
        raise click.exceptions.Exit(1)


def _source(stack: str | None, file: Path | None) -> Source:
    from infra import stack_file
    from infra.config import ROOT, Settings
    from infra.errors import UserError

    stored = stack_file.read(stack_file.path_of(stack, ROOT)) if stack else None
    if stored is not None:  # told before a second of imports
        Settings.parse(stored.raw, stack=stored.stack, encrypted=stored.encrypted)
    from infra.cost import source

    if file is not None:
        return source.of_file(file, stored)
    if stored is not None:
        return source.of_plan(stored)
    msg = "name a stack, a file with --from, or --all"
    raise UserError(msg)


def _show(standing: Standing, level: Level, coverage_percent: int | None, *, as_json: bool) -> None:
    from infra.cost import ages, offers_report, report
    from infra.cost.commitments import commitments
    from infra.cost.usage import Level

    found, least, facts = standing.estimates[level], standing.estimates[Level.LOW], report.to_dict(standing, level)
    facts["warnings"] = ages.warnings(found.lines, datetime.now(UTC).date())
    shown = [report.render(standing, level), *facts["warnings"]]
    if coverage_percent is not None:
        made = commitments(found, least, coverage_percent=coverage_percent)
        facts["commitments"] = offers_report.to_dict(found, made, coverage_percent)
        shown.append(offers_report.render(found, made, coverage_percent))
    _print(facts, shown, as_json=as_json)


def _all(*, as_json: bool) -> None:
    from infra.config import ROOT
    from infra.cost import phases

    found = phases.compare(ROOT)
    _print(found, [phases.table(found["phases"])], as_json=as_json)
    if not all(one["inside"] for one in found["phases"].values()):
        raise click.exceptions.Exit(1)


def _print(facts: Mapping[str, Any], shown: Sequence[RenderableType], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    from rich.console import Console

    console = Console()
    if not console.is_terminal:  # rich would take 80 columns, and break every line
        console = Console(width=WIDTH)
    for one in shown:
        console.print(one)
