"""The Kubernetes provider: objects of any kind, in this process's memory, nothing scheduled and nothing run.

It refuses what a real API server refuses cheaply: bad names and labels, an absent namespace, a name that is
taken, a selector that does not match its own template, a kind that nobody has defined.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import re
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from infra.errors import UserError
from infra.local.provider import Call, Provider, Values
from infra.local.values import UNKNOWN, Secret, Unknown

LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
SUBDOMAIN: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
SUBDOMAIN_LENGTH: Final = 253
SERVICE: Final = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
LABEL_VALUE: Final = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
QUALIFIED_KEY: Final = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")

LABEL_NAMED: Final = frozenset({"Namespace"})
PATH_NAMED: Final = frozenset({"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"})
"""Their names may be any path segment: `system:node` is fine."""
CLUSTER_WIDE: Final = frozenset(
    {
        "APIService", "CSIDriver", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "IngressClass",
        "IngressClassParams", "MutatingWebhookConfiguration", "Namespace", "NodeClass", "NodePool",
        "PersistentVolume", "PriorityClass", "RuntimeClass", "StorageClass", "ValidatingWebhookConfiguration",
    }
)  # fmt: skip
IDENTITY: Final = frozenset({"creationTimestamp", "name", "namespace", "uid"})
"""Metadata that an update leaves alone."""
NAMESPACES: Final = ("default", "kube-node-lease", "kube-public", "kube-system")
AUTO_MODE_GROUPS: Final = frozenset({"eks.amazonaws.com", "karpenter.sh"})
"""API groups whose definitions an EKS Auto Mode cluster brings."""
BUILT_IN_GROUPS: Final = frozenset({"apps", "autoscaling", "batch", "core", "extensions", "policy"})
NO_KINDS: Final = ("helm.sh/", "yaml/", "kustomize/")
"""Modules of the SDK whose types are no API objects."""
RELEASE: Final = "kubernetes:helm.sh/v3:Release"
CHART_GROUPS: Final = {
    "base": frozenset({"extensions.istio.io", "networking.istio.io", "security.istio.io", "telemetry.istio.io"}),
}
"""API groups that a chart defines, by the chart's name; nothing here unpacks charts."""
SELECTING: Final = frozenset({"DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"})
"""Kinds whose selector must match the labels of their template."""


@dataclass(frozen=True, slots=True)
class Key:
    """What makes an object one object; `namespace` is empty for a cluster-wide kind."""

    group: str
    kind: str
    namespace: str
    name: str

    @property
    def id(self) -> str:
        """The id that the official provider gives."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    def __str__(self) -> str:
        """Name the object as kubectl does: `deployments.apps "shop/api"`."""
        plural = f"{self.kind.lower()}s"
        return f'{plural if self.group == "core" else f"{plural}.{self.group}"} "{self.id}"'


MUTABLE: Final = {
    "kubernetes:core/v1:ConfigMap": "enableConfigMapMutable",
    "kubernetes:core/v1:Secret": "enableSecretMutable",
}
"""Types whose data the official provider replaces by default, and the setting that lets it change in place."""


@dataclass(slots=True)
class Cluster:
    """The objects of one cluster; safe to share between threads."""

    objects: dict[Key, Values] = field(default_factory=dict)
    version: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def namespaces(self) -> set[str]:
        """Names of the namespaces that exist."""
        return {*NAMESPACES, *(key.name for key in self.objects if key.kind == "Namespace")}

    def groups(self) -> set[str]:
        """API groups that somebody has defined: by the cluster itself, or by a definition in it."""
        defined = {o["spec"]["group"] for k, o in self.objects.items() if k.kind == "CustomResourceDefinition"}
        charts = [o["chart"] for k, o in self.objects.items() if k.group == "helm.sh"]
        released = {group for chart in charts for group in CHART_GROUPS.get(chart, ())}
        return {*BUILT_IN_GROUPS, *AUTO_MODE_GROUPS, *defined, *released}

    def stamp(self) -> str:
        """The next resource version."""
        self.version += 1
        return str(self.version)


@dataclass(frozen=True, slots=True)
class Context:
    """Where an object goes, and its logical name."""

    cluster: Cluster
    namespace: str
    name: str


class ObjectKind:
    """Every kind of object, told apart by the type token."""

    computed: tuple[str, ...] = (
        "metadata.name",
        "metadata.uid",
        "metadata.resourceVersion",
        "metadata.creationTimestamp",
        "status",
    )

    def __init__(self, token: str) -> None:
        """Read group and kind from a token such as `kubernetes:apps/v1:Deployment`."""
        _, place, self.kind = token.split(":")
        self.group = place.partition("/")[0]

    def key(self, namespace: str, name: str) -> Key:
        """The key of the object with this name."""
        return Key(self.group, self.kind, "" if self.kind in CLUSTER_WIDE else namespace, name)

    def create(self, ctx: Context, inputs: Values) -> tuple[str, Values]:
        """Store the object."""
        with ctx.cluster.lock:
            metadata = dict(inputs.get("metadata") or {})
            metadata.setdefault("name", f"{ctx.name.lower()}-{uuid.uuid4().hex[:8]}")
            key = self.key(metadata.get("namespace", ctx.namespace), metadata["name"])
            self._admit(ctx.cluster, key)
            if key.namespace:
                metadata["namespace"] = key.namespace
            metadata |= {
                "uid": str(uuid.uuid4()),
                "resourceVersion": ctx.cluster.stamp(),
                "creationTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "generation": 1,
            }
            ctx.cluster.objects[key] = {**copy.deepcopy(inputs), "metadata": metadata}
            return key.id, self._shown(ctx.cluster.objects[key])

    def read(self, ctx: Context, id: str, outputs: Values) -> Values | None:  # noqa: A002 - Pulumi's word
        """Show the object as it is stored."""
        with ctx.cluster.lock:
            found = ctx.cluster.objects.get(self._from_id(id))
            return self._shown(found) if found else None

    def update(self, ctx: Context, id: str, outputs: Values, old: Values, new: Values) -> Values:  # noqa: A002
        """Apply the new inputs to the stored object."""
        with ctx.cluster.lock:
            key = self._from_id(id)
            found = ctx.cluster.objects.get(key)
            if found is None:
                msg = f"{key} not found"
                raise UserError(msg)
            kept = {name: value for name, value in found["metadata"].items() if name in IDENTITY}
            changed = {"resourceVersion": ctx.cluster.stamp(), "generation": found["metadata"]["generation"] + 1}
            metadata = {**(new.get("metadata") or {}), **kept, **changed}
            ctx.cluster.objects[key] = {**copy.deepcopy(new), "metadata": metadata}
            return self._shown(ctx.cluster.objects[key])

    def delete(self, ctx: Context, id: str, outputs: Values) -> None:  # noqa: A002
        """Drop the object; a namespace takes everything in it along."""
        with ctx.cluster.lock:
            key = self._from_id(id)
            ctx.cluster.objects.pop(key, None)
            if key.kind == "Namespace":
                for inner in [k for k in ctx.cluster.objects if k.namespace == key.name]:
                    del ctx.cluster.objects[inner]

    def _from_id(self, id: str) -> Key:  # noqa: A002
        namespace, _, name = id.rpartition("/")
        return self.key(namespace, name)

    def _admit(self, cluster: Cluster, key: Key) -> None:
        if self.group not in cluster.groups() and not self.group.endswith(".k8s.io"):
            msg = f'no matches for kind "{self.kind}" in group "{self.group}": nothing defines it in this cluster'
            raise UserError(msg)
        if key.namespace and key.namespace not in cluster.namespaces():
            msg = f'namespaces "{key.namespace}" not found'
            raise UserError(msg)
        if key in cluster.objects or (key.kind == "Namespace" and key.name in cluster.namespaces()):
            msg = f"{key} already exists"
            raise UserError(msg)

    def _shown(self, stored: Values) -> Values:
        outputs = copy.deepcopy(stored)
        if (self.group, self.kind) == ("core", "Secret"):
            # The API server writes stringData into data, in base64; the official provider keeps both secret.
            text = outputs.get("stringData") or {}
            coded = {name: base64.b64encode(str(value).encode()).decode() for name, value in text.items()}
            outputs["data"] = Secret({**(outputs.get("data") or {}), **coded})
            if text:
                outputs["stringData"] = Secret(text)
        return outputs


class ReleaseKind(ObjectKind):
    """A Helm release: remembered as one object, whose name and namespace are properties of its own."""

    computed = ("status", "resourceNames")

    def create(self, ctx: Context, inputs: Values) -> tuple[str, Values]:
        """Install nothing, and say that it is deployed."""
        with ctx.cluster.lock:
            name = str(inputs.get("name") or f"{ctx.name.lower()}-{uuid.uuid4().hex[:8]}")
            key = self.key(str(inputs.get("namespace") or ctx.namespace), name)
            if key.namespace not in ctx.cluster.namespaces():
                msg = f'namespaces "{key.namespace}" not found'
                raise UserError(msg)
            if key in ctx.cluster.objects:
                msg = f"cannot re-use a name that is still in use: {name}"
                raise UserError(msg)
            ctx.cluster.objects[key] = self._released(key, inputs, 1)
            return key.id, copy.deepcopy(ctx.cluster.objects[key])

    def update(self, ctx: Context, id: str, outputs: Values, old: Values, new: Values) -> Values:  # noqa: A002
        """Another revision of the release."""
        with ctx.cluster.lock:
            key = self._from_id(id)
            if key not in ctx.cluster.objects:
                msg = f"release {id} not found"
                raise UserError(msg)
            revision = int(ctx.cluster.objects[key]["status"]["revision"]) + 1
            ctx.cluster.objects[key] = self._released(key, new, revision)
            return copy.deepcopy(ctx.cluster.objects[key])

    def _released(self, key: Key, inputs: Values, revision: int) -> Values:
        status = {
            "chart": inputs["chart"],
            "name": key.name,
            "namespace": key.namespace,
            "revision": revision,
            "status": "deployed",
            "version": inputs.get("version", ""),
        }
        own = {"name": key.name, "namespace": key.namespace, "status": status, "resourceNames": {}}
        return {**copy.deepcopy(inputs), **own}


class KubernetesProvider(Provider):
    """The provider `kubernetes`; each cluster that a program's provider names has objects of its own."""

    package = "kubernetes"
    version = "4.0.0"

    def __init__(self) -> None:
        """Start without any cluster."""
        super().__init__()
        self._clusters: dict[str, Cluster] = {}
        self._clusters_lock = threading.Lock()

    def cluster(self, config: Mapping[str, Any]) -> Cluster:
        """The cluster that a provider configuration leads to."""
        place = str(config.get("clusterIdentifier") or config.get("kubeconfig") or config.get("context") or "")
        identity = hashlib.sha256(place.encode()).hexdigest()
        with self._clusters_lock:
            return self._clusters.setdefault(identity, Cluster())

    def kind(self, token: str) -> ObjectKind | None:
        """Any kind will do, and a release of a chart; functions and charts alone are not kinds."""
        if token == RELEASE:
            return ReleaseKind(token)
        package, _, rest = token.partition(":")
        place, _, name = rest.partition(":")
        is_kind = package == self.package and name and "/" in place and not place.startswith(NO_KINDS)
        return ObjectKind(token) if is_kind else None

    def context(self, call: Call) -> Context:
        """Find the cluster and the namespace."""
        return Context(self.cluster(call.config), str(call.config.get("namespace") or "default"), call.name)

    def config_replaces(self, old: Values, new: Values) -> list[str]:
        """Another cluster means other objects."""
        name = "clusterIdentifier"
        return [name] if old.get(name) and old.get(name) != new.get(name) else []

    def judged_as(self, token: str, config: Values) -> str:
        """Data of a ConfigMap or Secret replaces it, unless the provider is told that it may change in place."""
        setting = MUTABLE.get(token)
        return f"{token}:mutable" if setting and str(config.get(setting)).lower() == "true" else token

    def invoke(self, token: str, args: Values, config: Values) -> Values:
        """There are no functions."""
        msg = f"the local cloud's Kubernetes has no function {token}"
        raise UserError(msg)

    def problems(self, call: Call) -> Iterator[tuple[str, str]]:
        """Check names, labels and selectors, as far as they are known."""
        yield from super().problems(call)
        kind = call.token.rsplit(":", 1)[-1]
        metadata = call.properties.get("metadata") or {}
        if isinstance(metadata, dict):
            name = metadata.get("name")
            if isinstance(name, str) and not valid_name(kind, name):
                yield (
                    "metadata.name",
                    f'"{name}" is not a valid name for a {kind} (RFC 1123: a-z, 0-9, "-", "." inside)',
                )
            yield from _labels("metadata.labels", metadata.get("labels"))
        if kind in SELECTING:
            yield from _selector(call.properties.get("spec"))


def valid_name(kind: str, name: str) -> bool:
    """Whether the API server takes `name` for an object of `kind`."""
    if kind in PATH_NAMED:
        return name not in {"", ".", ".."} and not {"/", "%"} & set(name)
    if kind in LABEL_NAMED:
        return LABEL.fullmatch(name) is not None
    if kind == "Service":
        return SERVICE.fullmatch(name) is not None
    return len(name) <= SUBDOMAIN_LENGTH and SUBDOMAIN.fullmatch(name) is not None


def _labels(path: str, labels: Any) -> Iterator[tuple[str, str]]:
    for key, value in labels.items() if isinstance(labels, dict) else ():
        if not QUALIFIED_KEY.fullmatch(key):
            yield path, f'"{key}" is not a valid label key'
        if not isinstance(value, Unknown) and not (isinstance(value, str) and LABEL_VALUE.fullmatch(value)):
            yield path, f'the value of label "{key}" must be a string of up to 63 characters of A-Z a-z 0-9 - _ .'


def _selector(spec: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(spec, dict):
        return
    wanted = _at(spec, "selector", "matchLabels")
    labels = _at(spec, "template", "metadata", "labels")
    if UNKNOWN in (wanted, labels):
        return
    if not wanted and not _at(spec, "selector", "matchExpressions"):
        yield "spec.selector", "required"
    yield from _labels("spec.template.metadata.labels", labels)
    missing = {key: value for key, value in (wanted or {}).items() if (labels or {}).get(key) not in (value, UNKNOWN)}
    if missing and not any(isinstance(value, Unknown) for value in missing.values()):
        yield "spec.template.metadata.labels", f"`selector` does not match template `labels`: {missing}"


def _at(value: Any, *path: str) -> Any:
    for name in path:
        if isinstance(value, Unknown):
            return value
        value = value.get(name) if isinstance(value, dict) else None
    return value
