"""Backups: encrypted, and out of the region's reach."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rule import Level, Rules, Severity
from policies.view import Resource, Stack

RULES = Rules()
PLAN = "aws:backup/plan:Plan"
VAULT = "aws:backup/vault:Vault"


@RULES.on(
    VAULT,
    id="backup-own-key",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="Every backup vault is encrypted with a key of the account's own.",
    remedy="set kmsKeyArn to a key; a vault keeps its key for ever",
    frameworks=("FSBP Backup.1", "Checkov CKV_AWS_166"),
)
def own_key(one: Resource) -> Iterator[str]:
    """The service's key cannot be shared with another account, where a copy would be safest."""
    if not one.has("kmsKeyArn"):
        yield "it is encrypted with the service's key"


@RULES.between(
    PLAN,
    id="backup-copied",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="Every backup plan copies to a vault in another region, where the stack has one.",
    remedy="set copyActions of a rule to a vault in another region",
)
def copied(one: Resource, stack: Stack) -> Iterator[str]:
    """The first phases have no vault elsewhere: their exports in S3 are what is left.

    Vaults are not locked, by design: a lock in compliance mode cannot be taken back.
    """
    vaults = [vault for vault in stack.all(VAULT) if vault.get("region") != one.get("region")]
    if not vaults:
        return
    copies = [copy for rule in one.items("rules") for copy in rule.items("copyActions")]
    there = {vault.urn for vault in stack.behind(one, "rules")} & {vault.urn for vault in vaults}
    if not copies:
        yield "nothing of it is copied to another region"
    elif not there:
        yield "what it copies stays in its region"
