"""Where CloudFront gets what it does not have: the buckets of public files, and the load balancers."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

API, ASSETS, ASSETS_FAILOVER, ASSETS_GROUP = "api", "assets", "assets-failover", "assets-group"
"""The load balancers; home's bucket, that of another region, and both as one."""


def assets_origins(
    domain_name: pulumi.Input[str], failover_domain_name: pulumi.Input[str] | None, access_control_id: pulumi.Input[str]
) -> list[aws.cloudfront.DistributionOriginArgs]:
    """One origin a bucket; the same access control signs for both."""
    buckets = {ASSETS: domain_name}
    if failover_domain_name is not None:
        buckets[ASSETS_FAILOVER] = failover_domain_name
    return [
        aws.cloudfront.DistributionOriginArgs(
            origin_id=origin, domain_name=bucket, origin_access_control_id=access_control_id
        )
        for origin, bucket in buckets.items()
    ]


def assets_groups() -> list[aws.cloudfront.DistributionOriginGroupArgs]:
    """Both buckets as one. S3 failing counts, an object missing does not: it is missing in the copy too."""
    return [
        aws.cloudfront.DistributionOriginGroupArgs(
            origin_id=ASSETS_GROUP,
            failover_criteria=aws.cloudfront.DistributionOriginGroupFailoverCriteriaArgs(
                status_codes=[500, 502, 503, 504]
            ),
            members=[
                aws.cloudfront.DistributionOriginGroupMemberArgs(origin_id=origin)
                for origin in (ASSETS, ASSETS_FAILOVER)
            ],
        )
    ]


def api_origin(host: str, secret: pulumi.Input[str]) -> aws.cloudfront.DistributionOriginArgs:
    """The load balancers of all regions under one name; `secret` proves that CloudFront asks."""
    return aws.cloudfront.DistributionOriginArgs(
        origin_id=API,
        domain_name=host,
        connection_timeout=5,
        custom_headers=[aws.cloudfront.DistributionOriginCustomHeaderArgs(name="x-origin-verify", value=secret)],
        custom_origin_config=aws.cloudfront.DistributionOriginCustomOriginConfigArgs(
            http_port=80,
            https_port=443,
            origin_protocol_policy="https-only",
            origin_ssl_protocols=["TLSv1.2"],
            # Shorter than the load balancer's 60 s: whoever closes first must be the client, or
            # requests fall into a connection that is just being closed (502).
            origin_keepalive_timeout=55,
            # The application ends every request after 10 s. WebSockets only have to answer the handshake in time.
            origin_read_timeout=10,
        ),
    )
