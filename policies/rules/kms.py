"""Keys: rotated, usable, and in the hands of the account."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from policies.rule import Level, Rules, Severity
from policies.view import Resource, anybody, documents, listed

RULES = Rules()
KEY = "aws:kms/key:Key"

LONGEST_DAYS: Final = 30
_ACCOUNT: Final = re.compile(r"arn:aws[\w-]*:iam::\d{12}:root|\d{12}")


@RULES.on(
    KEY,
    id="kms-rotated",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="Every symmetric key rotates.",
    remedy="set enableKeyRotation to true",
    frameworks=("FSBP KMS.4", "Checkov CKV_AWS_7", "cdk-nag AwsSolutions-KMS5"),
)
def rotated(one: Resource) -> Iterator[str]:
    """KMS rotates no other kind."""
    symmetric = one.get("customerMasterKeySpec", default="SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT"
    if symmetric and one.get("enableKeyRotation") is not True:
        yield "it never rotates"


@RULES.on(
    KEY,
    id="kms-not-public",
    severity=Severity.CRITICAL,
    level=Level.MANDATORY,
    demands="No key's policy lets everybody use it.",
    remedy="name who may in Principal, or on what condition in Condition",
    frameworks=("FSBP KMS.5", "Checkov CKV_AWS_33"),
)
def not_public(one: Resource) -> Iterator[str]:
    """Everybody is every AWS account there is."""
    if any(map(anybody, documents(one, "policy"))):
        yield "the policy lets everybody use it"


@RULES.on(
    KEY,
    id="kms-administered",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Every key has a policy of its own that leaves it to the account's administrators.",
    remedy="allow kms:* to the account's root in policy",
    frameworks=("Checkov CKV2_AWS_64",),
)
def administered(one: Resource) -> Iterator[str]:
    """Otherwise nobody can ever change the policy again, and AWS does not help."""
    if not any(map(_leaves_to_account, documents(one, "policy"))):
        yield "the policy does not leave it to the account's administrators"


def _leaves_to_account(statement: Resource) -> bool:
    named = map(str, listed(statement.get("Principal.AWS")))
    return (
        statement.get("Effect") == "Allow"
        and "kms:*" in listed(statement.get("Action"))
        and any(_ACCOUNT.fullmatch(one) for one in named)
        and not statement.has("Condition")
    )


@RULES.on(
    KEY,
    id="kms-deletion-window",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands=f"A key that is deleted can be brought back for {LONGEST_DAYS} days.",
    remedy=f"set deletionWindowInDays to {LONGEST_DAYS}, or leave it out",
    frameworks=("FSBP KMS.3",),
)
def deletion_window(one: Resource) -> Iterator[str]:
    """The longest there is, and AWS's own choice. With the key goes all that it encrypted."""
    if one.has("deletionWindowInDays") and one.number("deletionWindowInDays") < LONGEST_DAYS:
        yield f"deleted, it can be brought back for less than {LONGEST_DAYS} days"


@RULES.on(
    KEY,
    id="kms-enabled",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="Every key can be used.",
    remedy="set isEnabled to true",
    frameworks=("Checkov CKV_AWS_227",),
)
def enabled(one: Resource) -> Iterator[str]:
    """What it encrypted cannot be read while it is off; databases stop."""
    if one.get("isEnabled", default=True) is not True:
        yield "it is switched off"
