"""Every Kubernetes object of every phase, accepted by a real API server of the stacks' own version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from components import mesh
from components.cluster import KUBERNETES_VERSION
from infra import stack_file
from infra.growth.steps import in_phase
from infra.plan import UNKNOWN, PlannedResource, make_plan
from stacks.parts import APP_NAMESPACE
from stacks.phase import PhaseName, Sizing
from tests.cluster import definitions, planned
from tests.cluster.api import Answer, Api, Manifest, running
from tools.cluster.build import HERE, Cluster, cluster, pinned

ROOT = Path(__file__).parents[2]
IMAGES = {
    "headroom:image": f"registry.example.com/product@sha256:{'0' * 64}",
    "headroom:greenImage": f"registry.example.com/product@sha256:{'1' * 64}",
}


@pytest.fixture(scope="module")
def built() -> Cluster:
    return cluster()


@pytest.fixture(scope="module")
def server(built: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A cluster as EKS hands it over: Auto Mode's kinds are known."""
    with running(built, tmp_path_factory.mktemp("cluster")) as api:
        for definition in definitions.auto_mode(built):
            assert api.define(definition).problem is None
        yield api


@pytest.fixture
def api(server: Api) -> Iterator[Api]:
    """The same for one test, which may leave anything behind."""
    with server.scratch():
        yield server


@cache
def clusters(phase: PhaseName, sizing: Sizing, **changes: str) -> Mapping[str, list[PlannedResource]]:
    """The objects of the 10k stack grown to `phase`, by cluster."""
    shipped = stack_file.read(ROOT / "Pulumi.10k.yaml")
    raw = {**shipped.raw, "headroom:cloudflareAccountId": "0" * 32, "headroom:sizing": sizing.value, **changes}
    return planned.clusters(make_plan(in_phase(replace(shipped, raw=raw), phase)).resources)


def home(phase: str, **changes: str) -> list[PlannedResource]:
    """The objects of the first region's cluster."""
    return clusters(PhaseName(phase), Sizing.EFFICIENT, **changes)["us-east-1-kubernetes"]


def bring_up(api: Api, built: Cluster, resources: list[PlannedResource]) -> dict[str, Manifest]:
    """Apply one cluster's objects, and what its controllers make of them; each answer must be a plain yes."""
    applied: dict[str, Manifest] = {}
    problems: list[str] = []
    for resource in resources:
        if resource.type == planned.RELEASE:
            if resource.inputs["chart"] == "base":
                assert all(api.define(one).problem is None for one in definitions.istio(built))
            continue
        whole = planned.manifest(resource)
        applied[api.path(whole)] = whole
        answers = [("", api.apply(whole)), *controllers(api, whole)]
        problems += [f"{resource.name}{what}: {answer.problem}" for what, answer in answers if answer.problem]
    assert not problems, "\n".join(problems)
    return applied


def controllers(api: Api, whole: Manifest) -> Iterator[tuple[str, Answer]]:
    """Make what a cluster's controllers make of an object: the server judges a pod only when there is one."""
    if whole["kind"] == "Namespace":
        own = {"name": "default", "namespace": whole["metadata"]["name"]}
        yield ", account", api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": own})
    pod = planned.pod(whole)
    if pod is not None:
        yield ", pod", api.create(pod)


def found(resources: list[PlannedResource], kind: str) -> dict[str, Any]:
    """The first object of `kind`, complete; free to change."""
    return deepcopy(next(planned.manifest(one) for one in resources if one.type.endswith(f":{kind}")))


def test_the_server_is_of_the_stacks_own_version(server: Api) -> None:
    version = server.ask("GET", "/version").body

    assert f"{version['major']}.{version['minor']}" == KUBERNETES_VERSION
    assert version["gitVersion"] == pinned("k8s.io/kubernetes")


def test_the_meshs_definitions_are_of_its_charts_version() -> None:
    assert pinned("istio.io/api", HERE / "crds/go.mod") == f"v{mesh.VERSION}"


@pytest.mark.parametrize("sizing", Sizing)
@pytest.mark.parametrize("phase", PhaseName)
def test_every_object_of_every_cluster_is_accepted(
    server: Api, built: Cluster, phase: PhaseName, sizing: Sizing
) -> None:
    for resources in clusters(phase, sizing).values():
        with server.scratch():
            assert len(bring_up(server, built, resources)) > 40


def test_growth_changes_objects_in_place(api: Api, built: Cluster) -> None:
    standing = bring_up(api, built, home("10k"))

    for phase in ("50k", "250k", "1m"):
        wanted = bring_up(api, built, home(phase))
        for path in standing.keys() - wanted.keys():
            api.remove(standing[path])
        standing = wanted


def test_a_release_changes_objects_in_place(api: Api, built: Cluster) -> None:
    bring_up(api, built, home("250k"))

    bring_up(api, built, home("250k", **IMAGES))


def test_a_change_that_kubernetes_cannot_make_in_place_is_seen(api: Api, built: Cluster) -> None:
    bring_up(api, built, home("10k"))
    deployment = found(home("10k"), "Deployment")
    deployment["spec"]["selector"]["matchLabels"]["new"] = "label"
    deployment["spec"]["template"]["metadata"]["labels"]["new"] = "label"

    assert "field is immutable" in str(api.apply(deployment).problem)


def test_an_object_that_does_not_wait_for_its_namespace_is_seen(api: Api, built: Cluster) -> None:
    hasty = planned.clusters([replace(one, dependencies=[]) for one in home("10k")])

    with pytest.raises(AssertionError, match="not found"):
        bring_up(api, built, hasty["us-east-1-kubernetes"])


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet", "Job", "CronJob"])
def test_a_privileged_pod_is_refused_by_the_namespaces_labels(api: Api, built: Cluster, kind: str) -> None:
    bring_up(api, built, home("10k"))
    workload = found(home("10k"), "Deployment")
    workload["spec"]["template"]["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    spec = {"jobTemplate": {"spec": workload["spec"]}} if kind == "CronJob" else workload["spec"]
    pod = planned.pod({**workload, "kind": kind, "spec": spec})
    assert pod is not None

    answer = api.create(pod)

    assert pod["metadata"]["namespace"] == APP_NAMESPACE
    assert answer.status == 403
    assert 'violates PodSecurity "restricted' in str(answer.problem)


def test_a_warning_is_a_problem(api: Api, built: Cluster) -> None:
    bring_up(api, built, home("10k"))
    deployment = found(home("10k"), "Deployment")
    del deployment["spec"]["template"]["spec"]["securityContext"]

    answer = api.apply(deployment)

    assert answer.status == 200
    assert "would violate PodSecurity" in str(answer.problem)


@pytest.mark.parametrize("kind", ["Deployment", "NodePool", "NodeClass", "TargetGroupBinding", "PeerAuthentication"])
def test_an_unknown_field_is_refused(api: Api, built: Cluster, kind: str) -> None:
    assert all(api.define(one).problem is None for one in definitions.istio(built))
    whole = found(home("1m"), kind)
    whole["spec"]["replicaz"] = 2

    assert "replicaz" in str(api.apply(whole).problem)


def test_a_value_that_only_karpenters_rules_refuse_is_refused(api: Api) -> None:
    pool = found(home("10k"), "NodePool")
    pool["spec"]["template"]["spec"]["requirements"][0]["key"] = "karpenter.sh/nodepool"

    assert "restricted" in str(api.apply(pool).problem)


def test_a_new_unknown_value_needs_a_stand_in() -> None:
    service = next(one for one in home("10k") if one.type.endswith(":Service"))
    spec = {**service.inputs["spec"], "externalName": UNKNOWN}

    with pytest.raises(AssertionError, match=r"spec\.externalName is unknown"):
        planned.manifest(replace(service, inputs={**service.inputs, "spec": spec}))
