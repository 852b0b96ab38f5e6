"""The shard map that the application routes by: every slot once, every shard on a primary that is there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.verify.facts import Fact, OutputError, Probe, Scope, equal, holds
from stacks.shards import database, primary_of
from stacks.stores import SLOTS


def shard_map(scope: Scope) -> Iterator[Probe]:
    """The map, against the phase and against the databases that the regions export."""
    exported = scope.outputs.get("shardMap")
    found = json.loads(exported) if isinstance(exported, str) else exported
    if not isinstance(found, Mapping) or not isinstance(found.get("shards"), Sequence):
        key = "shardMap"
        raise OutputError(key)
    yield Probe("shards", "shard map", lambda: _facts(scope, found["shards"]))


def _facts(scope: Scope, found: Sequence[Mapping[str, Any]]) -> Iterator[Fact]:
    owners = Counter(slot for shard in found for first, last in shard["slots"] for slot in range(first, last + 1))
    homeless = [slot for slot in range(SLOTS) if not owners[slot]]
    yield holds("slots without a shard", not homeless, "none", homeless)
    disputed = [slot for slot, count in owners.items() if count > 1 or not 0 <= slot < SLOTS]
    yield holds("slots with several shards, or outside of the map", not disputed, "none", disputed)
    yield equal("shards", set(range(scope.phase.database.logical_shards)), {shard["id"] for shard in found})
    for shard in found:
        if shard["id"] not in range(scope.phase.database.logical_shards):
            continue
        primary = primary_of(scope.phase, shard["id"])
        place = f"{shard['database']} on {shard['primary']}"
        yield equal(f"shard {shard['id']} is", f"{database(shard['id'])} on {primary.name}", place)
        exported = scope.within(primary.region).texts("databaseIdentifiers")
        identifier = scope.physical_name("database", primary.name)
        yield holds(f"shard {shard['id']} stands on", identifier in exported, identifier, exported)
