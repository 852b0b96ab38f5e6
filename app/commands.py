"""What an operator does to a deployment, in one of its pods: `python -m app COMMAND`.

It has the pod's settings and secrets, and answers on standard output; logs go to standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import timedelta

from app import slots
from app.admin.administrators import NoAccountError, set_administrator
from app.api.search_engine import Engine, EngineError
from app.api.search_fill import forget
from app.assembly import Stores
from app.aws import Aws
from app.data.errors import UnavailableError, UncertainError
from app.data.slot_copy import SlotsError
from app.ops import logs
from app.settings import WITHOUT_SECRETS, Settings, SettingsError, read
from app.webhooks.providers import rotate, secrets_of
from app.webhooks.routes import PREVIOUS_HOURS, PROVIDERS
from app.webhooks.signatures import printable

REFUSED = 1
BAD_SETTINGS = 2


class CommandError(Exception):
    """Nothing was done; the text is for the operator."""


def main(arguments: Sequence[str]) -> int:
    """Do one command; exit code."""
    given = _parser().parse_args(arguments)
    try:
        print(asyncio.run(_run(given, _settings())))  # noqa: T201 the answer
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 it names variables, not values
        return BAD_SETTINGS
    except CommandError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 for whoever typed the command
        return REFUSED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app", description="What an operator does to a deployment.")
    commands = parser.add_subparsers(dest="command", required=True)
    administrator = commands.add_parser("administrator", help="say who is an administrator")
    administrator.add_argument("change", choices=["add", "remove"])
    administrator.add_argument("email", help="address that the account logs in with")
    secret = commands.add_parser("webhook-secret", help="tell the secret that a provider signs with")
    secret.add_argument("provider", choices=sorted(PROVIDERS))
    secret.add_argument("--rotate", action="store_true", help="make a new one")
    secret.add_argument(
        "--overlap-hours",
        type=_hours,
        default=PREVIOUS_HOURS,
        help=f"for so long the one before counts, too ({PREVIOUS_HOURS}; 0 if somebody else knows it)",
    )
    commands.add_parser("refill-search", help="have the search engine filled anew from the database")
    slots.add(commands)
    return parser


def _settings() -> Settings:
    settings = read(os.environ)
    logs.configure(sys.stderr, role="command")
    if not isinstance(settings, Settings) or settings.service_role == WITHOUT_SECRETS:
        msg = "run this in a pod that serves users or does jobs, such as deployment/worker"
        raise CommandError(msg)
    return settings


def _hours(text: str) -> int:
    """A number of hours that is none below zero and no typing error."""
    longest = 7 * 24
    if not text.isdecimal() or int(text) > longest:
        msg = f"must be 0 to {longest}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


async def _run(given: argparse.Namespace, settings: Settings) -> str:
    try:
        if given.command == "refill-search":
            return await _refill(settings)
        if given.command == "slots":
            return await slots.run(given, settings)
        stores = Stores.of(settings)
        async with stores.opened():
            if given.command == "administrator":
                return await _administrator(stores, given.email, to=given.change == "add")
            return await _secret(settings, stores, given)
    except SlotsError as error:
        raise CommandError(str(error)) from None
    except UncertainError:
        msg = "the database broke off: it may have been done or not; run the command again"
        raise CommandError(msg) from None
    except UnavailableError:
        msg = "the database does not answer, or the account is being moved; try again later"
        raise CommandError(msg) from None


async def _administrator(stores: Stores, email: str, *, to: bool) -> str:
    try:
        changed = await set_administrator(stores.database, email, to=to)
    except (NoAccountError, ValueError):
        msg = "there is no account with this address; whoever shall have it registers first"
        raise CommandError(msg) from None
    state = "is an administrator" if to else "is no administrator"
    lines = [f"{changed.user_id} {state}{'' if changed.is_new else ' already'}"]
    if to and not changed.second_factor:
        lines.append("There is no second factor yet: it is set up after the next login, and nothing is allowed before.")
    return "\n".join(lines)


async def _secret(settings: Settings, stores: Stores, given: argparse.Namespace) -> str:
    key = settings.deployment_key
    if given.rotate:
        overlap = timedelta(hours=given.overlap_hours)
        if not await rotate(stores.database, stores.cache, given.provider, overlap):
            print(  # noqa: T201 for whoever typed the command
                "warning: Redis does not answer, so pods may go by the secret before for up to an hour; "
                "restart them: kubectl rollout restart deployment",
                file=sys.stderr,
            )
    present, *_ = await secrets_of(stores.database, stores.cache, key, given.provider)
    return printable(present)


async def _refill(settings: Settings) -> str:
    if settings.search_endpoint is None:
        msg = "this stack has no search engine"
        raise CommandError(msg)
    async with Aws(settings.aws_region) as aws, Engine() as engine:
        try:
            await forget(engine, settings, aws)
        except EngineError as error:
            msg = f"the search engine does not answer: {error}"
            raise CommandError(msg) from None
    return "the workers fill it anew; until they have, PostgreSQL answers searches"
