"""What each role of the application reaches: AWS by its role, everything else by network policies."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from components.component import Site
from components.network_policies import MESH_PORT, MESH_PROBES
from components.pods import APP_PORT, GRPC_PORT
from components.pooler import NAME as POOLER
from components.pooler import PORT as POOLER_PORT
from components.workload_access import CLIENT
from stacks.phase import ROLES, SERVICES
from tests.components.conftest import ACCOUNT, Recorded
from tests.components.kubernetes_schema import selects
from tests.components.workload_builder import AWS, COMPUTE, DATA, PUBLIC, build, compute, deployments

Record = Callable[[Callable[[], object]], Recorded]


@pytest.fixture
def found(recorded: Record, site: Site) -> Recorded:
    return recorded(lambda: build(site))


def policies(found: Recorded) -> list[dict[str, Any]]:
    return [one.inputs["spec"] for one in found.of("NetworkPolicy")]


def peer_name(peer: dict[str, Any]) -> str:
    if "ipBlock" in peer:
        return str(peer["ipBlock"]["cidr"])
    if "namespaceSelector" in peer:
        return str(peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"])
    return json.dumps(peer["podSelector"]["matchLabels"])


def reachable(found: Recorded, labels: dict[str, str], direction: str) -> set[tuple[str, int]]:
    """Peers and ports that the policies together open for pods with `labels`."""
    result = set()
    for spec in policies(found):
        if not selects(spec["podSelector"]["matchLabels"], labels):
            continue
        for rule in spec.get(direction, []):
            for peer in rule["to" if direction == "egress" else "from"]:
                result |= {(peer_name(peer), port["port"]) for port in rule["ports"]}
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
    peers = {(json.dumps({"app.kubernetes.io/name": "app"}), port) for port in (APP_PORT, GRPC_PORT)}
    assert peers <= reachable(found, labels_of(found, "api-blue"), "egress")
    assert reachable(found, labels_of(found, "auth"), "ingress") == peers


def test_pods_that_resize_images_reach_aws_alone_and_are_reached_by_the_load_balancer(
    recorded: Record, site: Site
) -> None:
    found = recorded(lambda: build(site, compute=compute("images", "auth")))
    labels = labels_of(found, "images")
    assert reachable(found, labels, "egress") == {("169.254.170.23/32", 80), ("0.0.0.0/0", 443)}
    assert reachable(found, labels, "ingress") == {(PUBLIC[0], APP_PORT)}
    assert not selects(CLIENT, labels)


def test_pods_reach_the_collector_of_traces_where_there_is_one_and_the_migration_does_not(
    recorded: Record, site: Site
) -> None:
    found = recorded(lambda: build(site, compute=compute("images"), collector_cidrs=("10.64.32.0/19",)))
    collector = {(peer, port) for peer in ("amazon-cloudwatch", "10.64.32.0/19") for port in (4317, 4318)}
    for name in deployments(found):
        assert collector <= reachable(found, labels_of(found, name), "egress")
    migration = found.inputs("us-east-1-app-migration", "v1:Job")["spec"]["template"]["metadata"]["labels"]
    assert not collector & reachable(found, migration, "egress")


def test_pods_reach_the_data_of_every_region_they_use(recorded: Record, site: Site) -> None:
    found = recorded(lambda: build(site, data_cidrs=(*DATA, "10.65.96.0/22")))
    assert ("10.65.96.0/22", 6379) in reachable(found, labels_of(found, "api-blue"), "egress")


def test_in_the_mesh_who_reaches_a_pod_reaches_it_through_the_tunnel_and_nobody_else_does(
    recorded: Record, site: Site
) -> None:
    pooler_labels = {"app.kubernetes.io/name": POOLER, "app.kubernetes.io/component": "writer"}
    for mesh in (False, True):
        found = recorded(partial(build, site, compute=compute("auth", "images", mesh=mesh)))
        of_pods = {name: labels_of(found, name) for name in deployments(found)}
        for labels in (*of_pods.values(), pooler_labels):
            for direction in ("egress", "ingress"):
                open_ports = reachable(found, labels, direction)
                peers = {peer for peer, port in open_ports if peer.startswith("{")}
                assert {peer for peer, port in open_ports if port == MESH_PORT} == (peers if mesh else set())
            probes = (MESH_PROBES, POOLER_PORT if labels is pooler_labels else APP_PORT)
            assert (probes in reachable(found, labels, "ingress")) == mesh


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
    assert [role for role in roles if "sqs:ReceiveMessage" in actions[role]] == ["worker", "email"]
    assert [role for role in roles if "sqs:SendMessage" in actions[role]] == ["api", "worker", "video", "email"]
    assert [role for role in roles if "s3:PutObject" in actions[role]] == ["api", "worker", "video"]
    reads = [role for role in roles if "secretsmanager:GetSecretValue" in actions[role]]
    assert reads == ["api", "realtime", "video", "email"]


LATER = replace(
    AWS,
    events_topic_arn="arn:aws:sns:::events",
    event_stream_arn="arn:aws:kinesis:::events",
    search_role_arn="arn:aws:iam:::search",
    mail_identity_arn="arn:aws:ses:::identity",
    mail_configuration_arn="arn:aws:ses:::configuration",
)


def test_what_later_phases_add_is_for_the_roles_that_use_it(recorded: Record, site: Site) -> None:
    found = recorded(lambda: build(site, compute=compute(*SERVICES, "images"), aws=LATER))
    roles = ("api", "realtime", "worker", "images", *SERVICES)
    actions = {role: {action for one in granted(found, role) for action in one["Action"]} for role in roles}
    assert [role for role in roles if "sns:Publish" not in actions[role]] == ["realtime", "images"]
    assert [role for role in roles if "kinesis:PutRecords" not in actions[role]] == ["realtime", "images"]
    assert [role for role in roles if "sts:AssumeRole" in actions[role]] == ["api", "worker", "search"]
    assert [role for role in roles if "ses:SendEmail" in actions[role]] == ["email"]


def test_until_there_is_a_mail_service_the_worker_sends_mail(recorded: Record, site: Site) -> None:
    found = recorded(lambda: build(site, aws=LATER))
    senders = [role for role in COMPUTE.pods if "ses:SendEmail" in str(granted(found, role))]
    assert senders == ["worker"]


def test_who_resizes_images_reads_public_uploads_and_nothing_else_of_aws(recorded: Record, site: Site) -> None:
    statements = granted(recorded(lambda: build(site, compute=compute("images"), aws=LATER)), "images")
    assert {action for one in statements for action in one["Action"]} == {"s3:GetObject", "kms:Decrypt"}
    assert {resource for one in statements for resource in one["Resource"]} == {
        "arn:aws:s3:::uploads/public/*",
        "arn:aws:kms:::data",
    }


@pytest.mark.parametrize("roles", [("api", "worker"), ("api", "worker", "email", "video"), ROLES])
def test_each_queue_has_one_reader_that_may_read_it_and_is_told_to(
    recorded: Record, site: Site, roles: tuple[str, ...]
) -> None:
    names = ("email", "email-feedback", "leads", "export", "analytics", "video", "search-index")
    access = replace(
        AWS,
        queue_urls={name: f"https://sqs/{name}" for name in names},
        queue_arns={name: f"arn:aws:sqs:::{name}" for name in names},
    )
    found = recorded(lambda: build(site, compute=compute(*roles), aws=access))
    told, allowed = {}, {}
    for inputs in deployments(found).values():
        (container,) = inputs["spec"]["template"]["spec"]["containers"]
        environment = {one["name"]: one["value"] for one in container["env"]}
        role = environment["SERVICE_ROLE"]
        told[role] = set(environment.get("JOB_TYPES", "").split(",")) - {""}
        allowed[role] = {
            resource.rpartition(":")[2]
            for one in granted(found, role)
            if "sqs:ReceiveMessage" in one["Action"]
            for resource in one["Resource"]
        }
    assert told == allowed
    assert sorted(name for reads in told.values() for name in reads) == sorted(names)
    assert "export" in told["worker"]


def test_no_statement_is_wider_than_the_resources_it_is_for(recorded: Record, site: Site) -> None:
    found = recorded(lambda: build(site, compute=compute("video", "email", "images", "search"), aws=LATER))
    for role in ("api", "realtime", "worker", "video", "email", "images", "search"):
        for statement in granted(found, role):
            assert "*" not in str(statement["Action"])
            targets = statement["Resource"]
            assert all(one.startswith("arn:") for one in ([targets] if isinstance(targets, str) else targets))
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
