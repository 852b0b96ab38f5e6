"""Pods: the `restricted` standard, what they may use up, and how Kubernetes sees that they are well.

Standards: https://kubernetes.io/docs/concepts/security/pod-security-standards/. A DaemonSet is an agent of its node and
reads the node's files, which no pod of the standard may: what is asked of it is in each rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from policies.manifests import DAEMON_SET, WORKLOADS, containers, kind, pods
from policies.rule import Level, Rules, Severity
from policies.view import Resource, each

RULES = Rules()
_DIGEST: Final = re.compile(r"@sha256:[0-9a-f]{64}$")
_AMOUNTS: Final = (
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.memory",
    "limits.ephemeral-storage",
)
_SERVES: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")


@RULES.on(
    *WORKLOADS,
    id="kubernetes-not-privileged",
    severity=Severity.CRITICAL,
    level=Level.MANDATORY,
    demands="No container is privileged.",
    remedy="take securityContext.privileged away",
    frameworks=("Checkov CKV_K8S_16",),
)
def not_privileged(one: Resource) -> Iterator[str]:
    """A privileged container is root on its node."""
    for container in containers(one):
        if container.get("securityContext.privileged") is True:
            yield f"container {container.get('name')} is privileged"


@RULES.on(
    *WORKLOADS,
    id="kubernetes-host-namespaces",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="No pod shares its node's network, processes or ports.",
    remedy="take hostNetwork, hostPID, hostIPC and hostPort away",
    frameworks=("Checkov CKV_K8S_17", "Checkov CKV_K8S_18", "Checkov CKV_K8S_19", "Checkov CKV_K8S_26"),
)
def host_namespaces(one: Resource) -> Iterator[str]:
    """Network policies do not reach a pod on its node's network."""
    for pod in pods(one):
        shared = [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name) is True]
        if shared:
            yield f"its pods have {', '.join(shared)}"
        elif any(port.has("hostPort") for container in containers(one) for port in container.items("ports")):
            yield "a container takes a port of its node"


@RULES.on(
    *WORKLOADS,
    id="kubernetes-host-path",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="No pod sees its node's files; a DaemonSet may read logs.",
    remedy="take the hostPath volume away; in a DaemonSet mount nothing but /var/log, with readOnly",
    frameworks=("Checkov CKV_K8S_27",),
)
def host_path(one: Resource) -> Iterator[str]:
    """Logs of containers are files of the node, so the agent that ships them has no other way."""
    for pod in pods(one):
        paths = {
            volume.get("name"): str(volume.get("hostPath.path"))
            for volume in pod.items("volumes")
            if volume.has("hostPath") and isinstance(volume.get("name"), str)
        }
        if not paths:
            continue
        if one.type != DAEMON_SET or any(not path.startswith("/var/log") for path in paths.values()):
            yield "a volume shows it the node's files"
        elif any(
            mount.get("name") in list(paths) and mount.get("readOnly") is not True
            for container in containers(one)
            for mount in container.items("volumeMounts")
        ):
            yield "it may change the node's logs"


@RULES.on(
    *WORKLOADS,
    id="kubernetes-non-root",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="No container runs as root.",
    remedy="set runAsNonRoot to true and runAsUser to a number above 0 in the pod's securityContext",
    frameworks=("Checkov CKV_K8S_23",),
)
def non_root(one: Resource) -> Iterator[str]:
    """A DaemonSet is left out: the node's log files are root's. It has no capability left, and reads only."""
    if one.type == DAEMON_SET:
        return
    for pod in pods(one):
        default = pod.get("securityContext.runAsNonRoot")
        for container in containers(one):
            if container.get("securityContext.runAsNonRoot", default) is not True:
                yield f"container {container.get('name')} may run as root"
        users = [pod, *containers(one)]
        if any(user.get("securityContext.runAsUser") in (0, "0") for user in users):
            yield "its user is root"


@RULES.on(
    *WORKLOADS,
    id="kubernetes-no-escalation",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="No process in a container gets more rights than it started with.",
    remedy="set securityContext.allowPrivilegeEscalation of each container to false",
    frameworks=("Checkov CKV_K8S_20",),
)
def no_escalation(one: Resource) -> Iterator[str]:
    """True by default."""
    for container in containers(one):
        if container.get("securityContext.allowPrivilegeEscalation") is not False:
            yield f"container {container.get('name')} allows it"


@RULES.on(
    *WORKLOADS,
    id="kubernetes-capabilities",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="No container has a capability of Linux's.",
    remedy="set securityContext.capabilities.drop of each container to ALL, and add none but NET_BIND_SERVICE",
    frameworks=("Checkov CKV_K8S_37", "Checkov CKV_K8S_28"),
)
def capabilities(one: Resource) -> Iterator[str]:
    """The one that the standard lets back in is for ports below 1024."""
    for container in containers(one):
        dropped = each(container, "securityContext.capabilities.drop")
        added = each(container, "securityContext.capabilities.add")
        if "ALL" not in dropped or any(name != "NET_BIND_SERVICE" for name in added):
            yield f"container {container.get('name')} keeps capabilities"


@RULES.on(
    *WORKLOADS,
    id="kubernetes-seccomp",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="System calls that no program needs are closed to every container.",
    remedy="set securityContext.seccompProfile.type of the pod to RuntimeDefault",
    frameworks=("Checkov CKV_K8S_31",),
)
def seccomp(one: Resource) -> Iterator[str]:
    """Unconfined by default."""
    for pod in pods(one):
        default = pod.get("securityContext.seccompProfile.type")
        for container in containers(one):
            found = container.get("securityContext.seccompProfile.type", default)
            if found not in ("RuntimeDefault", "Localhost"):
                yield f"container {container.get('name')} may call everything"


@RULES.on(
    *WORKLOADS,
    id="kubernetes-read-only",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="No container can change its own program.",
    remedy="set securityContext.readOnlyRootFilesystem to true, and mount an emptyDir where it has to write",
    frameworks=("Checkov CKV_K8S_22",),
)
def read_only(one: Resource) -> Iterator[str]:
    """Who breaks in finds no place to put tools."""
    for container in containers(one):
        if container.get("securityContext.readOnlyRootFilesystem") is not True:
            yield f"container {container.get('name')} can write to its image's files"


@RULES.on(
    *WORKLOADS,
    id="kubernetes-resources",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="Every container says what it needs, and how much memory and disk it may take at most.",
    remedy=f"set resources: {', '.join(_AMOUNTS)}",
    frameworks=("Checkov CKV_K8S_10", "Checkov CKV_K8S_12", "Checkov CKV_K8S_13"),
)
def resources(one: Resource) -> Iterator[str]:
    """There is no limit of CPU on purpose: throttling would hurt the 95th percentile first."""
    for container in containers(one):
        missing = [amount for amount in _AMOUNTS if container.get(f"resources.{amount}") is None]
        if missing:
            yield f"container {container.get('name')} leaves out {', '.join(missing)}"


@RULES.on(
    *WORKLOADS,
    id="kubernetes-probes",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="Kubernetes sees when a container is ready and when it is dead, and does not take one for the other.",
    remedy="set readinessProbe and a more patient livenessProbe",
    frameworks=("Checkov CKV_K8S_8", "Checkov CKV_K8S_9"),
)
def probes(one: Resource) -> Iterator[str]:
    """With the same probe twice, a pod that is only busy is killed just when others are busy too. Jobs have none."""
    if kind(one) not in _SERVES:
        return
    for container in containers(one, init=False):
        liveness, readiness = container.get("livenessProbe"), container.get("readinessProbe")
        if not liveness or not readiness:
            yield f"container {container.get('name')} lacks a probe"
        elif liveness == readiness:
            yield f"both probes of container {container.get('name')} are the same"


@RULES.on(
    *WORKLOADS,
    id="kubernetes-image-pinned",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Every image is named by its digest.",
    remedy="add @sha256: and the digest to the image",
    frameworks=("Checkov CKV_K8S_14", "Checkov CKV_K8S_43"),
)
def image_pinned(one: Resource) -> Iterator[str]:
    """A tag may mean another image tomorrow, and two pods of one Deployment may then be two programs."""
    for container in containers(one):
        if not _DIGEST.search(str(container.get("image"))):
            yield f"container {container.get('name')} has no digest"


@RULES.on(
    *WORKLOADS,
    id="kubernetes-secrets-as-files",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    demands="Secrets reach a program as files.",
    remedy="mount the secret as a volume instead of secretKeyRef and secretRef",
    frameworks=("Checkov CKV_K8S_35",),
)
def secrets_as_files(one: Resource) -> Iterator[str]:
    """The environment of a process is inherited by all that it starts, and too easily printed."""
    for container in containers(one):
        named = any(variable.has("valueFrom.secretKeyRef") for variable in container.items("env"))
        if named or any(source.has("secretRef") for source in container.items("envFrom")):
            yield f"container {container.get('name')} has secrets in its environment"


@RULES.on(
    *WORKLOADS,
    id="kubernetes-no-api-token",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="No pod carries a token for the Kubernetes API that it does not use.",
    remedy="set automountServiceAccountToken of the pod to false",
    frameworks=("Checkov CKV_K8S_38",),
)
def no_api_token(one: Resource) -> Iterator[str]:
    """No pod of ours asks the API anything; AWS credentials come another way."""
    for pod in pods(one):
        if pod.get("automountServiceAccountToken") is not False:
            yield "its pods carry a token"
