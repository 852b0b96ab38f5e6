"""AWS functions that the stack asks: what no resource can know."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping

from infra.local.aws.kind import PARTITION, Context, KindError, Values

_REGIONS = {
    "us-east-1": "US East (N. Virginia)",
    "us-west-2": "US West (Oregon)",
    "eu-west-1": "Europe (Ireland)",
}
_CACHE_POLICIES = {
    "Managed-Amplify": "2e54312d-136d-493c-8eb9-b001f22f67d2",
    "Managed-CachingDisabled": "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
    "Managed-CachingOptimized": "658327ea-f89d-4fab-a63d-7e88639e58f6",
    "Managed-CachingOptimizedForUncompressedObjects": "b2884449-e4de-46a7-ac36-70bc7f1ddd6d",
    "Managed-Elemental-MediaPackage": "08627262-05a9-4f76-9ded-b50ca2e3a84f",
    "UseOriginCacheControlHeaders": "83da9c7e-98b4-4e11-a168-04f0df8e2c65",
    "UseOriginCacheControlHeaders-QueryStrings": "4cc15a8a-d715-48a4-82b8-cc0b614638fe",
}
"""https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html."""
_ORIGIN_REQUEST_POLICIES = {
    "Managed-AllViewer": "216adef6-5c7f-47e4-b989-5492eafa07d3",
    "Managed-AllViewerAndCloudFrontHeaders-2022-06": "33f36d7e-f396-46d9-90e0-52428a34d9dc",
    "Managed-AllViewerExceptHostHeader": "b689b0a8-53d0-40ab-baf2-68738e2966ac",
    "Managed-CORS-CustomOrigin": "59781a5b-3903-41f3-afcb-af62929ccde1",
    "Managed-CORS-S3Origin": "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf",
    "Managed-UserAgentRefererHeaders": "acba4595-bd28-49b8-b9fe-13317c0390fa",
}
"""https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-origin-request-policies.html."""
_RESPONSE_HEADERS_POLICIES = {
    "Managed-CORS-and-SecurityHeadersPolicy": "e61eb60c-9c35-4d20-a928-2b84e02af89c",
    "Managed-CORS-With-Preflight": "5cc3b908-e619-4b99-88e5-2cf7f45965bd",
    "Managed-CORS-with-preflight-and-SecurityHeadersPolicy": "eaab4381-ed33-4a86-88ca-d9558dc6cd63",
    "Managed-SecurityHeadersPolicy": "67f7725c-6f97-4210-82d7-5512b31e9d03",
    "Managed-SimpleCORS": "60669652-455b-4ae9-85a4-c4c02393f86c",
}
"""https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-response-headers-policies.html."""


def _caller(ctx: Context, _: Values) -> Values:
    found = ctx.client("sts").get_caller_identity()
    return {"id": found["Account"], "accountId": found["Account"], "arn": found["Arn"], "userId": found["UserId"]}


def _partition(_: Context, __: Values) -> Values:
    return {"id": PARTITION, "partition": PARTITION, "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws"}


def _region(ctx: Context, args: Values) -> Values:
    name = args.get("name") or args.get("region") or ctx.region
    return {
        "id": name,
        "name": name,
        "region": name,
        "description": _REGIONS.get(name, name),
        "endpoint": f"ec2.{name}.amazonaws.com",
    }


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
    "aws:index/getPartition:getPartition": _partition,
    "aws:index/getRegion:getRegion": _region,
    "aws:ec2/getManagedPrefixList:getManagedPrefixList": _prefix_list,
    "aws:cloudfront/getCachePolicy:getCachePolicy": _managed("cache policy", "cache-policy", _CACHE_POLICIES),
    "aws:cloudfront/getOriginRequestPolicy:getOriginRequestPolicy": _managed(
        "origin request policy", "origin-request-policy", _ORIGIN_REQUEST_POLICIES
    ),
    "aws:cloudfront/getResponseHeadersPolicy:getResponseHeadersPolicy": _managed(
        "response headers policy", "response-headers-policy", _RESPONSE_HEADERS_POLICIES
    ),
}
"""Answers by Pulumi's token of the function."""


def invoke(ctx: Context, token: str, args: Values) -> Values:
    """Answer an AWS function; `KindError` names one that the local cloud does not know."""
    if token not in INVOKES:
        message = f"the local cloud has no answer for {token}; it knows {', '.join(sorted(INVOKES))}"
        raise KindError(message)
    return INVOKES[token](ctx, args)
