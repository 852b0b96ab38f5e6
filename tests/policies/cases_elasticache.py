"""Rules about caches."""

from __future__ import annotations

from typing import Any

from policies.related import ALARM
from policies.rules.elasticache import GROUP, METRICS, PARAMETERS, USER
from policies.view import Resource
from tests.policies.cases import GONE, Case, made

STATE = {"replicationGroupId": "state", "region": "us-east-1", "numNodeGroups": 2, "snapshotRetentionLimit": 1}


def alarm(metric: str) -> Resource:
    queries: list[Any] = [{"id": "result", "expression": "MAX([n1,n2])"}]
    queries += [
        {"id": f"n{node}", "metric": {"metricName": metric, "dimensions": {"CacheClusterId": f"state-{node:04}-001"}}}
        for node in (1, 2)
    ]
    props = {"region": "us-east-1", "metricQueries": queries}
    return made(ALARM, metric, props, sources={"metricQueries": [f"{GROUP}::state"]})


CASES = [
    Case(
        rule="elasticache-encrypted-at-rest",
        good=[made(GROUP, "state", {"atRestEncryptionEnabled": True})],
        path="atRestEncryptionEnabled",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="elasticache-own-key",
        good=[made(GROUP, "state", {"kmsKeyId": "key"})],
        path="kmsKeyId",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="elasticache-encrypted-in-transit",
        good=[made(GROUP, "state", {"transitEncryptionEnabled": True, "transitEncryptionMode": "required"})],
        path="transitEncryptionEnabled",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
        shipped_path="transitEncryptionMode",
        shipped_value="preferred",
    ),
    Case(
        rule="elasticache-authenticated",
        good=[made(GROUP, "state", {"userGroupIds": ["pods"]})],
        path="userGroupIds",
        broken=[[], GONE],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="elasticache-user-password",
        good=[made(USER, "pods", {"authenticationMode": {"type": "password"}})],
        path="authenticationMode.type",
        broken=["no-password-required"],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="elasticache-two-zones",
        good=[
            made(GROUP, "state", {"automaticFailoverEnabled": True, "multiAzEnabled": True, "replicasPerNodeGroup": 1})
        ],
        path="multiAzEnabled",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
        shipped_path="replicasPerNodeGroup",
        shipped_value=0,
    ),
    Case(
        rule="elasticache-minor-upgrades",
        good=[made(GROUP, "state", {"autoMinorVersionUpgrade": True})],
        path="autoMinorVersionUpgrade",
        broken=[False, "false"],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="elasticache-own-subnets",
        good=[made(GROUP, "state", {"subnetGroupName": "data"})],
        path="subnetGroupName",
        broken=["default", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="elasticache-snapshots-kept",
        good=[
            made(GROUP, "state", STATE, sources={"parameterGroupName": [f"{PARAMETERS}::keeps"]}),
            made(PARAMETERS, "keeps", {"parameters": [{"name": "maxmemory-policy", "value": "noeviction"}]}),
        ],
        path="snapshotRetentionLimit",
        broken=[0, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="elasticache-alarms",
        good=[made(GROUP, "state", STATE), *map(alarm, METRICS)],
        path="numNodeGroups",
        broken=[3],
        absent="fine",
        unknown="undecided",
        shipped_value=5,
    ),
]
