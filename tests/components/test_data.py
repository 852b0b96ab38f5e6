"""Database and caches: encrypted, watched, in a shape that no later phase has to replace."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from components.alarms import AlarmTopics
from components.cache import Cache, CacheArgs
from components.component import Site
from components.database import Database, DatabaseArgs
from infra.plan import SECRET
from stacks import phase_1m, phase_10k
from stacks.phase import Phase
from tests.components.conftest import Recorded

Record = Callable[[Callable[[], object]], Recorded]
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
SUBNETS = ("subnet-a", "subnet-b", "subnet-c")


def database(site: Site, topics: AlarmTopics, phase: Phase = phase_10k.EFFICIENT) -> Database:
    import pulumi

    return Database(
        "us-east-1-db-0",
        site,
        DatabaseArgs(
            size=phase.database,
            availability_zones=("a", "b", "c"),
            vpc_id="vpc-1",
            subnet_ids=SUBNETS,
            client_security_group_ids={"pods": "sg-1"},
            key_arn=KEY,
            password=pulumi.Output.secret("planted-password"),
            topics=topics,
        ),
    )


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


def test_the_primary_survives_a_zone_and_a_mistake(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    primary = recorded(lambda: database(site, topics)).one("Instance")
    assert primary.inputs["multiAz"]
    assert primary.inputs["deletionProtection"]
    assert not primary.inputs["skipFinalSnapshot"]
    assert primary.inputs["backupRetentionPeriod"] == 30
    assert primary.options["protect"]
    assert primary.options["retainOnDelete"]


def test_development_lets_go_of_the_primary(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    primary = recorded(lambda: database(replace(site, protected=False, retained=False), topics)).one("Instance")
    assert not primary.inputs["deletionProtection"]
    assert primary.inputs["skipFinalSnapshot"]
    assert "protect" not in primary.options


def test_storage_is_encrypted_with_our_key_and_grows_by_itself(
    recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    inputs = recorded(lambda: database(site, topics)).one("Instance").inputs
    assert (inputs["storageEncrypted"], inputs["kmsKeyId"], inputs["storageType"]) == (True, KEY, "gp3")
    assert inputs["maxAllocatedStorage"] > inputs["allocatedStorage"] == 20


def test_below_400_gib_no_iops_are_asked_for(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    assert "iops" not in recorded(lambda: database(site, topics)).one("Instance").inputs


def test_the_password_never_shows(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    parts = recorded(lambda: (database(site, topics), cache(site, topics)))
    assert parts.one("rds/instance:Instance").inputs["password"] == SECRET
    assert "planted-password" not in json.dumps([resource.inputs for resource in parts.resources])


def test_static_parameters_wait_for_a_reboot(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    parameters = {
        entry["name"]: entry
        for entry in recorded(lambda: database(site, topics)).one("ParameterGroup").inputs["parameters"]
    }
    assert parameters["rds.force_ssl"]["value"] == "1"
    assert "pg_cron" in parameters["shared_preload_libraries"]["value"]
    assert parameters["log_min_duration_statement"]["value"] == "1000"
    static = {name for name, entry in parameters.items() if entry["applyMethod"] == "pending-reboot"}
    assert static == {"shared_preload_libraries", "cron.database_name", "max_connections"}


def test_only_the_pods_reach_the_database(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    parts = recorded(lambda: database(site, topics))
    rule = parts.one("SecurityGroupIngressRule").inputs
    assert (rule["referencedSecurityGroupId"], rule["fromPort"], rule["toPort"]) == ("sg-1", 5432, 5432)
    assert not parts.of("SecurityGroupEgressRule")
    assert not parts.one("Instance").inputs["publiclyAccessible"]


def test_a_replica_takes_engine_credentials_and_storage_from_its_primary(
    recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    parts = recorded(lambda: database(site, topics, phase_1m.EFFICIENT))
    replicas = [instance for instance in parts.of("Instance") if "replicateSourceDb" in instance.inputs]
    assert len(replicas) == phase_1m.EFFICIENT.database.local_replicas
    for replica in replicas:
        assert not {"engine", "username", "password", "dbName", "allocatedStorage"} & replica.inputs.keys()
        assert replica.inputs["skipFinalSnapshot"]
    assert len({replica.inputs["availabilityZone"] for replica in replicas}) == 3


@pytest.mark.parametrize(
    ("suffix", "severity"),
    [
        ("cpu", "ticket"),
        ("storage", "page"),
        ("memory", "ticket"),
        ("connections-free", "page"),
        ("connections-used", "ticket"),
        ("latency", "ticket"),
        ("cpu-credits", "ticket"),
    ],
)
def test_the_database_is_watched(recorded: Record, site: Site, topics: AlarmTopics, suffix: str, severity: str) -> None:
    alarm = recorded(lambda: database(site, topics)).inputs(f"us-east-1-db-0-{suffix}", "MetricAlarm")
    assert alarm["alarmActions"] == [f"arn:aws:sns:us-east-1:123456789012:{severity}"]


def test_the_last_ten_connections_page(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    parts = recorded(lambda: database(site, topics))
    limit = next(
        entry["value"]
        for entry in parts.one("ParameterGroup").inputs["parameters"]
        if entry["name"] == "max_connections"
    )
    assert parts.inputs("us-east-1-db-0-connections-free")["threshold"] == int(limit) - 10


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
