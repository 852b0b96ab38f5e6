"""What an AWS account would be asked, and how its answer is read; no account has been asked yet."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infra.recovery.aws import ASSOCIATION, ROUTE
from infra.recovery.lookup import AwsLookup, Found, id_of_arn

HERE = "us-east-1:123456789012"
OLD, NEW = "1" * 32, "2" * 32
"""Versions of a secret."""


@pytest.mark.parametrize(
    ("type_", "arn", "expected"),
    [
        ("aws:ec2/vpc:Vpc", f"arn:aws:ec2:{HERE}:vpc/vpc-1", "vpc-1"),
        ("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", f"arn:aws:ec2:{HERE}:security-group-rule/s", "s"),
        ("aws:s3/bucket:Bucket", "arn:aws:s3:::uploads", "uploads"),
        ("aws:sqs/queue:Queue", f"arn:aws:sqs:{HERE}:mail", "https://sqs.us-east-1.amazonaws.com/123456789012/mail"),
        ("aws:sns/topic:Topic", f"arn:aws:sns:{HERE}:page", f"arn:aws:sns:{HERE}:page"),
        ("aws:rds/instance:Instance", f"arn:aws:rds:{HERE}:db:prod", "prod"),
        ("aws:elasticache/replicationGroup:ReplicationGroup", f"arn:aws:elasticache:{HERE}:replicationgroup:c", "c"),
        ("aws:cloudwatch/logGroup:LogGroup", f"arn:aws:logs:{HERE}:log-group:/aws/eks/c:*", "/aws/eks/c"),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", f"arn:aws:cloudwatch:{HERE}:alarm:down", "down"),
        ("aws:kms/key:Key", f"arn:aws:kms:{HERE}:key/mrk-1", "mrk-1"),
        ("aws:route53/zone:Zone", "arn:aws:route53:::hostedzone/Z1", "Z1"),
        ("aws:wafv2/webAcl:WebAcl", f"arn:aws:wafv2:{HERE}:global/webacl/name/0-1", "0-1"),
        ("aws:lambda/function:Function", f"arn:aws:lambda:{HERE}:function:sign", "sign"),
    ],
)  # fmt: skip
def test_the_id_follows_from_the_arn(type_: str, arn: str, expected: str) -> None:
    assert id_of_arn(type_, arn) == expected


class Tagging:
    """Answers as the Resource Groups Tagging API does, in pages."""

    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        self.pages = pages
        self.asked: list[Any] = []

    def get_paginator(self, name: str) -> Tagging:
        self.asked.append(name)
        return self

    def paginate(self, **filters: Any) -> list[dict[str, Any]]:
        self.asked.append(filters)
        return [{"ResourceTagMappingList": page} for page in self.pages]


def tagged(arn: str, urn: str) -> dict[str, Any]:
    return {"ResourceARN": arn, "Tags": [{"Key": "Owner", "Value": "us"}, {"Key": "Urn", "Value": urn}]}


def test_every_page_and_region_is_read_and_other_stacks_are_left_out() -> None:
    vpc = tagged(f"arn:aws:ec2:{HERE}:vpc/vpc-1", "urn:pulumi:prod::headroom::a:A+aws:ec2/vpc:Vpc::net")
    bucket = tagged("arn:aws:s3:::logs", "urn:pulumi:prod::headroom::aws:s3/bucket:Bucket::logs")
    other = tagged("arn:aws:s3:::others", "urn:pulumi:prod2::headroom::aws:s3/bucket:Bucket::logs")
    clients = {"us-east-1": Tagging([vpc], [other]), "eu-west-1": Tagging([bucket])}

    found = AwsLookup(list(clients), lambda _, region: clients[region]).objects("headroom", "prod")

    assert [(one.urn, one.type, one.id, one.place) for one in found] == [
        ("urn:pulumi:prod::headroom::a:A$aws:ec2/vpc:Vpc::net", "aws:ec2/vpc:Vpc", "vpc-1", "us-east-1"),
        ("urn:pulumi:prod::headroom::aws:s3/bucket:Bucket::logs", "aws:s3/bucket:Bucket", "logs", "eu-west-1"),
    ]
    assert clients["us-east-1"].asked == ["get_resources", {"TagFilters": [{"Key": "Urn"}]}]


@pytest.mark.parametrize(
    ("stages", "expected"),
    [({OLD: ["AWSPREVIOUS"], NEW: ["AWSCURRENT"]}, f"arn:secret|{NEW}"), ({}, "")],
)
def test_of_a_secrets_versions_the_current_one_is_found(stages: dict[str, list[str]], expected: str) -> None:
    secrets = boto3.client("secretsmanager", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(secrets) as stub:
        stub.add_response("describe_secret", {"VersionIdsToStages": stages}, {"SecretId": "arn:secret"})
        lookup = AwsLookup(["us-east-1"], lambda *_: secrets)
        inputs = {"region": "us-east-1", "secretId": "arn:secret"}
        assert lookup.id_of("aws:secretsmanager/secretVersion:SecretVersion", inputs) == expected


def part(**inputs: str) -> dict[str, str]:
    return {"region": "us-east-1", "routeTableId": "rtb-1", **inputs}


@pytest.mark.parametrize(
    ("type_", "inputs", "expected"),
    [
        (ROUTE, part(destinationCidrBlock="0.0.0.0/0"), "rtb-1_0.0.0.0/0"),
        (ROUTE, part(destinationIpv6CidrBlock="::/0"), "rtb-1_::/0"),
        (ROUTE, part(destinationCidrBlock="10.9.0.0/16"), ""),
        (ROUTE, part(), ""),
        (ASSOCIATION, part(subnetId="subnet-1"), "rtbassoc-1"),
        (ASSOCIATION, part(subnetId="subnet-2"), ""),
        (ASSOCIATION, part(subnetId="subnet-1", routeTableId="rtb-2"), ""),
        (ASSOCIATION, part(gatewayId="igw-1"), ""),
    ],
)
def test_the_parts_of_a_route_table_are_asked_for(type_: str, inputs: dict[str, str], expected: str) -> None:
    table = {
        "Routes": [{"DestinationCidrBlock": "0.0.0.0/0"}, {"DestinationIpv6CidrBlock": "::/0"}],
        "Associations": [
            {"RouteTableAssociationId": "rtbassoc-1", "SubnetId": "subnet-1", "RouteTableId": "rtb-1"},
            {"RouteTableAssociationId": "rtbassoc-9", "Main": True, "RouteTableId": "rtb-1"},
        ],
    }
    ec2 = boto3.client("ec2", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(ec2) as stub:
        stub.add_response("describe_route_tables", {"RouteTables": [table]})
        assert AwsLookup(["us-east-1"], lambda *_: ec2).id_of(type_, inputs) == expected


def test_an_object_is_known_by_type_id_and_place() -> None:
    assert Found("u", "t", "i", "p", {"any": "thing"}).key == ("t", "i", "p")
