"""Rights: nobody has all, nobody can take more, nobody decrypts everything, and nobody is a user.

A policy that names what only AWS knows is one unknown text in a preview, and is judged during the update.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

from policies.rule import Level, Rules, Severity
from policies.view import Resource, documents, each, listed

RULES = Rules()
ROLE = "aws:iam/role:Role"
POLICIES: Final = (
    "aws:iam/groupPolicy:GroupPolicy",
    "aws:iam/policy:Policy",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/userPolicy:UserPolicy",
    ROLE,
)
"""What has rights written in it; a role in `inlinePolicies`."""
ATTACHMENTS: Final = (
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
    "aws:iam/policyAttachment:PolicyAttachment",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment",
    ROLE,
)
"""What takes rights that AWS wrote; a role in `managedPolicyArns`."""
USERS: Final = (
    "aws:iam/accessKey:AccessKey",
    "aws:iam/user:User",
    "aws:iam/userLoginProfile:UserLoginProfile",
)

ADMINISTRATION: Final = ("AdministratorAccess", "IAMFullAccess", "PowerUserAccess")
"""Managed policies that give everything, or the means to get it."""
ESCALATION: Final = (
    "iam:addusertogroup",
    "iam:attachgrouppolicy",
    "iam:attachrolepolicy",
    "iam:attachuserpolicy",
    "iam:createaccesskey",
    "iam:createloginprofile",
    "iam:createpolicyversion",
    "iam:passrole",
    "iam:putgrouppolicy",
    "iam:putrolepolicy",
    "iam:putuserpolicy",
    "iam:setdefaultpolicyversion",
    "iam:updateassumerolepolicy",
    "iam:updateloginprofile",
    "sts:assumerole",
)
"""Actions that, on any resource, end in the account's highest rights."""
DATA: Final = (
    "dynamodb:getitem",
    "dynamodb:query",
    "dynamodb:scan",
    "kinesis:getrecords",
    "rds-db:connect",
    "s3:getobject",
    "secretsmanager:getsecretvalue",
    "sqs:receivemessage",
    "ssm:getparameter",
    "ssm:getparameters",
    "ssm:getparametersbypath",
)
"""Actions that read what is stored; `kms:Decrypt` has a rule of its own."""
DECRYPTION: Final = ("kms:decrypt", "kms:reencryptfrom")
READING: Final = re.compile(r"[^:]+:(batchget|describe|get|list|lookup|query|search|view)")
WITHOUT_RESOURCE: Final = (
    "ec2:createnetworkinterface",
    "ec2:createnetworkinterfacepermission",
    "ec2:deletenetworkinterface",
    "ec2:deletenetworkinterfacepermission",
    "logs:createlogdelivery",
    "logs:putresourcepolicy",
)
"""Actions that change something and that documented roles have on `*`: what they make has no name before it exists.

Interfaces: https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html#sagemaker-roles-createmodel-perms.
Log deliveries: as the experiments' role has them. AWS's newer examples narrow PutResourcePolicy to the account's log
groups (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-infrastructure-V2-CloudWatchLogs.html);
whether the older deliveries take that was not tried.
"""
ALL_KEYS: Final = re.compile(r"\*$|arn:[^:]*:kms:[^:]*:[^:]*:(\*|key/\*)$")


def _statements(one: Resource) -> Iterator[Resource]:
    """The statements that allow something."""
    policies = one.items("inlinePolicies") if one.type == ROLE else [one]
    for policy in policies:
        for statement in documents(policy, "policy"):
            if statement.get("Effect") == "Allow":
                yield statement


def _actions(statement: Resource) -> list[str]:
    """Patterns of actions, in lower case as IAM compares them; all but a few are as bad as all."""
    if statement.has("NotAction"):
        return ["*"]
    return [str(action).lower() for action in listed(statement.get("Action"))]


def _resources(statement: Resource) -> list[str]:
    if statement.has("NotResource"):
        return ["*"]
    return [str(resource) for resource in listed(statement.get("Resource"))]


def _gives(statement: Resource, actions: tuple[str, ...]) -> bool:
    return any(fnmatchcase(action, pattern) for pattern in _actions(statement) for action in actions)


@RULES.on(
    *POLICIES,
    id="iam-no-full-access",
    severity=Severity.CRITICAL,
    level=Level.MANDATORY,
    demands="No policy allows everything, nor all of IAM.",
    remedy="name the actions and the resources that are needed",
    frameworks=("FSBP IAM.1", "Checkov CKV_AWS_62", "Checkov CKV_AWS_63", "Checkov CKV2_AWS_40"),
)
def no_full_access(one: Resource) -> Iterator[str]:
    """A condition does not excuse it: it says when, not what."""
    for statement in _statements(one):
        actions = _actions(statement)
        if "iam:*" in actions or ("*" in actions and "*" in _resources(statement)):
            yield "it allows everything, or all of IAM"
            return


@RULES.on(
    *POLICIES,
    id="iam-no-service-wildcard",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="No policy allows all actions of a service.",
    remedy="name the actions that are needed, by verb at least",
    frameworks=("FSBP IAM.21", "cdk-nag AwsSolutions-IAM5"),
)
def no_service_wildcard(one: Resource) -> Iterator[str]:
    """`s3:*` takes in `s3:DeleteBucket`; `s3:GetObject*` is fine."""
    if any(action.endswith(":*") for statement in _statements(one) for action in _actions(statement)):
        yield "it allows all actions of a service"


@RULES.on(
    *POLICIES,
    id="iam-no-escalation",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="No policy lets anybody give himself more rights.",
    remedy="name the roles that may be passed, assumed or changed",
    frameworks=("Checkov CKV_AWS_286", "Checkov CKV_AWS_289"),
)
def no_escalation(one: Resource) -> Iterator[str]:
    """On roles that are named these actions are everyday: a snapshot's export is given its role so."""
    if any("*" in _resources(statement) and _gives(statement, ESCALATION) for statement in _statements(one)):
        yield "whoever has it can take any role or write any policy"


@RULES.on(
    *POLICIES,
    id="iam-data-named",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="Who reads what is stored is told which store.",
    remedy="name the buckets, secrets, queues or databases in Resource",
    frameworks=("Checkov CKV_AWS_287", "Checkov CKV_AWS_288"),
)
def data_named(one: Resource) -> Iterator[str]:
    """Credentials are data here."""
    if any("*" in _resources(statement) and _gives(statement, DATA) for statement in _statements(one)):
        yield "it reads data of every store"


@RULES.on(
    *POLICIES,
    id="iam-writes-named",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Who changes something is told what, or on which condition.",
    remedy="name the resources, or add a condition such as aws:ResourceAccount or cloudwatch:namespace",
    frameworks=("Checkov CKV_AWS_290", "Checkov CKV_AWS_355", "cdk-nag AwsSolutions-IAM5"),
)
def writes_named(one: Resource) -> Iterator[str]:
    """Actions that know no resource are left out, and those that only read."""
    for statement in _statements(one):
        if "*" not in _resources(statement) or statement.has("Condition"):
            continue
        if any(action not in WITHOUT_RESOURCE and not READING.match(action) for action in _actions(statement)):
            yield "it changes any resource, on no condition"
            return


@RULES.on(
    *POLICIES,
    id="iam-decrypt-named",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="No policy decrypts with every key.",
    remedy="name the keys in Resource",
    frameworks=("FSBP KMS.1", "FSBP KMS.2"),
)
def decrypt_named(one: Resource) -> Iterator[str]:
    """All keys of an account or a region are every key too."""
    for statement in _statements(one):
        if _gives(statement, DECRYPTION) and any(map(ALL_KEYS.match, _resources(statement))):
            yield "it decrypts with every key"
            return


@RULES.on(
    *ATTACHMENTS,
    id="iam-no-administration",
    severity=Severity.CRITICAL,
    level=Level.MANDATORY,
    demands="Nothing of the stack is an administrator of the account.",
    remedy="attach a policy with the rights that are needed",
    frameworks=("Checkov CKV_AWS_274", "Checkov CKV2_AWS_56"),
)
def no_administration(one: Resource) -> Iterator[str]:
    """AWS's policies by their names, which are the same in every partition."""
    arns = each(one, "managedPolicyArns" if one.type == ROLE else "policyArn")
    if any(str(arn).rpartition("/")[2] in ADMINISTRATION for arn in arns):
        yield "it has an administrator's rights"


def _trusted(one: Resource, kind: str) -> Iterator[tuple[Resource, list[str]]]:
    """Statements that let somebody of a kind (`AWS`, `Service`, `Federated`) take a role, and whom."""
    for statement in documents(one, "assumeRolePolicy"):
        if statement.get("Effect") == "Allow":
            everybody = statement.get("Principal") == "*"
            yield statement, ["*"] if everybody else [str(who) for who in listed(statement.get(f"Principal.{kind}"))]


@RULES.on(
    ROLE,
    id="iam-trust-named",
    severity=Severity.CRITICAL,
    level=Level.MANDATORY,
    demands="A role names who may take it.",
    remedy="name the account, role or service in Principal",
    frameworks=("Checkov CKV_AWS_60", "Checkov CKV_AWS_61"),
)
def trust_named(one: Resource) -> Iterator[str]:
    """A condition does not excuse it: those who meet it may be anybody."""
    if any("*" in who for kind in ("AWS", "Service") for _, who in _trusted(one, kind)):
        yield "anybody may take it"


@RULES.on(
    ROLE,
    id="iam-trust-web-identity",
    severity=Severity.CRITICAL,
    level=Level.MANDATORY,
    demands="A role that an identity provider's tokens may take says whose: which audience, which subject.",
    remedy="add conditions on the provider's :aud and :sub, the latter without a bare wildcard",
    frameworks=("Checkov CKV_AWS_393",),
)
def trust_web_identity(one: Resource) -> Iterator[str]:
    """Everybody's pipelines at GitHub have tokens of the same provider."""
    for statement, providers in _trusted(one, "Federated"):
        if not any("oidc" in provider or "." in provider for provider in providers):
            continue
        conditions = [condition for test in _tests(statement) for condition in test.props.items()]
        pinned = [str(key).rpartition(":")[2].lower() for key, value in conditions if "*" not in listed(value)]
        if not {"aud", "sub"} <= {*pinned}:
            yield "tokens of strangers may take it"
            return


def _tests(statement: Resource) -> list[Resource]:
    """The blocks of a statement's conditions: keys and values, under each operator."""
    condition = statement.items("Condition")
    return [block for tests in condition for operator in tests.props for block in tests.items(operator)]


@RULES.on(
    ROLE,
    id="iam-trust-pods-own-account",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Roles of pods are for clusters of the same account.",
    remedy="add a condition on aws:SourceAccount or aws:SourceArn",
)
def trust_pods_own_account(one: Resource) -> Iterator[str]:
    """EKS sends both: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html."""
    for statement, services in _trusted(one, "Service"):
        keys = {str(key).lower() for test in _tests(statement) for key in test.props}
        if "pods.eks.amazonaws.com" in services and not keys & {"aws:sourceaccount", "aws:sourcearn"}:
            yield "another account's cluster may give it to its pods"
            return


@RULES.on(
    "aws:iam/*",
    id="iam-no-users",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="There are no IAM users and no keys of theirs: people and programs take roles.",
    remedy="make a role, and give it to who needs it",
    frameworks=("FSBP IAM.2", "Checkov CKV_AWS_40", "Checkov CKV_AWS_273"),
)
def no_users(one: Resource) -> Iterator[str]:
    """Whatever has a `user` is about one."""
    if one.type in USERS or one.get("user") or one.get("users"):
        yield "it is about an IAM user"
