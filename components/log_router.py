"""Fluent Bit on every node: what containers print goes to the error, access or debug log group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pulumi

from components.component import Component, DataClass, Site
from components.network_policies import aws_access, policy
from components.pod_identity import pod_identity
from components.pods import Manifest, fingerprint, labels, metadata, resources, restricted_container, selector
from components.raw import KubernetesObject, kubernetes_object

IMAGE = (
    "cr.fluentbit.io/fluent/fluent-bit:5.1.3@sha256:c5542543523c9678398dd78d927c05e8425ec15b038f226b67b3b019b1a70845"
)
"""Index of Fluent Bit 5.1.3 for amd64 and arm64. The digest is as public repositories pin it; not pulled here."""
NAME = "log-router"
KINDS = ("error", "access", "debug")


@dataclass(frozen=True, kw_only=True, slots=True)
class LogRouterArgs:
    """Where logs go.

    Attributes:
        provider: the cluster's.
        cluster_name: EKS cluster.
        account_id: of this stack.
        namespace: where the pods run; its pod security must be `privileged`, for the nodes' log files.
        group_names: CloudWatch log groups, by `error`, `access` and `debug`.
        group_arns: their ARNs.
    """

    provider: pulumi.ProviderResource
    cluster_name: pulumi.Input[str]
    account_id: str
    namespace: pulumi.Input[str]
    group_names: Mapping[str, pulumi.Input[str]]
    group_arns: Mapping[str, pulumi.Input[str]]


class LogRouter(Component):
    """A DaemonSet, its configuration, network policy, service account and AWS role.

    It goes by the `level` of each JSON line: errors to `error`, debug to `debug`, the rest (access lines
    and what is not JSON) to `access`. It asks the Kubernetes API nothing: a stream's name tells pod,
    namespace and container. Pod Identity needs Fluent Bit 4.0.1 or later
    (https://github.com/fluent/fluent-bit/pull/10114).
    """

    KIND: ClassVar[str] = "telemetry:LogRouter"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    def __init__(self, name: str, site: Site, args: LogRouterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the log router."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        self._labels, self._match = labels(NAME, "agent"), selector(NAME)
        identity = pod_identity(
            self,
            name,
            cluster_name=args.cluster_name,
            account_id=args.account_id,
            namespace=args.namespace,
            service_account=NAME,
            statements=[
                {
                    "Effect": "Allow",
                    "Action": ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                    "Resource": [pulumi.Output.concat(args.group_arns[kind], ":*") for kind in KINDS],
                }
            ],
        )
        configuration: dict[str, pulumi.Input[str]] = {
            "fluent-bit.conf": self._configuration(),
            "parsers.conf": _PARSERS,
        }
        account = self._add("-account", "v1", "ServiceAccount", {"automountServiceAccountToken": False})
        config_map = self._add("-config", "v1", "ConfigMap", {"data": configuration})
        access = self._object("-policy", policy(NAME, args.namespace, self._labels, self._match, outbound=aws_access()))
        self._object("", self._daemon_set(fingerprint(configuration)), [identity, account, config_map, access])
        self.register_outputs({})

    def _add(self, suffix: str, api_version: str, kind: str, body: Manifest) -> KubernetesObject:
        own = metadata(NAME, self._args.namespace, self._labels)
        return self._object(suffix, {"apiVersion": api_version, "kind": kind, "metadata": own, **body})

    def _object(
        self, suffix: str, manifest: Manifest, depends_on: list[pulumi.Resource] | None = None
    ) -> KubernetesObject:
        options = self.child(provider=self._args.provider, depends_on=depends_on)
        return kubernetes_object(f"{self._name}{suffix}", manifest, options)

    def _configuration(self) -> pulumi.Output[str]:
        """Positions are kept for the pod's life only: a new router reads the files on its node again.

        Lines twice are better than lines lost, and the node keeps no more than 50 MB of each container.
        Memory stays bounded: past the limit the tail waits, the files do not.
        """
        region = self.site.region

        def render(names: Mapping[str, str]) -> str:
            outputs = [
                _OUTPUT.format(kind=kind, region=region, group=names[kind], prefix="${NODE_NAME}/") for kind in KINDS
            ]
            return "\n".join([_PIPELINE, *outputs])

        return pulumi.Output.all(**{kind: self._args.group_names[kind] for kind in KINDS}).apply(render)

    def _daemon_set(self, configuration: pulumi.Output[str]) -> Manifest:
        """As root, because the node's log files are root's alone; no capabilities, and nothing of the node writable."""
        container = {
            "name": "fluent-bit",
            "image": IMAGE,
            "command": ["/fluent-bit/bin/fluent-bit", "--config=/etc/log-router/fluent-bit.conf"],
            "env": [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
            "ports": [{"name": "health", "containerPort": 2020, "protocol": "TCP"}],
            "readinessProbe": {**_probe("/api/v1/health"), "periodSeconds": 10},
            # Not the health path: that fails while CloudWatch is away, and a restart would only lose the buffer.
            "livenessProbe": {**_probe("/"), "initialDelaySeconds": 30, "periodSeconds": 30, "failureThreshold": 5},
            "resources": resources(50, 128),
            "securityContext": restricted_container(),
            "volumeMounts": [
                {"name": "config", "mountPath": "/etc/log-router", "readOnly": True},
                {"name": "logs", "mountPath": "/var/log", "readOnly": True},
                {"name": "state", "mountPath": "/var/lib/log-router"},
            ],
        }
        pod = {
            "serviceAccountName": NAME,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "priorityClassName": "system-node-critical",
            "securityContext": {"runAsUser": 0, "runAsGroup": 0, "seccompProfile": {"type": "RuntimeDefault"}},
            "terminationGracePeriodSeconds": 30,
            "tolerations": [{"operator": "Exists"}],
            "containers": [container],
            "volumes": [
                {"name": "config", "configMap": {"name": NAME}},
                {"name": "logs", "hostPath": {"path": "/var/log", "type": "Directory"}},
                {"name": "state", "emptyDir": {"sizeLimit": "64Mi"}},
            ],
        }
        template = {
            "metadata": {"labels": self._labels, "annotations": {"headroom/config": configuration}},
            "spec": pod,
        }
        return {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": metadata(NAME, self._args.namespace, self._labels),
            "spec": {
                "revisionHistoryLimit": 3,
                "selector": {"matchLabels": self._match},
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%"}},
                "template": template,
            },
        }


def _probe(path: str) -> Manifest:
    return {"httpGet": {"path": path, "port": "health"}, "timeoutSeconds": 5}


_PIPELINE = r"""[SERVICE]
    Flush                     5
    Grace                     25
    Log_Level                 warn
    Parsers_File              /etc/log-router/parsers.conf
    HTTP_Server               On
    HTTP_Listen               0.0.0.0
    HTTP_Port                 2020
    Health_Check              On
    HC_Errors_Count           20
    HC_Retry_Failure_Count    20
    HC_Period                 60

[INPUT]
    Name                      tail
    Tag                       raw.*
    Path                      /var/log/containers/*.log
    Exclude_Path              /var/log/containers/log-router-*
    multiline.parser          cri
    DB                        /var/lib/log-router/positions.db
    Read_from_Head            On
    Mem_Buf_Limit             32MB
    Skip_Long_Lines           On
    Refresh_Interval          10

[FILTER]
    Name                      parser
    Match                     raw.*
    Key_Name                  log
    Parser                    line
    Reserve_Data              On
    Preserve_Key              Off

[FILTER]
    Name                      rewrite_tag
    Match                     raw.*
    Rule                      $level ^(?i:error|critical|fatal)$ error.$TAG[4] false
    Rule                      $level ^(?i:debug|trace)$ debug.$TAG[4] false
    Rule                      $stream .* access.$TAG[4] false
    Emitter_Mem_Buf_Limit     16MB
"""
"""The tag is the file's path with dots for slashes; its fifth part is the file's name, up to `.log`."""

_OUTPUT = """[OUTPUT]
    Name                      cloudwatch_logs
    Match                     {kind}.*
    region                    {region}
    log_group_name            {group}
    log_stream_prefix         {prefix}
    auto_create_group         Off
    Retry_Limit               5
"""

_PARSERS = """[PARSER]
    Name                      line
    Format                    json
"""
