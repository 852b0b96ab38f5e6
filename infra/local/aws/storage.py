"""S3: buckets, and what is put on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from infra.local.aws.calls import Call, call, put
from infra.local.aws.kind import Context, Kind, KindError, Values
from infra.local.aws.table import ApiKind, as_is

_HOSTED_ZONES = {
    "us-east-1": "Z3AQBSTGFYJSTF",
    "us-west-2": "Z3BJ6K6RIION7M",
    "eu-west-1": "Z1BKCTXD74EZPE",
}
"""Of S3's website endpoints; https://docs.aws.amazon.com/general/latest/gr/s3.html#s3_website_region_endpoints."""


def _bucket(ctx: Context, values: Values) -> Values:
    """S3's first region has no location constraint."""
    place = {} if ctx.region == "us-east-1" else {"createBucketConfiguration": {"locationConstraint": ctx.region}}
    locked = {"objectLockEnabledForBucket": True} if values.get("objectLockEnabled") else {}
    return {**place, **locked, "bucket": values["bucket"]}


def _bucket_outputs(ctx: Context, _: str, __: Values, ___: Values) -> Values:
    zone = _HOSTED_ZONES.get(ctx.region)
    return {"hostedZoneId": zone} if zone else {}


def _remove_bucket(ctx: Context, id_: str, outputs: Values) -> None:
    client = ctx.client("s3")
    if outputs.get("forceDestroy"):
        for page in client.get_paginator("list_object_versions").paginate(Bucket=id_):
            for each in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                client.delete_object(Bucket=id_, Key=each["Key"], VersionId=each["VersionId"])
    client.delete_bucket(Bucket=id_)


def _lifecycle(_: Context, values: Values) -> Values:
    """A rule without a filter is about everything."""
    rules = [{**rule, "filter": rule.get("filter") or {"prefix": ""}} for rule in values["rules"]]
    return {"lifecycleConfiguration": {"rules": rules}}


def _notification(_: Context, values: Values) -> Values:
    """Targets are told by their kind; each has an id."""
    made: dict[str, list[Values]] = {}
    for key, target, name in (
        ("queues", "queueArn", "queueConfigurations"),
        ("topics", "topicArn", "topicConfigurations"),
        ("lambdaFunctions", "lambdaFunctionArn", "lambdaFunctionConfigurations"),
    ):
        for each in values.get(key) or []:
            filters = [
                {"name": part, "value": each[f"filter{part.title()}"]}
                for part in ("prefix", "suffix")
                if each.get(f"filter{part.title()}")
            ]
            wanted = {"filter": {"key": {"filterRules": filters}}} if filters else {}
            made.setdefault(name, []).append(
                {"id": each.get("id"), target: each[target], "events": each["events"], **wanted}
            )
    bridge: Values = {"eventBridgeConfiguration": {}} if values.get("eventbridge") else {}
    return {"notificationConfiguration": {**made, **bridge}}


def _inside(name: str, *keys: str) -> Callable[[Context, Values], Values]:
    """The API has these properties in a structure of their own."""
    return lambda _, values: {name: {key: values[key] for key in keys if key in values}}


def _ownership(_: Context, values: Values) -> Values:
    return {"ownershipControls": {"rules": [values["rule"]]}}


def _logging(_: Context, values: Values) -> Values:
    return {"bucketLoggingStatus": {"loggingEnabled": values}}


def _replication(ctx: Context, values: Values) -> Values:
    """Both ends are versioned, which moto does not ask for; the other one is in another region."""
    names = [values["bucket"], *(each["destination"]["bucket"].rpartition(":")[2] for each in values["rules"])]
    client = ctx.client("s3")
    plain = [name for name in names if client.get_bucket_versioning(Bucket=name).get("Status") != "Enabled"]
    if plain:
        message = f"InvalidRequest: Versioning must be 'Enabled' on the bucket {plain[0]} to apply a replication"
        raise KindError(message)
    rules = [{**rule, "filter": rule.get("filter") or {"prefix": ""}} for rule in values["rules"]]
    return {"replicationConfiguration": {"role": values["role"], "rules": rules}}


def _part(
    name: str,
    *,
    drop: Call | str = "",
    prepare: Callable[[Context, Values], Values] = as_is,
    rename: Mapping[str, str] | None = None,
    at: str = "@",
    watched: Mapping[str, str] | None = None,
) -> ApiKind:
    """Something that is put on a bucket as a whole: `put_x` and `get_x`; the bucket's name is its id."""
    deletion = drop if isinstance(drop, Call) else call(drop or f"delete_{name}", Bucket="{bucket}")
    return ApiKind(
        service="s3",
        make=call(f"put_{name}", Bucket="{bucket}"),
        prepare=prepare,
        rename=rename or {},
        id="={bucket}",
        find=call(f"get_{name}", Bucket="{bucket}"),
        at=at,
        watched=watched or {},
        changes=(put(f"put_{name}", Bucket="{bucket}"),),
        drop=deletion,
    )


_ACCESS = {
    "blockPublicAcls": "BlockPublicAcls",
    "blockPublicPolicy": "BlockPublicPolicy",
    "ignorePublicAcls": "IgnorePublicAcls",
    "restrictPublicBuckets": "RestrictPublicBuckets",
}

KINDS: Mapping[str, Kind] = {
    "aws:s3/bucket:Bucket": ApiKind(
        service="s3",
        make=call("create_bucket", Bucket="{bucket}"),
        prepare=_bucket,
        id="={bucket}",
        find=call("head_bucket", Bucket="{id}"),
        outputs={
            "arn": "=arn:{partition}:s3:::{id}",
            "bucketDomainName": "={id}.s3.amazonaws.com",
            "bucketRegion": "={region}",
            "bucketRegionalDomainName": "={id}.s3.{region}.amazonaws.com",
        },
        derive=_bucket_outputs,
        derived=("hostedZoneId",),
        remove=_remove_bucket,
        named=("bucket", 63),
        tags="s3",
    ),
    "aws:s3/bucketVersioning:BucketVersioning": _part(
        "bucket_versioning",
        at="[@][?Status] | [0]",
        watched={"versioningConfiguration": "{status: Status}"},
        # Versioning is never off again: the provider suspends it.
        drop=call("put_bucket_versioning", Bucket="{bucket}", VersioningConfiguration={"Status": "Suspended"}),
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _part(
        "bucket_encryption", prepare=_inside("serverSideEncryptionConfiguration", "rules")
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _part(
        "public_access_block",
        prepare=_inside("publicAccessBlockConfiguration", *_ACCESS),
        at="PublicAccessBlockConfiguration",
        watched=_ACCESS,
    ),
    "aws:s3/bucketPolicy:BucketPolicy": _part("bucket_policy", watched={"policy": "Policy"}),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _part(
        "bucket_lifecycle_configuration", prepare=_lifecycle, drop="delete_bucket_lifecycle"
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _part(
        "bucket_ownership_controls",
        prepare=_ownership,
        watched={"rule": "OwnershipControls.Rules[0].{objectOwnership: ObjectOwnership}"},
    ),
    "aws:s3/bucketLogging:BucketLogging": _part(
        "bucket_logging",
        prepare=_logging,
        at="LoggingEnabled",
        watched={"targetBucket": "TargetBucket", "targetPrefix": "TargetPrefix"},
        drop=call("put_bucket_logging", Bucket="{bucket}", BucketLoggingStatus={}),
    ),
    "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration": _part(
        "bucket_cors", prepare=_inside("corsConfiguration", "corsRules")
    ),
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": _part(
        "bucket_replication",
        prepare=_replication,
        watched={"role": "ReplicationConfiguration.Role"},
    ),
    "aws:s3/bucketNotification:BucketNotification": _part(
        "bucket_notification_configuration",
        prepare=_notification,
        # An answer's metadata is always there; moto forgets that events go to EventBridge.
        at="[@][?length(keys(@)) > `1` || '{eventbridge}' == 'True'] | [0]",
        drop=call("put_bucket_notification_configuration", Bucket="{bucket}", NotificationConfiguration={}),
    ),
}
