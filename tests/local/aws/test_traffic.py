"""A release on the local cloud: weights and health checks change in place."""

from __future__ import annotations

from infra.local.aws.kind import Values
from tests.local.aws.scene import Scene

RULE, GROUP = "aws:lb/listenerRule:ListenerRule", "aws:lb/targetGroup:TargetGroup"
RECORD, CHECK = "aws:route53/record:Record", "aws:route53/healthCheck:HealthCheck"


def test_a_colour_may_have_no_requests_and_get_them_all(scene: Scene) -> None:
    blue, green = (
        scene.make(GROUP, port=8080, protocol="HTTP", targetType="ip", vpcId=scene.vpc)[2] for _ in ("blue", "green")
    )

    def inputs(of_blue: int, of_green: int) -> Values:
        groups = [{"arn": blue, "weight": of_blue}, {"arn": green, "weight": of_green}]
        return {
            "listenerArn": scene.listener,
            "priority": 41,
            "actions": [{"type": "forward", "forward": {"targetGroups": groups}}],
            "conditions": [{"httpHeader": {"httpHeaderName": "X-Origin", "values": ["v"]}}],
        }

    kind, context, id_, outputs = scene.make(RULE, **inputs(100, 0))

    def weights() -> dict[str, int]:
        (rule,) = context.client("elbv2").describe_rules(RuleArns=[id_])["Rules"]
        return {one["TargetGroupArn"]: one["Weight"] for one in rule["Actions"][0]["ForwardConfig"]["TargetGroups"]}

    assert weights() == {blue: 100, green: 0}
    fresh = kind.update(context, id_, outputs, inputs(100, 0), inputs(0, 100))
    assert weights() == {blue: 0, green: 100}
    assert kind.read(context, id_, fresh) == fresh


def test_a_record_follows_another_health_check_in_place(scene: Scene) -> None:
    alarm = {
        "type": "CLOUDWATCH_METRIC",
        "cloudwatchAlarmRegion": "us-east-1",
        "insufficientDataHealthStatus": "LastKnownStatus",
    }
    blue, green = (scene.make(CHECK, cloudwatchAlarmName=name, **alarm)[2] for name in ("blue", "green"))
    old = {
        "zoneId": scene.zone,
        "name": "origin.example.com",
        "type": "A",
        "ttl": 60,
        "records": ["192.0.2.1"],
        "setIdentifier": "eu-west-1",
        "latencyRoutingPolicies": [{"region": "eu-west-1"}],
        "healthCheckId": blue,
    }
    kind, context, id_, outputs = scene.make(RECORD, **old)
    fresh = kind.update(context, id_, outputs, old, {**old, "healthCheckId": green})

    records = context.client("route53").list_resource_record_sets(HostedZoneId=scene.zone)["ResourceRecordSets"]
    (record,) = [one for one in records if one["Name"].startswith("origin.example.com")]
    assert (record["HealthCheckId"], record["Region"]) == (green, "eu-west-1")
    assert kind.read(context, id_, fresh) == fresh
    kind.delete(context, id_, fresh)
    assert kind.read(context, id_, fresh) is None
