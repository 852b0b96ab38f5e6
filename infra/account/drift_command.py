"""`headroom drift`: what was changed in the account behind the program's back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from infra.account.drift_run import Look

WIDTH: Final = 180
STYLES: Final = {"deleted": "red", "opened to the world": "bold red", "changed": "yellow"}


@click.command("drift")
@click.argument("stack")
@click.option("--local", "is_local", is_flag=True, help="The stack on the local cloud.")
@click.option("--json", "as_json", is_flag=True, help="Every difference, for machines.")
def command(stack: str, *, is_local: bool, as_json: bool) -> None:
    """Compare STACK's state with what is really there; exit code 1 where they differ. Neither is changed."""
    from infra.account import drift_run
    from infra.config import ROOT

    deployed = drift_run.local(stack, ROOT) if is_local else drift_run.on_aws(stack, ROOT)
    click.echo(f"reading every resource of {stack} ...", err=True)
    found = drift_run.look(deployed)
    if as_json:
        click.echo(json.dumps(to_dict(found), indent=2))
    else:
        from rich.console import Console

        console = Console()
        if not console.is_terminal:  # rich would take 80 columns, and break every line
            console = Console(width=WIDTH)
        console.print(render(found))
    if found.drifts:
        raise click.exceptions.Exit(1)


def to_dict(found: Look) -> dict[str, Any]:
    """For machines."""
    return {
        "stack": found.stack,
        "resources": found.resources,
        "drifted": bool(found.drifts),
        "drifts": [
            {
                "kind": one.kind.value,
                "urn": one.urn,
                "type": one.type,
                "name": one.name,
                "property": one.what,
                "before": one.before,
                "after": one.after,
            }
            for one in found.drifts
        ],
        "policy": [
            {"rule": one.rule.id, "severity": one.rule.severity.value, "urn": one.urn, "message": one.message}
            for one in found.broken
        ],
        "facts": [
            {
                "region": one.region,
                "area": one.area,
                "subject": one.subject,
                "what": one.fact.what,
                "expected": one.fact.expected,
                "actual": one.fact.actual,
            }
            for one in found.facts
        ],
    }


def render(found: Look) -> RenderableType:
    """The differences, what they break, and one closing line."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    if found.drifts:
        parts += [_drifts(found), Text()]
    if found.broken:
        parts += [
            Text("Rules of the policy pack that it breaks now:", style="bold red"),
            *map(_rule, found.broken),
            Text(),
        ]
    if found.facts:
        parts += [
            Text("Not as the phase promises, by drift or because the stack file is ahead (`headroom verify`):"),
            *(
                Text(f"  {one.subject}: {one.fact.what}: {one.fact.actual}, not {one.fact.expected}")
                for one in found.facts
            ),
            Text(),
        ]
    if found.drifts:
        mend = f"put it back with `pulumi up --refresh --stack {found.stack}`, or bring the program there too"
        closing = Text(f"{found.stack} has drifted: {len(found.drifts)} differences; {mend}", style="bold red")
    else:
        closing = Text(f"{found.stack}: no drift in {found.resources} resources", style="bold green")
    return Group(*parts, closing)


def _drifts(found: Look) -> Table:
    from rich.table import Table
    from rich.text import Text

    from infra.account.drift import Kind

    table = Table(box=None, pad_edge=False)
    for title in ("what", "resource", "type", "property", "in the state", "now"):
        table.add_column(title, overflow="fold")
    order = list(Kind)
    for one in sorted(found.drifts, key=lambda drift: (order.index(drift.kind), drift.urn, drift.what)):
        kind = Text(one.kind.value, style=STYLES.get(one.kind.value, ""))
        table.add_row(kind, *map(Text, (one.name, one.type.rpartition(":")[2], one.what, one.before, one.after)))
    return table


def _rule(one: Any) -> RenderableType:
    from rich.text import Text

    return Text(f"  {one.text}  [{one.rule.severity.value}]")
