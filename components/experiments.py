"""Faults to be made on purpose: templates that somebody starts, and that stop when users notice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.component import Component, Site
from components.documents import Statement, trust
from components.network_policies import https, policy
from components.pods import ROLE_LABEL, Manifest, metadata
from components.raw import kubernetes_object

USER = "fault-experiments"
"""Kubernetes' name of AWS's service: user of its role, and service account of its pod."""
POD_LABEL = "headroom/fault-experiment"
LOG_DAYS = 90
ZONE_MINUTES = 10
"""Longer than a database's and a cache's failover take together, shorter than the phase's time to recover."""
NETWORK_POLICY = "arn:aws:iam::aws:policy/service-role/AWSFaultInjectionSimulatorNetworkAccess"
"""AWS's own: the action clones network ACLs, tags them, and puts the old ones back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExperimentsArgs:
    """What may be broken, and what stops it.

    Attributes:
        account_id: of this stack.
        key_arn: KMS key of the log group.
        stop_alarm_arn: the alarm that ends every experiment: users get errors.
        provider: the cluster's.
        cluster_arn: EKS cluster.
        cluster_name: its name.
        namespace: of the application.
        database_arn: a primary with a standby.
        cache_group_arn: a replication group that fails over by itself.
        zone: the availability zone that is cut off.
        zone_subnet_ids: all subnets of this zone.
    """

    account_id: str
    key_arn: pulumi.Input[str]
    stop_alarm_arn: pulumi.Input[str]
    provider: pulumi.ProviderResource
    cluster_arn: pulumi.Input[str]
    cluster_name: pulumi.Input[str]
    namespace: pulumi.Input[str]
    database_arn: pulumi.Input[str]
    cache_group_arn: pulumi.Input[str]
    zone: str
    zone_subnet_ids: Sequence[pulumi.Input[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One action on one kind of target, in FIS' words.

    Attributes:
        description: what happens.
        action: id of the action.
        parameters: of the action.
        target: what the action calls its target, such as `DBInstances`.
        resource_type: of the target.
        resource_arns: the targets, where they have ARNs.
        target_parameters: what finds the targets, where they have none.
        selection: how many of them.
    """

    description: str
    action: str
    parameters: Mapping[str, str]
    target: str
    resource_type: str
    resource_arns: Sequence[pulumi.Input[str]] = ()
    target_parameters: Mapping[str, pulumi.Input[str]] | None = None
    selection: str = "ALL"


class Experiments(Component):
    """FIS templates of one region: database failover, cache failover, killed pods, a zone cut off.

    Nothing here starts anything. A template's tags replace it when they change, which loses nothing.
    """

    KIND: ClassVar[str] = "resilience:Experiments"

    template_ids: Mapping[str, pulumi.Output[str]]
    """By fault."""

    def __init__(
        self, name: str, site: Site, args: ExperimentsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Create the templates, and the role that they run as."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        log = aws.cloudwatch.LogGroup(
            name,
            name=f"/aws/fis/{site.names.of('role', name)}",
            retention_in_days=LOG_DAYS,
            kms_key_id=args.key_arn,
            opts=self.child(),
        )
        # From the name, not from AWS's answer: the role's policy can then be judged in a preview.
        log_arn = f"arn:aws:logs:{site.region}:{args.account_id}:log-group:/aws/fis/{site.names.of('role', name)}:*"
        role, grants = self._create_role(log_arn)
        needs = [log, *grants, *self._admit_to_cluster(role)]
        self.template_ids = {
            kind: self._create_template(kind, fault, role, log_arn, needs).id for kind, fault in self._faults().items()
        }
        self.register_outputs({"template_ids": self.template_ids})

    def _faults(self) -> Mapping[str, Fault]:
        """Actions and targets: https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html."""
        args = self._args
        subnet = f"arn:aws:ec2:{self.site.region}:{args.account_id}:subnet/"
        duration = f"PT{ZONE_MINUTES}M"
        return {
            "database-failover": Fault(
                description="The database's standby takes over.",
                action="aws:rds:reboot-db-instances",
                parameters={"forceFailover": "true"},
                target="DBInstances",
                resource_type="aws:rds:db",
                resource_arns=[args.database_arn],
            ),
            "cache-failover": Fault(
                description=f"The cache's nodes in {args.zone} lose power.",
                action="aws:elasticache:replicationgroup-interrupt-az-power",
                parameters={"duration": duration},
                target="ReplicationGroups",
                resource_type="aws:elasticache:replicationgroup",
                resource_arns=[args.cache_group_arn],
                target_parameters={"availabilityZoneIdentifier": args.zone},
            ),
            # Never run against EKS. AWS's page on pod actions says that they fail where the pods' root is read-only, as
            # ours are (https://docs.aws.amazon.com/fis/latest/userguide/eks-pod-actions.html), though deleting pods
            # touches none; and EKS' guide of December 2024 said that Auto Mode does not support FIS.
            "pod-kill": Fault(
                description="Half of the API's pods are deleted at once.",
                action="aws:eks:pod-delete",
                parameters={
                    "kubernetesServiceAccount": USER,
                    "gracePeriodSeconds": "0",
                    "fisPodLabels": json.dumps({POD_LABEL: "true"}),
                    "fisPodSecurityPolicy": "restricted",
                },
                target="Pods",
                resource_type="aws:eks:pod",
                target_parameters={
                    "clusterIdentifier": args.cluster_arn,
                    "namespace": args.namespace,
                    "selectorType": "labelSelector",
                    "selectorValue": f"{ROLE_LABEL}=api",
                },
                selection="PERCENT(50)",
            ),
            "zone-loss": Fault(
                description=f"The subnets of {args.zone} are cut off.",
                action="aws:network:disrupt-connectivity",
                parameters={"duration": duration, "scope": "all"},
                target="Subnets",
                resource_type="aws:ec2:subnet",
                resource_arns=[pulumi.Output.concat(subnet, each) for each in args.zone_subnet_ids],
            ),
        }

    def _create_template(
        self,
        kind: str,
        fault: Fault,
        role: aws.iam.Role,
        log_arn: str,
        needs: list[pulumi.Resource],
    ) -> aws.fis.ExperimentTemplate:
        target = aws.fis.ExperimentTemplateTargetArgs(
            name="targets",
            resource_type=fault.resource_type,
            resource_arns=list(fault.resource_arns) or None,
            parameters=fault.target_parameters,
            selection_mode=fault.selection,
        )
        action = aws.fis.ExperimentTemplateActionArgs(
            name=kind,
            action_id=fault.action,
            parameters=[
                aws.fis.ExperimentTemplateActionParameterArgs(key=key, value=value)
                for key, value in fault.parameters.items()
            ],
            target=aws.fis.ExperimentTemplateActionTargetArgs(key=fault.target, value="targets"),
        )
        return aws.fis.ExperimentTemplate(
            f"{self._name}-{kind}",
            description=f"{fault.description} Runbook: docs/runbooks/fault-experiments.md",
            role_arn=role.arn,
            targets=[target],
            actions=[action],
            stop_conditions=[
                aws.fis.ExperimentTemplateStopConditionArgs(
                    source="aws:cloudwatch:alarm", value=self._args.stop_alarm_arn
                )
            ],
            log_configuration=aws.fis.ExperimentTemplateLogConfigurationArgs(
                log_schema_version=2,
                cloudwatch_logs_configuration=aws.fis.ExperimentTemplateLogConfigurationCloudwatchLogsConfigurationArgs(
                    log_group_arn=log_arn
                ),
            ),
            opts=self.child(depends_on=needs),
        )

    def _create_role(self, log_arn: str) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
        role = aws.iam.Role(
            self._name,
            name=self.site.names.of("role", self._name),
            assume_role_policy=trust("fis.amazonaws.com", account_id=self._args.account_id),
            opts=self.child(),
        )
        statements = _statements(self._args, log_arn)
        own = aws.iam.RolePolicy(
            self._name,
            name=self._name,
            role=role.name,
            policy=pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": statements}),
            opts=self.child(),
        )
        network = aws.iam.RolePolicyAttachment(
            f"{self._name}-network", role=role.name, policy_arn=NETWORK_POLICY, opts=self.child()
        )
        return role, [own, network]

    def _admit_to_cluster(self, role: aws.iam.Role) -> list[pulumi.Resource]:
        """FIS runs a pod of its own in the application's namespace, which deletes the others."""
        args = self._args
        entry = aws.eks.AccessEntry(
            self._name,
            cluster_name=args.cluster_name,
            principal_arn=role.arn,
            type="STANDARD",
            user_name=USER,
            opts=self.child(delete_before_replace=True),
        )
        part_of = {"app.kubernetes.io/part-of": "headroom"}
        own = metadata(USER, args.namespace, part_of)
        rbac = "rbac.authorization.k8s.io"
        manifests: Mapping[str, Manifest] = {
            "account": {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": own},
            "rights": {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": own, "rules": _RULES},
            "binding": {
                "apiVersion": f"{rbac}/v1",
                "kind": "RoleBinding",
                "metadata": own,
                "roleRef": {"apiGroup": rbac, "kind": "Role", "name": USER},
                "subjects": [
                    {"kind": "ServiceAccount", "name": USER, "namespace": args.namespace},
                    {"apiGroup": rbac, "kind": "User", "name": USER},
                ],
            },
            "flows": policy(USER, args.namespace, part_of, {POD_LABEL: "true"}, outbound=[https()]),
        }
        return [
            entry,
            *(
                kubernetes_object(f"{self._name}-{kind}", manifest, self.child(provider=args.provider))
                for kind, manifest in manifests.items()
            ),
        ]


_RULES = [
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "delete", "get", "patch"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "delete", "deletecollection", "get", "list"]},
    {"apiGroups": [""], "resources": ["pods/ephemeralcontainers"], "verbs": ["update"]},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]},
]
"""What FIS asks for: https://docs.aws.amazon.com/fis/latest/userguide/eks-pod-actions.html."""


def _statements(args: ExperimentsArgs, log_arn: str) -> list[Statement]:
    """What the actions need beside the network's; descriptions cannot be narrowed to single resources."""
    deliveries = ["CreateLogDelivery", "DescribeLogGroups", "DescribeResourcePolicies", "PutResourcePolicy"]
    return [
        {"Effect": "Allow", "Action": "rds:RebootDBInstance", "Resource": args.database_arn},
        {"Effect": "Allow", "Action": "elasticache:InterruptClusterAzPower", "Resource": args.cache_group_arn},
        {"Effect": "Allow", "Action": "eks:DescribeCluster", "Resource": args.cluster_arn},
        {
            "Effect": "Allow",
            "Action": [
                "ec2:DescribeSubnets",
                "elasticache:DescribeReplicationGroups",
                "rds:DescribeDBInstances",
                "tag:GetResources",
                *(f"logs:{each}" for each in deliveries),
            ],
            "Resource": "*",
        },
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": log_arn,
        },
    ]
