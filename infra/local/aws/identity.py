"""IAM and KMS."""

from __future__ import annotations

from collections.abc import Mapping

from infra.local.aws.calls import call, change
from infra.local.aws.kind import Context, Kind, Values
from infra.local.aws.table import ApiKind, arn


def _role_policies(ctx: Context, id_: str, old: Values, new: Values) -> None:
    """The policies that are written inside a role."""
    client = ctx.client("iam")
    before = {each["name"]: each["policy"] for each in old.get("inlinePolicies") or [] if each.get("name")}
    after = {each["name"]: each["policy"] for each in new.get("inlinePolicies") or [] if each.get("name")}
    for name in before.keys() - after.keys():
        client.delete_role_policy(RoleName=id_, PolicyName=name)
    for name, policy in after.items():
        if before.get(name) != policy:
            client.put_role_policy(RoleName=id_, PolicyName=name, PolicyDocument=policy)
    attached, wanted = set(old.get("managedPolicyArns") or []), set(new.get("managedPolicyArns") or [])
    for policy_arn in attached - wanted:
        client.detach_role_policy(RoleName=id_, PolicyArn=policy_arn)
    for policy_arn in wanted - attached:
        client.attach_role_policy(RoleName=id_, PolicyArn=policy_arn)


def _remove_role(ctx: Context, id_: str, outputs: Values) -> None:
    """A role goes with the policies inside it; others keep it, unless it is told to let go of them."""
    client = ctx.client("iam")
    _role_policies(ctx, id_, outputs, {})
    if outputs.get("forceDetachPolicies"):
        for policy in client.list_attached_role_policies(RoleName=id_)["AttachedPolicies"]:
            client.detach_role_policy(RoleName=id_, PolicyArn=policy["PolicyArn"])
        for name in client.list_role_policies(RoleName=id_)["PolicyNames"]:
            client.delete_role_policy(RoleName=id_, PolicyName=name)
    client.delete_role(RoleName=id_)


def _policy_version(ctx: Context, id_: str, old: Values, new: Values) -> None:
    """A changed policy is a new version; AWS keeps five, so the oldest has to go first."""
    if not old or old["policy"] == new["policy"]:
        return
    client = ctx.client("iam")
    versions = client.list_policy_versions(PolicyArn=id_)["Versions"]
    spare = sorted((each for each in versions if not each["IsDefaultVersion"]), key=lambda each: each["CreateDate"])
    if len(versions) >= 5:  # noqa: PLR2004 - https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
        client.delete_policy_version(PolicyArn=id_, VersionId=spare[0]["VersionId"])
    client.create_policy_version(PolicyArn=id_, PolicyDocument=new["policy"], SetAsDefault=True)


def _remove_policy(ctx: Context, id_: str, _: Values) -> None:
    client = ctx.client("iam")
    for version in client.list_policy_versions(PolicyArn=id_)["Versions"]:
        if not version["IsDefaultVersion"]:
            client.delete_policy_version(PolicyArn=id_, VersionId=version["VersionId"])
    client.delete_policy(PolicyArn=id_)


def _key_state(ctx: Context, id_: str, old: Values, new: Values) -> None:
    """Rotation and being enabled have an operation for each direction."""
    client = ctx.client("kms")
    rotation = {key: new.get(key) for key in ("enableKeyRotation", "rotationPeriodInDays")}
    if rotation != {key: old.get(key) for key in rotation}:
        if rotation["enableKeyRotation"]:
            days = rotation["rotationPeriodInDays"]
            client.enable_key_rotation(KeyId=id_, **({"RotationPeriodInDays": int(days)} if days else {}))
        elif old.get("enableKeyRotation"):
            client.disable_key_rotation(KeyId=id_)
    if old.get("isEnabled", True) != new.get("isEnabled", True):
        (client.enable_key if new.get("isEnabled", True) else client.disable_key)(KeyId=id_)


def _rotation(ctx: Context, id_: str, _: Values, known: Values) -> Values:
    """Where a program says nothing about rotation, neither does its state."""
    if "enableKeyRotation" not in known:
        return {}
    return {"enableKeyRotation": ctx.client("kms").get_key_rotation_status(KeyId=id_)["KeyRotationEnabled"]}


_ROLE_POLICY: Values = {"RoleName": "{role}", "PolicyName": "{name}"}
_ATTACHMENT = {"RoleName": "{role}", "PolicyArn": "{policyArn}"}

KINDS: Mapping[str, Kind] = {
    "aws:iam/role:Role": ApiKind(
        service="iam",
        make=call("create_role"),
        rename={"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument"},
        documents=("assumeRolePolicy",),
        id="Role.RoleName",
        find=call("get_role", RoleName="{id}"),
        at="Role",
        outputs={"arn": "Arn", "createDate": "CreateDate", "uniqueId": "RoleId"},
        watched={"maxSessionDuration": "MaxSessionDuration"},
        changes=(
            change(
                "update_assume_role_policy", "assumeRolePolicy", RoleName="{id}", PolicyDocument="{assumeRolePolicy}"
            ),
            change("update_role", "description", "maxSessionDuration", RoleName="{id}"),
            change(
                "put_role_permissions_boundary",
                "permissionsBoundary",
                RoleName="{id}",
                PermissionsBoundary="{permissionsBoundary}",
            ),
        ),
        settle=_role_policies,
        remove=_remove_role,
        named=("name", 64),
        tags="role",
        world=True,
    ),
    "aws:iam/rolePolicy:RolePolicy": ApiKind(
        service="iam",
        make=call("put_role_policy", **_ROLE_POLICY, PolicyDocument="{policy}"),
        id="={role}:{name}",
        find=call("get_role_policy", **_ROLE_POLICY),
        changes=(change("put_role_policy", "policy", **_ROLE_POLICY, PolicyDocument="{policy}"),),
        drop=call("delete_role_policy", **_ROLE_POLICY),
        named=("name", 128),
        world=True,
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": ApiKind(
        service="iam",
        make=call("attach_role_policy", **_ATTACHMENT),
        id="={role}-{policyArn}",
        find=call("list_attached_role_policies", RoleName="{role}"),
        at="AttachedPolicies[?PolicyArn == '{policyArn}'] | [0]",
        drop=call("detach_role_policy", **_ATTACHMENT),
        world=True,
    ),
    "aws:iam/policy:Policy": ApiKind(
        service="iam",
        make=call("create_policy"),
        rename={"name": "PolicyName", "policy": "PolicyDocument"},
        id="Policy.Arn",
        find=call("get_policy", PolicyArn="{id}"),
        at="Policy",
        outputs={"arn": "Arn", "policyId": "PolicyId"},
        settle=_policy_version,
        remove=_remove_policy,
        named=("name", 128),
        tags="policy",
        world=True,
    ),
    "aws:kms/key:Key": ApiKind(
        service="kms",
        make=call("create_key"),
        rename={"customerMasterKeySpec": "KeySpec"},
        documents=("policy",),
        id="KeyMetadata.KeyId",
        find=call("describe_key", KeyId="{id}"),
        at="[KeyMetadata][?KeyState != 'PendingDeletion'] | [0]",
        outputs={"arn": "Arn", "keyId": "KeyId"},
        watched={"description": "Description || null"},
        changes=(
            change("put_key_policy", "policy", KeyId="{id}", PolicyName="default", Policy="{policy}"),
            change("update_key_description", "description", KeyId="{id}"),
        ),
        settle=_key_state,
        derive=_rotation,
        drop=call("schedule_key_deletion", KeyId="{id}", PendingWindowInDays="{deletionWindowInDays}"),
        tags="kms",
    ),
    "aws:kms/alias:Alias": ApiKind(
        service="kms",
        make=call("create_alias", AliasName="{name}", TargetKeyId="{targetKeyId}"),
        id="={name}",
        find=call("list_aliases"),
        at="Aliases[?AliasName == '{name}'] | [0]",
        outputs={"arn": "AliasArn", "targetKeyArn": arn("kms", "key/{TargetKeyId}")},
        changes=(change("update_alias", "targetKeyId", AliasName="{name}", TargetKeyId="{targetKeyId}"),),
        drop=call("delete_alias", AliasName="{name}"),
    ),
}
