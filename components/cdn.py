"""CloudFront: one distribution for pages, API, public files and WebSockets.

Cloudflare's proxy stands in front of it (`cloudflare_edge`), so the viewer that CloudFront sees is
Cloudflare, and the viewer's address is in CF-Connecting-IP. Everything here is managed in us-east-1.

What may be cached is decided here, on three assumptions about the application:
- a response that depends on who asks, or that sets a cookie, says `Cache-Control: private, no-store`;
- pages are read with GET or HEAD, whatever changes something is under /api/;
- files under /assets/ and /static/ have the hash of their content in their name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics, Metric, alarm, math_alarm
from components.cdn_origins import API, ASSETS, ASSETS_GROUP, api_origin, assets_groups, assets_origins
from components.cdn_policies import CdnPolicies, CdnPoliciesArgs
from components.component import Component, DataClass, Site
from components.edge import HEALTH_PATH, Hosts, require_edge_region

IMMUTABLE_EXTENSIONS = ("css", "gif", "ico", "jpeg", "jpg", "js", "png", "svg", "woff2")
"""Assets, wherever they are. A cache behaviour each: path patterns know no alternatives."""
IMAGES_PATH = "/img/*"
READ = ("GET", "HEAD", "OPTIONS")
ALL_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
MEANINGFUL_REQUESTS_PER_HOUR = 100_000
"""Below, the hit rate proves nothing: Cloudflare has answered most requests already, and most that come
through are the first of their kind."""
LOG_FIELDS = (
    "date",
    "time",
    "x-edge-location",
    "sc-bytes",
    "c-ip",
    "cs-method",
    "cs(Host)",
    "cs-uri-stem",
    "sc-status",
    "cs(User-Agent)",
    "x-edge-result-type",
    "x-edge-request-id",
    "x-host-header",
    "cs-protocol",
    "cs-bytes",
    "time-taken",
    "x-forwarded-for",
    "ssl-protocol",
    "x-edge-response-result-type",
    "cs-protocol-version",
    "time-to-first-byte",
    "x-edge-detailed-result-type",
)
"""Without cookies, query strings and referrers: those carry tokens and names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CdnArgs:
    """What the distribution stands on.

    Attributes:
        hosts: the product's names.
        anonymous_api_paths: path patterns under /api/ whose GETs are the same for everybody.
        assets_domain_name: regional domain name of the assets bucket.
        failover_assets_domain_name: that of another region's, which holds the same; asked when the first fails.
        image_resizing: `/img/*` is answered by the resizer behind the API's origin.
        certificate_arn: issued certificate in us-east-1 for all public hosts.
        web_acl_arn: web ACL of scope CLOUDFRONT.
        origin_secret: what the load balancer wants to see in `x-origin-verify` (secret).
        logs_bucket_arn: takes the access logs.
        topics: topics in us-east-1.
    """

    hosts: Hosts
    anonymous_api_paths: Sequence[str]
    assets_domain_name: pulumi.Input[str]
    certificate_arn: pulumi.Input[str]
    web_acl_arn: pulumi.Input[str]
    origin_secret: pulumi.Input[str]
    logs_bucket_arn: pulumi.Input[str]
    topics: AlarmTopics
    failover_assets_domain_name: pulumi.Input[str] | None = None
    image_resizing: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Behavior:
    """A cache behaviour without its path, which the default one has not."""

    origin: str
    methods: Sequence[str]
    cache_policy_id: pulumi.Input[str | None]
    request_policy_id: pulumi.Input[str | None]
    headers_policy_id: pulumi.Input[str]
    functions: Mapping[str, pulumi.Input[str]]
    """ARN by event."""

    def default(self) -> aws.cloudfront.DistributionDefaultCacheBehaviorArgs:
        """For every path that no other behaviour takes."""
        functions = [
            aws.cloudfront.DistributionDefaultCacheBehaviorFunctionAssociationArgs(event_type=event, function_arn=arn)
            for event, arn in self.functions.items()
        ]
        return aws.cloudfront.DistributionDefaultCacheBehaviorArgs(function_associations=functions, **self._shared())

    def at(self, path: str) -> aws.cloudfront.DistributionOrderedCacheBehaviorArgs:
        """For the paths of one pattern."""
        functions = [
            aws.cloudfront.DistributionOrderedCacheBehaviorFunctionAssociationArgs(event_type=event, function_arn=arn)
            for event, arn in self.functions.items()
        ]
        return aws.cloudfront.DistributionOrderedCacheBehaviorArgs(
            path_pattern=path, function_associations=functions, **self._shared()
        )

    def _shared(self) -> dict[str, Any]:
        return {
            "target_origin_id": self.origin,
            "allowed_methods": list(self.methods),
            "cached_methods": ["GET", "HEAD"],
            "viewer_protocol_policy": "redirect-to-https",
            "compress": True,
            "cache_policy_id": self.cache_policy_id,
            "origin_request_policy_id": self.request_policy_id,
            "response_headers_policy_id": self.headers_policy_id,
        }


class Cdn(Component):
    """The distribution, its policies and functions, access control to the bucket, logs, metrics and alarms.

    There is no invalidation: assets carry a hash in their name, pages live an hour
    (https://github.com/pulumi/pulumi-aws/issues/916).
    """

    KIND: ClassVar[str] = "edge:Cdn"
    DATA_CLASS: ClassVar[DataClass] = "public"

    distribution_id: pulumi.Output[str]
    distribution_arn: pulumi.Output[str]
    domain_name: pulumi.Output[str]

    def __init__(self, name: str, site: Site, args: CdnArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the distribution; `site` must stand in us-east-1."""
        require_edge_region(site.region, "CloudFront")
        super().__init__(name, site, opts)
        self._name = name
        self._args = args
        distribution = self._create_distribution(self._create_policies())
        self._create_log_delivery(distribution)
        self._create_alarms(distribution)
        self.distribution_id = distribution.id
        self.distribution_arn = distribution.arn
        self.domain_name = distribution.domain_name
        self.register_outputs(
            {
                "distribution_id": self.distribution_id,
                "distribution_arn": self.distribution_arn,
                "domain_name": self.domain_name,
            }
        )

    def _create_policies(self) -> CdnPolicies:
        hosts = self._args.hosts
        return CdnPolicies(
            f"{self._name}-policies",
            self.site,
            CdnPoliciesArgs(
                page_hosts=(hosts.domain, hosts.www, hosts.api),
                api_host=hosts.api,
                cdn_host=hosts.cdn,
                image_resizing=self._args.image_resizing,
            ),
            pulumi.ResourceOptions(parent=self),
        )

    def _create_distribution(self, policies: CdnPolicies) -> aws.cloudfront.Distribution:
        args = self._args
        return aws.cloudfront.Distribution(
            self._name,
            comment=args.hosts.domain,
            enabled=True,
            aliases=list(args.hosts.public.values()),
            http_version="http2and3",
            is_ipv6_enabled=True,
            price_class="PriceClass_All",
            web_acl_id=args.web_acl_arn,
            origins=[
                *assets_origins(
                    args.assets_domain_name, args.failover_assets_domain_name, self._create_access_control().id
                ),
                api_origin(args.hosts.origin, args.origin_secret),
            ],
            origin_groups=None if args.failover_assets_domain_name is None else assets_groups(),
            default_cache_behavior=self._pages(policies).default(),
            ordered_cache_behaviors=self._ordered_behaviors(policies),
            restrictions=aws.cloudfront.DistributionRestrictionsArgs(
                geo_restriction=aws.cloudfront.DistributionRestrictionsGeoRestrictionArgs(restriction_type="none")
            ),
            viewer_certificate=aws.cloudfront.DistributionViewerCertificateArgs(
                acm_certificate_arn=args.certificate_arn,
                minimum_protocol_version="TLSv1.2_2021",
                ssl_support_method="sni-only",
            ),
            opts=self.child(),
        )

    def _create_access_control(self) -> aws.cloudfront.OriginAccessControl:
        return aws.cloudfront.OriginAccessControl(
            f"{self._name}-assets",
            description="CloudFront signs its requests to the assets bucket",
            origin_access_control_origin_type="s3",
            signing_behavior="always",
            signing_protocol="sigv4",
            opts=self.child(),
        )

    def _pages(self, policies: CdnPolicies) -> _Behavior:
        return _Behavior(
            origin=API,
            methods=READ,
            cache_policy_id=policies.pages_cache_id,
            request_policy_id=policies.anonymous_request_id,
            headers_policy_id=policies.secure_headers_id,
            functions={"viewer-request": policies.host_function_arn},
        )

    def _ordered_behaviors(self, policies: CdnPolicies) -> list[aws.cloudfront.DistributionOrderedCacheBehaviorArgs]:
        """First match wins: the allow-list before /api/*, and that before the extensions."""
        uncached = _Behavior(
            origin=API,
            methods=ALL_METHODS,
            cache_policy_id=policies.uncached_id,
            request_policy_id=policies.everything_request_id,
            headers_policy_id=policies.secure_headers_id,
            functions={"viewer-request": policies.host_function_arn},
        )
        anonymous = _Behavior(
            origin=API,
            methods=READ,
            cache_policy_id=policies.anonymous_cache_id,
            request_policy_id=policies.anonymous_request_id,
            headers_policy_id=policies.secure_headers_id,
            functions={"viewer-request": policies.host_function_arn},
        )
        assets = ASSETS if self._args.failover_assets_domain_name is None else ASSETS_GROUP
        immutable = _Behavior(
            origin=assets,
            methods=READ,
            cache_policy_id=policies.immutable_cache_id,
            request_policy_id=policies.cors_request_id,
            headers_policy_id=policies.public_headers_id,
            functions={"viewer-response": policies.immutable_function_arn},
        )
        media = _Behavior(
            origin=assets,
            methods=READ,
            cache_policy_id=policies.optimized_cache_id,
            request_policy_id=policies.cors_request_id,
            headers_policy_id=policies.public_headers_id,
            functions={},
        )
        return [
            *[anonymous.at(path) for path in self._args.anonymous_api_paths],
            uncached.at("/api/*"),
            uncached.at("/ws*"),
            uncached.at(HEALTH_PATH),
            *self._images(policies),
            immutable.at("/assets/*"),
            immutable.at("/static/*"),
            media.at("/media/*"),
            *[immutable.at(f"*.{extension}") for extension in IMMUTABLE_EXTENSIONS],
        ]

    def _images(self, policies: CdnPolicies) -> list[aws.cloudfront.DistributionOrderedCacheBehaviorArgs]:
        """The resizer, on every host and before the extensions; it is told what is in the cache key and no more."""
        if policies.images_cache_id is None or policies.images_function_arn is None:
            return []
        resized = _Behavior(
            origin=API,
            methods=READ,
            cache_policy_id=policies.images_cache_id,
            request_policy_id=None,
            headers_policy_id=policies.public_headers_id,
            functions={"viewer-request": policies.images_function_arn},
        )
        return [resized.at(IMAGES_PATH)]

    def _create_log_delivery(self, distribution: aws.cloudfront.Distribution) -> None:
        """Standard logging v2, as JSON to `AWSLogs/<account>/CloudFront/`.

        No path of our own: CloudFront puts that prefix before it behind the provider's back
        (https://github.com/hashicorp/terraform-provider-aws/issues/40968).
        """
        name = f"{self._name}-access"
        physical_name = self.site.names.of("log_delivery", name)
        source = aws.cloudwatch.LogDeliverySource(
            name,
            name=physical_name,
            log_type="ACCESS_LOGS",
            resource_arn=distribution.arn,
            opts=self.child(),
        )
        destination = aws.cloudwatch.LogDeliveryDestination(
            name,
            name=physical_name,
            output_format="json",
            delivery_destination_configuration=(
                aws.cloudwatch.LogDeliveryDestinationDeliveryDestinationConfigurationArgs(
                    destination_resource_arn=self._args.logs_bucket_arn
                )
            ),
            opts=self.child(),
        )
        aws.cloudwatch.LogDelivery(
            name,
            delivery_source_name=source.name,
            delivery_destination_arn=destination.arn,
            record_fields=list(LOG_FIELDS),
            opts=self.child(),
        )

    def _create_alarms(self, distribution: aws.cloudfront.Distribution) -> None:
        subscription = aws.cloudfront.MonitoringSubscription(
            self._name,
            distribution_id=distribution.id,
            monitoring_subscription=aws.cloudfront.MonitoringSubscriptionMonitoringSubscriptionArgs(
                realtime_metrics_subscription_config=(
                    aws.cloudfront.MonitoringSubscriptionMonitoringSubscriptionRealtimeMetricsSubscriptionConfigArgs(
                        realtime_metrics_subscription_status="Enabled"
                    )
                )
            ),
            opts=self.child(),
        )

        def metric(metric_name: str, statistic: str = "Average") -> Metric:
            return Metric(
                namespace="AWS/CloudFront",
                name=metric_name,
                dimensions={"DistributionId": subscription.distribution_id, "Region": "Global"},
                statistic=statistic,
            )

        alarm(
            self,
            f"{self._name}-errors-critical",
            description="More than 5 % of all requests fail with a 5xx.",
            runbook="edge-errors",
            severity="page",
            topics=self._args.topics,
            metric=metric("5xxErrorRate"),
            threshold=5,
        )
        alarm(
            self,
            f"{self._name}-errors",
            description="More than 1 % of all requests fail with a 5xx.",
            runbook="edge-errors",
            severity="ticket",
            topics=self._args.topics,
            metric=metric("5xxErrorRate"),
            threshold=1,
        )
        math_alarm(
            self,
            f"{self._name}-cache-hit-rate",
            description="CloudFront answers less than 95 % of the cacheable requests from its cache.",
            runbook="cdn-hit-rate",
            severity="ticket",
            topics=self._args.topics,
            # CloudFront has one hit rate for all GETs, those of the uncached API among them
            # (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/viewing-cloudfront-metrics.html).
            expression=f"IF(requests > {MEANINGFUL_REQUESTS_PER_HOUR}, rate, 100)",
            metrics={"rate": metric("CacheHitRate"), "requests": metric("Requests", "Sum")},
            threshold=95,
            comparison="LessThanThreshold",
            period_seconds=3600,
            evaluation_periods=3,
        )
