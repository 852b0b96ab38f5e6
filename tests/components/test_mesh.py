"""The mesh: in order, pinned, and strict where nobody from outside must come in."""

from collections.abc import Callable

import pulumi_kubernetes as kubernetes
import pytest
from pulumi._types import input_type_types
from pulumi_kubernetes.helm.v3 import ReleaseArgs

from components.component import Site
from components.mesh import NAMESPACE, REPOSITORY, VERSION, Mesh, MeshArgs
from tests.components.conftest import Recorded

NAME = "us-east-1-mesh"


@pytest.fixture
def parts(recorded: Callable[[Callable[[], object]], Recorded], site: Site) -> Recorded:
    def build() -> None:
        Mesh(NAME, site, MeshArgs(provider=kubernetes.Provider("cluster"), namespace="headroom", after=[]))

    return recorded(build)


def test_all_charts_are_of_one_version_from_istios_own_repository(parts: Recorded) -> None:
    releases = parts.of("Release")
    assert {release.inputs["chart"] for release in releases} == {"base", "istiod", "cni", "ztunnel"}
    assert {release.inputs["version"] for release in releases} == {VERSION}
    assert {release.inputs["repositoryOpts"]["repo"] for release in releases} == {REPOSITORY}
    assert {release.inputs["namespace"] for release in releases} == {NAMESPACE}


def test_a_release_has_only_what_the_sdk_knows(parts: Recorded) -> None:
    known = set(input_type_types(ReleaseArgs))
    for release in parts.of("Release"):
        assert release.type == "kubernetes:helm.sh/v3:Release"
        assert release.inputs.keys() - known == set()


def test_definitions_come_first_and_the_proxies_last(parts: Recorded) -> None:
    def waits(later: str, earlier: str) -> bool:
        return parts.named(f"{NAME}-{earlier}").urn in parts.named(f"{NAME}-{later}").dependencies

    assert waits("base", "namespace")
    assert waits("istiod", "base")
    assert waits("cni", "base")
    assert waits("ztunnel", "istiod")
    assert waits("ztunnel", "cni")
    assert waits("strict", "ztunnel")


def test_both_node_parts_and_the_control_plane_speak_ambient(parts: Recorded) -> None:
    for chart in ("cni", "istiod"):
        assert parts.inputs(f"{NAME}-{chart}")["values"]["profile"] == "ambient"


def test_the_nodes_parts_may_do_what_they_must(parts: Recorded) -> None:
    found = parts.inputs(f"{NAME}-namespace")["metadata"]["labels"]
    assert found["pod-security.kubernetes.io/enforce"] == "privileged"


def test_plain_traffic_is_refused_but_at_the_port_that_the_load_balancer_reaches(parts: Recorded) -> None:
    policies = {one.inputs["metadata"]["name"]: one.inputs["spec"] for one in parts.of("PeerAuthentication")}
    assert policies == {
        "default": {"mtls": {"mode": "STRICT"}},
        "entrance": {
            "selector": {"matchLabels": {"app.kubernetes.io/part-of": "headroom"}},
            "mtls": {"mode": "STRICT"},
            "portLevelMtls": {"8080": {"mode": "PERMISSIVE"}},
        },
    }
    assert {one.inputs["metadata"]["namespace"] for one in parts.of("PeerAuthentication")} == {"headroom"}
