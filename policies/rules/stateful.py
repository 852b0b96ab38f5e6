"""What holds data, of whatever type: nothing deletes it by mistake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from infra.growth.stateful import STATEFUL, holds_data
from policies.rule import Level, Rules, Severity
from policies.view import Resource

RULES = Rules()
TYPES: Final = tuple(sorted(STATEFUL))
SECURITY_GROUP: Final = "aws:ec2/securityGroup:SecurityGroup"
KEPT: Final = tuple(token for token in TYPES if token != SECURITY_GROUP)
"""Without security groups: those of databases are kept too, but AWS itself deletes none that is still in use."""


@RULES.on(
    *KEPT,
    id="stateful-protected",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="Pulumi refuses to replace or delete what holds data.",
    remedy="create it with the options of `Component.stateful`",
)
def protected(one: Resource) -> Iterator[str]:
    """A replica can be made again, and so can any role but a cluster's."""
    if holds_data(one.type, one.props, protect=False) and not one.protect:
        yield "it holds data, and Pulumi may delete it"


@RULES.on(
    *KEPT,
    id="stateful-retained",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="What holds data stays in the cloud when it leaves the program.",
    remedy="create it with the options of `Component.stateful`",
)
def retained(one: Resource) -> Iterator[str]:
    """The engine says this of no resource (`None`), so it is `headroom policy` that judges it, from the plan."""
    if one.retained is False and holds_data(one.type, one.props, protect=False):
        yield "it holds data, and is deleted when it leaves the program"


@RULES.on(
    *TYPES,
    id="stateful-not-deleted-first",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="What holds data is never deleted before what replaces it is there.",
    remedy="take deleteBeforeReplace away",
)
def not_deleted_first(one: Resource) -> Iterator[str]:
    """Even a copy: readers are served by it."""
    if one.delete_first:
        yield "it would be deleted before its replacement is there"


@RULES.on(
    *TYPES,
    id="stateful-not-forced",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="AWS refuses to delete a bucket, a vault or a repository that is not empty.",
    remedy="set forceDestroy (forceDelete of a repository) to false",
)
def not_forced(one: Resource) -> Iterator[str]:
    """Off without the input."""
    if any(one.get(name, default=False) is not False for name in ("forceDestroy", "forceDelete")):
        yield "it is deleted with all that is in it"
