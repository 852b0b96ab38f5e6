"""`headroom plan`: what a stack would be, without engine, network or credentials."""

from __future__ import annotations

import gc
import json

import click


@click.command()
@click.argument("stack")
@click.option("--json", "as_json", is_flag=True, help="Every resource with inputs, options and dependencies.")
@click.option("--mermaid", "as_mermaid", is_flag=True, help="A picture of the components.")
def command(stack: str, *, as_json: bool, as_mermaid: bool) -> None:
    """Show what STACK would be, from Pulumi.STACK.yaml alone."""
    # Importing the SDK makes a million objects, which the collector would walk again and again; the process ends
    # before anything would have to be collected.
    gc.disable()
    from infra import stack_file
    from infra.config import ROOT, Settings

    stored = stack_file.read(stack_file.path_of(stack, ROOT))
    Settings.parse(stored.raw, stack=stack, encrypted=stored.encrypted)  # told before a second of imports
    from infra.plan import make_plan

    plan = make_plan(stored)
    if as_json:
        click.echo(json.dumps(plan.to_dict(), indent=2))
        return
    from infra import render

    if as_mermaid:
        click.echo(render.mermaid(plan))
        return
    from rich.console import Console

    from infra.growth import times

    console = Console()
    console.print(render.tree(plan))
    path = times.first_up(plan.resources)
    console.print(
        f"first up on AWS: about {times.clock(path.seconds)}; longest path: {times.told(path)}", soft_wrap=True
    )
