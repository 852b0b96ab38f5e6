"""AWS in the local cloud: a kind for every type of the stack, over moto where it has the type."""

from __future__ import annotations

from collections.abc import Mapping

from infra.local.aws import cache, cluster, database, identity, network, secrets, security_groups
from infra.local.aws.kind import Context, Incomplete, Kind, KindError

__all__ = ["KINDS", "Context", "Incomplete", "Kind", "KindError"]

KINDS: Mapping[str, Kind] = {
    **network.KINDS,
    **security_groups.KINDS,
    **identity.KINDS,
    **secrets.KINDS,
    **database.KINDS,
    **cache.KINDS,
    **cluster.KINDS,
}
"""Every AWS type that the local cloud knows, by Pulumi's token."""
