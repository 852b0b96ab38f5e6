"""Answers to the few questions that the program asks AWS and Cloudflare, for whoever runs it without either.

The identifiers of CloudFront's managed policies are the same in every account; account, caller and prefix list are
examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

ACCOUNT_ID: Final = "123456789012"
CALLER_ARN: Final = f"arn:aws:iam::{ACCOUNT_ID}:root"
PREFIX_LIST_ID: Final = "pl-3b927c52"
CACHE_POLICIES: Final = {
    "Managed-Amplify": "2e54312d-136d-493c-8eb9-b001f22f67d2",
    "Managed-CachingDisabled": "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
    "Managed-CachingOptimized": "658327ea-f89d-4fab-a63d-7e88639e58f6",
    "Managed-CachingOptimizedForUncompressedObjects": "b2884449-e4de-46a7-ac36-70bc7f1ddd6d",
    "Managed-Elemental-MediaPackage": "08627262-05a9-4f76-9ded-b50ca2e3a84f",
    "UseOriginCacheControlHeaders": "83da9c7e-98b4-4e11-a168-04f0df8e2c65",
    "UseOriginCacheControlHeaders-QueryStrings": "4cc15a8a-d715-48a4-82b8-cc0b614638fe",
}
"""https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html."""
ORIGIN_REQUEST_POLICIES: Final = {
    "Managed-AllViewer": "216adef6-5c7f-47e4-b989-5492eafa07d3",
    "Managed-AllViewerAndCloudFrontHeaders-2022-06": "33f36d7e-f396-46d9-90e0-52428a34d9dc",
    "Managed-AllViewerExceptHostHeader": "b689b0a8-53d0-40ab-baf2-68738e2966ac",
    "Managed-CORS-CustomOrigin": "59781a5b-3903-41f3-afcb-af62929ccde1",
    "Managed-CORS-S3Origin": "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf",
    "Managed-UserAgentRefererHeaders": "acba4595-bd28-49b8-b9fe-13317c0390fa",
}
"""https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-origin-request-policies.html."""
CLOUDFLARE_IPV4: Final = (
    "173.245.48.0/20", "103.21.244.0/22", "103.22.200.0/22", "103.31.4.0/22", "141.101.64.0/18",
    "108.162.192.0/18", "190.93.240.0/20", "188.114.96.0/20", "197.234.240.0/22", "198.41.128.0/17",
    "162.158.0.0/15", "104.16.0.0/13", "104.24.0.0/14", "172.64.0.0/13", "131.0.72.0/22",
)  # fmt: skip
CLOUDFLARE_IPV6: Final = (
    "2400:cb00::/32", "2606:4700::/32", "2803:f800::/32", "2405:b500::/32", "2405:8100::/32",
    "2a06:98c0::/29", "2c0f:f248::/32",
)  # fmt: skip
"""As published at https://www.cloudflare.com/ips-v4 and ips-v6; copied from memory of those pages, not fetched."""
CLOUDFLARE_IP_RANGES: Final = "cloudflare:index/getIpRanges:getIpRanges"


def answer(token: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """What the function `token` would return.

    Raises:
        LookupError: the program asks something new; it belongs here too.
    """
    if token == "aws:index/getCallerIdentity:getCallerIdentity":  # noqa: S105 a function's token
        return {"accountId": ACCOUNT_ID, "arn": CALLER_ARN, "id": ACCOUNT_ID, "userId": ACCOUNT_ID}
    if token == "aws:ec2/getManagedPrefixList:getManagedPrefixList":  # noqa: S105
        return {"id": PREFIX_LIST_ID, "name": args["name"]}
    if token == "aws:cloudfront/getCachePolicy:getCachePolicy":  # noqa: S105
        return {"id": CACHE_POLICIES[args["name"]], "name": args["name"]}
    if token == "aws:cloudfront/getOriginRequestPolicy:getOriginRequestPolicy":  # noqa: S105
        return {"id": ORIGIN_REQUEST_POLICIES[args["name"]], "name": args["name"]}
    if token == CLOUDFLARE_IP_RANGES:
        return {"etag": "", "ipv4Cidrs": list(CLOUDFLARE_IPV4), "ipv6Cidrs": list(CLOUDFLARE_IPV6), "jdcloudCidrs": []}
    msg = f"no answer to {token}: add it to infra/invokes.py"
    raise LookupError(msg)
