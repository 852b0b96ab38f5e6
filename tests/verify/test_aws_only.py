"""What the local cloud lacks is checked on AWS: its answers are canned here, over moto's for everything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from infra.verify.facts import Scope, Verdict
from infra.verify.run import verify
from tests.verify.account import Account
from tests.verify.account_edge import REGION
from tests.verify.overlay import Overlaid

CLUSTER = {"accessConfig": {"authenticationMode": "API"}, "computeConfig": {"enabled": True}}
ENTRY = "arn:aws:iam::123456789012:role/deployer"


def _policies(_: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    policy = {"cache-parameters": "allkeys-lru", "state-parameters": "noeviction"}[arguments["CacheParameterGroupName"]]
    return {"Parameters": [{"ParameterName": "maxmemory-policy", "ParameterValue": policy}]}


def _nodes(_: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    group = "state" if "state" in arguments["CacheClusterId"] else "cache"
    return {"CacheClusters": [{"CacheParameterGroup": {"CacheParameterGroupName": f"{group}-parameters"}}]}


def _cluster(client: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"cluster": {**client.describe_cluster(**arguments)["cluster"], **CLUSTER}}


def _sender(client: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {**client.get_email_identity(**arguments), "DkimAttributes": {"Status": "SUCCESS"}}


HEARD: Mapping[str, Any] = {"EventDestinations": [{"Enabled": True, "MatchingEventTypes": ["BOUNCE", "COMPLAINT"]}]}

RIGHT: dict[str, dict[str, Any]] = {
    "sesv2": {
        "get_email_identity": _sender,
        "get_account": {"ProductionAccessEnabled": True},
        "get_configuration_set_event_destinations": HEARD,
    },
    "elasticache": {"describe_cache_clusters": _nodes, "describe_cache_parameters": _policies},
    "eks": {
        "describe_cluster": _cluster,
        "describe_cluster_versions": {"clusterVersions": [{"versionStatus": "STANDARD_SUPPORT"}]},
        "list_access_entries": {"accessEntries": [ENTRY]},
    },
    "backup": {"list_backup_selections": {"BackupSelectionsList": [{"SelectionName": "stateful"}]}},
}


def differences(account: Account, answers: Mapping[str, Mapping[str, Any]]) -> set[tuple[str, str]]:
    findings = verify(
        Scope(
            region=REGION,
            outputs=account.outputs,
            phase=account.phase,
            domain=account.domain,
            protected=True,
            clients=Overlaid(account.endpoint, answers),
        )
    )
    assert {finding.fact.verdict for finding in findings} <= {Verdict.HOLDS, Verdict.DIFFERS}
    return {(finding.fact.what, finding.fact.actual) for finding in findings if finding.fact.verdict is Verdict.DIFFERS}


def test_on_aws_everything_is_checked(account: Account) -> None:
    assert differences(account, RIGHT) == set()


@pytest.mark.parametrize(
    ("service", "operation", "answer", "difference"),
    [
        (
            "elasticache",
            "describe_cache_parameters",
            {"Parameters": [{"ParameterName": "maxmemory-policy", "ParameterValue": "volatile-lru"}]},
            ("eviction policy", "volatile-lru"),
        ),
        ("eks", "list_access_entries", {"accessEntries": []}, ("access entries", "0")),
        (
            "eks",
            "describe_cluster_versions",
            {"clusterVersions": [{"versionStatus": "EXTENDED_SUPPORT"}]},
            ("support of version 1.", "EXTENDED_SUPPORT"),
        ),
        ("backup", "list_backup_selections", {"BackupSelectionsList": []}, ("what is backed up", "0")),
    ],
)
def test_what_differs_on_aws_is_named(
    account: Account, service: str, operation: str, answer: Mapping[str, Any], difference: tuple[str, str]
) -> None:
    answers = {**RIGHT, service: {**RIGHT[service], operation: answer}}
    found = differences(account, answers)
    assert {(what[: len(difference[0])], actual) for what, actual in found} == {difference}


DATASTORE: Mapping[str, Any] = {
    "Status": "available",
    "Members": [
        {"ReplicationGroupRegion": "us-east-1", "Role": "PRIMARY", "Status": "associated"},
        {"ReplicationGroupRegion": "us-west-2", "Role": "SECONDARY", "Status": "associated"},
    ],
}


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({}, set()),
        (
            {"Status": "primary-only", "Members": DATASTORE["Members"][:1]},
            {"status", "members of the Global Datastore"},
        ),
        (
            {"Members": [DATASTORE["Members"][0], {**DATASTORE["Members"][1], "Status": "associating"}]},
            {"members that are not associated"},
        ),
        (
            {"Members": [{**member, "Role": "SECONDARY"} for member in DATASTORE["Members"]]},
            {"region that is written to"},
        ),
    ],
)
def test_the_global_datastore_joins_the_full_regions(
    regions: Account, change: Mapping[str, Any], difference: set[str]
) -> None:
    answer = {"GlobalReplicationGroups": [{**DATASTORE, **change}]}
    elasticache = {**RIGHT["elasticache"], "describe_global_replication_groups": answer}
    answers = {**RIGHT, "elasticache": elasticache}
    assert {what for what, _ in differences(regions, answers)} == difference


def test_a_cluster_that_takes_its_users_from_a_config_map_is_named(account: Account) -> None:
    def old(client: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {"cluster": client.describe_cluster(**arguments)["cluster"]}

    found = differences(account, {**RIGHT, "eks": {**RIGHT["eks"], "describe_cluster": old}})
    assert found == {("authentication mode", "nothing"), ("Auto Mode", "nothing")}
