from collections.abc import Callable

import pulumi_kubernetes as kubernetes

from components.component import Site
from components.namespace import Namespace, NamespaceArgs
from tests.components.conftest import Recorded
from tests.components.kubernetes_schema import objects, problems

Record = Callable[[Callable[[], object]], Recorded]


def build(site: Site, **own_labels: str) -> Namespace:
    provider = kubernetes.Provider("us-east-1-kubernetes", kubeconfig="{}")
    args = NamespaceArgs(provider=provider, namespace="headroom", pod_security="restricted", labels=own_labels)
    return Namespace("us-east-1-headroom", site, args)


def test_every_object_has_only_fields_that_kubernetes_knows(recorded: Record, site: Site) -> None:
    found = recorded(lambda: build(site))
    assert len(objects(found)) == 3
    assert [problem for one in objects(found) for problem in problems(one)] == []


def test_pod_security_is_enforced_and_not_only_warned_about(recorded: Record, site: Site) -> None:
    labels = recorded(lambda: build(site)).inputs("us-east-1-headroom", "v1:Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_labels_of_its_own_come_beside_those_of_pod_security(recorded: Record, site: Site) -> None:
    def labels(**more: str) -> dict[str, str]:
        found = recorded(lambda: build(site, **more)).inputs("us-east-1-headroom", "v1:Namespace")
        return dict(found["metadata"]["labels"])

    assert labels(mesh="on") == {**labels(), "mesh": "on"}


def test_everything_is_denied_both_ways_for_all_pods(recorded: Record, site: Site) -> None:
    spec = recorded(lambda: build(site)).inputs("us-east-1-headroom-deny")["spec"]
    assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_cluster_dns_is_open_by_address_over_udp_and_tcp_and_nothing_else_is(recorded: Record, site: Site) -> None:
    spec = recorded(lambda: build(site)).inputs("us-east-1-headroom-dns")["spec"]
    (rule,) = spec["egress"]
    assert rule["to"] == [{"ipBlock": {"cidr": "172.20.0.10/32"}}]
    assert rule["ports"] == [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]
    assert "ingress" not in spec


def test_whatever_uses_the_name_waits_for_the_default_policies(recorded: Record, site: Site) -> None:
    from components.raw import kubernetes_object

    def program() -> None:
        namespace = build(site)
        manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one", "namespace": namespace.name}}
        kubernetes_object("one", manifest)

    pod = recorded(program).named("one")
    assert pod.inputs["metadata"]["namespace"] == "headroom"
    waits = {urn.rsplit("::", 1)[1] for urn in pod.dependencies}
    assert {"us-east-1-headroom-deny", "us-east-1-headroom-dns"} <= waits


def test_the_check_of_fields_finds_what_kubernetes_would_not_know(recorded: Record, site: Site) -> None:
    (config,) = [one for one in objects(recorded(lambda: build(site))) if one.name == "us-east-1-headroom-dns"]
    rule = config.inputs["spec"]["egress"][0]
    rule["port"] = rule.pop("ports")
    rule["to"][0]["ipBlock"]["cidr"] = 10
    config.inputs["metadata"]["name"] = "Allow_DNS"
    assert problems(config) == [
        "Allow_DNS is no DNS label",
        "NetworkPolicy.spec.egress[0].to[0].ipBlock.cidr is 10",
        "NetworkPolicy.spec.egress[0].port is unknown",
    ]


def test_the_namespace_goes_before_the_nodes_that_its_pods_run_on(recorded: Record, site: Site) -> None:
    from components.raw import kubernetes_object

    def program() -> None:
        provider = kubernetes.Provider("us-east-1-kubernetes", kubeconfig="{}")
        manifest = {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "on-demand"}}
        pool = kubernetes_object("pool", manifest)
        args = NamespaceArgs(provider=provider, namespace="headroom", pod_security="restricted", after=[pool])
        Namespace("us-east-1-headroom", site, args)

    namespace = recorded(program).named("us-east-1-headroom", "v1:Namespace")
    assert [urn.rsplit("::", 1)[1] for urn in namespace.dependencies] == ["pool"]
