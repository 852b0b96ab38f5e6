"""EKS in Auto Mode: nodes, pod networking, load-balancer controller and block storage are AWS's work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from components.cluster_access import administrators, kubeconfig
from components.cluster_nodes import NODE_CLASS, Capacity, node_class, node_pool
from components.component import Component, DataClass, Site
from components.documents import document, trust
from components.namespace import SERVICE_CIDR
from components.raw import KubernetesObject, kubernetes_object
from stacks.phase import Compute

KUBERNETES_VERSION = "1.35"
"""In standard support until March 2027 (EKS release calendar as of April 2026). One minor a step, never down."""
METRICS_SERVER_VERSION = "v0.8.1-eksbuild.5"
"""As public repositories pin it for Kubernetes 1.31 to 1.35; it was not installed here. What a cluster offers:
`aws eks describe-addon-versions --addon-name metrics-server --kubernetes-version 1.35`."""
LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
CLUSTER_POLICIES = (
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
)
"""What Auto Mode needs (EKS user guide, "Learn about identity and access in EKS Auto Mode")."""
NODE_POLICIES = ("AmazonEC2ContainerRegistryPullOnly", "AmazonEKSWorkerNodeMinimalPolicy")
ACCESS_POLICIES = "arn:aws:eks::aws:cluster-access-policy"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterArgs:
    """One region's cluster.

    Attributes:
        compute: the phase's pods, which bound the nodes.
        subnet_ids: the private subnets, for nodes, pods and the control plane's interfaces.
        key_arn: KMS key of Kubernetes secrets, the control plane's log and the nodes' disks.
        operator_role_arns: IAM roles that administer the cluster.
        caller_arn: who runs this program, as STS tells; administers the cluster while no operator is named.
        access_cidrs: addresses that may reach the API endpoint from outside; none keeps it private.
    """

    compute: Compute
    subnet_ids: Sequence[pulumi.Input[str]]
    key_arn: pulumi.Input[str]
    operator_role_arns: Sequence[str]
    caller_arn: str
    access_cidrs: Sequence[str]


class Cluster(Component):
    """The control plane, its roles, log, administrators, metrics server, and arm64 node pools.

    What EKS cannot change later is in its final shape: name, role, service range, authentication by API
    only, no administrator that AWS adds by itself. AWS's built-in node pools are off: they are partly
    x86, and the NodeClass they use is out of our hands.
    """

    KIND: ClassVar[str] = "compute:Cluster"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    name: pulumi.Output[str]
    arn: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    """The group of all nodes and pods, made by EKS."""
    provider: kubernetes.Provider
    """Ready to use: it waits for the administrators."""
    node_pools: Sequence[KubernetesObject]

    def __init__(self, name: str, site: Site, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the cluster."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        self._physical_name = site.names.of("cluster", name)
        node_role, node_attachments = self._create_node_role()
        cluster = self._create_cluster()
        access = [*self._admit_administrators(cluster), self._admit_nodes(cluster, node_role)]

        self.name = cluster.name
        self.arn = cluster.arn
        # With the ARN, so that it is unknown until the cluster stands: EKS adds the group to what we send.
        group_id = cluster.vpc_config.apply(lambda config: config.cluster_security_group_id or "")
        self.security_group_id = pulumi.Output.all(cluster.arn, group_id).apply(lambda known: known[1])
        self.provider = self._create_provider(cluster, access)
        policies = self._enable_network_policies()
        self.node_pools = self._create_node_pools(node_role, node_attachments, policies)
        self._create_metrics_server(cluster, self.node_pools)
        self.register_outputs({"name": self.name, "arn": self.arn, "security_group_id": self.security_group_id})

    def _create_cluster(self) -> aws.eks.Cluster:
        log_group = self._create_log_group()
        role, attachments = self._create_cluster_role()
        return aws.eks.Cluster(
            self._name,
            name=self._physical_name,
            role_arn=role.arn,
            version=KUBERNETES_VERSION,
            access_config=aws.eks.ClusterAccessConfigArgs(
                authentication_mode="API", bootstrap_cluster_creator_admin_permissions=False
            ),
            bootstrap_self_managed_addons=False,
            # EKS refuses a node role without built-in pools; ours is named by the NodeClass.
            # https://github.com/terraform-aws-modules/terraform-aws-eks/issues/3238
            compute_config=aws.eks.ClusterComputeConfigArgs(enabled=True, node_pools=[]),
            kubernetes_network_config=aws.eks.ClusterKubernetesNetworkConfigArgs(
                elastic_load_balancing=aws.eks.ClusterKubernetesNetworkConfigElasticLoadBalancingArgs(enabled=True),
                ip_family="ipv4",
                service_ipv4_cidr=SERVICE_CIDR,
            ),
            storage_config=aws.eks.ClusterStorageConfigArgs(
                block_storage=aws.eks.ClusterStorageConfigBlockStorageArgs(enabled=True)
            ),
            vpc_config=aws.eks.ClusterVpcConfigArgs(
                subnet_ids=self._args.subnet_ids,
                endpoint_private_access=True,
                endpoint_public_access=bool(self._args.access_cidrs),
                public_access_cidrs=list(self._args.access_cidrs) or None,
            ),
            encryption_config=aws.eks.ClusterEncryptionConfigArgs(
                provider=aws.eks.ClusterEncryptionConfigProviderArgs(key_arn=self._args.key_arn),
                resources=["secrets"],
            ),
            enabled_cluster_log_types=list(LOG_TYPES),
            upgrade_policy=aws.eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
            zonal_shift_config=aws.eks.ClusterZonalShiftConfigArgs(enabled=True),
            deletion_protection=self.site.protected,
            opts=self.stateful(depends_on=[log_group, *attachments], custom_timeouts=_TIMEOUTS),
        )

    def _create_log_group(self) -> aws.cloudwatch.LogGroup:
        """Made before EKS would make it itself, without retention and in the clear."""
        return aws.cloudwatch.LogGroup(
            f"{self._name}-log",
            name=f"/aws/eks/{self._physical_name}/cluster",
            retention_in_days=90,
            kms_key_id=self._args.key_arn,
            opts=self.child(),
        )

    def _create_cluster_role(self) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
        """Auto Mode also encrypts the nodes' disks as this role: https://docs.aws.amazon.com/eks/latest/userguide/auto-kms.html."""
        role, attachments = self._create_role(
            "cluster", trust("eks.amazonaws.com", actions=("sts:AssumeRole", "sts:TagSession")), CLUSTER_POLICIES
        )
        use = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
        grants = ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"]
        policy = aws.iam.RolePolicy(
            f"{self._name}-cluster-key",
            name=f"{self._name}-cluster-key",
            role=role.name,
            policy=pulumi.Output.from_input(self._args.key_arn).apply(
                lambda key: document(
                    {"Effect": "Allow", "Action": use, "Resource": key},
                    {
                        "Effect": "Allow",
                        "Action": grants,
                        "Resource": key,
                        "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
                    },
                )
            ),
            opts=self.child(),
        )
        return role, [*attachments, policy]

    def _create_node_role(self) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
        """No more than joining the cluster and pulling images; pods have roles of their own."""
        return self._create_role("node", trust("ec2.amazonaws.com"), NODE_POLICIES)

    def _create_role(
        self, kind: str, assume_role_policy: str, policies: Sequence[str]
    ) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
        name = f"{self._name}-{kind}"
        role = aws.iam.Role(
            name,
            name=self.site.names.of("role", name),
            assume_role_policy=assume_role_policy,
            opts=self.stateful(),
        )
        attachments: list[pulumi.Resource] = [
            aws.iam.RolePolicyAttachment(
                f"{name}-{policy}", role=role.name, policy_arn=f"arn:aws:iam::aws:policy/{policy}", opts=self.child()
            )
            for policy in policies
        ]
        return role, attachments

    def _admit_administrators(self, cluster: aws.eks.Cluster) -> list[pulumi.Resource]:
        """Replaced delete-first, since EKS holds one entry a principal and the list may be reordered."""
        principals = administrators(self._args.operator_role_arns, self._args.caller_arn)
        return [
            self._admit(f"{self._name}-operator-{index}", cluster, principal, "STANDARD", "AmazonEKSClusterAdminPolicy")
            for index, principal in enumerate(principals)
        ]

    def _admit_nodes(self, cluster: aws.eks.Cluster, role: aws.iam.Role) -> pulumi.Resource:
        """EKS does this only for the built-in pools."""
        return self._admit(f"{self._name}-nodes", cluster, role.arn, "EC2", "AmazonEKSAutoNodePolicy")

    def _admit(
        self, name: str, cluster: aws.eks.Cluster, principal: pulumi.Input[str], kind: str, policy: str
    ) -> pulumi.Resource:
        entry = aws.eks.AccessEntry(
            name,
            cluster_name=cluster.name,
            principal_arn=principal,
            type=kind,
            opts=self.child(delete_before_replace=True),
        )
        return aws.eks.AccessPolicyAssociation(
            name,
            cluster_name=cluster.name,
            principal_arn=entry.principal_arn,
            policy_arn=f"{ACCESS_POLICIES}/{policy}",
            access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
            opts=self.child(delete_before_replace=True),
        )

    def _create_provider(self, cluster: aws.eks.Cluster, access: Sequence[pulumi.Resource]) -> kubernetes.Provider:
        """Identified by the cluster's ARN: by its kubeconfig, each unknown would plan to replace every object.

        https://github.com/pulumi/pulumi-kubernetes/pull/2745. ConfigMaps and Secrets may be changed in place:
        replaced under a fixed name, they would be gone for a moment.
        """
        authority = cluster.certificate_authority.apply(lambda known: known.data or "")
        known = pulumi.Output.all(cluster.name, cluster.endpoint, authority)
        return kubernetes.Provider(
            f"{self.site.region}-kubernetes",
            kubeconfig=known.apply(lambda got: kubeconfig(self.site.region, got[0], got[1], got[2])),
            cluster_identifier=cluster.arn,
            enable_server_side_apply=True,
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            opts=self.child(depends_on=list(access)),
        )

    def _enable_network_policies(self) -> KubernetesObject:
        """Auto Mode ignores NetworkPolicies until this object exists (EKS user guide, "Use Network Policies").

        Before the nodes: a public repository reports that on nodes older than this object what a policy allows stays
        shut until they are recycled. AWS's guide does not say so, and it was not tried (unverified).
        """
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "amazon-vpc-cni", "namespace": "kube-system"},
            "data": {"enable-network-policy-controller": "true"},
        }
        return kubernetes_object(f"{self._name}-network-policies", manifest, self.child(provider=self.provider))

    def _create_node_pools(
        self, role: aws.iam.Role, attachments: list[pulumi.Resource], policies: pulumi.Resource
    ) -> list[KubernetesObject]:
        manifest = node_class(
            role_name=role.name,
            subnet_ids=self._args.subnet_ids,
            security_group_id=self.security_group_id,
            key_arn=self._args.key_arn,
        )
        nodes = kubernetes_object(
            f"{self._name}-{NODE_CLASS}", manifest, self.child(provider=self.provider, depends_on=attachments)
        )
        kinds: Sequence[Capacity] = ("on-demand", "spot") if self._args.compute.spot else ("on-demand",)
        return [
            kubernetes_object(
                f"{self._name}-{kind}",
                node_pool(kind, self._args.compute),
                self.child(provider=self.provider, depends_on=[nodes, policies]),
            )
            for kind in kinds
        ]

    def _create_metrics_server(self, cluster: aws.eks.Cluster, pools: Sequence[pulumi.Resource]) -> None:
        """The autoscalers read it. After the node pools: without nodes it never becomes active, and EKS says failed."""
        aws.eks.Addon(
            f"{self._name}-metrics-server",
            cluster_name=cluster.name,
            addon_name="metrics-server",
            addon_version=METRICS_SERVER_VERSION,
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            opts=self.child(depends_on=list(pools)),
        )


_TIMEOUTS = pulumi.CustomTimeouts(create="45m", update="90m", delete="30m")
"""A minor upgrade of the control plane alone may take an hour."""
