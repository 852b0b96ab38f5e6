"""Keys and secrets. Secret values are never read."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from infra.verify.facts import Fact, Probe, Scope, equal, holds, unchecked


def keys(scope: Scope) -> Iterator[Probe]:
    """The KMS keys."""
    for name, arn in scope.names("keyArns").items():
        yield Probe("keys", name, partial(_key, scope, arn))


def _key(scope: Scope, arn: str) -> Iterator[Fact]:
    kms = scope.client("kms")
    key = kms.describe_key(KeyId=arn)["KeyMetadata"]
    yield equal("state", "Enabled", key["KeyState"])
    # Cannot be changed later, and the other regions of 1m need it.
    yield equal("multi-Region", expected=True, actual=key.get("MultiRegion", False))
    yield equal("rotated each year", expected=True, actual=kms.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"])


def secrets(scope: Scope) -> Iterator[Probe]:
    """The secrets in Secrets Manager."""
    for name, arn in scope.names("secretArns").items():
        yield Probe("secrets", name, partial(_secret, scope, arn))


def _secret(scope: Scope, arn: str) -> Iterator[Fact]:
    # moto gives a copy in another region an ARN of its own making; names end before `-` and six characters.
    secret_id = arn.rpartition(":")[2][:-7] if scope.local else arn
    secret = scope.client("secretsmanager").describe_secret(SecretId=secret_id)
    yield equal("marked for deletion", expected=False, actual="DeletedDate" in secret)
    current = [stage for stages in secret.get("VersionIdsToStages", {}).values() for stage in stages]
    yield holds("has a value", "AWSCURRENT" in current, "yes", "AWSCURRENT" in current)
    if scope.local and secret.get("PrimaryRegion", scope.region) != scope.region:
        yield unchecked("encrypted with the stack's key", "the local cloud shows a copy with its original's key (moto)")
        return
    known = set(scope.names("keyArns").values())
    yield holds("encrypted with the stack's key", secret.get("KmsKeyId") in known, known, secret.get("KmsKeyId"))
