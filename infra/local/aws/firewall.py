"""AWS WAF."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from infra.local.aws.calls import call, input_shape, put
from infra.local.aws.kind import Context, Kind, KindError, Values
from infra.local.aws.shape import to_api
from infra.local.aws.table import GLOBAL_REGION, ApiKind

CLOUDFRONT = "CLOUDFRONT"


def _in_scope(ctx: Context, values: Values) -> Values:
    """Refuse what AWS refuses and moto does not: a web ACL for CloudFront outside us-east-1."""
    if values["scope"] == CLOUDFRONT and ctx.region != GLOBAL_REGION:
        message = f"scope {CLOUDFRONT} exists in {GLOBAL_REGION} only, not in {ctx.region}"
        raise KindError(message)
    return values


def _web_acl(ctx: Context, values: Values) -> Values:
    """Rules come as properties, or as JSON in the API's own shape."""
    given = {key: each for key, each in _in_scope(ctx, values).items() if key != "ruleJson"}
    if values.get("ruleJson"):
        given["rules"] = json.loads(values["ruleJson"])
    if values.get("customResponseBodies"):
        given["customResponseBodies"] = {each["key"]: each for each in values["customResponseBodies"]}
    return given


def _locked_update(
    get: str, update: str, prepare: Callable[[Context, Values], Values]
) -> Callable[[Context, str, Values, Values], None]:
    """An update with the lock token of what was read; it takes everything anew."""

    def settle(ctx: Context, id_: str, old: Values, new: Values) -> None:
        if not old or {**old, "tags": None} == {**new, "tags": None}:
            return
        client = ctx.client("wafv2")
        where = {"Name": new["name"], "Scope": new["scope"], "Id": id_}
        token = getattr(client, get)(**where)["LockToken"]
        given = {key: value for key, value in prepare(ctx, new).items() if key not in ("name", "scope", "tags")}
        parameters = to_api(input_shape(client, update), given)
        getattr(client, update)(**{**parameters, **where, "LockToken": token})

    return settle


def _locked_remove(get: str, delete: str) -> Callable[[Context, str, Values], None]:
    """A deletion with the lock token of what was read."""

    def remove(ctx: Context, id_: str, outputs: Values) -> None:
        client = ctx.client("wafv2")
        where = {"Name": outputs["name"], "Scope": outputs["scope"], "Id": id_}
        getattr(client, delete)(**where, LockToken=getattr(client, get)(**where)["LockToken"])

    return remove


def _logging(_: Context, values: Values) -> Values:
    return {"loggingConfiguration": values}


_WHERE = {"Name": "{name}", "Scope": "{scope}", "Id": "{id}"}

KINDS: Mapping[str, Kind] = {
    "aws:wafv2/webAcl:WebAcl": ApiKind(
        service="wafv2",
        make=call("create_web_acl"),
        prepare=_web_acl,
        id="Summary.Id",
        find=call("get_web_acl", **_WHERE),
        at="WebACL",
        outputs={"arn": "ARN", "capacity": "Capacity"},
        watched={"description": "Description || null"},
        settle=_locked_update("get_web_acl", "update_web_acl", _web_acl),
        remove=_locked_remove("get_web_acl", "delete_web_acl"),
        named=("name", 128),
        tags="wafv2",
    ),
    "aws:wafv2/ipSet:IpSet": ApiKind(
        service="wafv2",
        make=call("create_ip_set"),
        prepare=_in_scope,
        id="Summary.Id",
        find=call("get_ip_set", **_WHERE),
        at="IPSet",
        outputs={"arn": "ARN"},
        watched={"addresses": "Addresses"},
        settle=_locked_update("get_ip_set", "update_ip_set", _in_scope),
        remove=_locked_remove("get_ip_set", "delete_ip_set"),
        named=("name", 128),
        tags="wafv2",
    ),
    "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": ApiKind(
        service="wafv2",
        make=call("put_logging_configuration"),
        prepare=_logging,
        id="={resourceArn}",
        find=call("get_logging_configuration", ResourceArn="{resourceArn}"),
        at="LoggingConfiguration",
        watched={"logDestinationConfigs": "LogDestinationConfigs"},
        changes=(put("put_logging_configuration"),),
        drop=call("delete_logging_configuration", ResourceArn="{resourceArn}"),
    ),
    "aws:wafv2/webAclAssociation:WebAclAssociation": ApiKind(
        service="wafv2",
        make=call("associate_web_acl", WebACLArn="{webAclArn}", ResourceArn="{resourceArn}"),
        id="={webAclArn},{resourceArn}",
        find=call("get_web_acl_for_resource", ResourceArn="{resourceArn}"),
        at="WebACL",
        watched={"webAclArn": "ARN"},
        drop=call("disassociate_web_acl", ResourceArn="{resourceArn}"),
    ),
}
