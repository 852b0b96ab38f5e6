"""What stands once for the whole world: names, certificates, firewall, CDN, budget and dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pulumi

from components.api_gateway import ApiGateway, ApiGatewayArgs
from components.audit import Audit, AuditArgs
from components.budget import Budget, BudgetArgs
from components.cdn import Cdn, CdnArgs
from components.cloudflare_edge import CloudflareEdge, CloudflareEdgeArgs
from components.component import Component, Site
from components.dns import (
    EdgeCertificate,
    EdgeCertificateArgs,
    OriginRecord,
    OriginRecordArgs,
    OriginZone,
    OriginZoneArgs,
    Uptime,
    UptimeArgs,
)
from components.edge import Hosts
from components.edge_workers import EdgeWorkers, EdgeWorkersArgs
from components.firewall import Firewall, FirewallArgs
from components.raw import cloudflare_ip_ranges, dns_record
from components.storage import DistributionAccess, DistributionAccessArgs
from components.telemetry import Chart, Dashboard, DashboardArgs
from infra.config import Settings
from stacks.region import Region


@dataclass(frozen=True, kw_only=True, slots=True)
class EdgeArgs:
    """`settings` of the stack."""

    settings: Settings


class Edge(Component):
    """Names and certificates first, which the regions need; `serve` then adds what needs the regions."""

    KIND: ClassVar[str] = "edge:Edge"

    def __init__(self, name: str, site: Site, args: EdgeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create zone and certificates; `site` must stand in us-east-1, where CloudFront looks for its own."""
        super().__init__(name, site, opts)
        self._settings = args.settings
        self._hosts = Hosts(args.settings.domain)
        self._here = pulumi.ResourceOptions(parent=self)
        self.zone = OriginZone(
            "origin-zone",
            site,
            OriginZoneArgs(
                hosts=self._hosts,
                cloudflare_zone_id=args.settings.cloudflare_zone_id,
                regions=args.settings.spec.regions,
            ),
            self._here,
        )
        self._certificate = EdgeCertificate(
            "edge-certificate",
            site,
            EdgeCertificateArgs(
                names=self._hosts.public,
                purpose="CloudFront",
                cloudflare_zone_id=args.settings.cloudflare_zone_id,
            ),
            self._here,
        )

    def serve(self, regions: Sequence[Region]) -> None:
        """Put the regions behind firewall and CDN; the first is home, whose buckets and topics the edge uses."""
        home = regions[0]
        self.firewall = self._create_firewall(home)
        for region in regions:
            self._create_origin_record(region)
        self.cdn = self._create_cdn(regions)
        self._create_cloudflare_edge()
        if self._settings.spec.edge.partner_api:
            self._create_partner_api(home)
        Uptime("uptime", self.site, UptimeArgs(host=self._hosts.api, topics=home.topics), self._here)
        Audit("audit", home.site, AuditArgs(account_id=home.account_id, topics=home.topics), self._here)
        self.budget = self._create_budget(home)
        self.dashboard = self._create_dashboard(regions)
        self.register_outputs({})

    def _create_firewall(self, home: Region) -> Firewall:
        ranges = cloudflare_ip_ranges(pulumi.InvokeOptions(parent=self))
        args = FirewallArgs(
            cloudflare_ipv4=ranges.apply(lambda known: known["ipv4Cidrs"]),
            cloudflare_ipv6=ranges.apply(lambda known: known["ipv6Cidrs"]),
            key_arn=home.keys.operations_arn,
            topics=home.topics,
        )
        return Firewall("firewall", self.site, args, self._here)

    def _create_origin_record(self, region: Region) -> None:
        balancer = region.load_balancer
        args = OriginRecordArgs(
            host=self._hosts.origin,
            zone_id=self.zone.zone_id,
            load_balancer_dns_name=balancer.dns_name,
            load_balancer_zone_id=balancer.zone_id,
            load_balancer_arn_suffix=balancer.arn_suffix,
            target_group_arns=balancer.api_target_group_arns,
            weights=balancer.weights,
            topics=region.topics,
        )
        OriginRecord(f"{region.site.region}-origin", region.site, args, self._here)

    def _create_cdn(self, regions: Sequence[Region]) -> Cdn:
        home, *others = regions
        cdn = Cdn(
            "cdn",
            self.site,
            CdnArgs(
                hosts=self._hosts,
                anonymous_api_paths=self._settings.anonymous_api_paths,
                assets_domain_name=home.assets.regional_domain_name,
                failover_assets_domain_name=others[0].assets.regional_domain_name if others else None,
                image_resizing=self._settings.spec.edge.image_resizing,
                certificate_arn=self._certificate.certificate_arn,
                web_acl_arn=self.firewall.web_acl_arn,
                origin_secret=home.secrets.origin_token,
                logs_bucket_arn=home.logs_bucket.arn,
                topics=home.topics,
            ),
            self._here,
        )
        for region in regions:
            # Home's has no region in its name: it is from the time when there was one.
            name = "cdn-assets" if region is home else region.named("cdn-assets")
            args = DistributionAccessArgs(bucket_name=region.assets.bucket_name, distribution_arn=cdn.distribution_arn)
            DistributionAccess(name, region.site, args, self._here)
        return cdn

    def _create_partner_api(self, home: Region) -> None:
        """The way in for integrators and webhooks, at home only: they retry, and find it again after a failover."""
        host, zone_id = self._hosts.partners, self._settings.cloudflare_zone_id
        certificate = EdgeCertificateArgs(
            names={"partners": host}, purpose="the partners' API", cloudflare_zone_id=zone_id
        )
        args = ApiGatewayArgs(
            host=host,
            certificate_arn=EdgeCertificate("partners-certificate", self.site, certificate, self._here).certificate_arn,
            origin_host=self._hosts.origin,
            origin_token=home.secrets.origin_token,
            vpc_id=home.network.vpc_id,
            subnet_ids=home.network.private_subnet_ids,
            load_balancer_security_group_id=home.load_balancer.security_group_id,
            listener_arn=home.load_balancer.listener_arn,
            log_key_arn=home.keys.operations_arn,
            p95_ms=self._settings.spec.targets.p95_ms,
            topics=home.topics,
        )
        api = ApiGateway(home.named("partners"), home.site, args, self._here)
        home.extras["partnerApiId"] = api.api_id
        dns_record(
            "partners",
            zone_id=zone_id,
            host=host,
            kind="CNAME",
            content=api.target_host,
            proxied=False,
            comment="API Gateway, for partners and webhooks",
            opts=self.child(),
        )

    def _create_cloudflare_edge(self) -> None:
        args = CloudflareEdgeArgs(
            hosts=self._hosts,
            zone_id=self._settings.cloudflare_zone_id,
            distribution_domain_name=self.cdn.domain_name,
            image_resizing=self._settings.spec.edge.image_resizing,
        )
        CloudflareEdge("cloudflare", self.site, args, self._here)
        account_id = self._settings.cloudflare_account_id
        if self._settings.spec.edge.edge_workers and account_id is not None:
            workers = EdgeWorkersArgs(
                hosts=self._hosts,
                zone_id=self._settings.cloudflare_zone_id,
                account_id=account_id,
                anonymous_api_paths=self._settings.anonymous_api_paths,
            )
            EdgeWorkers("edge-workers", self.site, workers, self._here)

    def _create_budget(self, home: Region) -> Budget:
        args = BudgetArgs(
            band=self._settings.spec.targets.monthly_usd,
            cost_center=self._settings.cost_center,
            emails=self._settings.alert_emails,
            ticket_arn=home.topics.ticket_arn,
        )
        return Budget("budget", self.site, args, self._here)

    def _create_dashboard(self, regions: Sequence[Region]) -> Dashboard:
        charts = [chart for region in regions for chart in _charts(region)]
        return Dashboard("dashboard", self.site, DashboardArgs(charts=charts), self._here)


Series = Sequence[pulumi.Input[str]]
"""One line of a chart: namespace, metric, dimension, its value."""


def _charts(region: Region) -> list[Chart]:
    """Golden signals of a region, then what they stand on."""
    balancer: Series = ["LoadBalancer", region.load_balancer.arn_suffix]
    primaries = [one.identifier for one in region.databases.values()]
    instances = [*primaries, *(one.identifier for one in region.replicas.values())]
    databases: Sequence[Series] = [["DBInstanceIdentifier", identifier] for identifier in instances]
    queues = region.messaging.queue_names
    where = region.site.region

    def chart(title: str, statistic: str, *series: Series) -> Chart:
        return Chart(title=f"{title} ({where})", series=series, statistic=statistic, region=where)

    return [
        chart("Requests", "Sum", ["AWS/ApplicationELB", "RequestCount", *balancer]),
        chart("Response time p95", "p95", ["AWS/ApplicationELB", "TargetResponseTime", *balancer]),
        chart("Errors 5xx", "Sum", ["AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", *balancer]),
        chart("Database CPU", "Average", *(["AWS/RDS", "CPUUtilization", *one] for one in databases)),
        chart("Database connections", "Maximum", *(["AWS/RDS", "DatabaseConnections", *one] for one in databases)),
        chart("Database free storage", "Minimum", *(["AWS/RDS", "FreeStorageSpace", *one] for one in databases)),
        chart(
            "Jobs waiting",
            "Maximum",
            *(["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue] for queue in queues),
        ),
        chart(
            "Oldest job",
            "Maximum",
            *(["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue] for queue in queues),
        ),
    ]
