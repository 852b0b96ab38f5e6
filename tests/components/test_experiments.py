"""Faults on purpose: each has a brake, and can touch only what it is about."""

import json
from collections.abc import Callable
from typing import Any

import pulumi_kubernetes as kubernetes
import pytest

from components.component import Site
from components.experiments import Experiments, ExperimentsArgs
from tests.components.conftest import ACCOUNT, Recorded
from tests.components.kubernetes_schema import objects, problems

NAME = "us-east-1-experiments"
ALARM = f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:errors"
DATABASE = f"arn:aws:rds:us-east-1:{ACCOUNT}:db:one"
CACHE = f"arn:aws:elasticache:us-east-1:{ACCOUNT}:replicationgroup:one"
CLUSTER = f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/one"


@pytest.fixture
def parts(recorded: Callable[[Callable[[], object]], Recorded], site: Site) -> Recorded:
    def build() -> None:
        args = ExperimentsArgs(
            account_id=ACCOUNT,
            key_arn=f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1",
            stop_alarm_arn=ALARM,
            provider=kubernetes.Provider("cluster"),
            cluster_arn=CLUSTER,
            cluster_name="one",
            namespace="headroom",
            database_arn=DATABASE,
            cache_group_arn=CACHE,
            zone="us-east-1a",
            zone_subnet_ids=["subnet-1", "subnet-2"],
        )
        Experiments(NAME, site, args)

    return recorded(build)


def template(parts: Recorded, kind: str) -> dict[str, Any]:
    return parts.inputs(f"{NAME}-{kind}")


def test_every_experiment_stops_when_users_get_errors(parts: Recorded) -> None:
    templates = parts.of("ExperimentTemplate")
    assert len(templates) == 4
    for each in templates:
        assert each.inputs["stopConditions"] == [{"source": "aws:cloudwatch:alarm", "value": ALARM}]
        assert each.inputs["logConfiguration"]["cloudwatchLogsConfiguration"]["logGroupArn"].endswith(":*")


@pytest.mark.parametrize(
    ("kind", "action", "kind_of_target", "target"),
    [
        ("database-failover", "aws:rds:reboot-db-instances", "DBInstances", [DATABASE]),
        ("cache-failover", "aws:elasticache:replicationgroup-interrupt-az-power", "ReplicationGroups", [CACHE]),
        (
            "zone-loss",
            "aws:network:disrupt-connectivity",
            "Subnets",
            [f"arn:aws:ec2:us-east-1:{ACCOUNT}:subnet/subnet-{index}" for index in (1, 2)],
        ),
    ],
)
def test_an_experiment_breaks_what_it_names(
    parts: Recorded, kind: str, action: str, kind_of_target: str, target: list[str]
) -> None:
    inputs = template(parts, kind)
    assert inputs["actions"][0]["actionId"] == action
    assert inputs["actions"][0]["target"] == {"key": kind_of_target, "value": inputs["targets"][0]["name"]}
    assert inputs["targets"][0]["resourceArns"] == target


def test_a_reboot_fails_over(parts: Recorded) -> None:
    (action,) = template(parts, "database-failover")["actions"]
    assert action["parameters"] == [{"key": "forceFailover", "value": "true"}]


def test_half_of_the_api_is_killed_by_a_pod_that_the_namespace_admits(parts: Recorded) -> None:
    inputs = template(parts, "pod-kill")
    (target,) = inputs["targets"]
    assert target["selectionMode"] == "PERCENT(50)"
    assert target["parameters"]["selectorValue"] == "headroom/role=api"
    parameters = {one["key"]: one["value"] for one in inputs["actions"][0]["parameters"]}
    assert parameters["fisPodSecurityPolicy"] == "restricted"
    opened = parts.inputs(f"{NAME}-flows")["spec"]["podSelector"]["matchLabels"]
    assert json.loads(parameters["fisPodLabels"]) == opened


def test_the_role_reboots_one_database_and_no_other(parts: Recorded) -> None:
    statements = json.loads(parts.inputs(NAME, "RolePolicy")["policy"])["Statement"]
    allowed = {one["Action"]: one["Resource"] for one in statements if isinstance(one["Action"], str)}
    assert allowed == {
        "rds:RebootDBInstance": DATABASE,
        "elasticache:InterruptClusterAzPower": CACHE,
        "eks:DescribeCluster": CLUSTER,
    }


def test_the_cluster_admits_the_role_to_the_applications_namespace_only(parts: Recorded) -> None:
    entry, binding = parts.one("AccessEntry").inputs, parts.inputs(f"{NAME}-binding")
    assert {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": entry["userName"]} in binding["subjects"]
    assert (binding["kind"], binding["metadata"]["namespace"]) == ("RoleBinding", "headroom")
    assert parts.of("AccessPolicyAssociation") == []


def test_the_objects_are_what_kubernetes_knows(parts: Recorded) -> None:
    found = [one for one in objects(parts) if "manifest" not in one.type]
    assert len(found) == 4
    assert [problem for one in found for problem in problems(one)] == []
