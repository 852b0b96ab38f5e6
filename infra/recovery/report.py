"""Recovery and sweep as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.recovery.recover import Finding, Outcome, Recovery
from infra.recovery.sweep import Sweep


def show_recovery(console: Console, recovery: Recovery, command: str) -> None:
    """Print what was done; `command` is how the stack is named in the next command."""
    for line in recovery.prepared:
        console.print(f"{'would have ' if recovery.dry_run else ''}{line}", highlight=False)
    if recovery.findings:
        console.print(_findings(recovery.findings))
    for line in recovery.unplanned:
        console.print(f"the program was not asked what it wants: {line}", markup=False, highlight=False)
    counts = {outcome: sum(one.outcome is outcome for one in recovery.findings) for outcome in Outcome}
    said = [f"{count} {outcome.value}" for outcome, count in counts.items() if count]
    verdict = f"{'would be ' if recovery.dry_run else ''}{', '.join(said)}" if said else "state and cloud agree"
    console.print(f"recover {recovery.stack}: {verdict}", highlight=False)
    if counts[Outcome.SECOND] or counts[Outcome.STRAY]:
        console.print(f"next: `headroom sweep {command} --delete`", highlight=False)
    if not recovery.dry_run and (recovery.findings or recovery.prepared):
        console.print(f"then: `headroom up {command}`", highlight=False)


def _findings(findings: Sequence[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("resource", "was", "now", "id", "found by"):
        table.add_column(column, overflow="fold")
    for one in findings:
        kind, name = one.urn.split("::")[2].rpartition("$")[2], one.urn.rpartition("::")[2]
        now = f"{one.outcome.value} ({one.reason})" if one.reason else one.outcome.value
        table.add_row(*map(Text, (f"{kind} {name}", one.doing or "in no state", now, one.id, one.by)))
    return table


def show_sweep(console: Console, sweep: Sweep, command: str) -> None:
    """Print what is in no state, and what became of it."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("resource", "id", "where", "may hold", ""):
        table.add_column(column, overflow="fold")
    for one in sweep.orphans:
        name = one.urn.rpartition("::")[2]
        fate = "deleted" if one.deleted else "there"
        table.add_row(*map(Text, (f"{one.type} {name}", one.id, one.place, one.holds, fate)))
    if sweep.orphans:
        console.print(table)
    for line in sweep.failures:
        console.print(line, markup=False, highlight=False)
    gone = len(sweep.orphans) - len(sweep.left)
    verdict = f"{len(sweep.left)} objects in no state" + (f", {gone} deleted" if gone else "")
    console.print(f"sweep {sweep.stack}: {verdict}", highlight=False)
    if any(one.holds for one in sweep.left):
        console.print(f"what may hold data goes only with `headroom sweep {command} --delete --data`", highlight=False)
