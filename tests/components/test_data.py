"""Caches: encrypted, watched, in a shape that no later phase has to replace."""

import json
from collections.abc import Callable

import pytest

from components.alarms import AlarmTopics
from components.cache import Cache, CacheArgs
from components.component import Site
from infra.plan import SECRET
from stacks import phase_10k
from stacks.phase import Phase
from tests.components.conftest import Recorded

Record = Callable[[Callable[[], object]], Recorded]
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
SUBNETS = ("subnet-a", "subnet-b", "subnet-c")


def cache(site: Site, topics: AlarmTopics, phase: Phase = phase_10k.EFFICIENT) -> Cache:
    import pulumi

    return Cache(
        "us-east-1-cache",
        site,
        CacheArgs(
            cache=phase.cache,
            state=phase.state,
            vpc_id="vpc-1",
            subnet_ids=SUBNETS,
            client_security_group_ids={"pods": "sg-1"},
            key_arn=KEY,
            log_key_arn=KEY,
            password=pulumi.Output.secret("planted-password"),
            topics=topics,
        ),
    )


def test_the_password_never_shows(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    parts = recorded(lambda: cache(site, topics))
    assert "planted-password" not in json.dumps([resource.inputs for resource in parts.resources])


def test_the_cache_evicts_and_the_state_does_not(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    parts = recorded(lambda: cache(site, topics))
    for group, policy in (("cache", "allkeys-lru"), ("state", "noeviction")):
        values = {
            entry["name"]: entry["value"]
            for entry in parts.inputs(f"us-east-1-cache-{group}-valkey8", "ParameterGroup")["parameters"]
        }
        assert values == {"cluster-enabled": "yes", "maxmemory-policy": policy}


@pytest.mark.parametrize("group", ["us-east-1-cache-cache", "us-east-1-cache-state"])
def test_both_groups_are_in_their_final_shape_at_10k(
    recorded: Record, site: Site, topics: AlarmTopics, group: str
) -> None:
    resource = recorded(lambda: cache(site, topics)).named(group, "ReplicationGroup")
    inputs = resource.inputs
    assert (inputs["clusterMode"], inputs["numNodeGroups"], inputs["automaticFailoverEnabled"]) == ("enabled", 1, True)
    assert (inputs["atRestEncryptionEnabled"], inputs["transitEncryptionMode"]) == (True, "required")
    assert inputs["kmsKeyId"] == KEY
    assert "authToken" not in inputs
    assert resource.options["protect"]
    assert len(inputs["replicationGroupId"]) <= 40


def test_nobody_uses_the_cache_without_a_password(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    user = recorded(lambda: cache(site, topics)).one("elasticache/user:User").inputs
    assert user["authenticationMode"] == {"passwords": [SECRET], "type": "password"}
    assert "-@dangerous" in user["accessString"]


def test_every_node_of_a_shard_counts_in_its_alarms(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    alarm = recorded(lambda: cache(site, topics)).inputs("us-east-1-cache-cache-0-hit-rate")
    assert (alarm["threshold"], alarm["comparisonOperator"]) == (90, "LessThanThreshold")
    assert len([query for query in alarm["metricQueries"] if "metric" in query]) == 4
    expression = next(query["expression"] for query in alarm["metricQueries"] if "expression" in query)
    assert expression == "100*SUM([h1,h2])/(SUM([h1,h2])+SUM([m1,m2]))"


def test_a_full_state_group_pages_and_a_full_cache_does_not(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    parts = recorded(lambda: cache(site, topics))
    assert parts.inputs("us-east-1-cache-state-0-memory")["alarmActions"][0].endswith(":page")
    assert parts.inputs("us-east-1-cache-cache-0-memory")["alarmActions"][0].endswith(":ticket")
