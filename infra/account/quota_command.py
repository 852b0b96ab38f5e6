"""`headroom quota`: whether AWS's service quotas allow what a stack's plan needs, before `pulumi up` finds out."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from infra.errors import UserError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from infra.account.quota import Counts, Line
    from infra.stack_file import StackFile
    from infra.verify.facts import Clients

WIDTH: Final = 160
THREADS: Final = 4
"""Service Quotas answers about ten calls a second (recalled)."""
SHOWN_SHARE: Final = 0.5
"""Of a quota, from where on a line is worth reading; `--json` has all."""


@click.command("quota")
@click.argument("stack")
@click.option("--defaults", "only_defaults", is_flag=True, help="Against AWS's defaults, without asking the account.")
@click.option("--json", "as_json", is_flag=True, help="Every quota, for machines.")
def command(stack: str, *, only_defaults: bool, as_json: bool) -> None:
    """Compare what STACK's plan needs with the account's service quotas; exit code 1 where something does not fit.

    Only the plan is counted: what else is in the account comes on top.
    """
    gc.disable()  # As in `headroom plan`: the process ends before anything would have to be collected.
    from infra import stack_file
    from infra.account.quota import lines
    from infra.config import ROOT
    from infra.verify.facts import Clients

    needed = of_plan(stack_file.read(stack_file.path_of(stack, ROOT)))
    account = None if only_defaults else asked(needed, Clients())
    found = lines(needed, account)
    if as_json:
        click.echo(json.dumps(to_dict(stack, found), indent=2))
    else:
        from rich.console import Console

        console = Console()
        if not console.is_terminal:  # rich would take 80 columns, and break every line
            console = Console(width=WIDTH)
        console.print(render(stack, found))
    if not all(line.fits for line in found):
        raise click.exceptions.Exit(1)


def of_plan(stored: StackFile) -> Counts:
    """What a stack file's plan needs in its busiest month.

    Raises:
        UserError: the configuration does not hold.
    """
    from infra.account.quota import needs
    from infra.cost.book import shipped
    from infra.cost.model import Scene
    from infra.cost.source import of_plan as planned
    from infra.cost.usage import Level, Usage

    source = planned(stored)
    return needs(Scene(source.resources, Usage(source.phase, Level.HIGH, source.usage), shipped()))


def asked(needed: Iterable[tuple[str, str]], clients: Clients) -> Mapping[tuple[str, str], int] | None:
    """The account's own values; None where nobody is signed in. What AWS does not know is left out.

    Raises:
        UserError: the account may not be asked.
    """
    from concurrent.futures import ThreadPoolExecutor

    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    from infra.account.quota import quotas

    def value(place: tuple[str, str]) -> int | None:
        region, key = place
        quota = quotas()[key]
        if quota.code is None:
            return None
        client = clients.get("service-quotas", region or "us-east-1")
        # An account without an agreement of its own has only the default in some services.
        for ask in (client.get_service_quota, client.get_aws_default_service_quota):
            try:
                return int(ask(ServiceCode=quota.service, QuotaCode=quota.code)["Quota"]["Value"])
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchResourceException":
                    raise
        return None

    places = list(needed)
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            found = dict(zip(places, pool.map(value, places), strict=True))
    except NoCredentialsError:
        return None
    except (BotoCoreError, ClientError) as error:
        msg = f"the account's quotas cannot be read: {error}"
        mend = "allow servicequotas:GetServiceQuota and servicequotas:GetAWSDefaultServiceQuota"
        raise UserError(msg, [mend, "or compare with AWS's defaults: --defaults"]) from error
    return {place: have for place, have in found.items() if have is not None}


def to_dict(stack: str, found: Sequence[Line]) -> dict[str, Any]:
    """For machines."""
    return {
        "stack": stack,
        "fits": all(line.fits for line in found),
        "askedAccount": any(line.asked for line in found),
        "quotas": [
            {
                "region": line.region or None,
                "service": line.quota.service,
                "code": line.quota.code,
                "name": line.quota.name,
                "need": line.need,
                "have": line.have,
                "default": line.quota.default,
                "fits": line.fits,
                "fromAccount": line.asked,
                "command": None if line.fits else line.command,
                "source": line.quota.source,
                "confirmed": line.quota.confirmed,
                "read": line.quota.read,
            }
            for line in found
        ],
    }


def render(stack: str, found: Sequence[Line]) -> RenderableType:
    """The quotas that are more than half taken, what to ask AWS for, and one closing line."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("region", "quota", "need", "have", "share", ""):
        table.add_column(title, justify="right" if title in {"need", "have", "share"} else "left")
    tight = [line for line in found if not line.fits or line.need / line.have >= SHOWN_SHARE]
    for line in tight:
        notes = [] if line.asked else ["AWS's default" if line.quota.confirmed else "AWS's default, recalled"]
        share = f"{100 * line.need / line.have:.0f} %" if line.have else "-"
        cells = (line.region or "account", line.quota.name, f"{line.need:,}", f"{line.have:,}", share, ", ".join(notes))
        table.add_row(*map(Text, cells), style="" if line.fits else "red")
    missing = [line for line in found if not line.fits]
    parts: list[RenderableType] = [table, Text(f"{len(found) - len(tight)} others are less than half taken"), Text()]
    if missing:
        parts.append(Text("Ask AWS for more before `pulumi up`; it may take days:", style="bold"))
        parts += [Text(f"  {_ask(line)}") for line in missing]
        parts.append(Text())
    if not any(line.asked for line in found):
        parts.append(Text("The account was not asked: these are a new account's quotas, and yours may be higher."))
    word = f"{len(missing)} quotas do not fit" if missing else "everything fits"
    parts.append(
        Text(f"{stack}: {word}; what else is in the account comes on top", style="red" if missing else "green")
    )
    return Group(*parts)


def _ask(line: Line) -> str:
    where = f"{line.quota.name} in {line.region or 'the account'}"
    return line.command or f"{where}: no command asks for it; see {line.quota.source}"
