"""Names on AWS's side: the zone of the origin, its certificates and records, and CloudFront's certificate.

`origin.<domain>` is a zone of its own in Route 53, delegated from Cloudflare: it has a latency record for
each region, so a region more is a record more, and nothing else of the product moves.

The order: `OriginZone` (regional certificates, for the load balancers) and `EdgeCertificate` (for
CloudFront) need only the domain; `OriginRecord` needs a load balancer. The certificate of CloudFront
is here and not in `cdn` so that the records that prove it stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics, Metric, alarm
from components.component import Component, Site
from components.edge import EDGE_REGION, HEALTH_PATH, Hosts, require_edge_region
from components.load_balancer import Colour
from components.raw import dns_record

NAME_SERVERS = 4
"""A delegation set of Route 53 has four."""
PROOF_SECONDS = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class OriginZoneArgs:
    """The domain, its zone at Cloudflare, and the regions whose load balancers need a certificate."""

    hosts: Hosts
    cloudflare_zone_id: pulumi.Input[str]
    regions: Sequence[str]


class OriginZone(Component):
    """The Route 53 zone of `origin.<domain>`, its delegation at Cloudflare, and a certificate a region."""

    KIND: ClassVar[str] = "edge:OriginZone"

    zone_id: pulumi.Output[str]
    certificate_arns: Mapping[str, pulumi.Output[str]]
    """By region, issued."""

    def __init__(self, name: str, site: Site, args: OriginZoneArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the zone and the certificates."""
        super().__init__(name, site, opts)
        self._name = name
        self._args = args
        zone = self._create_zone()
        delegation = self._delegate(zone)
        self.zone_id = zone.zone_id
        self.certificate_arns = self._create_certificates(zone, delegation)
        self.register_outputs({"zone_id": self.zone_id, "certificate_arns": self.certificate_arns})

    def _create_zone(self) -> aws.route53.Zone:
        return aws.route53.Zone(
            self._name,
            name=self._args.hosts.origin,
            comment="Load balancers behind CloudFront; delegated from Cloudflare",
            opts=self.stateful(),
        )

    def _delegate(self, zone: aws.route53.Zone) -> list[pulumi.Resource]:
        return [
            dns_record(
                f"{self._name}-ns-{index}",
                zone_id=self._args.cloudflare_zone_id,
                host=self._args.hosts.origin,
                kind="NS",
                content=zone.name_servers[index],
                proxied=False,
                comment="The origin's zone is in Route 53",
                opts=self.child(),
            )
            for index in range(NAME_SERVERS)
        ]

    def _create_certificates(
        self, zone: aws.route53.Zone, delegation: list[pulumi.Resource]
    ) -> dict[str, pulumi.Output[str]]:
        """One proof for all: ACM asks for the same record in each region of an account."""
        host = self._args.hosts.origin
        certificates = {
            region: aws.acm.Certificate(
                f"{self._name}-{region}",
                domain_name=host,
                validation_method="DNS",
                region=region,
                opts=self.child(),
            )
            for region in self._args.regions
        }
        proof = _proof(next(iter(certificates.values())), host)
        record = aws.route53.Record(
            f"{self._name}-proof",
            zone_id=zone.zone_id,
            name=proof.name,
            type="CNAME",
            ttl=PROOF_SECONDS,
            records=[proof.value],
            opts=self.child(),
        )
        return {
            region: aws.acm.CertificateValidation(
                f"{self._name}-{region}",
                certificate_arn=certificate.arn,
                validation_record_fqdns=[record.fqdn],
                region=region,
                # ACM can see the record only once the world is told where the zone is.
                opts=self.child(depends_on=delegation),
            ).certificate_arn
            for region, certificate in certificates.items()
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class EdgeCertificateArgs:
    """Names by label, and their zone at Cloudflare; `purpose` is what the certificate is for."""

    names: Mapping[str, str]
    purpose: str
    cloudflare_zone_id: pulumi.Input[str]


class EdgeCertificate(Component):
    """A certificate in us-east-1, proved by records at Cloudflare: CloudFront's, or that of the partners' API."""

    KIND: ClassVar[str] = "edge:EdgeCertificate"

    certificate_arn: pulumi.Output[str]
    """Issued."""

    def __init__(
        self, name: str, site: Site, args: EdgeCertificateArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Create the certificate, in us-east-1 wherever `site` stands."""
        super().__init__(name, site, opts)
        first, *others = args.names.values()
        certificate = aws.acm.Certificate(
            name,
            domain_name=first,
            subject_alternative_names=others or None,
            validation_method="DNS",
            region=EDGE_REGION,
            opts=self.child(),
        )
        proofs = {label: _proof(certificate, host) for label, host in args.names.items()}
        records = [
            dns_record(
                f"{name}-proof-{label}",
                zone_id=args.cloudflare_zone_id,
                host=proof.name,
                kind="CNAME",
                content=proof.value,
                proxied=False,
                comment=f"Proves the certificate of {args.purpose}; renewals need it too",
                opts=self.child(),
            )
            for label, proof in proofs.items()
        ]
        validation = aws.acm.CertificateValidation(
            name,
            certificate_arn=certificate.arn,
            validation_record_fqdns=[proof.name for proof in proofs.values()],
            region=EDGE_REGION,
            opts=self.child(depends_on=[*records]),
        )
        self.certificate_arn = validation.certificate_arn
        self.register_outputs({"certificate_arn": self.certificate_arn})


@dataclass(frozen=True, slots=True)
class _Proof:
    """The CNAME that ACM wants to see, without trailing dots: Cloudflare drops them, and would differ for ever."""

    name: pulumi.Output[str]
    value: pulumi.Output[str]


def _proof(certificate: aws.acm.Certificate, host: str) -> _Proof:
    """Found by host: the options are a set, in no order."""
    option = certificate.domain_validation_options.apply(
        lambda options: next(option for option in options if option.domain_name == host)
    )
    return _Proof(
        option.apply(lambda known: (known.resource_record_name or "").rstrip(".")),
        option.apply(lambda known: (known.resource_record_value or "").rstrip(".")),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class OriginRecordArgs:
    """One region's load balancer.

    Attributes:
        host: `origin.<domain>`.
        zone_id: its zone.
        load_balancer_dns_name: where to.
        load_balancer_zone_id: Elastic Load Balancing's own zone in the region.
        load_balancer_arn_suffix: `LoadBalancer` in metrics.
        target_group_arns: of the API's pods, by colour; `blue` first.
        weights: share of the API's requests, by the same colours.
        topics: topics of the region.
    """

    host: str
    zone_id: pulumi.Input[str]
    load_balancer_dns_name: pulumi.Input[str]
    load_balancer_zone_id: pulumi.Input[str]
    load_balancer_arn_suffix: pulumi.Input[str]
    target_group_arns: Mapping[Colour, pulumi.Input[str]]
    weights: Mapping[Colour, int]
    topics: AlarmTopics


class OriginRecord(Component):
    """The latency record of one region, with the health check that takes it out of the answers.

    Each colour of the API has a check; the record follows that of the colour with most of the requests. Not "either
    one is healthy": the load balancer sends no request of a dead colour to the other. And not "both are": a release
    that fails with a tenth of the requests would move all others to the next region, where it fails as well.

    A check follows an alarm. Route 53's own checkers cannot reach the load balancer: it is open to
    CloudFront only, and wants the secret header. The alias's `evaluate_target_health` would do only
    while every target group has pods: it holds a load balancer with one empty group for unhealthy, as
    the idle half of blue and green is.
    https://docs.aws.amazon.com/Route53/latest/APIReference/API_AliasTarget.html
    """

    KIND: ClassVar[str] = "edge:OriginRecord"

    health_check_id: pulumi.Output[str]

    def __init__(
        self, name: str, site: Site, args: OriginRecordArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Create the record of the region that `site` stands in."""
        super().__init__(name, site, opts)
        self._name = name
        self._args = args
        main = max(args.weights, key=args.weights.__getitem__)
        checks = {colour: self._create_health_check(colour, is_main=colour == main) for colour in args.weights}
        check = checks[main]
        self._create_record(check)
        self.health_check_id = check.id
        self.register_outputs({"health_check_id": self.health_check_id})

    def _create_health_check(self, colour: Colour, *, is_main: bool) -> aws.route53.HealthCheck:
        """Blue's has no colour in its name: it was there before green."""
        name = self._name if colour == "blue" else f"{self._name}-{colour}"
        target_group = pulumi.Output.from_input(self._args.target_group_arns[colour])
        means = "DNS leaves the region out" if is_main else "it must not be given most of the requests"
        # One plain metric: Route 53 follows no alarm with metric math or percentiles.
        no_target = alarm(
            self,
            f"{name}-no-target",
            description=f"No {colour} API pod of the region has been healthy for three minutes: {means}.",
            runbook="region-unhealthy",
            severity="page" if is_main else "ticket",
            topics=self._args.topics,
            metric=Metric(
                namespace="AWS/ApplicationELB",
                name="HealthyHostCount",
                dimensions={
                    "LoadBalancer": self._args.load_balancer_arn_suffix,
                    "TargetGroup": target_group.apply(lambda arn: arn.rpartition(":")[2]),
                },
                # Each zone counts for itself; one with pods is enough.
                statistic="Maximum",
            ),
            threshold=1,
            comparison="LessThanThreshold",
            evaluation_periods=3,
            missing_data="breaching",
        )
        return aws.route53.HealthCheck(
            name,
            type="CLOUDWATCH_METRIC",
            cloudwatch_alarm_name=no_target.name,
            cloudwatch_alarm_region=self.site.region,
            insufficient_data_health_status="LastKnownStatus",
            opts=self.child(),
        )

    def _create_record(self, check: aws.route53.HealthCheck) -> None:
        aws.route53.Record(
            self._name,
            zone_id=self._args.zone_id,
            name=self._args.host,
            type="A",
            set_identifier=self.site.region,
            health_check_id=check.id,
            latency_routing_policies=[aws.route53.RecordLatencyRoutingPolicyArgs(region=self.site.region)],
            aliases=[
                aws.route53.RecordAliasArgs(
                    name=self._args.load_balancer_dns_name,
                    zone_id=self._args.load_balancer_zone_id,
                    evaluate_target_health=False,
                )
            ],
            opts=self.child(),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class UptimeArgs:
    """`host` is what is asked, from all over the world; `topics` are those in us-east-1."""

    host: str
    topics: AlarmTopics


class Uptime(Component):
    """What visitors see: `/health` through Cloudflare, CloudFront, firewall and load balancer, each 30 s.

    Bot protection at Cloudflare must let `Amazon-Route53-Health-Check-Service` pass.
    """

    KIND: ClassVar[str] = "edge:Uptime"

    health_check_id: pulumi.Output[str]

    def __init__(self, name: str, site: Site, args: UptimeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the check and its alarm; `site` must stand in us-east-1."""
        require_edge_region(site.region, "an alarm on a health check of Route 53")
        super().__init__(name, site, opts)
        check = aws.route53.HealthCheck(
            name,
            type="HTTPS",
            fqdn=args.host,
            port=443,
            resource_path=HEALTH_PATH,
            enable_sni=True,
            request_interval=30,
            failure_threshold=3,
            opts=self.child(),
        )
        alarm(
            self,
            f"{name}-down",
            description=f"https://{args.host}{HEALTH_PATH} does not answer.",
            runbook="uptime",
            severity="page",
            topics=args.topics,
            metric=Metric(
                namespace="AWS/Route53",
                name="HealthCheckStatus",
                dimensions={"HealthCheckId": check.id},
                statistic="Minimum",
            ),
            threshold=1,
            comparison="LessThanThreshold",
            evaluation_periods=2,
            missing_data="breaching",
        )
        self.health_check_id = check.id
        self.register_outputs({"health_check_id": self.health_check_id})
