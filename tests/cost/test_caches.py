"""What caches are charged for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cost.book import PriceBook, shipped
from infra.cost.estimators import data
from infra.cost.estimators.data import GLOBAL_GROUP, GROUP
from infra.cost.model import HOURS, Charge, Scene, Unpriced
from infra.cost.usage import Usage
from infra.plan import UNKNOWN, PlannedResource
from stacks.hardware import CACHE_MEMORY_MIB
from tests.cost.conftest import phase_of
from tests.growth.conftest import made


def group(name: str = "us-east-1-valkey-state", **inputs: Any) -> PlannedResource:
    """A cache of two shards with one replica each."""
    given = {"nodeType": "cache.r7g.large", "engine": "valkey", "numNodeGroups": 2, "replicasPerNodeGroup": 1}
    return made(GROUP, name, {**given, **inputs})


def charged(resource: PlannedResource, *others: PlannedResource, month: Usage | None = None) -> Mapping[str, Charge]:
    """Charges of a resource by component."""
    scene = Scene([resource, *others], month or Usage(phase_of("10k")), PriceBook([]))
    items = data.ESTIMATORS[resource.type](resource, scene)
    return {item.component: item for item in items if isinstance(item, Charge)}


def test_nodes_are_shards_times_one_and_their_replicas() -> None:
    nodes = charged(group())["nodes"]
    assert (nodes.key, nodes.quantity) == ("elasticache/node/valkey/cache.r7g.large", 4 * HOURS)


def test_a_group_without_cluster_mode_has_the_nodes_that_it_says() -> None:
    inputs = {"nodeType": "cache.t4g.micro", "numCacheClusters": 3}
    nodes = charged(made(GROUP, "us-east-1-plain", inputs))["nodes"]
    assert (nodes.key, nodes.quantity) == ("elasticache/node/redis/cache.t4g.micro", 3 * HOURS)


def worldwide() -> tuple[PlannedResource, PlannedResource, PlannedResource]:
    """A primary, its datastore and a secondary, whose shape is the datastore's."""
    primary = group("us-east-1-valkey-cache")
    datastore = made(GLOBAL_GROUP, "us-east-1-global", uses={"primaryReplicationGroupId": [primary.urn]})
    secondary = made(
        GROUP,
        "eu-west-1-valkey-cache",
        {"region": "eu-west-1", "replicasPerNodeGroup": 2, "globalReplicationGroupId": UNKNOWN},
        uses={"globalReplicationGroupId": [datastore.urn]},
    )
    return primary, datastore, secondary


def test_a_secondary_of_a_datastore_has_its_primarys_shards_and_replicas_of_its_own() -> None:
    primary, datastore, secondary = worldwide()
    nodes = charged(secondary, primary, datastore)["nodes"]
    assert (nodes.key, nodes.quantity) == ("elasticache/node/valkey/cache.r7g.large", 6 * HOURS)


def test_a_datastore_sends_homes_writes_to_each_secondary() -> None:
    primary, datastore, secondary = worldwide()
    month = Usage(phase_of("1m"))
    once = charged(datastore, primary, secondary, month=month)["replication"]
    again = replace(secondary, urn=secondary.urn + "-2")
    twice = charged(datastore, primary, secondary, again, month=month)["replication"]
    assert once.region == "us-east-1"
    assert twice.quantity == 2 * Decimal(once.quantity) > 0


@pytest.mark.parametrize(("kept", "charged_snapshots"), [(0, 0), (1, 0), (7, 6)])
def test_one_snapshot_of_a_cache_is_free(kept: int, charged_snapshots: int) -> None:
    found = charged(group(snapshotRetentionLimit=kept)).get("snapshots")
    held = Decimal(CACHE_MEMORY_MIB["cache.r7g.large"]) * 2 * Decimal("0.75") * Decimal("0.5") / 1_024
    assert (0 if found is None else found.quantity) == charged_snapshots * held


def test_nodes_that_only_aws_will_know_are_unpriced() -> None:
    resource = group(numNodeGroups=UNKNOWN)
    items = list(data.replication_group(resource, Scene([resource], Usage(phase_of("10k")), PriceBook([]))))
    assert [type(item) for item in items] == [Unpriced]


@given(shards=st.integers(1, 20), replicas=st.integers(0, 4))
def test_another_shard_or_replica_of_a_cache_never_costs_less(shards: int, replicas: int) -> None:
    def nodes(shards: int, replicas: int) -> Decimal:
        return Decimal(charged(group(numNodeGroups=shards, replicasPerNodeGroup=replicas))["nodes"].quantity)

    assert nodes(shards + 1, replicas) > nodes(shards, replicas) < nodes(shards, replicas + 1)


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2", "eu-west-1"])
def test_valkey_costs_a_fifth_less_than_redis(region: str) -> None:
    # An add-on of a few cents (`SyncDurability`) or a year's surcharge bears the same node type in AWS's list.
    redis = {price.key: price.usd for price in shipped().prices if price.region == region and "/redis/" in price.key}
    assert redis
    for key, usd in redis.items():
        valkey = shipped().tiers(key.replace("/redis/", "/valkey/"), region)[0].usd
        assert Decimal("0.79") < valkey / usd < Decimal("0.82")
