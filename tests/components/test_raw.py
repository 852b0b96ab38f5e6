"""What the typed SDKs would have caught: every token and property that is sent exists in them."""

import typing
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import pulumi
import pytest
from pulumi._types import input_type_types, is_input_type, unwrap_type

from components.cloudflare_edge import CloudflareEdge, CloudflareEdgeArgs
from components.component import Site
from components.dns import EdgeCertificate, EdgeCertificateArgs, OriginZone, OriginZoneArgs
from components.edge import Hosts
from components.edge_workers import EdgeWorkers, EdgeWorkersArgs
from components.raw import cloudflare_ip_ranges, kubernetes_object, kubernetes_token
from infra.plan import PlannedResource
from tests.components.conftest import Recorded

# Importing the SDK warns about each of its own superseded types.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_cloudflare")

ZONE = "0" * 32
HOSTS = Hosts("example.com")
Record = Callable[[Callable[[], object]], Recorded]


def unknown_properties(kind: type, value: object, path: str = "") -> list[str]:
    """Paths in `value` that the SDK's input type `kind` does not know."""
    kind = unwrap_type(kind)
    if isinstance(value, list):
        (item,) = typing.get_args(kind)
        return [
            problem
            for index, each in enumerate(value)
            for problem in unknown_properties(item, each, f"{path}[{index}]")
        ]
    if not isinstance(value, dict) or not is_input_type(kind):
        return []
    known = input_type_types(kind)
    problems = [f"{path}.{key}" for key in value if key not in known]
    for key in value.keys() & known.keys():
        problems += unknown_properties(known[key], value[key], f"{path}.{key}")
    return problems


@pytest.fixture
def cloudflare_resources(recorded: Record, site: Site) -> Sequence[PlannedResource]:
    def build() -> None:
        OriginZone("origin", site, OriginZoneArgs(hosts=HOSTS, cloudflare_zone_id=ZONE, regions=["us-east-1"]))
        EdgeCertificate(
            "edge", site, EdgeCertificateArgs(names=HOSTS.public, purpose="CloudFront", cloudflare_zone_id=ZONE)
        )
        CloudflareEdge(
            "cloudflare",
            site,
            CloudflareEdgeArgs(hosts=HOSTS, zone_id=ZONE, distribution_domain_name="d1.cloudfront.net"),
        )
        EdgeWorkers(
            "edge-cache",
            site,
            EdgeWorkersArgs(hosts=HOSTS, zone_id=ZONE, account_id=ZONE, anonymous_api_paths=["/api/v1/posts/*"]),
        )

    return [each for each in recorded(build).resources if each.type.startswith("cloudflare:")]


def test_every_cloudflare_resource_that_components_register_is_known_to_the_sdk(
    cloudflare_resources: Sequence[PlannedResource],
) -> None:
    import pulumi_cloudflare as cloudflare

    assert {each.type.rpartition(":")[2] for each in cloudflare_resources} == {
        "DnsRecord",
        "Ruleset",
        "TieredCache",
        "WorkersRoute",
        "WorkersScript",
        "ZoneSetting",
    }
    for resource in cloudflare_resources:
        name = resource.type.rpartition(":")[2]
        assert getattr(cloudflare, name).pulumi_type == resource.type
        assert unknown_properties(getattr(cloudflare, f"{name}Args"), resource.inputs) == []


def test_the_check_above_finds_a_misspelt_property_however_deep() -> None:
    import pulumi_cloudflare as cloudflare

    rules = [{"action": "block", "expression": "true", "ratelimit": {"period": 10, "requestsPerPeriode": 1}}]

    assert unknown_properties(cloudflare.RulesetArgs, {"zoneid": ZONE, "rules": rules}) == [
        ".zoneid",
        ".rules[0].ratelimit.requestsPerPeriode",
    ]


class AskedError(Exception):
    """Carries the token and the version of an invoke that was not made."""


def test_cloudflares_addresses_are_asked_for_as_the_sdk_does(monkeypatch: pytest.MonkeyPatch) -> None:
    import pulumi_cloudflare as cloudflare

    def invoke(token: str, _args: object, opts: pulumi.InvokeOptions, typ: object = None) -> None:
        raise AskedError(token, opts.version)

    monkeypatch.setattr(pulumi.runtime, "invoke_output", invoke)
    with pytest.raises(AskedError) as typed:
        cloudflare.get_ip_ranges_output()
    with pytest.raises(AskedError) as raw:
        cloudflare_ip_ranges()

    assert raw.value.args == typed.value.args


def test_a_resource_names_the_version_of_the_plugin_that_its_sdk_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str | None] = {}

    def register(self: object, token: str, name: str, props: object, opts: pulumi.ResourceOptions) -> None:
        seen[token] = opts.version

    monkeypatch.setattr(pulumi.CustomResource, "__init__", register)
    from components.raw import dns_record

    dns_record("www", zone_id=ZONE, host="a.b", kind="NS", content="c.d", proxied=False, comment="e")
    kubernetes_object("ns", {"apiVersion": "v1", "kind": "Namespace"})

    assert seen == {
        "cloudflare:index/dnsRecord:DnsRecord": version("pulumi-cloudflare"),
        "kubernetes:core/v1:Namespace": version("pulumi-kubernetes"),
    }


def test_tokens_of_built_in_kinds_are_those_of_the_kubernetes_sdk() -> None:
    from pulumi_kubernetes.apps.v1 import Deployment
    from pulumi_kubernetes.autoscaling.v2 import HorizontalPodAutoscaler
    from pulumi_kubernetes.core.v1 import Namespace
    from pulumi_kubernetes.networking.v1 import NetworkPolicy
    from pulumi_kubernetes.rbac.v1 import ClusterRole

    kinds: list[tuple[Any, str]] = [
        (Namespace, "v1"),
        (Deployment, "apps/v1"),
        (HorizontalPodAutoscaler, "autoscaling/v2"),
        (NetworkPolicy, "networking.k8s.io/v1"),
        (ClusterRole, "rbac.authorization.k8s.io/v1"),
    ]
    for kind, api_version in kinds:
        manifest = {"apiVersion": api_version, "kind": kind.__name__}
        assert kubernetes_token(manifest) == kind.pulumi_type


def test_a_custom_kind_has_the_token_that_custom_resources_have() -> None:
    manifest = {"apiVersion": "karpenter.sh/v1", "kind": "NodePool"}

    assert kubernetes_token(manifest) == "kubernetes:karpenter.sh/v1:NodePool"


def test_a_manifest_is_registered_as_it_stands(recorded: Record) -> None:
    manifest: Mapping[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api"},
        "spec": {"template": {"spec": {"serviceAccountName": "api"}}},
    }

    result = recorded(lambda: kubernetes_object("api", manifest))

    assert result.one("Deployment").inputs == manifest


def test_the_data_of_a_kubernetes_secret_is_secret_whatever_was_put_in(recorded: Record) -> None:
    manifest = {"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "b"}}

    result = recorded(lambda: kubernetes_object("database", manifest))

    assert result.one("Secret").options.get("additionalSecretOutputs") == ["data", "stringData"]
