"""A plan's Kubernetes objects as a cluster would get them: complete, by cluster, in the worst order allowed."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from hashlib import sha256
from heapq import heappop, heappush
from typing import Any

from infra.plan import SECRET, UNKNOWN, PlannedResource

RELEASE = "kubernetes:helm.sh/v3:Release"
"""A Helm chart: nothing that the API server ever sees."""

STAND_INS: Mapping[str, str] = {
    r"(data|stringData)\.[^.]+(\.[a-z]+)?": "stand-in",
    r"spec\.template\.metadata\.annotations\.headroom/[a-z-]+": "0123456789abcdef",
    r"(spec\.jobTemplate\.)?spec\.template\.spec\.containers\.\*\.env\.\*\.value": "stand-in",
    r"spec\.ephemeralStorage\.kmsKeyID": "arn:aws:kms:us-east-1:123456789012:key/mrk-0123456789abcdef0123456789abcdef",
    r"spec\.securityGroupSelectorTerms\.\*\.id": "sg-0123456789abcdef0",
    r"spec\.subnetSelectorTerms\.\*\.id": "subnet-0123456789abcdef0",
    r"spec\.targetGroupARN": (
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/stand-in/0123456789abcdef"
    ),
}
"""What takes the place of values that only AWS or the engine knows, by the path of the field."""


def clusters(resources: Sequence[PlannedResource]) -> dict[str, list[PlannedResource]]:
    """Kubernetes objects and Helm releases of each cluster, by its provider's name, in the worst order."""
    found: dict[str, list[PlannedResource]] = {}
    for one in _worst_order(resources):
        if one.type.startswith("kubernetes:"):
            found.setdefault(one.options["provider"].rpartition("::")[2], []).append(one)
    return found


def manifest(resource: PlannedResource) -> dict[str, Any]:
    """The object with stand-ins in all unknown places.

    Raises:
        AssertionError: a place that `STAND_INS` does not name.
    """
    whole: dict[str, Any] = _complete(resource.inputs, "", _digest(resource.inputs))
    return whole


def pod(workload: Mapping[str, Any]) -> dict[str, Any] | None:
    """The Pod that a controller would make of a Deployment, DaemonSet, StatefulSet, Job or CronJob."""
    spec = workload["spec"].get("jobTemplate", workload)["spec"] if "spec" in workload else {}
    template = spec.get("template")
    if template is None or "containers" not in template.get("spec", {}):
        return None
    metadata = template["metadata"]
    own = {
        "generateName": f"{workload['metadata']['name']}-",
        "namespace": workload["metadata"]["namespace"],
        "labels": {**metadata["labels"], "pod-template-hash": _digest(template)},
        "annotations": metadata.get("annotations", {}),
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": own, "spec": template["spec"]}


def _worst_order(resources: Sequence[PlannedResource]) -> Iterator[PlannedResource]:
    """An order that the plan's dependencies allow, and as far from the program's own as they allow.

    The engine creates at the same time whatever has no dependency left: what passes here waits for all it needs.
    """
    by_urn = {one.urn: (-place, one) for place, one in enumerate(resources)}
    sorter = TopologicalSorter(
        {one.urn: by_urn.keys() & {*one.dependencies, one.options.get("provider", "")} for one in resources}
    )
    sorter.prepare()
    ready: list[tuple[int, str]] = []
    while sorter.is_active():
        for urn in sorter.get_ready():
            heappush(ready, (by_urn[urn][0], urn))
        _, urn = heappop(ready)
        sorter.done(urn)
        yield by_urn[urn][1]


def _complete(value: Any, path: str, digest: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _complete(one, f"{path}.{key}".lstrip("."), digest) for key, one in value.items()}
    if isinstance(value, list):
        return [_complete(one, f"{path}.*", digest) for one in value]
    if value not in (UNKNOWN, SECRET):
        return value
    if path == "metadata.name":
        # A Job's: its name changes with what it runs.
        return f"job-{digest}"
    found = [given for pattern, given in STAND_INS.items() if re.fullmatch(pattern, path)]
    assert found, f"{path} is unknown in the plan: say in STAND_INS what takes its place"
    return found[0]


def _digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:10]
