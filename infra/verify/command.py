"""`headroom verify`: does the account hold what the phase promises?"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import click

from infra.config import ROOT, Environment, Settings
from infra.errors import UserError


@click.command("verify")
@click.argument("stack")
@click.option("--local", is_flag=True, help="The stack on the local cloud.")
@click.option("--json", "as_json", is_flag=True, help="Every fact, for machines.")
def command(stack: str, *, local: bool, as_json: bool) -> None:
    """Compare STACK's account with its phase; exit code 1 where they differ."""
    settings = Settings.of(stack)
    outputs = _local_outputs(stack) if local else _outputs(stack)
    if not outputs:
        deploy = f"headroom up {stack} --local" if local else f"pulumi up --stack {stack}"
        msg = f"stack {stack} has no outputs: it is not deployed, or its last deployment failed"
        raise UserError(msg, [f"run `{deploy}`"])

    from infra.verify.facts import Clients, Scope
    from infra.verify.run import verify

    endpoint = None
    if local:
        from infra.local.cloud import endpoint as local_endpoint

        endpoint = local_endpoint(ROOT)
    scope = Scope(
        region=str(outputs.get("homeRegion", settings.spec.regions[0])),
        outputs=outputs,
        phase=settings.spec,
        domain=settings.domain,
        protected=settings.environment is not Environment.DEVELOPMENT,
        clients=Clients(endpoint),
        local=local,
    )
    findings = verify(scope)

    from infra.verify import report

    summary = report.to_dict(stack, settings.spec.name, findings)
    if as_json:
        click.echo(json.dumps(summary, indent=2))
    else:
        from rich.console import Console

        Console().print(report.render(stack, settings.spec.name, findings))
    if summary["differs"]:
        sys.exit(1)


def _local_outputs(stack: str) -> Mapping[str, Any]:
    from infra.local.stack import outputs

    return outputs(ROOT, stack)


def _outputs(stack: str) -> Mapping[str, Any]:
    """What the deployed stack exports; secret outputs stay hidden."""
    from infra.engine import find

    engine = find(ROOT)
    answer = subprocess.run(
        [engine.path, "stack", "output", "--json", "--non-interactive", "--stack", stack],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if answer.returncode != 0:
        msg = f"the outputs of stack {stack} cannot be read: {answer.stderr.strip().removeprefix('error: ')}"
        raise UserError(
            msg, ["`pulumi stack ls` shows the stacks", f"on the local cloud: `headroom verify {stack} --local`"]
        )
    outputs: Mapping[str, Any] = json.loads(answer.stdout)
    return outputs
