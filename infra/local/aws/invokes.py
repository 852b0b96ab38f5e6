"""AWS functions that the stack asks: what no resource can know."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping

from infra.invokes import CACHE_POLICIES, ORIGIN_REQUEST_POLICIES
from infra.local.aws.kind import PARTITION, Context, KindError, Values


def _caller(ctx: Context, _: Values) -> Values:
    found = ctx.client("sts").get_caller_identity()
    return {"id": found["Account"], "accountId": found["Account"], "arn": found["Arn"], "userId": found["UserId"]}


def _prefix_list(ctx: Context, args: Values) -> Values:
    """A managed prefix list by its id or name, with its entries."""
    client = ctx.client("ec2")
    wanted = [{"Name": "prefix-list-name", "Values": [args["name"]]}] if args.get("name") else []
    ids = {"PrefixListIds": [args["id"]]} if args.get("id") else {}
    found = client.describe_managed_prefix_lists(Filters=wanted, **ids)["PrefixLists"]
    if len(found) != 1:
        message = (
            f"{len(found)} managed prefix lists match {args.get('name') or args.get('id')} in {ctx.region}, not one"
        )
        raise KindError(message)
    entries = client.get_managed_prefix_list_entries(PrefixListId=found[0]["PrefixListId"])["Entries"]
    return {
        "id": found[0]["PrefixListId"],
        "arn": found[0]["PrefixListArn"],
        "name": found[0]["PrefixListName"],
        "addressFamily": found[0]["AddressFamily"],
        "entries": [{"cidr": each["Cidr"], "description": each.get("Description", "")} for each in entries],
        "maxEntries": found[0].get("MaxEntries", len(entries)),
        "ownerId": found[0].get("OwnerId", "AWS"),
        "region": ctx.region,
        "tags": {},
        "version": found[0].get("Version", 1),
    }


def _managed(kind: str, path: str, policies: Mapping[str, str]) -> Callable[[Context, Values], Values]:
    """CloudFront's own policies, which moto does not know."""

    def find(_: Context, args: Values) -> Values:
        wanted = args.get("name"), args.get("id")
        for name, id_ in policies.items():
            if name == wanted[0] or id_ == wanted[1]:
                arn = f"arn:{PARTITION}:cloudfront::aws:{path}/{id_}"
                return {"id": id_, "name": name, "arn": arn, "etag": str(uuid.uuid5(uuid.NAMESPACE_URL, id_))}
        message = f"AWS has no {kind} {wanted[0] or wanted[1]}; it has {', '.join(policies)}"
        raise KindError(message)

    return find


INVOKES: Mapping[str, Callable[[Context, Values], Values]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller,
    "aws:ec2/getManagedPrefixList:getManagedPrefixList": _prefix_list,
    "aws:cloudfront/getCachePolicy:getCachePolicy": _managed("cache policy", "cache-policy", CACHE_POLICIES),
    "aws:cloudfront/getOriginRequestPolicy:getOriginRequestPolicy": _managed(
        "origin request policy", "origin-request-policy", ORIGIN_REQUEST_POLICIES
    ),
}
"""Answers by Pulumi's token of the function."""


def invoke(ctx: Context, token: str, args: Values) -> Values:
    """Answer an AWS function; `KindError` names one that the local cloud does not know."""
    if token not in INVOKES:
        message = f"the local cloud has no answer for {token}; it knows {', '.join(sorted(INVOKES))}"
        raise KindError(message)
    return INVOKES[token](ctx, args)
