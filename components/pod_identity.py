"""AWS access of pods: one IAM role a service account, given through EKS Pod Identity."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.component import Component
from components.documents import Statement, trust


def pod_identity(
    component: Component,
    name: str,
    *,
    cluster_name: pulumi.Input[str],
    account_id: str,
    namespace: pulumi.Input[str],
    service_account: str,
    statements: Sequence[Statement],
) -> aws.eks.PodIdentityAssociation:
    """Let pods of `service_account` do what `statements` allow, and nothing else.

    EKS Auto Mode brings the agent. A pod that started before its association exists never gets
    credentials, so pods depend on what this returns.

    Args:
        component: parent; its names make the role's.
        name: logical name, region first.
        cluster_name: EKS cluster.
        account_id: whose cluster may assume the role.
        namespace: of the service account.
        service_account: its name.
        statements: of the role's policy; ARNs in them may be outputs.
    """
    role = aws.iam.Role(
        name,
        name=component.site.names.of("role", name),
        description=f"Pods of service account {service_account}.",
        assume_role_policy=trust(
            "pods.eks.amazonaws.com", account_id=account_id, actions=("sts:AssumeRole", "sts:TagSession")
        ),
        opts=component.child(),
    )
    policy = aws.iam.RolePolicy(
        name,
        name=name,
        role=role.name,
        policy=pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)}),
        opts=component.child(),
    )
    return aws.eks.PodIdentityAssociation(
        name,
        cluster_name=cluster_name,
        namespace=namespace,
        service_account=service_account,
        role_arn=role.arn,
        opts=component.child(depends_on=[policy]),
    )
