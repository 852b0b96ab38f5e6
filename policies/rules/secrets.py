"""Secrets: encrypted, rotated, and marked as what they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from policies.rule import Level, Rules, Severity
from policies.view import Resource, Stack

RULES = Rules()
SECRET = "aws:secretsmanager/secret:Secret"  # noqa: S105 a type
VERSION = "aws:secretsmanager/secretVersion:SecretVersion"
ROTATION = "aws:secretsmanager/secretRotation:SecretRotation"
PASSWORD = "random:index/randomPassword:RandomPassword"  # noqa: S105 a type

LONGEST_DAYS: Final = 90
SECRET_INPUTS: Final[Mapping[str, tuple[str, ...]]] = {
    "aws:elasticache/replicationGroup:ReplicationGroup": ("authToken",),
    "aws:elasticache/user:User": ("authenticationMode.passwords", "passwords"),
    "aws:opensearch/domain:Domain": ("advancedSecurityOptions.masterUserOptions.masterUserPassword",),
    "aws:rds/instance:Instance": ("password",),
    "kubernetes:core/v1:Secret": ("data", "stringData"),
    VERSION: ("secretBinary", "secretString"),
}
"""Inputs that hold nothing but secrets."""


@RULES.on(
    SECRET,
    id="secrets-own-key",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Every secret is encrypted with a key of the account's own.",
    remedy="set kmsKeyId to a key",
    frameworks=("Checkov CKV_AWS_149",),
)
def own_key(one: Resource) -> Iterator[str]:
    """Whoever may read secrets may use the service's key; a key of one's own asks once more."""
    if not one.has("kmsKeyId"):
        yield "it is encrypted with the service's key"


@RULES.on(
    SECRET,
    id="secrets-recoverable",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="A secret that is deleted can be brought back.",
    remedy="set recoveryWindowInDays to 7 or more, or leave it out",
)
def recoverable(one: Resource) -> Iterator[str]:
    """Without the input AWS waits for 30 days; with 0 it is gone at once."""
    if one.has("recoveryWindowInDays") and one.number("recoveryWindowInDays") < 1:
        yield "deleted, it is gone at once"


@RULES.between(
    VERSION,
    id="secrets-rotated",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Every secret rotates that is no password of the stack's own making.",
    remedy="create a SecretRotation for the secret",
    frameworks=("FSBP SecretsManager.1", "Checkov CKV2_AWS_57", "cdk-nag AwsSolutions-SMG4"),
)
def rotated(one: Resource, stack: Stack) -> Iterator[str]:
    """A password that Pulumi made is also set by Pulumi where it opens something: a rotation would lock both out.

    It is changed by making another one, in one run at both ends.
    """
    if any(it.type == PASSWORD for it in stack.behind(one, "secretString")):
        return
    if not any(stack.users(secret, ROTATION, of=["secretId"]) for secret in stack.behind(one, "secretId")):
        yield "it never changes"


@RULES.on(
    ROTATION,
    id="secrets-rotation-interval",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands=f"A secret that rotates does so every {LONGEST_DAYS} days or sooner.",
    remedy=f"set rotationRules.automaticallyAfterDays to {LONGEST_DAYS} or less",
    frameworks=("FSBP SecretsManager.4", "Checkov CKV_AWS_304"),
)
def rotation_interval(one: Resource) -> Iterator[str]:
    """Of schedules only the days are asked for: a cron expression does not say how often."""
    if not 0 < one.number("rotationRules.automaticallyAfterDays") <= LONGEST_DAYS:
        yield f"it may stay the same for over {LONGEST_DAYS} days"


@RULES.on(
    *SECRET_INPUTS,
    id="secrets-marked",
    severity=Severity.CRITICAL,
    level=Level.MANDATORY,
    demands="No password stands in the clear in the program, the stack file or the state.",
    remedy="take it from `pulumi config set --secret`, or generate it",
)
def marked(one: Resource) -> Iterator[str]:
    """A value that is marked as a secret is not known to a rule: one that can be read here is not marked.

    Settings that hold other things too are judged by what they look like, in `literals`.
    """
    for path in SECRET_INPUTS[one.type]:
        here: Any = one.props
        for key in path.split("."):
            here = here.get(key) if isinstance(here, Mapping) else None
        if _readable(here):
            yield f"{path} is not marked as a secret"


def _readable(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_readable, value.values()))
    if isinstance(value, list):
        return any(map(_readable, value))
    return isinstance(value, str) and value != ""
