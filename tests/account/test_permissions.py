"""What the roles of the workflows may do, and whom they trust."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra import stack_file
from infra.account import permissions
from infra.account.permissions import AUDIENCE, ISSUER, PREVIEW, UP, Account, access
from infra.plan import PlannedResource, make_plan
from tests.account.iam import allowed, trusts

ROOT = Path(__file__).parents[2]
PHASES = ("10k", "50k", "250k", "1m")
ID = "123456789012"
KEY = f"arn:aws:kms:us-east-1:{ID}:key/11111111-2222-3333-4444-555555555555"
ACCOUNT = Account(ID, "aws", f"headroom-state-{ID}-us-east-1", KEY)
PROVIDER = f"arn:aws:iam::{ID}:oidc-provider/{ISSUER}"
HOME = {"aws:RequestedRegion": "us-east-1"}
OURS = {**HOME, "aws:ResourceTag/ManagedBy": "headroom"}
STATE = f"arn:aws:s3:::{ACCOUNT.bucket}"
UPS = list(permissions.up_policies(ACCOUNT).values())
PREVIEWS = [
    permissions.preview_policy(ACCOUNT),
    # The part of ReadOnlyAccess that could hurt here.
    permissions.document(
        [{"Effect": "Allow", "Action": ["s3:Get*", "s3:List*", "logs:*", "sqs:ReceiveMessage"], "Resource": "*"}]
    ),
]


@lru_cache(maxsize=1)
def _planned() -> tuple[PlannedResource, ...]:
    plans = (make_plan(stack_file.read(ROOT / f"Pulumi.{phase}.yaml")) for phase in PHASES)
    return tuple(one for plan in plans for one in plan.resources if one.type.startswith("aws:"))


def test_every_service_of_the_phases_has_its_actions_and_no_other_has() -> None:
    used = {one.type.split(":")[1].split("/")[0] for one in _planned()}
    grouped = [module for modules in permissions.TABLE_GROUPS.values() for module in modules]
    # Roles have statements of their own, which name whom they go to.
    assert set(access()) == used - {"iam"}
    assert sorted(grouped) == sorted(access())


def test_iam_takes_the_policies() -> None:
    """A managed policy has 6,144 characters at most, a role ten of them and inline ones of 10,240."""
    sizes = {
        name: len(json.dumps(one, separators=(",", ":"))) for name, one in permissions.up_policies(ACCOUNT).items()
    }
    assert len(sizes) + 1 <= 10
    assert max(sizes.values()) <= 6144
    assert len(json.dumps(permissions.preview_policy(ACCOUNT), separators=(",", ":"))) <= 10240


CLIENTS = {
    "aps": "amp",
    "elasticloadbalancing": "elbv2",
    "ses": "sesv2",
    "es": "opensearch",
}
PERMISSIONS_ONLY = {
    "apigateway:POST",
    "apigateway:PUT",
    "apigateway:PATCH",
    "apigateway:DELETE",
    "apigateway:TagResource",
    "apigateway:UntagResource",
    "backup-storage:MountCapsule",
    "budgets:ModifyBudget",
    "logs:CreateLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "s3:PutEncryptionConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:PutReplicationConfiguration",
}
"""Names that only IAM knows, from its service authorization reference (recalled)."""


def test_every_action_is_one_of_aws() -> None:
    """A misspelt action would be found by the first `up` that needs it."""
    unknown = []
    for rows in access().values():
        for row in rows:
            operations = _operations(CLIENTS.get(row.prefix, row.prefix))
            unknown += [
                f"{row.prefix}:{action}"
                for action in row.actions
                if f"{row.prefix}:{action}" not in PERMISSIONS_ONLY
                and not any(fnmatchcase(operation, action) for operation in operations)
            ]
    assert unknown == []


@lru_cache(maxsize=64)
def _operations(service: str) -> tuple[str, ...]:
    if service == "backup-storage":
        return ()
    return tuple(boto3.client(service, region_name="us-east-1").meta.service_model.operation_names)


ALLOWED = [
    ("rds:CreateDBInstance", "*", OURS),
    ("rds:DeleteDBInstance", f"arn:aws:rds:us-east-1:{ID}:db:headroom-prod-us-east-1-db-0", OURS),
    ("s3:PutBucketVersioning", "arn:aws:s3:::headroom-prod-us-east-1-uploads-1", HOME),
    ("iam:CreateRole", ACCOUNT.role("headroom-prod-us-east-1-app-api"), {}),
    (
        "iam:PassRole",
        ACCOUNT.role("headroom-prod-us-east-1-cluster-cluster"),
        {"iam:PassedToService": "eks.amazonaws.com"},
    ),
    ("s3:PutObject", f"{STATE}/.pulumi/stacks/headroom/prod.json", HOME),
    ("s3:DeleteObject", f"{STATE}/.pulumi/locks/organization/headroom/prod/1.json", HOME),
    ("kms:GenerateDataKey", KEY, HOME),
]
REFUSED = [
    ("rds:CreateDBInstance", "*", {"aws:RequestedRegion": "sa-east-1"}),
    ("rds:DeleteDBInstance", f"arn:aws:rds:us-east-1:{ID}:db:others", HOME),
    ("kms:ScheduleKeyDeletion", f"arn:aws:kms:us-east-1:{ID}:key/others", HOME),
    ("kms:ScheduleKeyDeletion", KEY, OURS),
    ("s3:DeleteBucket", "arn:aws:s3:::others", HOME),
    ("s3:DeleteBucket", STATE, HOME),
    ("s3:PutBucketVersioning", STATE, HOME),
    ("s3:PutLifecycleConfiguration", STATE, HOME),
    ("s3:DeleteObjectVersion", f"{STATE}/.pulumi/stacks/headroom/prod.json", HOME),
    ("iam:CreateRole", ACCOUNT.role("admin"), {}),
    ("iam:PutRolePolicy", ACCOUNT.role(UP), {}),
    ("iam:UpdateAssumeRolePolicy", ACCOUNT.role(UP), {}),
    ("iam:UpdateAssumeRolePolicy", ACCOUNT.role(PREVIEW), {}),
    ("iam:AttachRolePolicy", ACCOUNT.role(PREVIEW), {"iam:PolicyARN": ACCOUNT.managed("AmazonEKSClusterPolicy")}),
    (
        "iam:AttachRolePolicy",
        ACCOUNT.role("headroom-prod-app"),
        {"iam:PolicyARN": ACCOUNT.managed("AdministratorAccess")},
    ),
    ("iam:PassRole", ACCOUNT.role("admin"), {"iam:PassedToService": "lambda.amazonaws.com"}),
    ("iam:PassRole", ACCOUNT.role("headroom-prod-app"), {"iam:PassedToService": "sagemaker.amazonaws.com"}),
    ("iam:CreateUser", f"arn:aws:iam::{ID}:user/x", {}),
    ("iam:CreateAccessKey", f"arn:aws:iam::{ID}:user/x", {}),
    ("iam:CreatePolicyVersion", ACCOUNT.policy(f"{UP}-data"), {}),
    ("iam:UpdateOpenIDConnectProviderThumbprint", PROVIDER, {}),
    ("sts:AssumeRole", ACCOUNT.role("admin"), {}),
    ("ec2:RunInstances", "*", HOME),
    ("organizations:LeaveOrganization", "*", HOME),
]


@pytest.mark.parametrize(("action", "resource", "context"), ALLOWED)
def test_up_may_do_what_it_has_to(action: str, resource: str, context: dict[str, str]) -> None:
    assert allowed(UPS, action, resource, context)


@pytest.mark.parametrize(("action", "resource", "context"), REFUSED)
def test_up_may_not_do_more(action: str, resource: str, context: dict[str, str]) -> None:
    assert not allowed(UPS, action, resource, context)


def test_up_may_attach_and_pass_what_the_phases_attach_and_pass() -> None:
    role = ACCOUNT.role("headroom-prod-app")
    attached = {
        str(one.inputs["policyArn"])
        for one in _planned()
        if one.type == "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    }
    assert len(attached) > 10
    assert [arn for arn in attached if not allowed(UPS, "iam:AttachRolePolicy", role, {"iam:PolicyARN": arn})] == []
    services = {
        service
        for one in _planned()
        if one.type == "aws:iam/role:Role"
        for statement in json.loads(one.inputs["assumeRolePolicy"])["Statement"]
        for service in [statement["Principal"].get("Service")]
        if service
    }
    assert len(services) > 10
    assert services <= set(permissions.PASSED_TO)


def test_every_named_bucket_role_and_queue_of_the_phases_is_in_reach() -> None:
    """What the program names is what the statements are about."""
    actions: dict[str, tuple[str, str, str]] = {
        "aws:iam/role:Role": ("name", "iam:CreateRole", ACCOUNT.role("{}")),
        "aws:s3/bucket:Bucket": ("bucket", "s3:CreateBucket", "arn:aws:s3:::{}"),
        "aws:sqs/queue:Queue": ("name", "sqs:CreateQueue", f"arn:aws:sqs:us-east-1:{ID}:{{}}"),
        "aws:sns/topic:Topic": ("name", "sns:CreateTopic", f"arn:aws:sns:us-east-1:{ID}:{{}}"),
        "aws:secretsmanager/secret:Secret": (
            "name",
            "secretsmanager:CreateSecret",
            f"arn:aws:secretsmanager:us-east-1:{ID}:secret:{{}}-AbCdEf",
        ),
        "aws:lambda/function:Function": (
            "name",
            "lambda:CreateFunction",
            f"arn:aws:lambda:us-east-1:{ID}:function:{{}}",
        ),
        "aws:cloudwatch/metricAlarm:MetricAlarm": (
            "name",
            "cloudwatch:PutMetricAlarm",
            f"arn:aws:cloudwatch:us-east-1:{ID}:alarm:{{}}",
        ),
        "aws:cloudwatch/eventRule:EventRule": ("name", "events:PutRule", f"arn:aws:events:us-east-1:{ID}:rule/{{}}"),
        "aws:ecr/repository:Repository": (
            "name",
            "ecr:CreateRepository",
            f"arn:aws:ecr:us-east-1:{ID}:repository/{{}}",
        ),
        "aws:kinesis/stream:Stream": ("name", "kinesis:CreateStream", f"arn:aws:kinesis:us-east-1:{ID}:stream/{{}}"),
        "aws:opensearch/domain:Domain": ("domainName", "es:CreateDomain", f"arn:aws:es:us-east-1:{ID}:domain/{{}}"),
        "aws:synthetics/canary:Canary": (
            "name",
            "synthetics:CreateCanary",
            f"arn:aws:synthetics:us-east-1:{ID}:canary:{{}}",
        ),
        "aws:athena/workgroup:Workgroup": (
            "name",
            "athena:CreateWorkGroup",
            f"arn:aws:athena:us-east-1:{ID}:workgroup/{{}}",
        ),
        "aws:cloudtrail/trail:Trail": (
            "name",
            "cloudtrail:CreateTrail",
            f"arn:aws:cloudtrail:us-east-1:{ID}:trail/{{}}",
        ),
        "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream": (
            "name",
            "firehose:CreateDeliveryStream",
            f"arn:aws:firehose:us-east-1:{ID}:deliverystream/{{}}",
        ),
    }
    seen: dict[str, int] = dict.fromkeys(actions, 0)
    for one in _planned():
        if one.type in actions:
            name, action, arn = actions[one.type]
            seen[one.type] += 1
            assert allowed(UPS, action, arn.format(one.inputs[name]), HOME), one.urn
    assert min(seen.values()) > 0


@pytest.mark.parametrize(
    ("action", "resource", "expected"),
    [
        ("s3:GetObject", f"{STATE}/.pulumi/stacks/headroom/prod.json", True),
        ("s3:ListBucket", STATE, True),
        ("kms:Decrypt", KEY, True),
        ("s3:PutObject", f"{STATE}/.pulumi/stacks/headroom/prod.json", False),
        ("s3:DeleteObject", f"{STATE}/.pulumi/stacks/headroom/prod.json", False),
        ("kms:Encrypt", KEY, False),
        ("s3:GetObject", "arn:aws:s3:::headroom-prod-us-east-1-uploads-1/photo.jpg", False),
        ("s3:GetObject", "arn:aws:s3:::others/file", False),
        ("logs:GetLogEvents", "*", False),
        ("sqs:ReceiveMessage", "*", False),
        ("iam:CreateRole", ACCOUNT.role("headroom-x"), False),
        (
            "secretsmanager:GetSecretValue",
            f"arn:aws:secretsmanager:us-east-1:{ID}:secret:headroom-prod-db-AbCdEf",
            True,
        ),
        ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:us-east-1:{ID}:secret:others-AbCdEf", False),
    ],
)
def test_preview_reads_settings_and_state_and_nothing_of_the_users(action: str, resource: str, expected: bool) -> None:
    assert allowed(PREVIEWS, action, resource, HOME) is expected


def _token(subject: str, audience: str = AUDIENCE) -> dict[str, str]:
    return {"aud": audience, "sub": subject}


TRUST = permissions.trust(ACCOUNT, "acme/headroom", ["prod", "staging"])


@pytest.mark.parametrize("environment", ["prod", "staging"])
def test_a_job_of_the_repository_in_the_environment_is_trusted(environment: str) -> None:
    assert trusts(TRUST, PROVIDER, _token(f"repo:acme/headroom:environment:{environment}"))


@pytest.mark.parametrize(
    "claims",
    [
        _token("repo:mallory/headroom:environment:prod"),
        _token("repo:mallory/acme-headroom:environment:prod"),
        _token("repo:acme/headroom-2:environment:prod"),
        _token("repo:acme/headroom:environment:preview"),
        _token("repo:acme/headroom:environment:prod2"),
        _token("repo:acme/headroom:ref:refs/heads/main"),
        _token("repo:acme/headroom:ref:refs/heads/feature"),
        _token("repo:acme/headroom:pull_request"),
        _token("repo:ACME/headroom:environment:prod"),
        _token("repo:acme/headroom:environment:prod", audience="https://github.com/acme"),
        {"sub": "repo:acme/headroom:environment:prod"},
        {"aud": AUDIENCE},
    ],
    ids=lambda claims: f"{claims.get('sub')} {claims.get('aud')}",
)
def test_forks_branches_pull_requests_and_other_audiences_are_not_trusted(claims: dict[str, str]) -> None:
    assert not trusts(TRUST, PROVIDER, claims)


def test_another_provider_of_identities_is_not_trusted() -> None:
    claims: dict[str, Any] = _token("repo:acme/headroom:environment:prod")
    assert not trusts(TRUST, f"arn:aws:iam::{ID}:oidc-provider/example.com", claims)
