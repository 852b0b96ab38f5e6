"""The load balancer of one region: HTTPS from CloudFront only, pods join its target groups from the cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics, Metric, Severity, alarm, math_alarm
from components.component import Component, Site
from components.pods import APP_PORT

ORIGIN_HEADER = "x-origin-verify"
CLOUDFRONT_PREFIX_LIST = "com.amazonaws.global.cloudfront.origin-facing"
"""Counts as 55 of the 60 rules that a security group may have: there is room for five more."""
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
IDLE_TIMEOUT_SECONDS = 60
"""Longer than the sockets' ping (25 s), shorter than the application keeps connections open (75 s):
the load balancer must be the one that closes, or a request meets a closing connection and fails with 502."""
DEREGISTRATION_SECONDS = 30
"""In-flight requests may end: double the 15 s that a pod keeps serving before it stops, and the 10 s cap of one."""
FEW_REQUESTS = 20
"""Below this many a minute an error rate says nothing."""

Colour = Literal["blue", "green"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadBalancerArgs:
    """What the load balancer stands on.

    Attributes:
        vpc_id: the VPC.
        subnet_ids: the public subnets, three zones.
        pod_security_group_id: the cluster's group, which all pods have.
        cluster_name: whose controller may register pods.
        certificate_arn: certificate of `origin.<domain>` in this region.
        origin_token: secret that CloudFront sends in `x-origin-verify`.
        logs_bucket: takes access and connection logs; its policy must already allow that.
        weights: share of the API's requests by colour; `blue` alone without blue/green. 0 is idle.
        images: there are pods that resize images, for `/img/*`.
        p95_ms: the phase's promise.
        topics: who hears of trouble.
    """

    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    pod_security_group_id: pulumi.Input[str]
    cluster_name: pulumi.Input[str]
    certificate_arn: pulumi.Input[str]
    origin_token: pulumi.Input[str]
    logs_bucket: pulumi.Input[str]
    weights: Mapping[Colour, int]
    images: bool
    p95_ms: int
    topics: AlarmTopics


class LoadBalancer(Component):
    """An internet-facing ALB, its security group, HTTPS listener, rules, target groups and alarms.

    It answers 403 to whoever does not know the origin token: CloudFront's addresses are everybody's who
    has a distribution. There is no HTTP listener, CloudFront speaks HTTPS only.
    The first API target group is `blue` in every phase, so that blue/green adds one and moves none. The load
    balancer never sends a colour's requests to the other one when it has no healthy pod, so a colour that
    carries requests pages; an idle one is worth a ticket, since the next release starts on it.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-action-types.html
    """

    KIND: ClassVar[str] = "network:LoadBalancer"
    DATA_CLASS: ClassVar = "public"

    arn: pulumi.Output[str]
    arn_suffix: pulumi.Output[str]
    """As CloudWatch's dimension `LoadBalancer` wants it."""
    dns_name: pulumi.Output[str]
    zone_id: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    listener_arn: pulumi.Output[str]
    outage_alarm_arn: pulumi.Output[str]
    """On while many requests fail."""
    api_target_group_arns: Mapping[Colour, pulumi.Output[str]]
    weights: Mapping[Colour, int]
    """As they were given, for who else must know."""
    realtime_target_group_arn: pulumi.Output[str]
    images_target_group_arn: pulumi.Output[str] | None

    def __init__(
        self, name: str, site: Site, args: LoadBalancerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Create the load balancer."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        security_group = self._create_security_group()
        balancer = self._create_load_balancer(security_group)
        api = {colour: self._create_target_group(f"api-{colour}") for colour in args.weights}
        realtime = self._create_target_group("realtime")
        images = self._create_target_group("images") if args.images else None
        listener = self._create_listener(balancer)
        self._create_rules(listener, api, realtime, images)
        self.outage_alarm_arn = self._create_error_alarms(balancer)
        for colour, group in api.items():
            self._create_latency_alarms(f"{name}-api-{colour}", balancer, group)
            severity: Severity = "page" if args.weights[colour] else "ticket"
            self._create_health_alarms(f"{name}-api-{colour}", balancer, group, severity)
        self._create_health_alarms(f"{name}-realtime", balancer, realtime, "page")
        if images is not None:
            # CloudFront goes on serving what was resized before.
            self._create_health_alarms(f"{name}-images", balancer, images, "ticket")

        self.arn = balancer.arn
        self.arn_suffix = balancer.arn_suffix
        self.dns_name = balancer.dns_name
        self.zone_id = balancer.zone_id
        self.security_group_id = security_group.id
        self.listener_arn = listener.arn
        self.weights = args.weights
        self.api_target_group_arns = {colour: group.arn for colour, group in api.items()}
        self.realtime_target_group_arn = realtime.arn
        self.images_target_group_arn = None if images is None else images.arn
        self.register_outputs({"arn": self.arn, "dns_name": self.dns_name, "zone_id": self.zone_id})

    def _create_security_group(self) -> aws.ec2.SecurityGroup:
        group = aws.ec2.SecurityGroup(
            self._name,
            name=self.site.names.of("security_group", self._name),
            description="HTTPS from CloudFront, to the pods.",
            vpc_id=self._args.vpc_id,
            opts=self.stateful(),
        )
        cloudfront = aws.ec2.get_managed_prefix_list_output(
            name=CLOUDFRONT_PREFIX_LIST, region=self.site.region, opts=pulumi.InvokeOutputOptions(parent=self)
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{self._name}-cloudfront",
            description="HTTPS from CloudFront.",
            security_group_id=group.id,
            prefix_list_id=cloudfront.id,
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            opts=self.child(),
        )
        aws.vpc.SecurityGroupEgressRule(
            f"{self._name}-pods",
            description="To the pods.",
            security_group_id=group.id,
            referenced_security_group_id=self._args.pod_security_group_id,
            ip_protocol="tcp",
            from_port=APP_PORT,
            to_port=APP_PORT,
            opts=self.child(),
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{self._name}-to-pods",
            description="From the load balancer.",
            security_group_id=self._args.pod_security_group_id,
            referenced_security_group_id=group.id,
            ip_protocol="tcp",
            from_port=APP_PORT,
            to_port=APP_PORT,
            opts=self.child(),
        )
        return group

    def _create_load_balancer(self, group: aws.ec2.SecurityGroup) -> aws.lb.LoadBalancer:
        bucket = self._args.logs_bucket
        return aws.lb.LoadBalancer(
            self._name,
            name=self.site.names.of("load_balancer", self._name),
            load_balancer_type="application",
            internal=False,
            ip_address_type="ipv4",
            subnets=self._args.subnet_ids,
            security_groups=[group.id],
            idle_timeout=IDLE_TIMEOUT_SECONDS,
            drop_invalid_header_fields=True,
            desync_mitigation_mode="defensive",
            xff_header_processing_mode="append",
            enable_deletion_protection=self.site.protected,
            enable_zonal_shift=True,
            access_logs=aws.lb.LoadBalancerAccessLogsArgs(bucket=bucket, prefix=self._name, enabled=True),
            connection_logs=aws.lb.LoadBalancerConnectionLogsArgs(
                bucket=bucket, prefix=f"{self._name}-connections", enabled=True
            ),
            opts=self.stateful(),
        )

    def _create_target_group(self, role: str) -> aws.lb.TargetGroup:
        """Auto-named, as a change of port or protocol replaces it while the rules still use it.

        The name must be short: of AWS's 32 characters Pulumi's suffix takes eight.
        Auto Mode may only register pods in groups with its cluster's tag (managed policy
        AmazonEKSLoadBalancingPolicy). Health is `/health`, which needs no database: on `/ready` a database
        outage would take out all pods at once, and with them degraded mode. Pods that are not ready
        leave the group through the cluster.
        """
        return aws.lb.TargetGroup(
            f"{self.site.region}-{role}",
            target_type="ip",
            port=APP_PORT,
            protocol="HTTP",
            protocol_version="HTTP1",
            vpc_id=self._args.vpc_id,
            deregistration_delay=DEREGISTRATION_SECONDS,
            slow_start=0 if role == "realtime" else 30,
            load_balancing_algorithm_type="round_robin",
            stickiness=aws.lb.TargetGroupStickinessArgs(type="lb_cookie", enabled=False),
            health_check=aws.lb.TargetGroupHealthCheckArgs(
                enabled=True,
                path="/health",
                port="traffic-port",
                protocol="HTTP",
                matcher="200",
                interval=10,
                timeout=5,
                healthy_threshold=2,
                unhealthy_threshold=3,
            ),
            tags={"eks:eks-cluster-name": self._args.cluster_name},
            opts=self.child(),
        )

    def _create_listener(self, balancer: aws.lb.LoadBalancer) -> aws.lb.Listener:
        return aws.lb.Listener(
            f"{self._name}-https",
            load_balancer_arn=balancer.arn,
            port=443,
            protocol="HTTPS",
            ssl_policy=TLS_POLICY,
            certificate_arn=self._args.certificate_arn,
            routing_http_response_server_enabled=False,
            default_actions=[
                aws.lb.ListenerDefaultActionArgs(
                    type="fixed-response",
                    fixed_response=aws.lb.ListenerDefaultActionFixedResponseArgs(
                        content_type="text/plain", message_body="Forbidden", status_code="403"
                    ),
                )
            ],
            opts=self.child(),
        )

    def _create_rules(
        self,
        listener: aws.lb.Listener,
        api: Mapping[Colour, aws.lb.TargetGroup],
        realtime: aws.lb.TargetGroup,
        images: aws.lb.TargetGroup | None,
    ) -> None:
        self._create_rule("realtime", listener, 10, {realtime.arn: 100}, ["/ws", "/ws/*"])
        if images is not None:
            self._create_rule("images", listener, 15, {images.arn: 100}, ["/img/*"])
        weights = {api[colour].arn: weight for colour, weight in self._args.weights.items()}
        self._create_rule("api", listener, 20, weights, [])

    def _create_rule(
        self,
        role: str,
        listener: aws.lb.Listener,
        priority: int,
        weights: Mapping[pulumi.Output[str], int],
        paths: Sequence[str],
    ) -> None:
        header = aws.lb.ListenerRuleConditionHttpHeaderArgs(
            http_header_name=ORIGIN_HEADER, values=[pulumi.Output.secret(self._args.origin_token)]
        )
        conditions = [aws.lb.ListenerRuleConditionArgs(http_header=header)]
        if paths:
            pattern = aws.lb.ListenerRuleConditionPathPatternArgs(values=paths)
            conditions.append(aws.lb.ListenerRuleConditionArgs(path_pattern=pattern))
        targets = [
            aws.lb.ListenerRuleActionForwardTargetGroupArgs(arn=arn, weight=weight) for arn, weight in weights.items()
        ]
        aws.lb.ListenerRule(
            f"{self._name}-{role}",
            listener_arn=listener.arn,
            priority=priority,
            conditions=conditions,
            actions=[
                aws.lb.ListenerRuleActionArgs(
                    type="forward", forward=aws.lb.ListenerRuleActionForwardArgs(target_groups=targets)
                )
            ],
            opts=self.child(),
        )

    def _create_error_alarms(self, balancer: aws.lb.LoadBalancer) -> pulumi.Output[str]:
        """Share of answers that are 5xx, the load balancer's own among them; the ARN of the alarm that pages.

        `RequestCount` leaves out requests for which no target was found, so the load balancer's own
        errors are added to it: otherwise a total outage would look like a quiet minute.
        """
        metrics = {
            "requests": self._metric(balancer, "RequestCount", "Sum"),
            "target": self._metric(balancer, "HTTPCode_Target_5XX_Count", "Sum"),
            "own": self._metric(balancer, "HTTPCode_ELB_5XX_Count", "Sum"),
        }
        total = "(FILL(requests,0)+FILL(own,0))"
        rate = f"IF({total}>={FEW_REQUESTS},100*(FILL(target,0)+FILL(own,0))/{total},0)"
        levels: Sequence[tuple[str, int, Severity]] = (("errors-high", 5, "page"), ("errors", 1, "ticket"))
        alarms = [
            math_alarm(
                self,
                f"{self._name}-{suffix}",
                description=f"More than {percent} % of requests fail with 5xx for 5 minutes.",
                runbook="api-errors",
                severity=severity,
                topics=self._args.topics,
                expression=rate,
                metrics=metrics,
                threshold=percent,
            )
            for suffix, percent, severity in levels
        ]
        return alarms[0].arn

    def _create_latency_alarms(self, name: str, balancer: aws.lb.LoadBalancer, group: aws.lb.TargetGroup) -> None:
        """200 ms is worth a look, the phase's promise is broken, one second is an outage."""
        promise = min(self._args.p95_ms, 500)
        levels: Sequence[tuple[str, int, Severity]] = (
            ("latency-outage", 1_000, "page"),
            ("latency-promise", promise, "ticket"),
            ("latency", 200, "ticket"),
        )
        for suffix, limit_ms, severity in levels:
            alarm(
                self,
                f"{name}-{suffix}",
                description=f"The API's 95th percentile is over {limit_ms} ms for 5 minutes.",
                runbook="api-latency",
                severity=severity,
                topics=self._args.topics,
                metric=self._metric(balancer, "TargetResponseTime", "p95", group),
                threshold=limit_ms / 1_000,
            )

    def _create_health_alarms(
        self, name: str, balancer: aws.lb.LoadBalancer, group: aws.lb.TargetGroup, none_healthy: Severity
    ) -> None:
        alarm(
            self,
            f"{name}-unhealthy",
            description="A pod fails the load balancer's health check for 5 minutes.",
            runbook="unhealthy-targets",
            severity="ticket",
            topics=self._args.topics,
            metric=self._metric(balancer, "UnHealthyHostCount", "Maximum", group),
            threshold=0,
        )
        alarm(
            self,
            f"{name}-none-healthy",
            description="No pod behind the load balancer is healthy for 3 minutes.",
            runbook="unhealthy-targets",
            severity=none_healthy,
            topics=self._args.topics,
            metric=self._metric(balancer, "HealthyHostCount", "Maximum", group),
            threshold=1,
            comparison="LessThanThreshold",
            evaluation_periods=3,
            missing_data="breaching",
        )

    def _metric(
        self,
        balancer: aws.lb.LoadBalancer,
        metric: str,
        statistic: str,
        group: aws.lb.TargetGroup | None = None,
    ) -> Metric:
        dimensions: dict[str, pulumi.Input[str]] = {"LoadBalancer": balancer.arn_suffix}
        if group is not None:
            dimensions["TargetGroup"] = group.arn_suffix
        return Metric(namespace="AWS/ApplicationELB", name=metric, dimensions=dimensions, statistic=statistic)
