"""API Gateway for partners and webhooks: an HTTP API in front of the load balancer, with a quota a route."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics, Metric, Severity, alarm, math_alarm
from components.component import Component, Site
from components.load_balancer import FEW_REQUESTS, ORIGIN_HEADER

VIEWER_HEADER = "cf-connecting-ip"
"""Where the application looks for the caller's address; Cloudflare sets it on the other way in."""
TIMEOUT_MS = 29_000
"""An HTTP API waits 30 seconds at most."""
STAGE = "$default"
"""The one stage whose name is not in the path."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quota:
    """Requests of all callers of one route together: `rate` a second, and `burst` at once."""

    rate: int
    burst: int


ROUTES: Mapping[str, Quota] = {
    "ANY /api/{proxy+}": Quota(rate=200, burst=400),
    "ANY /webhooks/{proxy+}": Quota(rate=100, burst=200),
}
"""Together less than a tenth of what the product carries at 250k: partners cannot starve it."""

ACCESS_LOG: Mapping[str, str] = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "method": "$context.httpMethod",
    "route": "$context.routeKey",
    "status": "$context.status",
    "latency": "$context.responseLatency",
    "integrationStatus": "$context.integrationStatus",
    "integrationLatency": "$context.integrationLatency",
    "integrationError": "$context.integrationErrorMessage",
    "responseLength": "$context.responseLength",
}
"""Neither address nor path: a path can name a person. The application logs both where it must, under its own rules."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiGatewayArgs:
    """What the API stands on.

    Attributes:
        host: `partners.<domain>`.
        certificate_arn: certificate of `host` in this region, issued.
        origin_host: name in the load balancer's certificate, `origin.<domain>`.
        origin_token: secret that the load balancer demands.
        vpc_id: the VPC.
        subnet_ids: private subnets for the link's interfaces, fixed at creation.
        load_balancer_security_group_id: gets a rule that lets the link in.
        listener_arn: HTTPS listener of the load balancer.
        log_key_arn: KMS key of the access log.
        p95_ms: the phase's promise.
        topics: who hears of trouble.
    """

    host: str
    certificate_arn: pulumi.Input[str]
    origin_host: str
    origin_token: pulumi.Input[str]
    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    load_balancer_security_group_id: pulumi.Input[str]
    listener_arn: pulumi.Input[str]
    log_key_arn: pulumi.Input[str]
    p95_ms: int
    topics: AlarmTopics


class ApiGateway(Component):
    """HTTP API, VPC link to the load balancer, two routes, custom domain, access log and alarms.

    The product's own clients do not come this way: docs/decisions/0006-api-gateway.md has the price of that.
    Tokens and signatures are checked by the application, which knows the keys; here is no authorizer.
    Without AWS's own address (`execute-api`) there is one way in, the one that DNS names.
    """

    KIND: ClassVar[str] = "network:ApiGateway"
    DATA_CLASS: ClassVar = "public"

    api_id: pulumi.Output[str]
    endpoint: str
    """URL for partners."""
    target_host: pulumi.Output[str]
    """What the record of `host` points to."""
    target_zone_id: pulumi.Output[str]
    """API Gateway's own zone, for an alias record in Route 53."""

    def __init__(self, name: str, site: Site, args: ApiGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the API."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        api = self._create_api()
        routes = self._create_routes(api, self._create_integration(api, self._create_link()))
        stage = self._create_stage(api, routes)
        domain = self._create_domain(api, stage)
        self._create_alarms(api)

        self.api_id = api.id
        self.endpoint = f"https://{args.host}"
        target = domain.domain_name_configuration
        self.target_host = target.apply(lambda known: known.target_domain_name or "")
        self.target_zone_id = target.apply(lambda known: known.hosted_zone_id or "")
        self.register_outputs({"api_id": self.api_id, "endpoint": self.endpoint, "target_host": self.target_host})

    def _create_api(self) -> aws.apigatewayv2.Api:
        return aws.apigatewayv2.Api(
            self._name,
            name=self.site.names.of("api", self._name),
            description="For partners and webhooks.",
            protocol_type="HTTP",
            disable_execute_api_endpoint=True,
            opts=self.child(),
        )

    def _create_link(self) -> aws.apigatewayv2.VpcLink:
        """Interfaces in the private subnets, which may talk to the load balancer and to nobody else.

        Unverified: that a link reaches an internet-facing load balancer by its addresses in the VPC. AWS's pages show
        internal ones; the example `vpc-link-http` of terraform-aws-modules/terraform-aws-apigateway-v2 has one that
        faces the internet, but is open to the world. If not, the rule never matches and each request times out.
        """
        group = aws.ec2.SecurityGroup(
            self._name,
            name=self.site.names.of("security_group", self._name),
            description="API Gateway to the load balancer.",
            vpc_id=self._args.vpc_id,
            opts=self.child(),
        )
        balancer = self._args.load_balancer_security_group_id
        aws.vpc.SecurityGroupEgressRule(
            f"{self._name}-to-lb",
            description="To the load balancer.",
            security_group_id=group.id,
            referenced_security_group_id=balancer,
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            opts=self.child(),
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{self._name}-to-lb",
            description="HTTPS from API Gateway.",
            security_group_id=balancer,
            referenced_security_group_id=group.id,
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            opts=self.child(),
        )
        return aws.apigatewayv2.VpcLink(
            self._name,
            name=self.site.names.of("api", self._name),
            subnet_ids=self._args.subnet_ids,
            security_group_ids=[group.id],
            opts=self.child(),
        )

    def _create_integration(
        self, api: aws.apigatewayv2.Api, link: aws.apigatewayv2.VpcLink
    ) -> aws.apigatewayv2.Integration:
        """Headers are overwritten, not appended: a caller must be able to forge neither.

        https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
        """
        return aws.apigatewayv2.Integration(
            self._name,
            api_id=api.id,
            integration_type="HTTP_PROXY",
            integration_method="ANY",
            integration_uri=self._args.listener_arn,
            connection_type="VPC_LINK",
            connection_id=link.id,
            payload_format_version="1.0",
            timeout_milliseconds=TIMEOUT_MS,
            tls_config=aws.apigatewayv2.IntegrationTlsConfigArgs(server_name_to_verify=self._args.origin_host),
            request_parameters={
                f"overwrite:header.{ORIGIN_HEADER}": pulumi.Output.secret(self._args.origin_token),
                f"overwrite:header.{VIEWER_HEADER}": "$context.identity.sourceIp",
            },
            opts=self.child(),
        )

    def _create_routes(
        self, api: aws.apigatewayv2.Api, integration: aws.apigatewayv2.Integration
    ) -> list[aws.apigatewayv2.Route]:
        return [
            aws.apigatewayv2.Route(
                f"{self._name}-{_slug(route)}",
                api_id=api.id,
                route_key=route,
                authorization_type="NONE",
                target=pulumi.Output.concat("integrations/", integration.id),
                opts=self.child(),
            )
            for route in ROUTES
        ]

    def _create_stage(self, api: aws.apigatewayv2.Api, routes: list[aws.apigatewayv2.Route]) -> aws.apigatewayv2.Stage:
        logs = aws.cloudwatch.LogGroup(
            f"{self._name}-access",
            # Below this prefix Logs needs no policy entry a group: such a policy holds 5,120 characters in all.
            # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html
            name=f"/aws/vendedlogs/headroom/{self.site.names.stack}/{self._name}",
            retention_in_days=30,
            kms_key_id=self._args.log_key_arn,
            opts=self.child(),
        )
        # Settings may only name routes that exist.
        return aws.apigatewayv2.Stage(
            self._name,
            name=STAGE,
            api_id=api.id,
            auto_deploy=True,
            access_log_settings=aws.apigatewayv2.StageAccessLogSettingsArgs(
                destination_arn=logs.arn, format=json.dumps(ACCESS_LOG)
            ),
            route_settings=[
                aws.apigatewayv2.StageRouteSettingArgs(
                    route_key=route,
                    detailed_metrics_enabled=True,
                    throttling_rate_limit=quota.rate,
                    throttling_burst_limit=quota.burst,
                )
                for route, quota in ROUTES.items()
            ],
            opts=self.child(depends_on=[*routes]),
        )

    def _create_domain(self, api: aws.apigatewayv2.Api, stage: aws.apigatewayv2.Stage) -> aws.apigatewayv2.DomainName:
        domain = aws.apigatewayv2.DomainName(
            self._name,
            domain_name=self._args.host,
            domain_name_configuration=aws.apigatewayv2.DomainNameDomainNameConfigurationArgs(
                certificate_arn=self._args.certificate_arn, endpoint_type="REGIONAL", security_policy="TLS_1_2"
            ),
            opts=self.child(),
        )
        aws.apigatewayv2.ApiMapping(self._name, api_id=api.id, domain_name=domain.id, stage=stage.id, opts=self.child())
        return domain

    def _create_alarms(self, api: aws.apigatewayv2.Api) -> None:
        levels: Sequence[tuple[str, str, int, Severity, str]] = (
            ("errors-high", "5xx", 5, "page", "More than 5 % of partners' requests fail with 5xx for 5 minutes."),
            ("errors", "5xx", 1, "ticket", "More than 1 % of partners' requests fail with 5xx for 5 minutes."),
            ("refused", "4xx", 20, "ticket", "More than 20 % of partners' requests are refused for 5 minutes."),
        )
        for suffix, answers, percent, severity, description in levels:
            math_alarm(
                self,
                f"{self._name}-{suffix}",
                description=description,
                runbook="partner-api",
                severity=severity,
                topics=self._args.topics,
                expression=f"IF(requests>={FEW_REQUESTS},100*FILL(answers,0)/requests,0)",
                metrics={
                    "requests": _metric(api, "Count", "Sum"),
                    "answers": _metric(api, answers, "Sum"),
                },
                threshold=percent,
            )
        alarm(
            self,
            f"{self._name}-latency",
            description=f"The 95th percentile of partners' requests is over {self._args.p95_ms} ms for 5 minutes.",
            runbook="partner-api",
            severity="ticket",
            topics=self._args.topics,
            metric=_metric(api, "Latency", "p95"),
            threshold=self._args.p95_ms,
        )


def _metric(api: aws.apigatewayv2.Api, name: str, statistic: str) -> Metric:
    """As HTTP APIs call it: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html."""
    return Metric(namespace="AWS/ApiGateway", name=name, dimensions={"ApiId": api.id}, statistic=statistic)


def _slug(route: str) -> str:
    """`api` of `ANY /api/{proxy+}`."""
    return route.split("/")[1]
