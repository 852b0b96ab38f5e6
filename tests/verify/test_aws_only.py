"""What the local cloud lacks is checked on AWS: its answers are canned here, over moto's for everything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from infra.verify.facts import Clients, Scope, Verdict
from infra.verify.run import verify
from stacks.phase_10k import EFFICIENT
from tests.verify.account import Account
from tests.verify.account_edge import DOMAIN, REGION

CLUSTER = {"accessConfig": {"authenticationMode": "API"}, "computeConfig": {"enabled": True}}
ENTRY = "arn:aws:iam::123456789012:role/deployer"


class Overlay:
    """A client of moto's, with answers of its own for some operations."""

    def __init__(self, client: Any, answers: Mapping[str, Any]) -> None:
        """Keep both."""
        self._client, self._answers = client, answers

    def __getattr__(self, operation: str) -> Any:
        """The canned answer, where there is one; a function is asked with moto's client."""
        if operation not in self._answers:
            return getattr(self._client, operation)
        answer = self._answers[operation]
        return lambda **arguments: answer(self._client, arguments) if callable(answer) else answer

    def get_paginator(self, operation: str) -> Any:
        """Canned answers have one page."""
        if operation not in self._answers:
            return self._client.get_paginator(operation)
        return _OnePage(self._answers[operation])


class _OnePage:
    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def paginate(self, **arguments: Any) -> list[Any]:
        return [self._answer(None, arguments) if callable(self._answer) else self._answer]


class Overlaid(Clients):
    """Clients with canned answers by service."""

    def __init__(self, endpoint: str, answers: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep the answers."""
        super().__init__(endpoint)
        self._answers = answers

    def get(self, service: str, region: str) -> Any:
        """The client, under its answers."""
        return Overlay(super().get(service, region), self._answers.get(service, {}))


def _policies(_: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    policy = {"cache-parameters": "allkeys-lru", "state-parameters": "noeviction"}[arguments["CacheParameterGroupName"]]
    return {"Parameters": [{"ParameterName": "maxmemory-policy", "ParameterValue": policy}]}


def _nodes(_: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    group = "state" if "state" in arguments["CacheClusterId"] else "cache"
    return {"CacheClusters": [{"CacheParameterGroup": {"CacheParameterGroupName": f"{group}-parameters"}}]}


def _cluster(client: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"cluster": {**client.describe_cluster(**arguments)["cluster"], **CLUSTER}}


RIGHT: dict[str, dict[str, Any]] = {
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
            phase=EFFICIENT,
            domain=DOMAIN,
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


def test_a_cluster_that_takes_its_users_from_a_config_map_is_named(account: Account) -> None:
    def old(client: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {"cluster": client.describe_cluster(**arguments)["cluster"]}

    found = differences(account, {**RIGHT, "eks": {**RIGHT["eks"], "describe_cluster": old}})
    assert found == {("authentication mode", "nothing"), ("Auto Mode", "nothing")}
