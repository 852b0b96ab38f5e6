"""The `headroom` command. Imports wait until their command runs, so that `headroom plan` stays fast."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import click

from infra.errors import UserError

if TYPE_CHECKING:
    from infra.local.stack import LocalStack, Outcome

COMMANDS: Final = {
    "bootstrap": ("infra.account.bootstrap", "command", "Set up an account: Pulumi's state, its key, GitHub's roles."),
    "cost": ("infra.cost.command", "command", "Show what a stack costs in a month, and whether that is in its band."),
    "destroy": ("infra.cli", "destroy", "Delete everything of a stack on the local cloud."),
    "drift": ("infra.account.drift_command", "command", "Show what was changed behind the program's back."),
    "engine": ("infra.engine", "command", "Show which Pulumi engine is used, and where it came from."),
    "grow": ("infra.growth.command", "command", "Show how a stack gets to another phase, and what would be lost."),
    "local": ("infra.cli", "local", "The local cloud: start, stop, status, reset."),
    "plan": ("infra.plan_command", "command", "Show what a stack would be, without engine, network or credentials."),
    "policy": ("infra.policy_command", "command", "Judge a stack by the rules of the policy pack."),
    "preview": ("infra.cli", "preview", "Show what `up` would change on the local cloud."),
    "prices": (
        "infra.cost.prices_command",
        "command",
        "Read AWS's prices into the price book, and check how old it is.",
    ),
    "promote": ("infra.procedures.command", "promote", "Let copies take over from a region that is lost."),
    "quota": ("infra.account.quota_command", "command", "Compare what a stack needs with AWS's service quotas."),
    "recover": (
        "infra.recovery.command",
        "recover",
        "Bring a stack's state and the cloud together after an update that was cut short.",
    ),
    "refresh": ("infra.cli", "refresh", "Compare a stack's state with what is in the local cloud."),
    "restore": ("infra.procedures.command", "restore", "Restore a database, and put it in the running one's place."),
    "review": ("infra.review.command", "command", "Compare every stack with a base: the pull-request comment."),
    "rotate": ("infra.procedures.command", "rotate", "Make a secret anew, and bring it to all who use it."),
    "schema": ("infra.config_schema", "command", "Print the JSON Schema of the stack files."),
    "sweep": ("infra.recovery.command", "sweep", "List what a stack's updates made and its state does not have."),
    "up": ("infra.cli", "up", "Bring a stack up on the local cloud."),
    "verify": ("infra.verify.command", "command", "Check that an account holds what the phase promises."),
}
"""Each command: its module, its name there, and its line in the help, which costs no import."""


LONG_LIST: Final = 8
ADVICE_SHOWN: Final = 5
"""So many lines of advice are shown as they are; of more, how many there are of each rule."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they run; the help needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with the lines of the table."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][2]) for name in sorted(COMMANDS)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def headroom() -> None:
    """Carry a product from 10 thousand to 1 million monthly users, on AWS or on a cloud of your own machine."""


def main() -> None:
    """Entry point: prints what a user can mend without a traceback."""
    code = _exit_code()
    with suppress(BrokenPipeError):
        sys.stdout.flush()
    # Python would take the SDK's million objects apart one by one: two seconds for a plan of 1m, for nothing.
    os._exit(code)


def _exit_code() -> int:
    try:
        headroom(prog_name="headroom")
    except UserError as error:
        click.secho("error: ", fg="red", nl=False, err=True)
        click.echo(str(error), err=True)
        return error.exit_code
    except SystemExit as done:  # click's own way out
        return done.code if isinstance(done.code, int) else 0
    return 0


def _operation(function: Callable[..., None]) -> click.Command:
    """Give an operation on a stack its argument and options."""
    function = click.option("--json", "as_json", is_flag=True, help="The result, for machines.")(function)
    function = click.option("--local", "is_local", is_flag=True, help="On the local cloud.")(function)
    return click.command()(click.argument("stack")(function))


def _judged(function: Callable[..., None]) -> Callable[..., None]:
    """Give an operation that registers resources the option to have the policy pack judge them."""
    text = "Judge by the policy pack; what it refuses is not made."
    return click.option("--policies", "is_judged", is_flag=True, help=text)(function)


def _run(operation: str, name: str, *, is_local: bool, as_json: bool, is_judged: bool = False) -> None:
    if not is_local:
        msg = f"without --local this is the official CLI's work: `pulumi {operation} -s {name}`"
        raise UserError(msg, [f"on the local cloud, without any account: `headroom {operation} {name} --local`"])
    from infra.config import ROOT
    from infra.local.progress import console
    from infra.local.stack import LocalStack

    stack = LocalStack(name, console=console(quiet=as_json), policies=ROOT / "policies" if is_judged else None)
    outcome: Outcome = getattr(stack, operation)()
    if as_json:
        advice = {"advice": outcome.progress.advice} if is_judged else {}
        click.echo(json.dumps({**outcome.to_dict(), **advice}, indent=2))
    else:
        _show(stack, outcome)


def _show(stack: LocalStack, outcome: Outcome) -> None:
    out, progress = stack.console, outcome.progress
    for line in progress.notable if outcome.operation != "destroy" else ():
        out.print(line, markup=False, highlight=False)
    if progress.changed and outcome.operation != "refresh":
        out.print(progress.table())
    for line in _advice(outcome.progress.advice):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    width = max(map(len, outcome.outputs), default=0)
    for name, value in sorted(outcome.outputs.items()):
        out.print(f"{name:<{width}}  {_brief(value)}", markup=False, highlight=False, soft_wrap=True)
    count = sum(progress.totals().values())
    verdict = f"{progress.changed} of {count} resources" if progress.changed else f"no changes ({count} resources)"
    tense = "would change" if outcome.operation == "preview" else "changed"
    verdict = f"{verdict} {tense}" if progress.changed else verdict
    out.print(f"{outcome.operation} {stack.name}: {verdict}, {outcome.seconds:.0f} s", highlight=False)


def _advice(lines: list[str]) -> list[str]:
    """What the policy pack advises; of much advice how often each rule speaks, and where the whole of it stands."""
    if len(lines) > ADVICE_SHOWN:
        rules = Counter(line.partition(": ")[0] for line in lines)
        lines = [rule if count == 1 else f"{rule}, {count} times" for rule, count in rules.most_common()]
        lines = [*lines, "`--json` names the resources, and what mends each"]
    return [f"advice: {line}" for line in lines]


def _brief(value: object) -> str:
    """A text as it is, what is nested by its keys or its length, anything else as JSON: `--json` has it whole."""
    if isinstance(value, dict):
        return f"of {', '.join(value)}"
    if isinstance(value, list) and len(value) > LONG_LIST:
        return f"{len(value)} values"
    return value if isinstance(value, str) else json.dumps(value)


@_operation
@_judged
def up(stack: str, *, is_local: bool, as_json: bool, is_judged: bool) -> None:
    """Create or update STACK, and start the local cloud where none runs."""
    _run("up", stack, is_local=is_local, as_json=as_json, is_judged=is_judged)


@_operation
@_judged
def preview(stack: str, *, is_local: bool, as_json: bool, is_judged: bool) -> None:
    """Show what `up` would do to STACK."""
    _run("preview", stack, is_local=is_local, as_json=as_json, is_judged=is_judged)


@_operation
def refresh(stack: str, *, is_local: bool, as_json: bool) -> None:
    """Write into STACK's state what is really there."""
    _run("refresh", stack, is_local=is_local, as_json=as_json)


@_operation
def destroy(stack: str, *, is_local: bool, as_json: bool) -> None:
    """Delete everything of STACK, protected or not: it is only the local cloud."""
    _run("destroy", stack, is_local=is_local, as_json=as_json)


@click.group()
def local() -> None:
    """The local cloud: one background process with moto's AWS and the Pulumi providers over it."""


@local.command()
def start() -> None:
    """Start it, and wait until it answers; fine when it runs already."""
    from infra.local import cloud

    found, started = cloud.start()
    click.echo(f"the local cloud {'is up' if started else 'was up already'}: AWS at {found.endpoint} (pid {found.pid})")
    _warn_lost()


@local.command()
def stop() -> None:
    """Stop it; everything in it is gone then."""
    from infra.local import cloud

    found = cloud.stop()
    click.echo(f"stopped (pid {found.pid})" if found else "the local cloud was not running")
    _warn_lost()


@local.command()
def reset() -> None:
    """Empty it, and forget the local stacks."""
    from infra.local import cloud

    found, forgotten = cloud.reset()
    click.echo(f"forgot the local stacks: {', '.join(forgotten) or 'there were none'}")
    click.echo(f"the local cloud is empty: AWS at {found.endpoint}" if found else "the local cloud is not running")


@local.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def status(*, as_json: bool) -> None:
    """Say whether it runs, where it listens, and which stacks are on it."""
    from dataclasses import asdict

    from infra.local import cloud

    found = cloud.find()
    lost = cloud.lost(cloud.PROJECT, found)
    stacks = {name: "lost" if name in lost else "here" for name in cloud.stacks()}
    if as_json:
        facts: dict[str, Any] = {"cloud": asdict(found) if found else None, "stacks": stacks}
        click.echo(json.dumps(facts, indent=2))
        return
    if found is None:
        click.echo("the local cloud is not running: start it with `headroom local start`")
    else:
        click.echo(f"running since {found.started} (pid {found.pid}), AWS at {found.endpoint}")
        # Any credentials do, but there must be some: moto tells the services apart by the signature.
        credentials = "AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local"
        click.echo(f"look at it: {credentials} aws --region us-east-1 --endpoint-url {found.endpoint} s3 ls")
    for name, where in stacks.items():
        click.echo(f"stack {name}: {'up' if where == 'here' else 'its cloud is gone'}")
    _warn_lost()


def _warn_lost() -> None:
    from infra.local import cloud

    lost = cloud.lost(cloud.PROJECT, cloud.find())
    if lost:
        click.echo(f"the cloud that held {', '.join(lost)} is gone, while the state is still here:", err=True)
        click.echo("  forget the state with `headroom local reset`, then build anew with `headroom up`", err=True)


if __name__ == "__main__":
    main()
