"""Databases in one region and across regions: encrypted, watched, in a shape that no later phase has to replace."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pulumi
import pytest

from components.alarms import AlarmTopics
from components.component import Site
from components.database import Database, DatabaseArgs
from components.database_replica import RemoteReplica, RemoteReplicaArgs
from infra.plan import SECRET
from stacks import phase_1m, phase_10k, phase_50k, phase_250k
from stacks.phase import Phase
from tests.components.conftest import Recorded
from tests.components.growth import changes, gone

Record = Callable[[Callable[[], object]], Recorded]
INSTANCE = "rds/instance:Instance"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
LOG_KEY = "arn:aws:kms:us-east-1:123456789012:key/3"
KEY_THERE = "arn:aws:kms:eu-west-1:123456789012:key/2"
LOG_KEY_THERE = "arn:aws:kms:eu-west-1:123456789012:key/4"
SOURCE = "arn:aws:rds:us-east-1:123456789012:db:headroom-10k-us-east-1-db-0"
SUBNETS = ("subnet-a", "subnet-b", "subnet-c")
COPY = "eu-west-1-copy-of-us-east-1-db-0"


def database(
    site: Site,
    topics: AlarmTopics,
    phase: Phase = phase_10k.EFFICIENT,
    client_cidrs: Mapping[str, str] | None = None,
) -> Database:
    return Database(
        "us-east-1-db-0",
        site,
        DatabaseArgs(
            size=phase.database,
            availability_zones=("a", "b", "c"),
            vpc_id="vpc-1",
            subnet_ids=SUBNETS,
            client_security_group_ids={"pods": "sg-1"},
            client_cidrs=client_cidrs or {},
            key_arn=KEY,
            log_key_arn=LOG_KEY,
            password=pulumi.Output.secret("planted-password"),
            topics=topics,
        ),
    )


def copy(site: Site, topics: AlarmTopics, phase: Phase = phase_250k.EFFICIENT, *, full: bool = False) -> RemoteReplica:
    """A copy in a read region; with `full`, after that region became a full one."""
    return RemoteReplica(
        COPY,
        replace(site, region="eu-west-1"),
        RemoteReplicaArgs(
            size=phase.database,
            source_arn=SOURCE,
            vpc_id="vpc-2",
            subnet_ids=SUBNETS,
            client_security_group_ids={"pods": "sg-2"} if full else {},
            client_cidrs={"us-east-1": "10.64.0.0/17"},
            key_arn=KEY_THERE,
            log_key_arn=LOG_KEY_THERE,
            topics=topics,
        ),
    )


def limit(found: Recorded, name: str) -> int:
    """`max_connections` of a parameter group."""
    parameters = found.inputs(name, "ParameterGroup")["parameters"]
    return next(int(entry["value"]) for entry in parameters if entry["name"] == "max_connections")


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


def test_logs_are_encrypted_with_the_operations_key_of_their_own_region(
    recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    for build, key in ((database, LOG_KEY), (copy, LOG_KEY_THERE)):
        groups = recorded(partial(build, site, topics)).of("LogGroup")
        assert [group.inputs["kmsKeyId"] for group in groups] == [key, key]


def test_below_400_gib_no_iops_are_asked_for(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    assert "iops" not in recorded(lambda: database(site, topics)).one("Instance").inputs


def test_the_password_never_shows(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    parts = recorded(lambda: database(site, topics))
    assert parts.one(INSTANCE).inputs["password"] == SECRET
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


def test_pods_of_another_region_come_by_address_since_their_group_cannot_be_named(
    recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    cidrs = {"us-west-2": "10.65.0.0/17"}
    parts = recorded(lambda: database(site, topics, phase_1m.EFFICIENT, cidrs))
    rules = {rule.name: rule.inputs for rule in parts.of("SecurityGroupIngressRule")}
    assert rules.keys() == {"us-east-1-db-0-pods", "us-east-1-db-0-us-west-2"}
    other = rules["us-east-1-db-0-us-west-2"]
    assert (other["cidrIpv4"], other["fromPort"], other["toPort"]) == ("10.65.0.0/17", 5432, 5432)
    assert "referencedSecurityGroupId" not in other


def readers(parts: Recorded) -> list[dict[str, Any]]:
    return [one.inputs for one in parts.of("Instance") if "replicateSourceDb" in one.inputs]


def test_a_reader_takes_engine_credentials_and_encryption_from_its_primary(
    recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    found = readers(recorded(lambda: database(site, topics, phase_1m.EFFICIENT)))
    assert len(found) == phase_1m.EFFICIENT.database.local_replicas
    for reader in found:
        assert not {"engine", "username", "password", "dbName", "kmsKeyId"} & reader.keys()
        assert reader["skipFinalSnapshot"]
    assert len({reader["availabilityZone"] for reader in found}) == 3


@pytest.mark.parametrize("phase", [phase_50k.EFFICIENT, phase_250k.EFFICIENT, phase_1m.EFFICIENT])
def test_readers_have_the_primarys_storage_in_every_phase(
    recorded: Record, site: Site, topics: AlarmTopics, phase: Phase
) -> None:
    keys = ("allocatedStorage", "maxAllocatedStorage", "iops", "storageThroughput", "storageType")
    parts = recorded(lambda: database(site, topics, phase))
    primary = parts.inputs("us-east-1-db-0-primary", "Instance")
    found = readers(parts)
    assert found
    assert all([reader.get(key) for key in keys] == [primary.get(key) for key in keys] for reader in found)


def test_readers_have_parameters_of_their_own_so_that_they_can_grow_first(
    recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    size = phase_1m.EFFICIENT.database
    larger = phase_1m.EFFICIENT.resized(database=size.model_copy(update={"replica_class": "db.r6g.2xlarge"}))
    parts = recorded(lambda: database(site, topics, larger))
    assert limit(parts, "us-east-1-db-0-postgres17-readers") > limit(parts, "us-east-1-db-0-postgres17")
    for index in range(size.local_replicas):
        name = f"us-east-1-db-0-reader-{index}"
        urns = parts.named(name, "Instance").dependencies
        assert any(urn.endswith("::us-east-1-db-0-postgres17-readers") for urn in urns)
        free = parts.inputs(f"{name}-connections-free")["threshold"]
        assert free == limit(parts, "us-east-1-db-0-postgres17-readers") - 10


def test_without_readers_there_are_no_parameters_for_them(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    assert [one.name for one in recorded(lambda: database(site, topics)).of("ParameterGroup")] == [
        "us-east-1-db-0-postgres17"
    ]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (phase_10k.EFFICIENT, phase_50k.EFFICIENT),
        (phase_50k.EFFICIENT, phase_250k.EFFICIENT),
        (phase_250k.EFFICIENT, phase_1m.EFFICIENT),
    ],
)
def test_growth_changes_every_part_in_place_and_removes_none(
    recorded: Record, site: Site, topics: AlarmTopics, earlier: Phase, later: Phase
) -> None:
    before = recorded(lambda: database(site, topics, earlier))
    after = recorded(lambda: database(site, topics, later))
    # Burst credits end with burstable classes, and nothing else does.
    assert [one.name for one in gone(before, after) if not one.name.endswith("-cpu-credits")] == []
    found = changes(before, after)
    assert any(urn.endswith("-primary") for urn in found)
    assert {urn: each.replaces or each.refusals for urn, each in found.items() if each.replaces or each.refusals} == {}


def test_events_tell_that_replication_stopped_where_there_is_any(
    recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    alone = recorded(lambda: database(site, topics)).one("EventSubscription").inputs
    assert (len(alone["sourceIds"]), "read replica" in alone["eventCategories"]) == (1, False)
    replicated = recorded(lambda: database(site, topics, phase_1m.EFFICIENT)).one("EventSubscription").inputs
    assert (len(replicated["sourceIds"]), "read replica" in replicated["eventCategories"]) == (4, True)
    assert "read replica" in recorded(lambda: copy(site, topics)).one("EventSubscription").inputs["eventCategories"]


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
    assert (
        parts.inputs("us-east-1-db-0-connections-free")["threshold"] == limit(parts, "us-east-1-db-0-postgres17") - 10
    )


def test_a_copy_names_its_source_by_arn_and_is_encrypted_with_a_key_of_its_own_region(
    recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    parts = recorded(lambda: copy(site, topics))
    inputs = parts.one(INSTANCE).inputs
    assert inputs["replicateSourceDb"] == SOURCE
    assert (inputs["kmsKeyId"], inputs["region"]) == (KEY_THERE, "eu-west-1")
    assert not {"engine", "username", "password", "dbName", "storageEncrypted"} & inputs.keys()
    regional = [one.inputs["region"] for one in parts.resources if "region" in one.inputs]
    assert set(regional) == {"eu-west-1"}


def test_a_copy_can_take_over_at_once(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    """Backups are on before it is promoted, and it has the primary's parameters, logs and way of signing in."""
    parts = recorded(lambda: (copy(site, topics), database(site, topics, phase_250k.EFFICIENT)))
    inputs = parts.inputs(f"{COPY}-replica", "Instance")
    assert inputs["backupRetentionPeriod"] == 7
    assert limit(parts, f"{COPY}-postgres17") >= limit(parts, "us-east-1-db-0-postgres17")
    primary = parts.inputs("us-east-1-db-0-primary", "Instance")
    same = ("enabledCloudwatchLogsExports", "iamDatabaseAuthenticationEnabled", "caCertIdentifier", "allocatedStorage")
    assert [inputs[key] for key in same] == [primary[key] for key in same]


def test_a_copy_is_upgraded_before_its_primary_and_not_while_it_is_backed_up(
    recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    parts = recorded(lambda: (copy(site, topics), database(site, topics, phase_250k.EFFICIENT)))
    inputs = parts.inputs(f"{COPY}-replica", "Instance")
    primary = parts.inputs("us-east-1-db-0-primary", "Instance")
    begin, _, end = inputs["maintenanceWindow"].partition("-")
    assert begin < end <= primary["maintenanceWindow"].partition("-")[0]
    assert end.removeprefix("sun:") <= inputs["backupWindow"].partition("-")[0]


def test_a_copy_refuses_deletion_and_replacement(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    found = recorded(lambda: copy(site, topics)).one(INSTANCE)
    assert found.inputs["deletionProtection"]
    assert found.options["protect"]


def test_a_copy_that_lags_by_the_recovery_point_pages(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    alarm = recorded(lambda: copy(site, topics)).inputs(f"{COPY}-lag")
    promised = phase_1m.EFFICIENT.targets.recovery_point_minutes * 60
    assert (alarm["threshold"], alarm["treatMissingData"]) == (promised, "breaching")
    assert alarm["alarmActions"][0].endswith(":page")


@pytest.mark.parametrize("suffix", ["cpu", "storage", "memory", "connections-free", "connections-used"])
def test_a_copy_is_watched_like_a_primary(recorded: Record, site: Site, topics: AlarmTopics, suffix: str) -> None:
    assert recorded(lambda: copy(site, topics)).inputs(f"{COPY}-{suffix}", "MetricAlarm")["region"] == "eu-west-1"


def test_a_copy_stays_the_same_when_its_read_region_becomes_a_full_one(
    recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    before = recorded(lambda: copy(site, topics))
    after = recorded(lambda: copy(site, topics, phase_1m.EFFICIENT, full=True))
    assert not gone(before, after)
    assert [one.name for one in gone(after, before)] == [f"{COPY}-pods"]
    assert not [each for each in changes(before, after).values() if each.replaces or each.refusals]
