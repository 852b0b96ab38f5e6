"""Procedures as people and machines read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console

from infra.growth.times import clock
from infra.procedures.steps import Procedure, Report, Status


def to_dict(procedure: Procedure, reports: Sequence[Report], *, dry_run: bool) -> dict[str, Any]:
    """For machines."""
    return {
        "procedure": procedure.name,
        "stack": procedure.stack,
        "dryRun": dry_run,
        "lost": list(procedure.lost),
        "steps": [report.to_dict() for report in reports],
        "after": list(procedure.after),
    }


def show(console: Console, procedure: Procedure, reports: Sequence[Report], *, dry_run: bool) -> None:
    """Print the plan, or what was done, and what is left to people."""
    for line in procedure.lost:
        console.print(f"lost: {line}", markup=False, highlight=False)
    if dry_run:
        for line in _plan(reports):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    left = sum(report.step.seconds for report in reports if report.status is Status.OPEN)
    out = sum(report.step.seconds for report in reports if report.status is Status.OPEN and report.step.outage)
    done = sum(report.status is Status.NOW for report in reports)
    took = sum(report.seconds for report in reports)
    verdict = (
        f"about {clock(left)} on AWS, {clock(out)} of it with an outage; nothing was done"
        if dry_run
        else f"{done} of {len(reports)} steps done now, {clock(round(took))}"
        if done
        else "everything was done before"
    )
    console.print(f"{procedure.name} {procedure.stack}: {verdict}", markup=False, highlight=False)
    for line in procedure.after:
        console.print(f"then: {line}", markup=False, highlight=False, soft_wrap=True)


def _plan(reports: Sequence[Report]) -> Iterator[str]:
    """A step a line with its time, and its calls below: they are too long for a table."""
    for number, report in enumerate(reports, start=1):
        done = report.status is Status.DONE
        yield f"{number}. {report.step.title}: {report.status if done else f'about {clock(report.step.seconds)}'}"
        if report.step.outage and not done:
            yield f"   meanwhile out: {report.step.outage}"
        yield from (f"   {call}" for call in report.work)
