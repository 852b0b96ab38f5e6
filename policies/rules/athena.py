"""Queries over the lake: results encrypted, and nobody reads a fortune by mistake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.rule import Level, Rules, Severity
from policies.view import Resource

RULES = Rules()
WORKGROUP: Final = "aws:athena/workgroup:Workgroup"
_RESULTS: Final = "configuration.resultConfiguration.encryptionConfiguration"


@RULES.on(
    WORKGROUP,
    id="athena-results-encrypted",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Query results are encrypted, with a key of the account's own.",
    remedy=f"set {_RESULTS} to SSE_KMS with a key",
    frameworks=("FSBP Athena.1", "Checkov CKV_AWS_159"),
)
def results_encrypted(one: Resource) -> Iterator[str]:
    """Results hold the same data as the tables."""
    if one.get(f"{_RESULTS}.encryptionOption") not in ("SSE_KMS", "CSE_KMS"):
        yield "results are not encrypted with a key of the account's own"
    elif not one.has(f"{_RESULTS}.kmsKeyArn"):
        yield "results are encrypted with no key that is named"


@RULES.on(
    WORKGROUP,
    id="athena-settings-enforced",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="A client cannot choose other settings than the workgroup's.",
    remedy="set configuration.enforceWorkgroupConfiguration to true",
    frameworks=("Checkov CKV_AWS_82",),
)
def settings_enforced(one: Resource) -> Iterator[str]:
    """True by default; without it a client sends its results anywhere, as plain as it likes."""
    if one.get("configuration.enforceWorkgroupConfiguration", True) is not True:
        yield "clients may override encryption and the place of results"


@RULES.on(
    WORKGROUP,
    id="athena-scan-limited",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="A query is stopped before it reads without end.",
    remedy="set configuration.bytesScannedCutoffPerQuery",
)
def scan_limited(one: Resource) -> Iterator[str]:
    """Athena bills by what it reads."""
    if not one.get("configuration.bytesScannedCutoffPerQuery"):
        yield "a query may read without limit, and Athena bills by what is read"
