"""Cases of traffic, messages, telemetry and upkeep."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.local.aws.case import Case, anyone, case, same

EVENTS = json.dumps({"source": ["aws.rds"]})
_FORBIDDEN = {"type": "fixed-response", "fixedResponse": {"contentType": "text/plain", "statusCode": "403"}}

TRAFFIC: Mapping[str, Case] = {
    "aws:lb/loadBalancer:LoadBalancer": case(
        lambda scene: {
            "subnets": scene.subnets,
            "securityGroups": [scene.group],
            "internal": False,
            "loadBalancerType": "application",
            "idleTimeout": 60,
            "dropInvalidHeaderFields": True,
        },
        lambda scene: {"securityGroups": [scene.group], "idleTimeout": 120},
        "securityGroups",
        tags=True,
    ),
    "aws:lb/targetGroup:TargetGroup": case(
        lambda scene: {
            "port": 8080,
            "protocol": "HTTP",
            "targetType": "ip",
            "vpcId": scene.vpc,
            "deregistrationDelay": 30,
            "healthCheck": {"path": "/healthz", "interval": 15, "matcher": "200"},
        },
        same(healthCheck={"path": "/ready", "interval": 10}),
        tags=True,
    ),
    "aws:lb/listener:Listener": case(
        lambda scene: {
            "loadBalancerArn": scene.balancer["arn"],
            "port": 443,
            "protocol": "HTTPS",
            "certificateArn": scene.certificate,
            "sslPolicy": "ELBSecurityPolicy-2016-08",
            "defaultActions": [_FORBIDDEN],
        },
        same(sslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06"),
        "sslPolicy",
        tags=True,
    ),
    "aws:lb/listenerRule:ListenerRule": case(
        lambda scene: {
            "listenerArn": scene.listener,
            "priority": 10,
            "actions": [{"type": "forward", "forward": {"targetGroups": [{"arn": scene.targets, "weight": 100}]}}],
            "conditions": [{"httpHeader": {"httpHeaderName": "X-Origin", "values": ["v"]}}],
        },
        same(priority=20, conditions=[{"pathPattern": {"values": ["/api/*"]}}]),
        "priority",
        tags=True,
    ),
    "aws:acm/certificate:Certificate": case(
        same(domainName="example.org", subjectAlternativeNames=["*.example.org"], validationMethod="DNS"), tags=True
    ),
    "aws:acm/certificateValidation:CertificateValidation": case(
        lambda scene: {"certificateArn": scene.certificate, "validationRecordFqdns": ["_a.example.com"]}, stays=True
    ),
    "aws:route53/zone:Zone": case(same(name="example.net", comment="first"), same(comment="second"), tags=True),
    "aws:route53/record:Record": case(
        lambda scene: {
            "zoneId": scene.zone,
            "name": "www",
            "type": "A",
            "ttl": 60,
            "records": ["192.0.2.1"],
            "setIdentifier": "us-east-1",
            "latencyRoutingPolicies": [{"region": "us-east-1"}],
        },
        same(records=["192.0.2.2"], ttl=300),
        "records",
        "ttl",
    ),
    "aws:route53/healthCheck:HealthCheck": case(
        same(type="HTTPS", fqdn="origin.example.com", port=443, resourcePath="/healthz", failureThreshold=3),
        same(resourcePath="/ready"),
        "resourcePath",
        tags=True,
    ),
}

MESSAGING: Mapping[str, Case] = {
    "aws:sqs/queue:Queue": case(
        lambda scene: {
            "visibilityTimeoutSeconds": 60,
            "messageRetentionSeconds": 86400,
            "sqsManagedSseEnabled": True,
            "redrivePolicy": json.dumps({"maxReceiveCount": 5, "deadLetterTargetArn": scene.queue["arn"]}),
        },
        same(visibilityTimeoutSeconds=90),
        "visibilityTimeoutSeconds",
        tags=True,
    ),
    "aws:sqs/queuePolicy:QueuePolicy": case(
        lambda scene: {"queueUrl": scene.make("aws:sqs/queue:Queue")[2], "policy": anyone("sqs:SendMessage", "A")},
        same(policy=anyone("sqs:SendMessage", "B")),
        "policy",
    ),
    "aws:sns/topic:Topic": case(same(displayName="first"), same(displayName="second"), "displayName", tags=True),
    "aws:sns/topicPolicy:TopicPolicy": case(
        lambda scene: {"arn": scene.make("aws:sns/topic:Topic")[2], "policy": anyone("SNS:Publish", "A")},
        same(policy=anyone("SNS:Publish", "B")),
        "policy",
        stays=True,
    ),
    "aws:sns/topicSubscription:TopicSubscription": case(
        lambda scene: {
            "topic": scene.topic,
            "protocol": "sqs",
            "endpoint": scene.queue["arn"],
            "rawMessageDelivery": True,
            "filterPolicy": json.dumps({"kind": ["order"]}),
        },
        same(rawMessageDelivery=False),
    ),
}

TELEMETRY: Mapping[str, Case] = {
    "aws:cloudwatch/logGroup:LogGroup": case(
        lambda scene: {"name": f"/{scene.unique()}", "retentionInDays": 30},
        same(retentionInDays=90),
        "retentionInDays",
        tags=True,
    ),
    "aws:cloudwatch/logStream:LogStream": case(lambda scene: {"logGroupName": scene.log_group, "name": "stream"}),
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": case(
        lambda scene: {
            "logGroupName": scene.log_group,
            "name": "errors",
            "pattern": "ERROR",
            "metricTransformation": {"name": "errors", "namespace": "App", "value": "1", "defaultValue": "0"},
        },
        same(pattern="FATAL"),
        "pattern",
    ),
    "aws:cloudwatch/dashboard:Dashboard": case(
        lambda scene: {"dashboardName": scene.unique("board"), "dashboardBody": '{"widgets": []}'},
        same(dashboardBody='{"start": "-PT6H", "widgets": []}'),
        "dashboardBody",
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": case(
        lambda scene: {
            "name": scene.unique("cpu"),
            "comparisonOperator": "GreaterThanThreshold",
            "evaluationPeriods": 3,
            "metricName": "CPUUtilization",
            "namespace": "AWS/RDS",
            "period": 60,
            "statistic": "Average",
            "threshold": 80,
            "alarmActions": [scene.topic],
            "dimensions": {"DBInstanceIdentifier": "db"},
        },
        same(threshold=90),
        "threshold",
        tags=True,
    ),
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": case(
        lambda scene: {"alarmName": scene.unique("all"), "alarmRule": "ALARM(a)", "alarmActions": [scene.topic]},
        same(alarmRule="ALARM(b)"),
        "alarmRule",
        tags=True,
    ),
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": case(
        lambda scene: {"policyName": scene.unique("p"), "policyDocument": anyone("logs:PutLogEvents", "A")},
        same(policyDocument=anyone("logs:PutLogEvents", "B")),
        "policyDocument",
    ),
    "aws:cloudwatch/logDeliverySource:LogDeliverySource": case(
        lambda scene: {
            "name": scene.unique("source"),
            "logType": "ACCESS_LOGS",
            "resourceArn": scene.distribution["arn"],
        },
        tags=True,
    ),
    "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination": case(
        lambda scene: {
            "name": scene.unique("destination"),
            "outputFormat": "json",
            "deliveryDestinationConfiguration": {"destinationResourceArn": f"arn:aws:s3:::{scene.bucket}"},
        },
        tags=True,
    ),
    "aws:cloudwatch/logDelivery:LogDelivery": case(lambda scene: scene.delivery, tags=True),
    "aws:cloudwatch/eventRule:EventRule": case(
        same(eventPattern=EVENTS, description="first"), same(state="DISABLED"), "state", tags=True
    ),
    "aws:cloudwatch/eventTarget:EventTarget": case(
        lambda scene: {
            "rule": scene.make("aws:cloudwatch/eventRule:EventRule", eventPattern=EVENTS)[2],
            "arn": scene.topic,
            "inputTransformer": {"inputPaths": {"a": "$.detail"}, "inputTemplate": '"<a>"'},
            "retryPolicy": {"maximumRetryAttempts": 3},
        },
        lambda scene: {"arn": scene.queue["arn"]},
        "arn",
    ),
    "aws:scheduler/schedule:Schedule": case(
        lambda scene: {
            "scheduleExpression": "rate(1 day)",
            "flexibleTimeWindow": {"mode": "OFF"},
            "target": {"arn": scene.queue["arn"], "roleArn": scene.role["arn"]},
        },
        same(scheduleExpression="rate(2 days)"),
        "scheduleExpression",
    ),
    "aws:backup/vault:Vault": case(lambda scene: {"kmsKeyArn": scene.key}, tags=True),
    "aws:backup/plan:Plan": case(
        lambda scene: {
            "name": scene.unique("plan"),
            "rules": [
                {
                    "ruleName": "daily",
                    "targetVaultName": scene.vault,
                    "schedule": "cron(0 5 * * ? *)",
                    "startWindow": 60,
                    "lifecycle": {"deleteAfter": 35},
                }
            ],
        },
        tags=True,
    ),
    "aws:cloudtrail/trail:Trail": case(
        lambda scene: {
            "name": scene.unique("trail"),
            "s3BucketName": scene.bucket,
            "isMultiRegionTrail": False,
            "enableLogFileValidation": True,
        },
        same(isMultiRegionTrail=True),
        "isMultiRegionTrail",
        tags=True,
    ),
    "aws:guardduty/detector:Detector": case(
        same(enable=True, findingPublishingFrequency="SIX_HOURS"),
        same(findingPublishingFrequency="FIFTEEN_MINUTES"),
        "findingPublishingFrequency",
    ),
    "aws:budgets/budget:Budget": case(
        lambda scene: {
            "name": scene.unique("budget"),
            "budgetType": "COST",
            "timeUnit": "MONTHLY",
            "limitAmount": "1200",
            "limitUnit": "USD",
            "notifications": [
                {
                    "comparisonOperator": "GREATER_THAN",
                    "notificationType": "ACTUAL",
                    "threshold": 80,
                    "thresholdType": "PERCENTAGE",
                    "subscriberSnsTopicArns": [scene.topic],
                }
            ],
        },
        same(limitAmount="1500"),
        "limitAmount",
    ),
}
