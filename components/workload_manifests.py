"""The application's Kubernetes objects as plain data: one image, its role by environment variable."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.cluster_nodes import SPOT_TAINT
from components.pods import (
    APP_PORT,
    GRPC_PORT,
    PRE_STOP_SECONDS,
    RDS_TRUST_FILE,
    ROLE_LABEL,
    Manifest,
    drain,
    labels,
    metadata,
    rds_trust,
    resources,
    restricted_container,
    restricted_pod,
    selector,
    spread,
)
from components.pooler import DATABASE_PORT
from components.workload_access import APP, IMAGES, MIGRATION, UPKEEP
from stacks.phase import SERVICES, Pods

PLACEHOLDER_IMAGE = (
    "docker.io/hashicorp/http-echo:1.0@sha256:fcb75f691c8b0414d670ae570240cbf95502cc18a9ba57e982ecac589760a186"
)
"""Runs until an image is configured: answers every path with 200, so that a first `up` completes.

The digest is as several public repositories pin version 1.0 (its index has arm64); it was not pulled here.
"""
SECRETS_PATH = "/var/run/secrets/headroom"
"""Secrets are files: the environment of a process is too easily printed (CIS EKS benchmark 4.4.1)."""
WEB_CONCURRENCY = 4
"""Worker processes a pod, and threads of each."""
ONE_PROCESS = frozenset({"realtime", "worker", IMAGES})
"""Roles that wait more than they compute: one process holds all sockets of a pod (35 KiB each, beside its own 95 MiB),
or all jobs, and four would take the memory of a small pod without doing anything."""

JOB_SECONDS = 1_800
"""Of a migration or of the upkeep, retries included."""
UPKEEP_SCHEDULE = "23 3 * * *"
"""Each night, UTC: what it makes is needed in two months."""

_GRACE_SECONDS = {"realtime": 120, "worker": 150}
"""Sockets are closed in batches; a worker finishes its job or hands it back. Everything else answers in 10 s."""
_DIGEST = re.compile(r"@sha256:(?P<start>[0-9a-f]{12})[0-9a-f]{52}$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployed:
    """One Deployment of the application.

    Attributes:
        name: of the Deployment, and of its Service and autoscaler: the role, or role and colour.
        role: what the image does.
        image: with digest.
        pods: bounds and size.
        jobs: the queues that it reads, by job type.
        interruptible: may run on spot nodes.
        namespace: of everything.
        annotations: on the pods; a change restarts them.
    """

    name: str
    role: str
    image: str
    pods: Pods
    jobs: Sequence[str]
    interruptible: bool
    namespace: pulumi.Input[str]
    annotations: Mapping[str, pulumi.Input[str]]

    @property
    def labels(self) -> dict[str, str]:
        """Of the objects and the pods."""
        return {**labels(self._application, self.name), ROLE_LABEL: self.role}

    @property
    def match(self) -> dict[str, str]:
        """What selects the pods."""
        return selector(self._application, self.name)

    @property
    def is_service(self) -> bool:
        """Other pods call it by gRPC."""
        return self.role in SERVICES

    @property
    def has_secrets(self) -> bool:
        """Who resizes images works on files of strangers, and needs none of ours to do it."""
        return self.role != IMAGES

    @property
    def _application(self) -> str:
        return IMAGES if self.role == IMAGES else APP


def digest(image: str) -> str:
    """First twelve hex digits of an image's digest.

    Raises:
        ValueError: the image has none, so two runs could start two different programs.
    """
    found = _DIGEST.search(image)
    if found is None:
        msg = f"image {image} has no sha256 digest"
        raise ValueError(msg)
    return found["start"]


def deployment(app: Deployed) -> Manifest:
    """A Deployment without `replicas`: the autoscaler owns them.

    https://github.com/pulumi/pulumi-kubernetes/issues/2491
    """
    grace = _GRACE_SECONDS.get(app.role, 60)
    ports = {"main": APP_PORT, **({"grpc": GRPC_PORT} if app.is_service else {})}
    mounts: list[Manifest] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 the container's own
    volumes: list[Manifest] = [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}]
    if app.has_secrets:
        mounts.append({"name": "secrets", "mountPath": SECRETS_PATH, "readOnly": True})
        volumes.append({"name": "secrets", "secret": {"secretName": APP, "defaultMode": 0o440}})
    container = {
        "name": APP,
        "image": app.image,
        "env": [
            {"name": "SERVICE_ROLE", "value": app.role},
            {"name": "GRACEFUL_SHUTDOWN_SECONDS", "value": str(grace - PRE_STOP_SECONDS - 5)},
            *([{"name": "JOB_TYPES", "value": ",".join(app.jobs)}] if app.jobs else []),
            *([{"name": "WEB_CONCURRENCY", "value": "1"}] if app.role in ONE_PROCESS else []),
        ],
        "envFrom": [{"configMapRef": {"name": APP}}],
        "ports": [{"name": key, "containerPort": port, "protocol": "TCP"} for key, port in ports.items()],
        "startupProbe": {**_probe("/health"), "periodSeconds": 2, "failureThreshold": 60},
        "livenessProbe": {**_probe("/health"), "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3},
        "readinessProbe": {**_probe("/ready"), "periodSeconds": 5, "timeoutSeconds": 2, "failureThreshold": 3},
        "lifecycle": drain(),
        "resources": resources(app.pods.cpu_millicores, app.pods.memory_mib),
        "securityContext": restricted_container(),
        "volumeMounts": mounts,
        **_placeholder(app.image, ["-listen", f":{APP_PORT}", "-text", f"headroom {app.role}: no image configured"]),
    }
    pod: Manifest = {
        "serviceAccountName": app.role,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": restricted_pod(),
        "terminationGracePeriodSeconds": grace,
        "topologySpreadConstraints": spread(app.match),
        "containers": [container],
        "volumes": volumes,
    }
    if app.interruptible:
        pod["tolerations"] = [{"key": SPOT_TAINT, "operator": "Equal", "value": "true", "effect": "NoSchedule"}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(app.name, app.namespace, app.labels),
        "spec": {
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": 900,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
            "selector": {"matchLabels": app.match},
            "template": {"metadata": {"labels": app.labels, "annotations": dict(app.annotations)}, "spec": pod},
        },
    }


def autoscaler(app: Deployed) -> Manifest:
    """Up after 2 minutes over 70 % CPU or 80 % memory, down after 5 minutes below, slowly."""

    def target(resource: str, percent: int) -> Manifest:
        utilization = {"type": "Utilization", "averageUtilization": percent}
        return {"type": "Resource", "resource": {"name": resource, "target": utilization}}

    def behaviour(window_seconds: int, percent: int) -> Manifest:
        limits = [{"type": "Percent", "value": percent, "periodSeconds": 60}]
        return {"stabilizationWindowSeconds": window_seconds, "policies": limits}

    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(app.name, app.namespace, app.labels),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": app.name},
            "minReplicas": app.pods.minimum,
            "maxReplicas": app.pods.maximum,
            "metrics": [target("cpu", 70), target("memory", 80)],
            "behavior": {"scaleUp": behaviour(120, 100), "scaleDown": behaviour(300, 25)},
        },
    }


def target_group_binding(app: Deployed, target_group_arn: pulumi.Input[str]) -> Manifest:
    """Registers the Service's pods in a target group of ours.

    Auto Mode's own API group, with `targetType` required; without `networking`, since the security group
    rules are ours too. https://docs.aws.amazon.com/eks/latest/userguide/auto-configure-alb.html
    """
    return {
        "apiVersion": "eks.amazonaws.com/v1",
        "kind": "TargetGroupBinding",
        "metadata": metadata(app.name, app.namespace, app.labels),
        "spec": {
            "serviceRef": {"name": app.name, "port": APP_PORT},
            "targetGroupARN": target_group_arn,
            "targetType": "ip",
        },
    }


def migration(
    name: pulumi.Input[str],
    namespace: pulumi.Input[str],
    image: str,
    environment: Mapping[str, pulumi.Input[str]],
    region: str,
) -> Manifest:
    """A Job that brings the schema up to `image`, before any pod of that image starts.

    Jobs cannot change, so its name does (`name` has the digest and what it runs with). No time to live:
    a Job that deleted itself would be missing at the next refresh and run again; Pulumi removes it when
    the next one is done. One that failed is replaced by the next `up`.
    """
    own_labels = labels(MIGRATION, "job")
    secrets = {"secretName": MIGRATION, "defaultMode": 0o440}
    pod = _owner_pod("migrate", image, environment, secrets, region)
    own = metadata("", namespace, own_labels, {"pulumi.com/replaceUnready": "true"})
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**own, "name": name},
        "spec": {
            "backoffLimit": 3,
            "activeDeadlineSeconds": JOB_SECONDS,
            "template": {"metadata": {"labels": own_labels}, "spec": pod},
        },
    }


def upkeep(
    name: str,
    namespace: pulumi.Input[str],
    image: str,
    environment: Mapping[str, pulumi.Input[str]],
    region: str,
) -> Manifest:
    """A CronJob that makes next months' partitions, and drops what is over. It reaches what the migration reaches."""
    own_labels = labels(MIGRATION, UPKEEP)
    # The migration's secret also has the pods' password, which is none of this one's business.
    items = [{"key": "database_password", "path": "database_password"}]
    secrets = {"secretName": MIGRATION, "defaultMode": 0o440, "items": items}
    pod = _owner_pod(UPKEEP, image, environment, secrets, region)
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(name, namespace, own_labels),
        "spec": {
            "schedule": UPKEEP_SCHEDULE,
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 3600,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "metadata": {"labels": own_labels},
                "spec": {
                    "backoffLimit": 3,
                    "activeDeadlineSeconds": JOB_SECONDS,
                    "template": {"metadata": {"labels": own_labels}, "spec": pod},
                },
            },
        },
    }


def owner_environment(host: pulumi.Input[str], databases: Sequence[str], owner: str) -> dict[str, pulumi.Input[str]]:
    """What leads to a primary itself, as its databases' owner."""
    return {
        "SECRETS_DIR": SECRETS_PATH,
        "DATABASE_WRITER_HOST": host,
        "DATABASE_PORT": str(DATABASE_PORT),
        "DATABASE_NAMES": ",".join(databases),
        "DATABASE_USER": owner,
        "DATABASE_TLS": "verify-full",
        "DATABASE_CA_FILE": RDS_TRUST_FILE,
    }


def _owner_pod(
    role: str, image: str, environment: Mapping[str, pulumi.Input[str]], secrets: Manifest, region: str
) -> Manifest:
    """`spec` of a pod that runs to its end, and speaks to a primary itself."""
    init_containers, volumes, mounts = rds_trust(region)
    container = {
        "name": MIGRATION if role == "migrate" else role,
        "image": image,
        "env": [
            {"name": "SERVICE_ROLE", "value": role},
            *({"name": key, "value": value} for key, value in environment.items()),
        ],
        "resources": resources(100, 256),
        "securityContext": restricted_container(),
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 the container's own
            {"name": "secrets", "mountPath": SECRETS_PATH, "readOnly": True},
            *mounts,
        ],
        **_placeholder(image, ["-version"]),
    }
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": restricted_pod(),
        "initContainers": init_containers,
        "containers": [container],
        "volumes": [
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
            {"name": "secrets", "secret": secrets},
            *volumes,
        ],
    }


def _probe(path: str) -> Manifest:
    return {"httpGet": {"path": path, "port": "main"}}


def _placeholder(image: str, arguments: list[str]) -> Manifest:
    """Arguments that the placeholder needs; our own image needs none."""
    return {"args": arguments} if image == PLACEHOLDER_IMAGE else {}
