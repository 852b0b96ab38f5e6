"""What a smaller or another phase would take away, beyond one phase's own numbers: places of replicas and shards."""

from __future__ import annotations

from itertools import product

import pytest

from stacks.phase import Phase, PhaseName, Sizing
from stacks.phases import PHASES, phase, possible, shrinks

each_sizing = pytest.mark.parametrize("sizing", list(Sizing))


def lines(earlier: Phase, later: Phase, start: str) -> list[str]:
    return [line for line in shrinks(earlier, later) if line.startswith(start)]


@each_sizing
def test_every_way_forward_is_open_and_every_way_back_is_closed(sizing: Sizing) -> None:
    for old, new in product(PhaseName, repeat=2):
        found = shrinks(PHASES[old][sizing], PHASES[new][sizing])
        assert (found == []) is (list(PhaseName).index(old) <= list(PhaseName).index(new)), (old, new, found)


def test_a_remote_replica_that_another_region_would_have_is_told() -> None:
    here = phase(PhaseName.P250K)
    there = phase(PhaseName.P250K, overrides={"readRegions": ["us-west-2"]})

    assert lines(here, there, "remote replicas") == [
        "remote replicas of us-east-1 leave eu-west-1 for us-west-2: each would be made anew"
    ]
    assert lines(here, phase(PhaseName.P1M), "remote replicas") == []


def test_a_shard_that_another_primary_would_have_is_told() -> None:
    together = phase(PhaseName.P250K)
    apart = phase(PhaseName.P250K, overrides={"database": {"placement": "dedicated"}})

    assert lines(together, apart, "shard ") == [
        "shard 1 goes from us-east-1-db-0 to us-east-1-db-1: its rows stay where they are"
    ]
    assert lines(together, phase(PhaseName.P1M), "shard ") == []


def test_what_aws_makes_smaller_in_place_is_named_beside_the_reasons() -> None:
    large, small = phase(PhaseName.P250K), phase(PhaseName.P50K)

    assert possible(small, large) == []
    assert [line.split()[0] for line in possible(large, small)] == [
        "database.instanceClass",
        "database.replicaClass",
        "database.localReplicas",
        "database.remoteReplicas",
    ]


def test_fewer_replicas_of_a_cache_are_possible() -> None:
    more = phase(PhaseName.P250K, overrides={"state": {"replicasPerShard": 2}})

    assert possible(more, phase(PhaseName.P250K)) == [
        "state.replicasPerShard from 2 to 1: online, with less left for failover"
    ]
