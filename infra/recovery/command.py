"""`headroom recover` and `headroom sweep`: after an update that was cut short."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from infra.recovery.backend import Backend


@click.command()
@click.argument("stack")
@click.option("--local", "is_local", is_flag=True, help="On the local cloud.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def recover(stack: str, *, is_local: bool, dry_run: bool, as_json: bool) -> None:
    """Bring STACK's state and the cloud together after an update that was cut short.

    Finishes or forgets what was under way, and records what was made and is in no state. Makes, changes and deletes
    nothing in the cloud. Exit code 1 when something is left that it cannot record.
    """
    from infra.local.progress import console
    from infra.recovery.recover import recover as run
    from infra.recovery.report import show_recovery

    done = run(_backend(stack, console(quiet=True), is_local=is_local), dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(done.to_dict(), indent=2))
    else:
        show_recovery(console(), done, _named(stack, is_local=is_local))
    if not done.is_whole:
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("stack")
@click.option("--local", "is_local", is_flag=True, help="On the local cloud.")
@click.option("--delete", is_flag=True, help="Delete what is found, without asking; never what may hold data.")
@click.option("--data", is_flag=True, help="With --delete, also what may hold data.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def sweep(stack: str, *, is_local: bool, delete: bool, data: bool, as_json: bool) -> None:
    """List what carries STACK's URN and is in no state; with --delete, delete it.

    Exit code 1 when anything is left.
    """
    from infra.errors import UserError
    from infra.local.progress import console
    from infra.recovery.report import show_sweep
    from infra.recovery.sweep import sweep as run

    if data and not delete:
        msg = "--data says what --delete deletes: give both"
        raise UserError(msg)
    done = run(_backend(stack, console(quiet=True), is_local=is_local), delete=delete, data=data)
    if as_json:
        click.echo(json.dumps(done.to_dict(), indent=2))
    else:
        show_sweep(console(), done, _named(stack, is_local=is_local))
    if done.left:
        raise click.exceptions.Exit(1)


def _named(stack: str, *, is_local: bool) -> str:
    return f"{stack} --local" if is_local else stack


def _backend(stack: str, console: Console, *, is_local: bool) -> Backend:
    from infra.recovery.backend import AccountBackend, LocalBackend

    if is_local:
        from infra.local.stack import LocalStack

        return LocalBackend(LocalStack(stack, console=console))
    from infra import stack_file
    from infra.config import ROOT, Settings

    path = stack_file.path_of(stack, ROOT)
    return AccountBackend(path.name.split(".")[1], ROOT, Settings.from_file(path).spec.all_regions)
