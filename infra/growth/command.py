"""`headroom grow`: what carrying a stack to another phase would do, and whether anything would be lost."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from infra.growth.report import Report, Stage
    from infra.growth.state import State
    from infra.growth.steps import Step
    from infra.stack_file import StackFile
    from stacks.phase import PhaseName

PHASES = click.Choice(["10k", "50k", "250k", "1m"])


@click.command()
@click.argument("stack")
@click.option("--to", "new", type=PHASES, required=True, help="Phase to grow to.")
@click.option("--from", "old", type=PHASES, help="Phase to come from; the stack file's own unless given.")
@click.option("--state", "state_file", type=click.Path(path_type=Path), help="File of `pulumi stack export`.")
@click.option("--local", "is_local", is_flag=True, help="The stack's state on the local cloud.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(stack: str, *, new: str, old: str | None, state_file: Path | None, is_local: bool, as_json: bool) -> None:
    """Show how STACK gets to another phase: the steps, what each changes, how long it takes, what would be lost.

    Exit code 1 when anything that holds data would be replaced or deleted, or AWS would refuse.
    """
    gc.disable()  # As in `headroom plan`: the process ends before anything would have to be collected.
    from infra import stack_file
    from infra.config import ROOT
    from infra.errors import UserError
    from infra.growth import report as reports
    from stacks.phase import PhaseName

    stored = stack_file.read(stack_file.path_of(stack, ROOT))
    if state_file and is_local:
        msg = "--state and --local are two sources of the same thing: give one"
        raise UserError(msg)
    state = _state(stored.stack, state_file, is_local=is_local)
    before = old or (state and state.phase) or stored.raw.get("headroom:phase", "")
    if before not in PHASES.choices:
        msg = f"there is no phase {before!r} to come from"
        raise UserError(msg, ["name it: --from, one of 10k, 50k, 250k, 1m"])
    found = grow(stored, PhaseName(before), PhaseName(new), state)
    if as_json:
        click.echo(json.dumps(reports.to_dict(found), indent=2))
    else:
        for line in reports.lines(found):
            click.echo(line)
    if not found.is_safe:
        raise click.exceptions.Exit(1)


def grow(stored: StackFile, old: PhaseName, new: PhaseName, state: State | None = None) -> Report:
    """Judge all steps from a phase, or from a real state, to another phase.

    Raises:
        infra.errors.UserError: the configuration does not fit one of the phases.
    """
    from infra.growth.report import Report
    from infra.growth.steps import in_phase, sizes, steps
    from stacks.phases import possible, shrinks

    before, after = sizes(in_phase(stored, old)), sizes(in_phase(stored, new))
    refused = tuple(shrinks(before, after))
    stages: tuple[Stage, ...] = ()
    if not refused:
        stages = tuple(_judged(steps(stored, old, new), in_phase(stored, old), state))
    back = tuple(possible(before, after))
    return Report(stored.stack, old.value, new.value, refused, back, stages)


def _judged(wanted: list[Step], start: StackFile, state: State | None) -> list[Stage]:
    from infra.growth.guard import judge
    from infra.growth.report import Stage
    from infra.growth.steps import reboots
    from infra.growth.times import of_growth
    from infra.plan import make_plan

    before = state.resources if state else make_plan(start).resources
    stages, real = [], state is not None
    for step in wanted:
        after = make_plan(step.stored).resources
        growth = judge(before, after, real=real)
        there = {one.urn for one in before}
        waiting = reboots(growth, [one for one in after if one.urn in there])
        stages.append(Stage(step, growth, of_growth(growth, after), tuple(waiting)))
        before, real = after, False
    return stages


def _state(stack: str, path: Path | None, *, is_local: bool) -> State | None:
    from infra.errors import UserError
    from infra.growth import state

    if path is None and not is_local:
        return None
    if path is not None:
        found = state.read(path)
    else:
        from infra.local.stack import LocalStack

        found = state.of(LocalStack(stack).resources())
    if found.stack != stack:
        msg = f"the state is of stack {found.stack}, not of {stack}"
        raise UserError(msg)
    return found
