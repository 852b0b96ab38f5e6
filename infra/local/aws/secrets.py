"""Secrets Manager and the Parameter Store."""

from __future__ import annotations

from collections.abc import Mapping

from infra.local.aws.calls import call, change, put
from infra.local.aws.kind import Context, Kind, Values
from infra.local.aws.table import ApiKind


def _secret(_: Context, values: Values) -> Values:
    """A replica's status is an output: only its region and key go to AWS."""
    replicas = [
        {key: each[key] for key in ("region", "kmsKeyId") if each.get(key)} for each in values.get("replicas") or []
    ]
    return {**values, "replicas": replicas or None}


def _settle_secret(ctx: Context, id_: str, old: Values, new: Values) -> None:
    _replicate_secret(ctx, id_, old, new)
    _secret_policy(ctx, id_, old, new)


def _replicate_secret(ctx: Context, id_: str, old: Values, new: Values) -> None:
    """A creation brings its replicas; later ones come and go by operations of their own."""
    if not old:
        return
    before, after = ({each["region"]: each for each in values.get("replicas") or []} for values in (old, new))
    client = ctx.client("secretsmanager")
    gone = [region for region in before if region not in after]
    more = [each for region, each in after.items() if region not in before]
    if gone:
        client.remove_regions_from_replication(SecretId=id_, RemoveReplicaRegions=gone)
    if more:
        keys = {"region": "Region", "kmsKeyId": "KmsKeyId"}
        regions = [{api: each[key] for key, api in keys.items() if each.get(key)} for each in more]
        client.replicate_secret_to_regions(SecretId=id_, AddReplicaRegions=regions)


def _secret_policy(ctx: Context, id_: str, old: Values, new: Values) -> None:
    client = ctx.client("secretsmanager")
    if new.get("policy") and old.get("policy") != new["policy"]:
        client.put_resource_policy(SecretId=id_, ResourcePolicy=new["policy"])
    elif old.get("policy") and not new.get("policy"):
        client.delete_resource_policy(SecretId=id_)


def _remove_secret(ctx: Context, id_: str, outputs: Values) -> None:
    """A window of 0 days means at once; a secret that waits for its deletion counts as gone."""
    client = ctx.client("secretsmanager")
    days = outputs.get("recoveryWindowInDays")
    regions = [each["region"] for each in outputs.get("replicas") or []]
    if regions:
        client.remove_regions_from_replication(SecretId=id_, RemoveReplicaRegions=regions)
    if days is not None and int(days) == 0:
        client.delete_secret(SecretId=id_, ForceDeleteWithoutRecovery=True)
    else:
        client.delete_secret(SecretId=id_, **({"RecoveryWindowInDays": int(days)} if days is not None else {}))


def _version(_: Context, values: Values) -> Values:
    """A write-only value is sent like any other."""
    value = values.get("secretString", values.get("secretStringWo"))
    return {**{k: v for k, v in values.items() if k != "secretStringWo"}, **({"secretString": value} if value else {})}


def _parameter(_: Context, values: Values) -> Values:
    value = next((values[key] for key in ("value", "insecureValue", "valueWo") if values.get(key) is not None), None)
    return {**values, "value": value, "overwrite": None}


KINDS: Mapping[str, Kind] = {
    "aws:secretsmanager/secret:Secret": ApiKind(
        service="secretsmanager",
        make=call("create_secret"),
        prepare=_secret,
        rename={"replicas": "AddReplicaRegions"},
        id="ARN",
        find=call("describe_secret", SecretId="{id}"),
        at="[@][?DeletedDate == null] | [0]",
        outputs={"arn": "ARN", "name": "Name"},
        watched={"description": "Description || null", "kmsKeyId": "KmsKeyId"},
        changes=(change("update_secret", "description", "kmsKeyId", SecretId="{id}"),),
        settle=_settle_secret,
        remove=_remove_secret,
        named=("name", 512),
        tags="secretsmanager",
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": ApiKind(
        service="secretsmanager",
        make=call("put_secret_value"),
        prepare=_version,
        id="={secretId}|{VersionId}",
        find=call("get_secret_value", SecretId="{secretId}", VersionId="{part}"),
        outputs={"secretArn": "ARN", "versionId": "VersionId"},
        # Nothing deletes the current version of a secret but the secret's own deletion.
    ),
    "aws:secretsmanager/secretRotation:SecretRotation": ApiKind(
        service="secretsmanager",
        # No function runs here: a rotation at once would leave the secret with a version without a value.
        make=call("rotate_secret", RotateImmediately=False),
        id="={secretId}",
        find=call("describe_secret", SecretId="{secretId}"),
        at="[@][?RotationEnabled && DeletedDate == null] | [0]",
        outputs={"rotationEnabled": "RotationEnabled"},
        watched={"rotationLambdaArn": "RotationLambdaARN"},
        changes=(put("rotate_secret", RotateImmediately=False),),
        drop=call("cancel_rotate_secret", SecretId="{secretId}"),
    ),
    "aws:secretsmanager/secretPolicy:SecretPolicy": ApiKind(
        service="secretsmanager",
        make=call("put_resource_policy", SecretId="{secretArn}", ResourcePolicy="{policy}"),
        documents=("policy",),
        id="={secretArn}",
        find=call("get_resource_policy", SecretId="{secretArn}"),
        at="[@][?ResourcePolicy] | [0]",
        watched={"policy": "ResourcePolicy"},
        changes=(change("put_resource_policy", "policy", SecretId="{secretArn}", ResourcePolicy="{policy}"),),
        drop=call("delete_resource_policy", SecretId="{secretArn}"),
    ),
    "aws:ssm/parameter:Parameter": ApiKind(
        service="ssm",
        make=call("put_parameter"),
        prepare=_parameter,
        id="={name}",
        find=call("get_parameter", Name="{name}", WithDecryption=True),
        at="Parameter",
        outputs={"arn": "ARN", "version": "Version", "dataType": "DataType"},
        changes=(put("put_parameter", Overwrite=True, Tags=None),),
        drop=call("delete_parameter", Name="{name}"),
        named=("name", 1011),
        tags="ssm",
    ),
}
