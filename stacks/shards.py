"""Where users' rows are: 256 slots, shared out over logical shards, which stand on physical primaries.

A user's slot is the first byte of SHA-256 of the id, for ever. A logical shard is one PostgreSQL database. Slots that
nobody moved are on shard 0, because that is where the rows of a stack are that has grown: a phase with more shards
creates empty databases, and no row changes its place before somebody moves its slot (docs/shards.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stacks.phase import Phase
from stacks.stores import SLOTS

FIRST_DATABASE = "headroom"
"""Database of shard 0, which stands from 10k on."""
HASH = "sha256-first-byte"
ENTRY = re.compile(r"(?P<first>\d{1,3})(-(?P<last>\d{1,3}))?=(?P<shard>\d{1,3})(>(?P<to>\d{1,3}):frozen)?")
"""`128-255=1`: these slots are on shard 1. `128-255=0>1:frozen`: on 0, and nobody writes to them, so that an operator
can copy them to 1 (docs/shards.md)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Primary:
    """One RDS primary; `name` is its logical name, such as `us-east-1-db-0`."""

    name: str
    region: str
    shards: tuple[int, ...]

    @property
    def databases(self) -> tuple[str, ...]:
        """Its databases, one a logical shard."""
        return tuple(database(shard) for shard in self.shards)


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """A range of slots, both ends included: the shard that owns it and, while it is frozen, where it moves to."""

    first: int
    last: int
    shard: int
    to: int | None = None

    def __str__(self) -> str:
        """As a stack file has it."""
        slots = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        moving = "" if self.to is None else f">{self.to}:frozen"
        return f"{slots}={self.shard}{moving}"


def database(shard: int) -> str:
    """Name of a logical shard's database."""
    return FIRST_DATABASE if shard == 0 else f"{FIRST_DATABASE}_{shard}"


def primaries(phase: Phase, region: str | None = None) -> tuple[Primary, ...]:
    """All primaries in the order of their shards, or those of one region; a read region has none.

    Regions get blocks of shards, so that one shard of a few is still in the same place when there are more of both.
    """
    count = phase.database.logical_shards
    by_region: dict[str, list[int]] = {name: [] for name in phase.regions}
    for shard in range(count):
        by_region[phase.regions[shard * len(phase.regions) // count]].append(shard)
    found = []
    for name, shards in by_region.items():
        groups = [[shard] for shard in shards] if phase.database.placement == "dedicated" else [shards]
        found += [
            Primary(name=f"{name}-db-{index}", region=name, shards=tuple(group)) for index, group in enumerate(groups)
        ]
    return tuple(one for one in found if region in (None, one.region))


def primary_of(phase: Phase, shard: int) -> Primary:
    """The primary that a shard stands on."""
    return next(one for one in primaries(phase) if shard in one.shards)


def replica_regions(phase: Phase, region: str) -> tuple[str, ...]:
    """Where the remote replicas of a region's primaries are: in the regions before it, the last before the first.

    So home's first one stays where it is when its read region becomes a full one and others come between.
    """
    everywhere = phase.all_regions
    own = everywhere.index(region)
    return tuple(everywhere[(own - step) % len(everywhere)] for step in range(1, phase.database.remote_replicas + 1))


def parse(entry: str) -> Assignment:
    """One entry of a stack file's `slots`.

    Raises:
        ValueError: saying what is wrong with it.
    """
    found = ENTRY.fullmatch(entry)
    if found is None:
        msg = "must be slots=shard, such as 128-255=1, or 128-255=0>1:frozen while they move"
        raise ValueError(msg)
    first, last = int(found["first"]), int(found["last"] or found["first"])
    if not first <= last < SLOTS:
        msg = f"must name slots from 0 to {SLOTS - 1}, the first one first"
        raise ValueError(msg)
    to = None if found["to"] is None else int(found["to"])
    if to == int(found["shard"]):
        msg = "moves from a shard to the same one"
        raise ValueError(msg)
    return Assignment(first=first, last=last, shard=int(found["shard"]), to=to)


def problems(entries: Sequence[str], logical_shards: int) -> Iterator[tuple[int, str]]:
    """What is wrong between entries that each parse: index and reason."""
    taken: dict[int, str] = {}
    for index, entry in enumerate(entries):
        one = parse(entry)
        if beyond := [shard for shard in (one.shard, one.to) if shard is not None and shard >= logical_shards]:
            yield index, f"names shard {beyond[0]}, but the phase has {logical_shards}, counted from 0"
        clash = next((taken[slot] for slot in range(one.first, one.last + 1) if slot in taken), None)
        if clash is not None:
            yield index, f"has a slot that {clash} has too"
        taken |= dict.fromkeys(range(one.first, one.last + 1), entry)


def shard_map(phase: Phase, entries: Iterable[str] = ()) -> dict[str, Any]:
    """What the application routes by, ready for JSON; every slot is on exactly one shard.

    `{"slots": 256, "hash": ..., "shards": [{"id", "database", "primary", "region", "slots": [[first, last]]}],
    "moving": [{"slots": [first, last], "from", "to"}]}`, the moving ones frozen.
    """
    owner = [0] * SLOTS
    moving = []
    for one in map(parse, entries):
        owner[one.first : one.last + 1] = [one.shard] * (one.last - one.first + 1)
        if one.to is not None:
            moving.append({"slots": [one.first, one.last], "from": one.shard, "to": one.to})
    shards = []
    for shard in range(phase.database.logical_shards):
        primary = primary_of(phase, shard)
        shards.append(
            {
                "id": shard,
                "database": database(shard),
                "primary": primary.name,
                "region": primary.region,
                "slots": _ranges(slot for slot in range(SLOTS) if owner[slot] == shard),
            }
        )
    return {"slots": SLOTS, "hash": HASH, "shards": shards, "moving": moving}


def even(phase: Phase) -> tuple[str, ...]:
    """Entries that share the slots out evenly, for a stack that starts in this phase and has no rows yet."""
    count = phase.database.logical_shards
    bounds = [shard * SLOTS // count for shard in range(count + 1)]
    return tuple(
        str(Assignment(first=bounds[shard], last=bounds[shard + 1] - 1, shard=shard)) for shard in range(1, count)
    )


def _ranges(slots: Iterable[int]) -> list[list[int]]:
    ranges: list[list[int]] = []
    for slot in slots:
        if ranges and ranges[-1][1] == slot - 1:
            ranges[-1][1] = slot
        else:
            ranges.append([slot, slot])
    return ranges
