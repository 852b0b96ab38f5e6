"""Who administers the cluster. AWS's own rule (whoever created it, for ever) is off."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from infra.errors import UserError

_ASSUMED_ROLE = re.compile(r"arn:(?P<partition>aws[a-z-]*):sts::(?P<account>\d{12}):assumed-role/(?P<role>[^/]+)/.+")
_SSO_PREFIX = "AWSReservedSSO_"


def administrators(operator_role_arns: Sequence[str], caller_arn: str) -> list[str]:
    """IAM principals of the administrators: the named operators; while there are none, whoever runs this.

    Named operators are the whole list, so that its members do not depend on who runs `pulumi up`. Who runs
    it must be one of them, or cannot make Kubernetes objects.
    """
    return list(operator_role_arns) or [principal_arn(caller_arn)]


def principal_arn(caller_arn: str) -> str:
    """IAM principal behind what STS calls the caller.

    A session of a role is `arn:aws:sts::{account}:assumed-role/{role}/{session}`, while EKS wants
    `arn:aws:iam::{account}:role/{role}` with the role's path, which STS does not tell. Roles without a path
    (the usual ones) map exactly; roles of IAM Identity Center always have one.

    Raises:
        UserError: the role's path cannot be known.
    """
    session = _ASSUMED_ROLE.fullmatch(caller_arn)
    if session is None:
        return caller_arn.replace(":sts::", ":iam::")
    role = session["role"]
    if role.startswith(_SSO_PREFIX):
        message = f"The cluster's administrator cannot be derived from {caller_arn}: the role's path is not part of it"
        mend = (
            "name it: pulumi config set --path 'headroom:operatorRoleArns[0]' "
            f'"$(aws iam get-role --role-name {role} --query Role.Arn --output text)"'
        )
        raise UserError(message, [mend])
    return f"arn:{session['partition']}:iam::{session['account']}:role/{role}"


def kubeconfig(region: str, cluster_name: str, endpoint: str, authority: str) -> str:
    """A kubeconfig that asks the AWS CLI for a token each time, so that there is no credential in it.

    Args:
        region: of the cluster.
        cluster_name: its name.
        endpoint: URL of its API.
        authority: its certificate authority, base64.
    """
    command = ["eks", "get-token", "--region", region, "--cluster-name", cluster_name, "--output", "json"]
    token = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": command,
        "interactiveMode": "Never",
    }
    cluster = {"server": endpoint, "certificate-authority-data": authority}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "eks", "cluster": cluster}],
            "users": [{"name": "eks", "user": {"exec": token}}],
            "contexts": [{"name": "eks", "context": {"cluster": "eks", "user": "eks"}}],
            "current-context": "eks",
        }
    )
