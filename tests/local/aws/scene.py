"""Objects that other objects need, made when the first one asks."""

from __future__ import annotations

import itertools
import json
from functools import cached_property
from typing import Any

import pulumi

from infra.local.aws import KINDS
from infra.local.aws.kind import Context, Kind, Values

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
        ],
    }
)


def policy(sid: str, principal: Any = None, resource: str = "*", action: str = "s3:GetObject") -> str:
    """A policy with one statement; with a principal, one that stands on a resource."""
    who = {"Principal": principal} if principal else {}
    statement = {"Sid": sid, "Effect": "Allow", **who, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def code(text: str) -> pulumi.AssetArchive:
    """A function's code."""
    return pulumi.AssetArchive({"index.py": pulumi.StringAsset(text)})


_NUMBERS = itertools.count(1)


class Scene:
    """The prerequisites in one moto server."""

    def __init__(self, endpoint: str) -> None:
        """Start with nothing made."""
        self.endpoint = endpoint

    def context(self, name: str, region: str = "us-east-1") -> Context:
        return Context(self.endpoint, region, name)

    def unique(self, start: str = "thing") -> str:
        """A name that no other object has."""
        return f"{start}-{next(_NUMBERS)}"

    def make(self, token: str, **inputs: Any) -> tuple[Kind, Context, str, Values]:
        """Create an object."""
        kind, context = KINDS[token], self.context(self.unique())
        id_, outputs = kind.create(context, inputs)
        return kind, context, id_, outputs

    def client(self, service: str) -> Any:
        return self.context("").client(service)

    @cached_property
    def vpc(self) -> str:
        return self.make("aws:ec2/vpc:Vpc", cidrBlock="10.0.0.0/16")[2]

    @cached_property
    def subnets(self) -> list[str]:
        token = "aws:ec2/subnet:Subnet"
        zones = {"us-east-1a": "10.0.1.0/24", "us-east-1b": "10.0.2.0/24"}
        return [
            self.make(token, vpcId=self.vpc, cidrBlock=cidr, availabilityZone=zone)[2] for zone, cidr in zones.items()
        ]

    @cached_property
    def gateway(self) -> str:
        return self.make("aws:ec2/internetGateway:InternetGateway", vpcId=self.vpc)[2]

    @property
    def route_table(self) -> str:
        return self.make("aws:ec2/routeTable:RouteTable", vpcId=self.vpc)[2]

    @property
    def group(self) -> str:
        return self.make("aws:ec2/securityGroup:SecurityGroup", vpcId=self.vpc)[2]

    @cached_property
    def role(self) -> Values:
        return self.make("aws:iam/role:Role", assumeRolePolicy=TRUST)[3]

    @cached_property
    def key(self) -> str:
        return str(self.make("aws:kms/key:Key", description="of the tests")[3]["arn"])

    @property
    def secret(self) -> str:
        secret = self.make("aws:secretsmanager/secret:Secret", recoveryWindowInDays=0)[2]
        self.make("aws:secretsmanager/secretVersion:SecretVersion", secretId=secret, secretString="first-value")
        return secret

    @cached_property
    def function(self) -> Values:
        return self.make(
            "aws:lambda/function:Function",
            role=self.role["arn"],
            runtime="python3.13",
            handler="index.handler",
            code=code("def handler(event, context): pass"),
        )[3]

    @cached_property
    def database_subnets(self) -> str:
        return self.make("aws:rds/subnetGroup:SubnetGroup", name=self.unique("db"), subnetIds=self.subnets)[2]

    @cached_property
    def topic(self) -> str:
        return self.make("aws:sns/topic:Topic")[2]

    @cached_property
    def queue(self) -> Values:
        return self.make("aws:sqs/queue:Queue")[3]

    @cached_property
    def cluster(self) -> str:
        return self.make(
            "aws:eks/cluster:Cluster",
            name=self.unique("cluster"),
            roleArn=self.role["arn"],
            vpcConfig={"subnetIds": self.subnets},
        )[2]

    @cached_property
    def balancer(self) -> Values:
        return self.make("aws:lb/loadBalancer:LoadBalancer", subnets=self.subnets, securityGroups=[self.group])[3]

    @cached_property
    def targets(self) -> str:
        return self.make("aws:lb/targetGroup:TargetGroup", port=80, protocol="HTTP", targetType="ip", vpcId=self.vpc)[2]

    @cached_property
    def certificate(self) -> str:
        return self.make("aws:acm/certificate:Certificate", domainName="example.com", validationMethod="DNS")[2]

    @cached_property
    def listener(self) -> str:
        action = {"type": "fixed-response", "fixedResponse": {"contentType": "text/plain", "statusCode": "403"}}
        return self.make(
            "aws:lb/listener:Listener",
            loadBalancerArn=self.balancer["arn"],
            port=80,
            protocol="HTTP",
            defaultActions=[action],
        )[2]

    @cached_property
    def zone(self) -> str:
        return self.make("aws:route53/zone:Zone", name="example.com")[2]

    @property
    def bucket(self) -> str:
        return self.make("aws:s3/bucket:Bucket")[2]

    @cached_property
    def log_group(self) -> str:
        return self.make("aws:cloudwatch/logGroup:LogGroup", name=f"aws-waf-logs-{self.unique()}")[2]

    @property
    def web_acl(self) -> Values:
        return self.make("aws:wafv2/webAcl:WebAcl", **web_acl("REGIONAL"))[3]

    @cached_property
    def distribution(self) -> Values:
        return self.make("aws:cloudfront/distribution:Distribution", **distribution())[3]

    @cached_property
    def vault(self) -> str:
        return self.make("aws:backup/vault:Vault")[2]

    @cached_property
    def plan(self) -> str:
        rule = {"ruleName": "daily", "targetVaultName": self.vault, "schedule": "cron(0 5 * * ? *)"}
        return self.make("aws:backup/plan:Plan", name=self.unique("plan"), rules=[rule])[2]

    @cached_property
    def delivery(self) -> Values:
        """Ends of a log delivery that are not joined yet."""
        source = self.make(
            "aws:cloudwatch/logDeliverySource:LogDeliverySource",
            name=self.unique("source"),
            logType="ACCESS_LOGS",
            resourceArn=self.distribution["arn"],
        )[3]
        destination = self.make(
            "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination",
            name=self.unique("destination"),
            outputFormat="json",
            deliveryDestinationConfiguration={"destinationResourceArn": f"arn:aws:s3:::{self.bucket}"},
        )[3]
        return {"deliverySourceName": source["name"], "deliveryDestinationArn": destination["arn"]}


def web_acl(scope: str) -> Values:
    """A web ACL with a managed group and a rate limit."""
    seen = {"cloudwatchMetricsEnabled": True, "metricName": "m", "sampledRequestsEnabled": True}
    common = {"managedRuleGroupStatement": {"name": "AWSManagedRulesCommonRuleSet", "vendorName": "AWS"}}
    rate = {"rateBasedStatement": {"limit": 2000, "aggregateKeyType": "IP"}}
    return {
        "scope": scope,
        "defaultAction": {"allow": {}},
        "visibilityConfig": seen,
        "rules": [
            {
                "name": "common",
                "priority": 1,
                "overrideAction": {"none": {}},
                "statement": common,
                "visibilityConfig": seen,
            },
            {"name": "rate", "priority": 2, "action": {"block": {}}, "statement": rate, "visibilityConfig": seen},
        ],
    }


def distribution(**more: Any) -> Values:
    """A distribution with a bucket and an API behind it."""
    api = {"httpPort": 80, "httpsPort": 443, "originProtocolPolicy": "https-only", "originSslProtocols": ["TLSv1.2"]}
    return {
        "enabled": True,
        "comment": "first",
        "origins": [
            {"originId": "assets", "domainName": "assets.s3.us-east-1.amazonaws.com", "originAccessControlId": "OAC"},
            {
                "originId": "api",
                "domainName": "origin.example.com",
                "customOriginConfig": api,
                "customHeaders": [{"name": "X-Origin", "value": "v"}],
            },
        ],
        "defaultCacheBehavior": {
            "targetOriginId": "assets",
            "viewerProtocolPolicy": "redirect-to-https",
            "allowedMethods": ["GET", "HEAD"],
            "cachedMethods": ["GET", "HEAD"],
            "cachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
        },
        "orderedCacheBehaviors": [
            {
                "pathPattern": "/api/*",
                "targetOriginId": "api",
                "viewerProtocolPolicy": "https-only",
                "allowedMethods": ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"],
                "cachedMethods": ["GET", "HEAD"],
                "cachePolicyId": "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
            }
        ],
        "viewerCertificate": {"cloudfrontDefaultCertificate": True},
        "restrictions": {"geoRestriction": {"restrictionType": "whitelist", "locations": ["US", "DE"]}},
        **more,
    }
