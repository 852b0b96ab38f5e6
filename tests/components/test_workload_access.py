"""What each role of the application reaches: AWS by its role, everything else by network policies."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from components.component import Site
from components.pods import APP_PORT
from components.pooler import NAME as POOLER
from components.pooler import PORT as POOLER_PORT
from tests.components.conftest import ACCOUNT, Recorded
from tests.components.kubernetes_schema import selects
from tests.components.workload_builder import COMPUTE, DATA, PUBLIC, build, compute, deployments

Record = Callable[[Callable[[], object]], Recorded]


@pytest.fixture
def found(recorded: Record, site: Site) -> Recorded:
    return recorded(lambda: build(site))


def policies(found: Recorded) -> list[dict[str, Any]]:
    return [one.inputs["spec"] for one in found.of("NetworkPolicy")]


def reachable(found: Recorded, labels: dict[str, str], direction: str) -> set[tuple[str, int]]:
    """Peers and ports that the policies together open for pods with `labels`."""
    result = set()
    for spec in policies(found):
        if not selects(spec["podSelector"]["matchLabels"], labels):
            continue
        for rule in spec.get(direction, []):
            for peer in rule["to" if direction == "egress" else "from"]:
                name = peer["ipBlock"]["cidr"] if "ipBlock" in peer else json.dumps(peer["podSelector"]["matchLabels"])
                result |= {(name, port["port"]) for port in rule["ports"]}
    return result


def labels_of(found: Recorded, name: str) -> dict[str, str]:
    return dict(deployments(found)[name]["spec"]["template"]["metadata"]["labels"])


def test_pods_reach_poolers_caches_credentials_and_https_and_nothing_else(found: Recorded) -> None:
    poolers = json.dumps({"app.kubernetes.io/name": POOLER})
    expected = {(poolers, POOLER_PORT), ("169.254.170.23/32", 80), ("0.0.0.0/0", 443), *((cidr, 6379) for cidr in DATA)}
    for name in deployments(found):
        assert reachable(found, labels_of(found, name), "egress") == expected


def test_only_api_and_realtime_are_reached_and_only_by_the_load_balancers_subnets(found: Recorded) -> None:
    entry = {(PUBLIC[0], APP_PORT)}
    assert {name: reachable(found, labels_of(found, name), "ingress") for name in deployments(found)} == {
        "api-blue": entry,
        "realtime": entry,
        "worker": set(),
    }


def test_services_call_one_another_once_there_are_any(recorded: Record, site: Site) -> None:
    found = recorded(lambda: build(site, compute=compute("auth")))
    peers = (json.dumps({"app.kubernetes.io/name": "app"}), APP_PORT)
    assert peers in reachable(found, labels_of(found, "api-blue"), "egress")
    assert reachable(found, labels_of(found, "auth"), "ingress") == {peers}


def test_the_migration_reaches_the_database_directly_and_is_reached_by_nobody(found: Recorded) -> None:
    template = found.inputs("us-east-1-app-migration", "v1:Job")["spec"]["template"]
    labels = template["metadata"]["labels"]
    assert reachable(found, labels, "egress") == {("0.0.0.0/0", 443), *((cidr, 5432) for cidr in DATA)}
    assert reachable(found, labels, "ingress") == set()


def granted(found: Recorded, role: str) -> list[dict[str, Any]]:
    return list(json.loads(found.named(f"us-east-1-app-{role}", "RolePolicy").inputs["policy"])["Statement"])


def test_each_role_has_the_least_of_aws_that_it_needs(recorded: Record, site: Site) -> None:
    found = recorded(lambda: build(site, compute=compute("video", "email")))
    roles = ("api", "realtime", "worker", "video", "email")
    actions = {role: {action for one in granted(found, role) for action in one["Action"]} for role in roles}
    assert [role for role in roles if "sqs:ReceiveMessage" in actions[role]] == ["worker"]
    assert [role for role in roles if "sqs:SendMessage" in actions[role]] == ["api", "worker", "video", "email"]
    assert [role for role in roles if "s3:PutObject" in actions[role]] == ["api", "worker", "video"]
    reads = [role for role in roles if "secretsmanager:GetSecretValue" in actions[role]]
    assert reads == ["api", "realtime", "video", "email"]


def test_no_statement_is_wider_than_the_resources_it_is_for(recorded: Record, site: Site) -> None:
    found = recorded(lambda: build(site, compute=compute("video", "email")))
    for role in ("api", "realtime", "worker", "video", "email"):
        for statement in granted(found, role):
            assert "*" not in str(statement["Action"])
            assert all(resource.startswith("arn:") for resource in statement["Resource"])
            assert ("kms:ViaService" in str(statement.get("Condition"))) == ("kms:" in str(statement["Action"]))


def test_pods_of_a_role_get_that_roles_access_through_their_service_account(found: Recorded) -> None:
    associations = {one.inputs["serviceAccount"]: one for one in found.of("PodIdentityAssociation")}
    assert associations.keys() == set(COMPUTE.pods)
    for name, inputs in deployments(found).items():
        assert inputs["spec"]["template"]["spec"]["serviceAccountName"] == name.removesuffix("-blue")
    trust = json.loads(found.named("us-east-1-app-api", "Role").inputs["assumeRolePolicy"])["Statement"][0]
    assert trust["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert "serviceAccountName" not in found.inputs("us-east-1-app-migration", "v1:Job")["spec"]["template"]["spec"]
