"""How many nodes and pods a region runs: what logs, metrics and threat detection are counted by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from infra.cost.estimators import compute
from infra.cost.model import Scene

UNKNOWN_NODES: Final = "nobody knows how many nodes there are: the node pools say why"


class Fleet(NamedTuple):
    """What runs in a region.

    Attributes:
        nodes: how many.
        pods: without those that run on every node.
        daemon_pods: those.
        vcpus: cores of the nodes.
    """

    nodes: int
    pods: int
    daemon_pods: int
    vcpus: int


NOTHING: Final = Fleet(0, 0, 0, 0)


def fleet(scene: Scene, region: str) -> Fleet | None:
    """What runs in a region; None where the nodes of some pool are not known."""
    return scene.once("fleets", lambda: _fleets(scene)).get(region, NOTHING)


def _fleets(scene: Scene) -> Mapping[str, Fleet | None]:
    found: dict[str, Fleet | None] = {}
    packings = compute.nodes(scene)
    for pool in scene.all(compute.NODE_POOL):
        region, packing = scene.region(pool), packings[pool.urn]
        before = found.get(region, NOTHING)
        if packing is None or before is None:
            found[region] = None
            continue
        own = Fleet(packing.nodes, packing.pods, packing.nodes * len(packing.daemons), packing.vcpus)
        found[region] = Fleet(*(one + other for one, other in zip(before, own, strict=True)))
    return found
