"""What each role of the workflows may do, from a table of the services that the phases use."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from infra.cidr import REGIONS
from infra.naming import PROJECT

Statement = dict[str, Any]

DATA: Final = Path(__file__).with_name("permissions.json")
ISSUER: Final = "token.actions.githubusercontent.com"
AUDIENCE: Final = "sts.amazonaws.com"
PREVIEW, UP, PRICES = f"{PROJECT}-preview", f"{PROJECT}-up", f"{PROJECT}-prices"
OURS: Final = f"{PROJECT}-*"
"""Every physical name begins like this (`infra.naming`)."""


@dataclass(frozen=True, slots=True)
class Access:
    """What `pulumi up` may do in one service.

    Attributes:
        prefix: the service's name in IAM.
        actions: without the prefix.
        resources: ARNs; `{account}` and `{partition}` are filled in. Everything, where AWS or Pulumi names the objects.
        worldwide: the service knows no regions, or is called in us-east-1 alone.
    """

    prefix: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    worldwide: bool


@lru_cache(maxsize=1)
def access() -> Mapping[str, tuple[Access, ...]]:
    """By the module of Pulumi's type tokens.

    Which calls the provider makes is recalled from the AWS provider's source: what is missing ends an `up` with
    AccessDenied, and is added to the table.
    """
    rows = json.loads(DATA.read_text(encoding="utf-8"))
    modules = dict.fromkeys(row["module"] for row in rows)
    return {
        module: tuple(
            Access(row["service"], tuple(row["actions"]), tuple(row["resources"]), row["worldwide"])
            for row in rows
            if row["module"] == module
        )
        for module in modules
    }


PASSED_TO: Final = (
    "backup.amazonaws.com",
    "ec2.amazonaws.com",
    "eks.amazonaws.com",
    "events.amazonaws.com",
    "export.rds.amazonaws.com",
    "firehose.amazonaws.com",
    "fis.amazonaws.com",
    "grafana.amazonaws.com",
    "lambda.amazonaws.com",
    "monitoring.rds.amazonaws.com",
    "pods.eks.amazonaws.com",
    "rds.amazonaws.com",
    "s3.amazonaws.com",
    "synthetics.amazonaws.com",
    "vpc-flow-logs.amazonaws.com",
)
"""Services that a role may be handed to."""
ATTACHED: Final = (
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonEKS*Policy",
    "AWSXray*OnlyAccess",
    "CloudWatchAgentServerPolicy",
    "AWSBackupServiceRolePolicyFor*",
    "service-role/AWSBackupServiceRolePolicyFor*",
    "service-role/AWSFaultInjectionSimulatorNetworkAccess",
    "service-role/AmazonGrafanaCloudWatchAccess",
    "service-role/AmazonRDSEnhancedMonitoringRole",
)
"""AWS's own policies that a role of the stack may have."""
DESTROYS: Final = (
    "ec2:DeleteVpc",
    "eks:DeleteCluster",
    "elasticache:DeleteReplicationGroup",
    "kms:DisableKey",
    "kms:ScheduleKeyDeletion",
    "rds:DeleteDBInstance",
    "secretsmanager:DeleteSecret",
)
"""Only on what wears the program's tag; each of these knows `aws:ResourceTag`."""
ROLE_ACTIONS: Final = (
    "CreateRole",
    "DeleteRole",
    "UpdateRole",
    "UpdateAssumeRolePolicy",
    "PutRolePolicy",
    "DeleteRolePolicy",
    "TagRole",
    "UntagRole",
)
"""On roles of the stack. Their own policies are not bounded: whoever deploys can write any into a role of that name, so
the account is the limit."""
STATE_LOSSES: Final = (
    "s3:DeleteBucket*",
    "s3:PutBucket*",
    "s3:PutEncryptionConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:DeleteObjectVersion",
)
"""What the versions of the state would not survive."""
DATA_READS: Final = (
    "athena:GetQueryResults*",
    "kinesis:GetRecords",
    "logs:FilterLogEvents",
    "logs:GetLogEvents",
    "logs:GetQueryResults",
    "logs:StartQuery",
    "rds:DownloadDBLogFilePortion",
    "sqs:ReceiveMessage",
)
"""What `ReadOnlyAccess` would show of the users' data, besides files."""
TABLE_GROUPS: Final = {
    "network": ("acm", "apigatewayv2", "cloudfront", "ec2", "lb", "route53", "vpc", "wafv2"),
    "data": ("athena", "backup", "elasticache", "glue", "kinesis", "kms", "opensearch", "rds", "s3", "secretsmanager"),
    "compute": ("ecr", "eks", "fis", "lambda", "sesv2", "sns", "sqs", "synthetics"),
    "operations": ("amp", "budgets", "cloudtrail", "cloudwatch", "costexplorer", "grafana", "guardduty", "xray"),
}
"""One managed policy each: 6,144 characters is IAM's limit for one.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""


@dataclass(frozen=True, slots=True)
class Account:
    """Where the roles are.

    Attributes:
        id: twelve digits.
        partition: `aws`, mostly.
        bucket: of the state.
        key_arn: of the key.
    """

    id: str
    partition: str
    bucket: str
    key_arn: str

    def role(self, name: str) -> str:
        """ARN of a role."""
        return f"arn:{self.partition}:iam::{self.id}:role/{name}"

    def policy(self, name: str) -> str:
        """ARN of a customer-managed policy."""
        return f"arn:{self.partition}:iam::{self.id}:policy/{name}"

    def managed(self, name: str) -> str:
        """ARN of a policy of AWS."""
        return f"arn:{self.partition}:iam::aws:policy/{name}"


def document(statements: Sequence[Statement]) -> dict[str, Any]:
    """A policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def up_policies(account: Account) -> dict[str, dict[str, Any]]:
    """The managed policies of the role that deploys, by name."""
    policies = {
        f"{UP}-{group}": document(_merged([one for name in names for one in access()[name]], account))
        for group, names in TABLE_GROUPS.items()
    }
    policies[f"{UP}-identity"] = document([*_state(account, write=True), *_identity(account), *_never(account)])
    return policies


def _merged(accesses: Sequence[Access], account: Account) -> list[Statement]:
    """One statement for all that goes for the same resources and regions."""
    together: dict[tuple[tuple[str, ...], bool], list[str]] = {}
    for one in accesses:
        actions = together.setdefault((one.resources, one.worldwide), [])
        actions += [f"{one.prefix}:{action}" for action in one.actions]
    return [
        {
            "Effect": "Allow",
            "Action": sorted(set(actions)),
            "Resource": [arn.format(account=account.id, partition=account.partition) for arn in resources],
            **({} if worldwide else {"Condition": {"StringEquals": {"aws:RequestedRegion": list(REGIONS)}}}),
        }
        for (resources, worldwide), actions in together.items()
    ]


def _state(account: Account, *, write: bool) -> list[Statement]:
    """The state's files, and the key that its secrets are encrypted with.

    A preview takes no lock, so who only previews writes nothing:
    https://github.com/pulumi/pulumi/blob/v3.255.0/pkg/backend/diy/backend.go.
    """
    bucket = f"arn:{account.partition}:s3:::{account.bucket}"
    files = ["s3:GetObject", *(("s3:PutObject", "s3:DeleteObject") if write else ())]
    uses = ["kms:Decrypt", *(("kms:Encrypt", "kms:GenerateDataKey") if write else ())]
    return [
        {"Sid": "StateList", "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": bucket},
        {"Sid": "State", "Effect": "Allow", "Action": files, "Resource": f"{bucket}/.pulumi/*"},
        {"Sid": "StateKey", "Effect": "Allow", "Action": uses, "Resource": account.key_arn},
    ]


def _identity(account: Account) -> list[Statement]:
    roles = account.role(OURS)
    return [
        {
            "Sid": "Roles",
            "Effect": "Allow",
            "Action": [f"iam:{action}" for action in ROLE_ACTIONS],
            "Resource": roles,
        },
        {
            "Sid": "Attach",
            "Effect": "Allow",
            "Action": ["iam:AttachRolePolicy", "iam:DetachRolePolicy"],
            "Resource": roles,
            "Condition": {"ArnLike": {"iam:PolicyARN": [account.managed(name) for name in ATTACHED]}},
        },
        {
            "Sid": "Pass",
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": roles,
            "Condition": {"StringEquals": {"iam:PassedToService": list(PASSED_TO)}},
        },
        {
            "Sid": "ServiceLinked",
            "Effect": "Allow",
            "Action": "iam:CreateServiceLinkedRole",
            "Resource": f"arn:{account.partition}:iam::{account.id}:role/aws-service-role/*",
        },
    ]


def _never(account: Account) -> list[Statement]:
    """What no other statement may allow: to change the workflows' own roles, to lose the state or others' things."""
    own = [account.role(name) for name in (PREVIEW, UP, PRICES)]
    return [
        {
            "Sid": "NeverItself",
            "Effect": "Deny",
            "Action": ["iam:*Role", "iam:*RolePolicy", "iam:UpdateAssumeRolePolicy"],
            "Resource": own,
        },
        {
            "Sid": "NeverTheState",
            "Effect": "Deny",
            "Action": list(STATE_LOSSES),
            "Resource": [
                f"arn:{account.partition}:s3:::{account.bucket}",
                f"arn:{account.partition}:s3:::{account.bucket}/*",
            ],
        },
        {
            "Sid": "NeverTheKey",
            "Effect": "Deny",
            "Action": ["kms:ScheduleKeyDeletion", "kms:DisableKey*", "kms:PutKeyPolicy", "kms:CreateGrant"],
            "Resource": account.key_arn,
        },
        {
            "Sid": "NeverOthers",
            "Effect": "Deny",
            "Action": list(DESTROYS),
            "Resource": "*",
            "Condition": {"StringNotEquals": {"aws:ResourceTag/ManagedBy": PROJECT}},
        },
    ]


def preview_policy(account: Account) -> dict[str, Any]:
    """Besides `ReadOnlyAccess`: the state, and the secrets that a refresh reads; not the users' data.

    Whoever decrypts the state reads the same secrets there.
    """
    code = f"arn:{account.partition}:s3:::{PROJECT}-*-canary-artifacts-*/*"
    return document(
        [
            *_state(account, write=False),
            {
                "Sid": "Secrets",
                "Effect": "Allow",
                "Action": "secretsmanager:GetSecretValue",
                "Resource": f"arn:{account.partition}:secretsmanager:*:{account.id}:secret:{OURS}",
            },
            {
                "Sid": "SecretsKeys",
                "Effect": "Allow",
                "Action": "kms:Decrypt",
                "Resource": "*",
                "Condition": {
                    "StringEquals": {"aws:ResourceTag/ManagedBy": PROJECT},
                    "StringLike": {"kms:ViaService": "secretsmanager.*.amazonaws.com"},
                },
            },
            {
                "Sid": "NoFiles",
                "Effect": "Deny",
                "Action": ["s3:GetObject", "s3:GetObjectVersion"],
                "NotResource": [f"arn:{account.partition}:s3:::{account.bucket}/.pulumi/*", code],
            },
            {
                "Sid": "NoData",
                "Effect": "Deny",
                "Action": list(DATA_READS),
                "Resource": "*",
            },
        ]
    )


def prices_policy() -> dict[str, Any]:
    """The public price list, which takes a signature all the same."""
    return document([{"Effect": "Allow", "Action": "pricing:GetProducts", "Resource": "*"}])


def trust(account: Account, repository: str, environments: Sequence[str]) -> dict[str, Any]:
    """Who takes a role on: jobs of one repository in these environments, which GitHub guards.

    Without an exact `sub` any repository of GitHub could; a fork's job has the fork's name there, or no token at all.
    https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws
    """
    subjects = [f"repo:{repository}:environment:{environment}" for environment in environments]
    provider = f"arn:{account.partition}:iam::{account.id}:oidc-provider/{ISSUER}"
    claims = {f"{ISSUER}:aud": AUDIENCE, f"{ISSUER}:sub": subjects if len(subjects) > 1 else subjects[0]}
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": claims},
    }
    return document([statement])
