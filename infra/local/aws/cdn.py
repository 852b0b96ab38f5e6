"""CloudFront."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from infra.local.aws.calls import call, input_shape
from infra.local.aws.kind import Context, Kind, Values
from infra.local.aws.memory import MemoryKind, Parent
from infra.local.aws.shape import to_api
from infra.local.aws.table import ApiKind

ZONE_ID = "Z2FDTNDATAQYW2"
"""Of every distribution; https://docs.aws.amazon.com/general/latest/gr/cf_region.html."""

_RENAMED = {
    "loggingConfig": "Logging",
    "name": "HeaderName",
    "orderedCacheBehaviors": "CacheBehaviors",
    "originId": "Id",
    "value": "HeaderValue",
}


def _behavior(given: Values) -> Values:
    """Cached methods stand inside the allowed ones."""
    behavior = dict(given)
    cached = behavior.pop("cachedMethods", None)
    allowed = behavior.pop("allowedMethods", None)
    if allowed:
        inside = {"cachedMethods": {"quantity": len(cached), "items": cached}} if cached else {}
        behavior["allowedMethods"] = {"quantity": len(allowed), "items": allowed, **inside}
    return behavior


def _origin(given: Values) -> Values:
    """An S3 origin without settings of its own still says that it is one."""
    custom = given.get("customOriginConfig") or given.get("vpcOriginConfig")
    s3 = given.get("s3OriginConfig") or {"originAccessIdentity": ""}
    return given if custom else {**given, "s3OriginConfig": s3}


def _restrictions(given: Values) -> Values:
    """The countries are counted beside their list."""
    geo = given.get("geoRestriction") or {}
    places = geo.get("locations") or []
    counted = {"quantity": len(places), **({"items": places} if places else {})}
    return {"geoRestriction": {"restrictionType": geo.get("restrictionType", "none"), **counted}}


def _error_response(given: Values) -> Values:
    return {**given, "responseCode": str(given["responseCode"]) if given.get("responseCode") else None}


def _config(values: Values, reference: str) -> Values:
    """A distribution's inputs as the API's one structure."""
    logging = values.get("loggingConfig")
    return {
        **{key: value for key, value in values.items() if key != "tags"},
        "callerReference": reference,
        "comment": values.get("comment") or "",
        "customErrorResponses": [_error_response(each) for each in values.get("customErrorResponses") or []] or None,
        "defaultCacheBehavior": _behavior(values["defaultCacheBehavior"]),
        "loggingConfig": {"enabled": True, "includeCookies": False, "prefix": "", **logging} if logging else None,
        "orderedCacheBehaviors": [_behavior(each) for each in values.get("orderedCacheBehaviors") or []] or None,
        "origins": [_origin(each) for each in values["origins"]],
        "restrictions": _restrictions(values.get("restrictions") or {}),
    }


def _distribution(_: Context, values: Values) -> Values:
    """Creation takes configuration and tags in one structure."""
    tags = {"items": [{"key": key, "value": value} for key, value in (values.get("tags") or {}).items()]}
    config = _config(values, str(uuid.uuid4()))
    return {"distributionConfigWithTags": {"distributionConfig": config, "tags": tags}}


def _change_distribution(ctx: Context, id_: str, old: Values, new: Values) -> None:
    """A distribution is changed as a whole, against the version that was read."""
    if not old or {**old, "tags": None} == {**new, "tags": None}:
        return
    client = ctx.client("cloudfront")
    current = client.get_distribution_config(Id=id_)
    shape = input_shape(client, "update_distribution").members["DistributionConfig"]
    config = to_api(shape, _config(new, current["DistributionConfig"]["CallerReference"]), _RENAMED)
    client.update_distribution(Id=id_, IfMatch=current["ETag"], DistributionConfig=config)


def _remove_distribution(ctx: Context, id_: str, outputs: Values) -> None:
    """An enabled distribution cannot be deleted: the provider disables it first."""
    client = ctx.client("cloudfront")
    if not outputs.get("retainOnDelete"):
        client.delete_distribution(Id=id_, IfMatch=client.get_distribution_config(Id=id_)["ETag"])


def _access_control(_: Context, values: Values) -> Values:
    return {"originAccessControlConfig": values}


def _change_access_control(ctx: Context, id_: str, old: Values, new: Values) -> None:
    if not old:
        return
    client = ctx.client("cloudfront")
    shape = input_shape(client, "update_origin_access_control").members["OriginAccessControlConfig"]
    etag = client.get_origin_access_control(Id=id_)["ETag"]
    client.update_origin_access_control(Id=id_, IfMatch=etag, OriginAccessControlConfig=to_api(shape, new))


def _remove_access_control(ctx: Context, id_: str, _: Values) -> None:
    client = ctx.client("cloudfront")
    etag = client.get_origin_access_control(Id=id_)["ETag"]
    client.delete_origin_access_control(Id=id_, IfMatch=etag)


def _function(_: Context, values: Values) -> Values:
    config = {"comment": values.get("comment") or "", "runtime": values["runtime"]}
    stores = values.get("keyValueStoreAssociations")
    if stores:
        config["keyValueStoreAssociations"] = [{"keyValueStoreArn": each} for each in stores]
    return {"name": values["name"], "functionConfig": config, "functionCode": values["code"].encode()}


def _change_function(ctx: Context, id_: str, old: Values, new: Values) -> None:
    """Make the new code anew under the old name: moto has neither UpdateFunction nor PublishFunction."""
    if not old or all(
        old.get(key) == new.get(key) for key in ("code", "comment", "runtime", "keyValueStoreAssociations")
    ):
        return
    client = ctx.client("cloudfront")
    shape = input_shape(client, "create_function")
    _remove_function(ctx, id_, new)
    client.create_function(**to_api(shape, _function(ctx, new)))


def _remove_function(ctx: Context, id_: str, _: Values) -> None:
    client = ctx.client("cloudfront")
    client.delete_function(Name=id_, IfMatch=client.describe_function(Name=id_)["ETag"])


_ARN = "arn:{partition}:cloudfront::{account}"


def _policy(kind: str, path: str) -> MemoryKind:
    """A policy: its name is taken once."""
    return MemoryKind(
        type=f"CloudFront {kind}",
        id="{token}",
        slot="{name}",
        outputs={"arn": f"{_ARN}:{path}/{{token}}", "etag": "E{token}"},
        named=("name", 128),
        world=True,
    )


KINDS: Mapping[str, Kind] = {
    "aws:cloudfront/distribution:Distribution": ApiKind(
        service="cloudfront",
        make=call("create_distribution_with_tags"),
        prepare=_distribution,
        rename=_RENAMED,
        id="Distribution.Id",
        find=call("get_distribution", Id="{id}"),
        at="Distribution",
        outputs={
            "arn": "ARN",
            "callerReference": "DistributionConfig.CallerReference",
            "domainName": "DomainName",
            "hostedZoneId": f"={ZONE_ID}",
        },
        watched={
            "aliases": "DistributionConfig.Aliases.Items",
            "enabled": "DistributionConfig.Enabled",
            "webAclId": "DistributionConfig.WebACLId || null",
        },
        settle=_change_distribution,
        remove=_remove_distribution,
        tags="cloudfront",
        world=True,
    ),
    "aws:cloudfront/originAccessControl:OriginAccessControl": ApiKind(
        service="cloudfront",
        make=call("create_origin_access_control"),
        prepare=_access_control,
        id="OriginAccessControl.Id",
        find=call("get_origin_access_control", Id="{id}"),
        at="OriginAccessControl",
        outputs={"arn": f"={_ARN}:origin-access-control/{{id}}"},
        watched={"signingBehavior": "OriginAccessControlConfig.SigningBehavior"},
        settle=_change_access_control,
        remove=_remove_access_control,
        named=("name", 64),
        world=True,
    ),
    "aws:cloudfront/function:Function": ApiKind(
        service="cloudfront",
        make=call("create_function"),
        prepare=_function,
        id="FunctionSummary.Name",
        find=call("describe_function", Name="{id}"),
        outputs={"arn": "FunctionSummary.FunctionMetadata.FunctionARN", "etag": "ETag", "liveStageEtag": "ETag"},
        settle=_change_function,
        remove=_remove_function,
        named=("name", 64),
        tags="cloudfront",
        world=True,
    ),
    "aws:cloudfront/cachePolicy:CachePolicy": _policy("cache policy", "cache-policy"),
    "aws:cloudfront/originRequestPolicy:OriginRequestPolicy": _policy("origin request policy", "origin-request-policy"),
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": _policy(
        "response headers policy", "response-headers-policy"
    ),
    "aws:cloudfront/monitoringSubscription:MonitoringSubscription": MemoryKind(
        type="CloudFront monitoring subscription",
        id="{distributionId}",
        parents=(Parent("cloudfront", call("get_distribution", Id="{distributionId}"), "Distribution"),),
        world=True,
    ),
}
