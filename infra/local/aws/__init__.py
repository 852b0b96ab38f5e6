"""AWS in the local cloud: a kind for every type of the stack, over moto where it has the type."""

from __future__ import annotations

from collections.abc import Mapping

from infra.local.aws import (
    audit,
    cache,
    cdn,
    cluster,
    database,
    dns,
    email,
    events,
    firewall,
    function,
    gateway,
    identity,
    machine,
    messaging,
    network,
    observability,
    peering,
    search,
    secrets,
    security_groups,
    storage,
    streams,
    telemetry,
    traffic,
)
from infra.local.aws.invokes import invoke
from infra.local.aws.kind import Context, Incomplete, Kind, KindError

__all__ = ["KINDS", "Context", "Incomplete", "Kind", "KindError", "invoke"]

KINDS: Mapping[str, Kind] = {
    token: kind
    for area in (
        network,
        peering,
        security_groups,
        identity,
        secrets,
        function,
        database,
        cache,
        cluster,
        traffic,
        dns,
        storage,
        cdn,
        firewall,
        search,
        gateway,
        machine,
        messaging,
        streams,
        email,
        telemetry,
        events,
        audit,
        observability,
    )
    for token, kind in area.KINDS.items()
}
"""Every AWS type that the local cloud knows, by Pulumi's token."""
