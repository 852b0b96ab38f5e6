"""The log router: three groups, nothing lost, and no right beyond writing to them."""

import json
import re
from collections.abc import Callable
from typing import Any

import pulumi_kubernetes as kubernetes
import pytest

from components.component import Site
from components.log_router import LogRouter, LogRouterArgs
from tests.components.conftest import ACCOUNT, Recorded
from tests.components.kubernetes_schema import objects, pod_specs, problems, selects

Record = Callable[[Callable[[], object]], Recorded]
GROUPS = {kind: f"/headroom/10k/logs/{kind}" for kind in ("error", "access", "debug")}
ARNS = {kind: f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{name}" for kind, name in GROUPS.items()}


def build(site: Site) -> LogRouter:
    return LogRouter(
        "us-east-1-log-router",
        site,
        LogRouterArgs(
            provider=kubernetes.Provider("us-east-1-kubernetes", kubeconfig="{}"),
            cluster_name="cluster",
            account_id=ACCOUNT,
            namespace="headroom-system",
            group_names=GROUPS,
            group_arns=ARNS,
        ),
    )


@pytest.fixture
def found(recorded: Record, site: Site) -> Recorded:
    return recorded(lambda: build(site))


def sections(found: Recorded) -> list[tuple[str, dict[str, str]]]:
    """The configuration as Fluent Bit reads it: section name, last value of each key."""
    text = found.inputs("us-east-1-log-router-config")["data"]["fluent-bit.conf"]
    result: list[tuple[str, dict[str, str]]] = []
    for line in filter(None, text.splitlines()):
        if line.startswith("["):
            result.append((line.strip("[]"), {}))
        else:
            key, value = line.split(maxsplit=1)
            result[-1][1].setdefault(key, value)
    return result


def rules(found: Recorded) -> list[tuple[str, re.Pattern[str], str]]:
    text = found.inputs("us-east-1-log-router-config")["data"]["fluent-bit.conf"]
    lines = [line.split() for line in text.splitlines() if line.strip().startswith("Rule ")]
    return [(key.lstrip("$"), re.compile(pattern), tag) for _, key, pattern, tag, _ in lines]


def test_every_object_has_only_fields_that_kubernetes_knows(found: Recorded) -> None:
    assert {one.inputs["kind"] for one in objects(found)} == {
        "ConfigMap",
        "DaemonSet",
        "NetworkPolicy",
        "ServiceAccount",
    }
    assert [problem for one in objects(found) for problem in problems(one)] == []


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ({"level": "error", "stream": "stdout"}, "error"),
        ({"level": "ERROR", "stream": "stdout"}, "error"),
        ({"level": "critical", "stream": "stderr"}, "error"),
        ({"level": "info", "stream": "stdout"}, "access"),
        ({"level": "debug", "stream": "stdout"}, "debug"),
        ({"stream": "stderr"}, "access"),
    ],
)
def test_each_line_goes_to_the_group_of_its_level(found: Recorded, record: dict[str, str], kind: str) -> None:
    tag = next(tag for key, pattern, tag in rules(found) if key in record and pattern.search(record[key]))
    (group,) = [
        values["log_group_name"]
        for section, values in sections(found)
        if section == "OUTPUT" and values["Match"] == f"{tag.partition('.')[0]}.*"
    ]
    assert group == GROUPS[kind]


def test_no_record_is_left_without_a_group_and_none_is_read_twice(found: Recorded) -> None:
    key, pattern, _ = rules(found)[-1]
    assert key == "stream"
    assert pattern.search("stdout")
    (tail,) = [values for section, values in sections(found) if section == "INPUT"]
    outputs = [values for section, values in sections(found) if section == "OUTPUT"]
    assert tail["Tag"] == "raw.*"
    assert "raw.*" not in {values["Match"] for values in outputs}
    assert "log-router" in tail["Exclude_Path"]


def test_groups_are_never_made_on_the_way_without_retention(found: Recorded) -> None:
    outputs = [values for section, values in sections(found) if section == "OUTPUT"]
    assert [values["auto_create_group"] for values in outputs] == ["Off"] * 3


def test_its_role_may_write_to_the_three_groups_and_do_nothing_else(found: Recorded) -> None:
    (statement,) = json.loads(found.one("RolePolicy").inputs["policy"])["Statement"]
    assert set(statement["Action"]) == {"logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"}
    assert statement["Resource"] == [f"{ARNS[kind]}:*" for kind in ("error", "access", "debug")]
    association = found.one("PodIdentityAssociation").inputs
    assert (association["namespace"], association["serviceAccount"]) == ("headroom-system", "log-router")


def test_pods_wait_for_their_aws_access(found: Recorded) -> None:
    waits = {urn.rsplit("::", 2)[1].rpartition("$")[2] for urn in found.one("DaemonSet").dependencies}
    assert any("podIdentityAssociation" in kind for kind in waits)


def pod(found: Recorded) -> dict[str, Any]:
    (template,) = pod_specs(found).values()
    return dict(template["spec"])


def test_it_runs_on_every_node_and_can_write_nothing_of_the_node(found: Recorded) -> None:
    spec = pod(found)
    assert spec["tolerations"] == [{"operator": "Exists"}]
    host = {volume["name"] for volume in spec["volumes"] if "hostPath" in volume}
    (container,) = spec["containers"]
    assert all(mount["readOnly"] is True for mount in container["volumeMounts"] if mount["name"] in host)
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert "limits" in container["resources"]


def test_it_reaches_credentials_and_https_and_is_reached_by_nobody(found: Recorded) -> None:
    spec = found.one("NetworkPolicy").inputs["spec"]
    (template,) = pod_specs(found).values()
    assert selects(spec["podSelector"]["matchLabels"], template["metadata"]["labels"])
    assert "ingress" not in spec
    ways_out = {rule["ports"][0]["port"]: rule["to"][0]["ipBlock"]["cidr"] for rule in spec["egress"]}
    assert ways_out == {80: "169.254.170.23/32", 443: "0.0.0.0/0"}


def test_the_configuration_names_only_files_that_are_mounted(found: Recorded) -> None:
    data = found.inputs("us-east-1-log-router-config")["data"]
    (service,) = [values for section, values in sections(found) if section == "SERVICE"]
    (container,) = pod(found)["containers"]
    folder, _, file = service["Parsers_File"].rpartition("/")
    assert file in data
    assert folder in [mount["mountPath"] for mount in container["volumeMounts"]]
    (tail,) = [values for section, values in sections(found) if section == "INPUT"]
    assert tail["DB"].rpartition("/")[0] in [mount["mountPath"] for mount in container["volumeMounts"]]
