"""`headroom restore`, `headroom promote` and `headroom rotate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from infra.procedures.ground import Ground
    from infra.procedures.steps import Procedure

SECRETS = ("database", "cache", "origin", "application", "signing")


def _options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a procedure its argument and the options that all have."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="For machines."),
        click.option("--dry-run", is_flag=True, help="Only say what would be done, with every call."),
        click.option("--local", "is_local", is_flag=True, help="On the local cloud."),
    ):
        function = option(function)
    return click.argument("stack")(function)


@click.command()
@click.option("--at", metavar="TIME", help="Point in time with its zone; the latest one without any option.")
@click.option("--snapshot", metavar="ID", help="A snapshot of RDS.")
@click.option("--recovery-point", metavar="ARN", help="A recovery point of AWS Backup.")
@click.option("--shard", type=int, help="A logical shard on the primary, where there are several.")
@_options
def restore(
    stack: str,
    *,
    at: str | None,
    snapshot: str | None,
    recovery_point: str | None,
    shard: int | None,
    is_local: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Restore a database of STACK beside the running one, and put it in its place.

    What was written after the backup is lost. The running database stays, under another name. The same command goes
    on where it was cut short. docs/procedures/restore.md
    """
    from infra.procedures.restore import Restore
    from infra.procedures.sources import parse

    source = parse(at, snapshot, recovery_point)
    ground = _ground(stack, is_local=is_local)
    _run(ground, Restore(ground, shard, source).procedure(), dry_run=dry_run, as_json=as_json)


@click.command()
@click.option("--region", required=True, help="Whose copies take over: a region that is not lost.")
@_options
def promote(stack: str, *, region: str, is_local: bool, dry_run: bool, as_json: bool) -> None:
    """Let the copies of STACK in a region take over from the primaries of a region that is lost.

    It cannot be taken back. docs/procedures/lose-a-region.md
    """
    from infra.procedures.promote import Promotion

    ground = _ground(stack, is_local=is_local)
    _run(ground, Promotion(ground, region).procedure(), dry_run=dry_run, as_json=as_json)


@click.command()
@click.option("--secret", type=click.Choice(SECRETS), required=True, help="Which one.")
@_options
def rotate(stack: str, *, secret: str, is_local: bool, dry_run: bool, as_json: bool) -> None:
    """Make a secret of STACK anew, and bring it to all who use it.

    docs/procedures/rotate-a-secret.md
    """
    from infra.procedures.rotate import Rotation, Secret

    ground = _ground(stack, is_local=is_local)
    _run(ground, Rotation(ground, Secret(secret)).procedure(), dry_run=dry_run, as_json=as_json)


def _ground(stack: str, *, is_local: bool) -> Ground:
    from infra.procedures.ground import Ground

    return Ground(stack, is_local=is_local)


def _run(ground: Ground, procedure: Procedure, *, dry_run: bool, as_json: bool) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    from infra.errors import UserError
    from infra.local.progress import console
    from infra.procedures import report
    from infra.procedures.steps import carry_out, look_ahead

    out = console(quiet=as_json)
    try:
        if dry_run:
            reports = look_ahead(procedure)
        else:
            reports = carry_out(
                procedure,
                ground.client,
                lambda line: out.print(line, markup=False, highlight=False, soft_wrap=True),
                look_seconds=ground.look_seconds,
            )
    except (BotoCoreError, ClientError) as error:
        msg = f"AWS refused: {error}"
        raise UserError(msg, ["the same command goes on from here once that is mended"]) from None
    if as_json:
        click.echo(json.dumps(report.to_dict(procedure, reports, dry_run=dry_run), indent=2))
    else:
        report.show(out, procedure, reports, dry_run=dry_run)
