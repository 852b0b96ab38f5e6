"""One cache over several regions: written at home, read everywhere."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from components.alarms import AlarmTopics
from components.cache import Cache, CacheArgs
from components.component import Site
from components.global_cache import GlobalCache, GlobalCacheArgs
from stacks import phase_1m
from tests.components.conftest import Recorded

Record = Callable[[Callable[[], object]], Recorded]
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
PHASE = phase_1m.EFFICIENT


def args(topics: AlarmTopics, **more: Any) -> CacheArgs:
    return CacheArgs(
        cache=PHASE.cache,
        state=PHASE.state,
        vpc_id="vpc-1",
        subnet_ids=("subnet-a", "subnet-b", "subnet-c"),
        client_security_group_ids={"pods": "sg-1"},
        key_arn=KEY,
        log_key_arn=KEY,
        password=pulumi.Output.secret("planted-password"),
        topics=topics,
        **more,
    )


@pytest.fixture
def regions(recorded: Record, site: Site, topics: AlarmTopics) -> Recorded:
    def build() -> None:
        home = Cache("us-east-1-valkey", site, args(topics, client_cidrs={"us-west-2": "10.2.0.0/16"}))
        store = GlobalCache("us-east-1-valkey-all", site, GlobalCacheArgs(primary_group_id=home.cache_group_id))
        far = replace(site, region="us-west-2")
        Cache("us-west-2-valkey", far, args(topics, global_group_id=store.global_group_id))

    return recorded(build)


def test_a_secondary_says_nothing_that_its_datastore_decides(regions: Recorded) -> None:
    secondary = regions.inputs("us-west-2-valkey-cache", "ReplicationGroup")

    assert secondary["globalReplicationGroupId"]
    forbidden = {
        "atRestEncryptionEnabled",
        "engine",
        "engineVersion",
        "nodeType",
        "numNodeGroups",
        "parameterGroupName",
        "transitEncryptionEnabled",
        "transitEncryptionMode",
    }
    assert not forbidden & secondary.keys()
    assert secondary["kmsKeyId"] == KEY


def test_home_does_not_change_by_having_secondaries(
    regions: Recorded, recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    alone = recorded(lambda: Cache("us-east-1-valkey", site, args(topics)))

    for group in ("us-east-1-valkey-cache", "us-east-1-valkey-state"):
        assert regions.inputs(group, "ReplicationGroup") == alone.inputs(group, "ReplicationGroup")


def test_the_datastore_takes_home_as_it_is(regions: Recorded) -> None:
    store = regions.one("GlobalReplicationGroup")

    assert store.inputs["primaryReplicationGroupId"] == "headroom-10k-us-east-1-valkey-cache"
    assert not {"cacheNodeType", "numNodeGroups", "engineVersion"} & store.inputs.keys()
    assert store.options["protect"]


def test_state_stays_in_its_region(regions: Recorded) -> None:
    state = regions.inputs("us-west-2-valkey-state", "ReplicationGroup")

    assert "globalReplicationGroupId" not in state
    assert (state["nodeType"], state["numNodeGroups"]) == (PHASE.state.node_type, PHASE.state.shards)


def test_pods_of_other_regions_reach_home(regions: Recorded) -> None:
    rule = regions.inputs("us-east-1-valkey-us-west-2", "SecurityGroupIngressRule")

    assert (rule["cidrIpv4"], rule["fromPort"], rule["toPort"]) == ("10.2.0.0/16", 6379, 6379)


def test_only_a_secondary_can_be_behind(regions: Recorded) -> None:
    lags = [alarm for alarm in regions.of("MetricAlarm") if alarm.name.endswith("-lag")]

    assert [alarm.name for alarm in lags] == [f"us-west-2-valkey-cache-{shard}-lag" for shard in range(4)]
    for alarm in lags:
        metrics = [query["metric"]["metricName"] for query in alarm.inputs["metricQueries"] if "metric" in query]
        assert metrics == ["GlobalDatastoreReplicationLag"] * 2
