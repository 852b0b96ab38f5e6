"""What single cases do not show of rules that read much: manifests, secrets, agents of nodes."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import pytest

from policies.catalogue import RULES
from policies.evaluate import Finding, Judge, Undecided
from policies.manifests import CONFIG_MAP, DAEMON_SET, DEPLOYMENT, JOB, NAMESPACE
from policies.rule import ROOT
from policies.rules import kubernetes_fleet as fleet
from policies.rules.budgets import BUDGET, MONITOR
from policies.rules.kubernetes_access import STANDARD
from policies.rules.lambda_ import FUNCTION, PERMISSION
from policies.rules.literals import INSTANCE, LAUNCH_TEMPLATE, RELEASE
from policies.view import UNKNOWN, Resource, Stack
from tests.policies.cases import GONE, made, put
from tests.policies.cases_kubernetes import BINDING, DENY, FIRST, PLACE, POD, SCALER, WITHIN, deployment
from tests.policies.cases_kubernetes import BUDGET as PODS_BUDGET
from tests.policies.conftest import STACKS, TODAY, shipped

PASSWORD = "hunter2"
SECRETS = ("secrets-no-known-key", "secrets-no-literal")


def said(rule: str, *resources: Resource) -> list[str]:
    """What one rule says of some resources, with `?` for what it cannot judge yet."""
    alone = Judge({rule: RULES[rule]}, production=True, today=TODAY)
    found = alone.stack(Stack(resources))
    listed: Sequence[Finding | Undecided] = [*found.findings, *found.undecided]
    return [one.message if isinstance(one, Finding) else "?" for one in listed]


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("rule", SECRETS)
def test_no_false_alarm_of_secrets_in_a_shipped_stack(stack: str, rule: str) -> None:
    assert said(rule, *shipped(stack).resources) == []


@pytest.mark.parametrize(
    "resource",
    [
        put(deployment(), f"{FIRST}.env", [{"name": "DATABASE_PASSWORD", "value": PASSWORD}]),
        put(deployment(), f"{FIRST}.args", [f"--password={PASSWORD}"]),
        made(FUNCTION, props={"environment": {"variables": {"API_KEY": PASSWORD}}}),
        made(LAUNCH_TEMPLATE, props={"userData": b64encode(f"PASSWORD={PASSWORD}".encode()).decode()}),
        made(INSTANCE, props={"userData": f"export TOKEN={PASSWORD}"}),
        made(RELEASE, props={"values": {"admin": {"password": PASSWORD}}}),
    ],
)
def test_a_literal_is_found_wherever_a_program_is_configured_and_is_not_repeated(resource: Resource) -> None:
    (message,) = said("secrets-no-literal", resource)
    assert PASSWORD not in message


def test_a_literal_next_to_an_unknown_value_is_found() -> None:
    config = made(CONFIG_MAP, props={"data": {"URL": UNKNOWN, "PASSWORD": PASSWORD}})
    assert len(said("secrets-no-literal", config)) == 1


@pytest.mark.parametrize("token", ["kubernetes:core/v1:Secret", "pulumi:providers:aws", "random:index/bytes:Bytes"])
def test_secrets_may_stand_where_they_belong(token: str) -> None:
    assert said("secrets-no-known-key", made(token, props={"stringData": {"key": f"AKIA{'A' * 16}"}})) == []


@pytest.mark.parametrize("name", ["MAX_TOKENS", "TOKEN_SECONDS", "SECRETS_DIR", "SIGNING_KEYS_ARN", "KEY"])
def test_a_setting_about_a_secret_is_none(name: str) -> None:
    assert said("secrets-no-literal", made(CONFIG_MAP, props={"data": {name: "us-east-1"}})) == []


@pytest.mark.parametrize(("token", "spec"), [(JOB, "spec.template.spec"), ("kubernetes:core/v1:Pod", "spec")])
def test_pods_are_judged_whatever_makes_them(token: str, spec: str) -> None:
    image = put(made(token, props={"metadata": PLACE}), spec, {**POD, "containers": [{"name": "app", "image": "app"}]})
    assert said("kubernetes-image-pinned", image) == ["container app has no digest"]


def test_a_cron_job_is_judged_in_its_jobs_pods() -> None:
    pod = {**POD, "containers": [{"name": "app", "image": "app"}]}
    props = {"spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}}
    cron = made("kubernetes:batch/v1:CronJob", props=props)
    assert said("kubernetes-image-pinned", cron) == ["container app has no digest"]
    assert said("kubernetes-probes", cron) == []


def test_what_runs_before_the_containers_is_judged_too() -> None:
    first = [{"name": "first", "image": "app"}]
    assert said("kubernetes-image-pinned", put(deployment(), f"{WITHIN}.initContainers", first)) == [
        "container first has no digest"
    ]


def agent(**mount: Any) -> Resource:
    """An agent of the node, with the node's logs."""
    logs = {"name": "logs", "mountPath": "/var/log", **mount}
    volumes = [{"name": "logs", "hostPath": {"path": "/var/log"}}]
    pod = {**POD, "volumes": volumes, "containers": [{"name": "agent", "volumeMounts": [logs]}]}
    return made(DAEMON_SET, props={"spec": {"template": {"spec": pod}}})


def test_an_agent_of_the_node_reads_logs_and_nothing_else() -> None:
    assert said("kubernetes-host-path", agent(readOnly=True)) == []
    assert said("kubernetes-host-path", agent()) == ["it may change the node's logs"]
    wide = put(agent(readOnly=True), f"{WITHIN}.volumes.0.hostPath.path", "/etc")
    assert said("kubernetes-host-path", wide) == ["a volume shows it the node's files"]


def test_a_port_of_the_node_is_one_of_its_namespaces() -> None:
    port = put(deployment(), f"{FIRST}.ports", [{"containerPort": 80, "hostPort": 80}])
    assert said("kubernetes-host-namespaces", port) == ["a container takes a port of its node"]


def test_root_is_found_by_its_number_too() -> None:
    root = put(deployment(), f"{WITHIN}.securityContext.runAsUser", 0)
    assert said("kubernetes-non-root", root) == ["its user is root"]


def test_what_the_pod_says_holds_for_containers_that_say_nothing() -> None:
    own = put(deployment(), f"{FIRST}.securityContext.runAsNonRoot", value=False)
    assert said("kubernetes-non-root", own) == ["container app may run as root"]


def test_a_namespace_may_be_privileged_for_agents_of_the_nodes_only() -> None:
    labels = {STANDARD: "privileged"}
    namespace = made(NAMESPACE, "us-east-1-system", {"metadata": {"name": "headroom", "labels": labels}})
    agents = made(DAEMON_SET, "us-east-1-agent", {"metadata": PLACE})
    elsewhere = made(DEPLOYMENT, "us-west-2-api", {"metadata": PLACE})
    assert said("kubernetes-namespace-standard", namespace, agents, elsewhere) == []
    assert len(said("kubernetes-namespace-standard", namespace, agents, deployment())) == 1


def test_objects_of_another_cluster_do_not_count() -> None:
    far = made(fleet.BUDGET, "us-west-2-api", PODS_BUDGET.props)
    assert len(said("kubernetes-disruption-budget", deployment(), SCALER, far)) == 1
    assert said("kubernetes-disruption-budget", deployment(), SCALER, PODS_BUDGET) == []


def test_one_pod_needs_no_disruption_budget() -> None:
    assert said("kubernetes-disruption-budget", deployment(replicas=1)) == []
    assert len(said("kubernetes-disruption-budget", deployment(replicas=2))) == 1


def test_a_policy_for_all_pods_that_opens_something_denies_nothing_else() -> None:
    assert said("kubernetes-default-deny", deployment(), DENY) == []
    assert len(said("kubernetes-default-deny", deployment(), put(DENY, "spec.egress", [{}]))) == 1
    assert len(said("kubernetes-default-deny", deployment(), put(DENY, "spec.policyTypes", ["Ingress"]))) == 1


def test_a_policy_without_types_is_about_what_comes_in() -> None:
    assert said("kubernetes-network-policy", deployment(), put(DENY, "spec.policyTypes", GONE)) == [
        "no network policy is about what its pods send"
    ]


def test_the_default_account_may_not_be_bound() -> None:
    subject = {"kind": "ServiceAccount", "name": "default"}
    assert len(said("kubernetes-default-account", made(BINDING, props={"subjects": [subject]}))) == 1
    assert said("kubernetes-default-account", made(BINDING, props={"subjects": [{**subject, "kind": "User"}]})) == []


def test_a_function_is_not_for_everybody() -> None:
    assert said("lambda-permission-not-public", made(PERMISSION, props={"principal": "*"})) == ["everybody may call it"]
    ours = {"principal": "arn:aws:iam::123456789012:role/caller"}
    assert said("lambda-permission-not-public", made(PERMISSION, props=ours)) == []


def test_a_stack_has_a_budget_and_watches_for_anomalies() -> None:
    assert said("budget-notifies", made(ROOT)) == ["there is no budget"]
    assert said("budget-anomalies-heard", made(ROOT)) == ["there is no anomaly monitor"]
    assert said("budget-anomalies-heard", made(ROOT), made(MONITOR)) == ["nobody hears of what it finds"]
    assert said("budget-monthly", made(BUDGET, props={"timeUnit": "MONTHLY"})) == ["it is not about a month's cost"]


def test_a_component_has_no_price_of_its_own() -> None:
    assert said("cost-priced", made("headroom:data:Database")) == []
    assert said("cost-priced", made("datadog:index/monitor:Monitor")) == ["the estimate knows no price of its type"]
