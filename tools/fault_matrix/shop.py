"""A program of 41 resources that has what makes recovery hard, and comes up in seconds.

Data, secrets that come from generated ones, types without tags, names that Pulumi chooses, three providers. Stage 2
changes some of it, adds, and takes away what holds nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import pulumi

from infra.local.aws.kind import ACCOUNT_ID

SHOP: Final = "lab:shop:Shop"
REGION: Final = "us-east-1"
TRUST: Final = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
READS: Final = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
)


class _Shop(pulumi.ComponentResource):
    """What everything stands in, registered by token: the SDK's classes take seconds to import."""

    def __init__(self, stage: int) -> None:
        super().__init__(SHOP, "shop", None, None)
        self.stage = stage
        self.place = f"{pulumi.get_project()}-{pulumi.get_stack()}"

    def make(self, token: str, name: str, properties: Mapping[str, Any], *outputs: str, tags: bool = True) -> Any:
        if tags and token.startswith("aws:"):
            urn = f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::{SHOP}+{token}::{name}"
            properties = {**properties, "tags": {"Urn": urn, "Stage": str(self.stage)}}
        if token.startswith("aws:") and not token.startswith("aws:iam/"):
            properties = {**properties, "region": REGION}  # As the product's resources do; IAM has no regions.
        cls = type("Raw", (pulumi.CustomResource,), {})
        return cls(token, name, {**dict.fromkeys(outputs), **properties}, pulumi.ResourceOptions(parent=self))

    def network(self) -> tuple[Any, list[Any]]:
        vpc = self.make("aws:ec2/vpc:Vpc", "net", {"cidrBlock": "10.0.0.0/16"})
        subnets = [
            self.make(
                "aws:ec2/subnet:Subnet",
                f"subnet-{zone}",
                {"vpcId": vpc.id, "cidrBlock": f"10.0.{number}.0/24", "availabilityZone": f"us-east-1{zone}"},
            )
            for number, zone in enumerate("abc")
        ]
        gateway = self.make("aws:ec2/internetGateway:InternetGateway", "gateway", {"vpcId": vpc.id})
        table = self.make("aws:ec2/routeTable:RouteTable", "table", {"vpcId": vpc.id})
        route = {"routeTableId": table.id, "destinationCidrBlock": "0.0.0.0/0", "gatewayId": gateway.id}
        self.make("aws:ec2/route:Route", "out", route, tags=False)
        for number, subnet in enumerate(subnets):
            link = {"routeTableId": table.id, "subnetId": subnet.id}
            self.make("aws:ec2/routeTableAssociation:RouteTableAssociation", f"link-{number}", link, tags=False)
        return vpc, subnets

    def data(self, vpc: Any, subnets: list[Any]) -> None:
        ids = [subnet.id for subnet in subnets]
        group = self.make(
            "aws:ec2/securityGroup:SecurityGroup",
            "db",
            {"name": f"{self.place}-db", "description": "Pods.", "vpcId": vpc.id},
        )
        rule = {"securityGroupId": group.id, "ipProtocol": "tcp", "fromPort": 5432, "toPort": 5432}
        self.make(
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "pods", {**rule, "cidrIpv4": "10.0.0.0/16"}
        )
        placed = self.make("aws:rds/subnetGroup:SubnetGroup", "db", {"name": self.place, "subnetIds": ids}, "name")
        self.make("aws:elasticache/subnetGroup:SubnetGroup", "cache", {"name": self.place, "subnetIds": ids})
        password = self.make(
            "random:index/randomPassword:RandomPassword", "db", {"length": 24, "special": False}, "result"
        )
        instance = {
            "identifier": self.place,
            "engine": "postgres",
            "instanceClass": "db.t4g.medium" if self.stage == 1 else "db.t4g.large",
            "allocatedStorage": 20,
            "username": "app",
            "password": password.result,
            "dbSubnetGroupName": placed.name,
            "vpcSecurityGroupIds": [group.id],
            "skipFinalSnapshot": True,
        }
        self.make("aws:rds/instance:Instance", "db", instance)
        secret = self.make("aws:secretsmanager/secret:Secret", "db", {"name": f"{self.place}-db"})
        version = {"secretId": secret.id, "secretString": password.result}
        self.make("aws:secretsmanager/secretVersion:SecretVersion", "db", version, tags=False)

    def storage(self) -> None:
        key = self.make("aws:kms/key:Key", "key", {"description": "Data."}, "arn")
        alias = {"name": f"alias/{self.place}", "targetKeyId": key.id}
        self.make("aws:kms/alias:Alias", "key", alias, tags=False)
        for name in ("uploads", "logs"):
            bucket = self.make("aws:s3/bucket:Bucket", name, {"bucket": f"{self.place}-{name}-{ACCOUNT_ID}"})
            versioning = {"bucket": bucket.id, "versioningConfiguration": {"status": "Enabled"}}
            self.make("aws:s3/bucketVersioning:BucketVersioning", name, versioning, tags=False)
            block = {"bucket": bucket.id, "blockPublicAcls": True, "restrictPublicBuckets": True}
            self.make("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", name, block, tags=False)

    def queues(self) -> None:
        for name in ("email", "export") if self.stage == 1 else ("email", "export", "image", "report"):
            queue = self.make("aws:sqs/queue:Queue", name, {"name": f"{self.place}-{name}"}, "arn")
            policy = {"queueUrl": queue.id, "policy": READS}
            self.make("aws:sqs/queuePolicy:QueuePolicy", name, policy, tags=False)
        topic = self.make("aws:sns/topic:Topic", "page", {"name": f"{self.place}-page"}, "arn")
        told = {"topic": topic.arn, "protocol": "email", "endpoint": "oncall@example.com"}
        self.make("aws:sns/topicSubscription:TopicSubscription", "page", told, tags=False)

    def access(self) -> None:
        role = self.make("aws:iam/role:Role", "work", {"name": f"{self.place}-work", "assumeRolePolicy": TRUST}, "name")
        inline = {"name": "work", "role": role.name, "policy": READS}
        self.make("aws:iam/rolePolicy:RolePolicy", "work", inline, tags=False)
        managed = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
        attached = {"role": role.name, "policyArn": managed}
        self.make("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "work", attached, tags=False)

    def pods(self) -> None:
        names = ("api", "worker") if self.stage == 1 else ("api",)
        for name in names:
            group = {"name": f"/{self.place}/{name}", "retentionInDays": 7 if self.stage == 1 else 30}
            self.make("aws:cloudwatch/logGroup:LogGroup", name, group)
        space = self.make("kubernetes:core/v1:Namespace", "shop", {"metadata": {"name": self.place}})
        for name in names:
            settings = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": name, "namespace": space.id},
                "data": {"level": "info"},
            }
            self.make("kubernetes:core/v1:ConfigMap", name, settings)
        record = {"zoneId": "0" * 32, "name": f"{self.place}.example.com", "type": "CNAME", "ttl": 300}
        self.make("cloudflare:index/dnsRecord:DnsRecord", "www", {**record, "content": "origin.example.com"})


async def program() -> None:
    """Make the shop of the configured stage."""
    shop = _Shop(pulumi.Config("headroom").require_int("stage"))
    shop.data(*shop.network())
    shop.storage()
    shop.queues()
    shop.access()
    shop.pods()
