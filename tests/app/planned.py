"""The application's containers as the stacks would start them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import stack_file
from infra.plan import SECRET, UNKNOWN, PlannedResource, make_plan
from infra.stack_file import StackFile

ROOT = Path(__file__).parents[2]
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/headroom@sha256:" + "1" * 64
MODEL = {
    "overrides": '{"machine": {"enabled": true}}',
    "modelImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/model@sha256:" + "0" * 64,
    "modelDataUrl": "s3://product-models/model.tar.gz",
}
"""The only part that no shipped stack has."""


@dataclass(frozen=True, kw_only=True)
class Container:
    """One container of one Deployment, Job or CronJob.

    Attributes:
        stack: the stack file, such as `10k`.
        name: of the resource.
        environ: variables, unknown values replaced.
        secrets: names of the files in its SECRETS_DIR.
        pod: `spec` of the pod.
        annotations: of the pod.
        spec: the container's own.
    """

    stack: str
    name: str
    environ: Mapping[str, str]
    secrets: frozenset[str]
    pod: Mapping[str, Any]
    annotations: Mapping[str, str]
    spec: Mapping[str, Any]

    @property
    def role(self) -> str:
        """What it does."""
        return self.environ["SERVICE_ROLE"]

    def __str__(self) -> str:
        """For messages of tests."""
        return f"{self.stack}: {self.name}"


def containers() -> list[Container]:
    """All that run the application's image, in every phase, in one stack with a model, and one with a DSN."""
    shipped = [stack_file.read(ROOT / f"Pulumi.{name}.yaml") for name in ("10k", "50k", "250k", "1m")]
    with_more = _changed(shipped[0], {**MODEL, "sentryDsn": "https://key@sentry.example/1"}, "10k and more")
    return [one for stored in (*shipped, with_more) for one in _containers(_changed(stored, {"image": IMAGE}))]


def _changed(stored: StackFile, keys: Mapping[str, str], name: str | None = None) -> StackFile:
    raw = {**stored.raw, **{f"headroom:{key}": value for key, value in keys.items()}}
    secret = frozenset({"headroom:sentryDsn"} & raw.keys())
    return StackFile(stack=name or stored.stack, raw=raw, encrypted=secret)


def _containers(stored: StackFile) -> Iterator[Container]:
    resources = make_plan(StackFile(stack="prod", raw=stored.raw, encrypted=stored.encrypted)).resources
    objects = {
        (_cluster(one), one.inputs["kind"], one.inputs["metadata"]["name"]): one.inputs
        for one in resources
        if one.inputs.get("kind") in {"ConfigMap", "Secret"}
    }
    for one in resources:
        if one.inputs.get("kind") in {"Deployment", "Job", "CronJob"}:
            for spec in _template(one)["spec"]["containers"]:
                if any(item["name"] == "SERVICE_ROLE" for item in spec.get("env", ())):
                    yield _container(stored.stack, one, spec, objects)


def _container(
    stack: str,
    resource: PlannedResource,
    spec: Mapping[str, Any],
    objects: Mapping[tuple[str, str, str], Mapping[str, Any]],
) -> Container:
    template, cluster = _template(resource), _cluster(resource)
    environ: dict[str, str] = {}
    for source in spec.get("envFrom", ()):
        environ |= objects[cluster, "ConfigMap", source["configMapRef"]["name"]]["data"]
    environ |= {item["name"]: item["value"] for item in spec["env"]}
    mounted = {mount["name"]: mount["mountPath"] for mount in spec["volumeMounts"]}
    files: set[str] = set()
    for volume in template["spec"]["volumes"]:
        if mounted.get(volume["name"]) == environ["SECRETS_DIR"]:
            held = set(objects[cluster, "Secret", volume["secret"]["secretName"]]["stringData"])
            chosen = {item["path"] for item in volume["secret"].get("items", ()) if item["key"] in held}
            files |= chosen if "items" in volume["secret"] else held
    return Container(
        stack=stack,
        name=resource.name,
        environ={key: _stand_in(key, value) for key, value in environ.items()},
        secrets=frozenset(files),
        pod=template["spec"],
        annotations=template["metadata"].get("annotations", {}),
        spec=spec,
    )


def _template(resource: PlannedResource) -> Mapping[str, Any]:
    spec: Mapping[str, Any] = resource.inputs["spec"]
    found: Mapping[str, Any] = spec["jobTemplate"]["spec"]["template"] if "jobTemplate" in spec else spec["template"]
    return found


def _stand_in(key: str, value: str) -> str:
    """A value that only AWS knows."""
    assert SECRET not in value, f"{key} is a secret in the environment"
    if UNKNOWN not in value:
        return value
    return "rediss://cache.example:6379" if key in {"CACHE_URL", "CACHE_WRITER_URL", "STATE_URL"} else f"of-{key}"


def _cluster(resource: PlannedResource) -> str:
    return str(resource.options["provider"])


def by_role(found: Sequence[Container], role: str) -> list[Container]:
    """Those of a role."""
    return [one for one in found if one.role == role]
