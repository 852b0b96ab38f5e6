"""`headroom bootstrap`: what an account needs before the first stack.

Pulumi's state, the key of its secrets, and the roles of the workflows. It is made with boto3 and not by Pulumi, which
would need it to begin with. Each piece says what it lacks and can complete itself, so a second run changes nothing, and
a broken-off one is finished.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import click
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from infra.account import permissions
from infra.account.bootstrap_identity import HOUR_SECONDS, Policy, Provider, Role
from infra.account.bootstrap_piece import Outcome, Piece, Result
from infra.account.bootstrap_state import ALIAS, Bucket, Key
from infra.account.permissions import PREVIEW, PRICES, UP, Account
from infra.cidr import REGIONS
from infra.errors import UserError
from infra.naming import PROJECT, Names
from infra.verify.facts import Clients

UP_SECONDS: Final = 3 * HOUR_SECONDS
"""Longest job of the workflow `up`."""
ENVIRONMENTS: Final = ("preview", "prices")
"""Environments of the workflows that are no stacks."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be set up.

    Attributes:
        repository: `OWNER/NAME` on GitHub.
        region: where the state is.
        stacks: whose environments may deploy.
    """

    repository: str
    region: str
    stacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """What a run did, or would do.

    Attributes:
        wish: what was asked for.
        account: where.
        results: piece by piece.
    """

    wish: Wish
    account: Account
    results: tuple[Result, ...]

    @property
    def changed(self) -> bool:
        """Whether anything was not as it should be."""
        return any(one.outcome is not Outcome.KEPT for one in self.results)


@click.command("bootstrap")
@click.option("--repository", required=True, metavar="OWNER/NAME", help="On GitHub: whose jobs may deploy.")
@click.option("--stack", "stacks", multiple=True, default=("prod",), show_default=True, help="Each that is deployed.")
@click.option("--region", default=REGIONS[0], show_default=True, help="Where Pulumi's state is kept.")
@click.option("--dry-run", "is_dry", is_flag=True, help="Only say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(repository: str, stacks: tuple[str, ...], region: str, *, is_dry: bool, as_json: bool) -> None:
    """Set up the account that you are signed in to: Pulumi's state, its key, and the roles of GitHub's workflows.

    Run it again whenever you like: it mends what differs, and changes nothing else.
    """
    done = run(wish(repository, region, stacks), Clients(), dry=is_dry)
    if as_json:
        click.echo(json.dumps(to_dict(done, dry=is_dry), indent=2))
        return
    for line in lines(done, dry=is_dry):
        click.echo(line)


def wish(repository: str, region: str, stacks: Sequence[str]) -> Wish:
    """What is asked for, checked.

    Raises:
        UserError: with every problem.
    """
    problems = []
    # A `*` or `:` would open the trust policies to others.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}", repository):
        problems.append(f"--repository {repository}: write OWNER/NAME, as GitHub spells it")
    if region not in REGIONS:
        problems.append(f"--region {region}: one of {', '.join(REGIONS)}")
    for stack in stacks:
        if stack in ENVIRONMENTS:
            problems.append(f"--stack {stack}: an environment of that name is another role's")
            continue
        try:
            Names(PROJECT, stack)
        except UserError as error:
            problems.append(f"--stack {stack}: {error.message}")
    if problems:
        msg = "that cannot be set up"
        raise UserError(msg, problems)
    return Wish(repository, region, tuple(dict.fromkeys(stacks)))


def run(wanted: Wish, clients: Clients, *, dry: bool) -> Done:
    """Set everything up, or only look.

    Raises:
        UserError: nobody is signed in, something is not allowed, or somebody else has the bucket.
    """
    try:
        caller = clients.get("sts", wanted.region).get_caller_identity()
        number, partition = caller["Account"], caller["Arn"].split(":")[1]
        account = Account(number, partition, f"{PROJECT}-state-{number}-{wanted.region}", "")
        key = Key(clients=clients, region=wanted.region, account=account)
        results = [key.settle(dry=dry)]
        account = Account(number, partition, account.bucket, key.arn)
        results += [piece.settle(dry=dry) for piece in _pieces(wanted, clients, account, key)]
    except NoCredentialsError as error:
        msg = "nobody is signed in to AWS"
        raise UserError(
            msg, ["sign in as an administrator (`aws sso login`, or AWS_PROFILE), then run again"]
        ) from error
    except (BotoCoreError, ClientError) as error:
        msg = f"AWS refuses: {error}"
        raise UserError(
            msg, ["what was made so far is kept: mend the cause, and run the same command again"]
        ) from error
    return Done(wanted, account, tuple(results))


def _pieces(wanted: Wish, clients: Clients, account: Account, key: Key) -> list[Piece]:
    where: dict[str, Any] = {"clients": clients, "region": wanted.region, "account": account}
    policies = permissions.up_policies(account)

    def trusted(*environments: str) -> dict[str, Any]:
        return permissions.trust(account, wanted.repository, environments)

    reading = account.managed("ReadOnlyAccess")
    return [
        Bucket(**where, key=key),
        Provider(**where),
        *(Policy(**where, policy_name=name, document=document) for name, document in policies.items()),
        Role(
            **where,
            role_name=PREVIEW,
            note="Reads, for previews of branches and for drift",
            trust=trusted("preview"),
            inline=permissions.preview_policy(account),
            managed=(reading,),
        ),
        Role(
            **where,
            role_name=UP,
            note="Deploys what main says, after its environment's reviewers",
            trust=trusted(*wanted.stacks),
            managed=(reading, *map(account.policy, policies)),
            seconds=UP_SECONDS,
        ),
        Role(
            **where,
            role_name=PRICES,
            note="Reads AWS's price list",
            trust=trusted("prices"),
            inline=permissions.prices_policy(),
        ),
    ]


def backend_url(done: Done) -> str:
    """What `pulumi login` takes."""
    return f"s3://{done.account.bucket}?region={done.wish.region}"


def secrets_provider(done: Done) -> str:
    """What `pulumi stack init --secrets-provider` takes."""
    return f"awskms://{ALIAS}?region={done.wish.region}"


def to_dict(done: Done, *, dry: bool) -> dict[str, Any]:
    """For machines."""
    return {
        "account": done.account.id,
        "region": done.wish.region,
        "changed": done.changed and not dry,
        "pieces": [
            {"name": one.name, "outcome": one.outcome.value, "lacked": list(one.lacked)} for one in done.results
        ],
        "backendUrl": backend_url(done),
        "secretsProvider": secrets_provider(done),
        "variables": {"STACKS": list(done.wish.stacks), "PULUMI_BACKEND_URL": backend_url(done)},
        "environments": _environments(done),
    }


def _environments(done: Done) -> dict[str, str]:
    """The role of each of GitHub's environments."""
    roles = {"preview": PREVIEW, "prices": PRICES, **dict.fromkeys(done.wish.stacks, UP)}
    return {name: done.account.role(role) for name, role in roles.items()}


def lines(done: Done, *, dry: bool) -> list[str]:
    """For people: what was done, then what to do next."""
    width = max(len(one.name) for one in done.results)
    said = [
        f"{one.name:<{width}}  {_outcome(one, dry=dry)}" + (f": {', '.join(one.lacked)}" if one.lacked else "")
        for one in done.results
    ]
    if dry:
        return [*said, "", "nothing was changed: run it without --dry-run"]
    login = [f"pulumi login '{backend_url(done)}'"]
    login += [f"pulumi stack init {stack} --secrets-provider '{secrets_provider(done)}'" for stack in done.wish.stacks]
    repository = f"--repo {done.wish.repository}"
    stacks = json.dumps(list(done.wish.stacks))
    variables = [
        f"gh variable set STACKS {repository} --body '{stacks}'",
        f"gh variable set PULUMI_BACKEND_URL {repository} --body '{backend_url(done)}'",
        f"gh variable set AWS_REGION {repository} --body {done.wish.region}",
    ]
    variables += [
        f"gh variable set AWS_ROLE_ARN {repository} --env {name} --body {arn}"
        for name, arn in _environments(done).items()
    ]
    return [
        *said,
        "",
        "it was all there: nothing was changed" if not done.changed else "done; a second run changes nothing",
        "",
        "on your machine:",
        *(f"  {line}" for line in login),
        "on GitHub, once the environments exist (docs/ci.md):",
        *(f"  {line}" for line in variables),
    ]


def _outcome(one: Result, *, dry: bool) -> str:
    if not dry or one.outcome is Outcome.KEPT:
        return one.outcome.value
    return {Outcome.CREATED: "would be created", Outcome.COMPLETED: "would be completed"}[one.outcome]
