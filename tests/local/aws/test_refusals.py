"""What AWS refuses is refused, and said in AWS's words."""

from __future__ import annotations

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from infra.local.aws import KINDS, Incomplete, KindError
from infra.local.aws.kind import Values
from tests.local.aws.scene import TRUST, Scene

DATABASE = "aws:rds/instance:Instance"


@pytest.mark.parametrize(
    ("token", "inputs", "message"),
    [
        ("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/99"}, "InvalidParameterValue"),
        ("aws:ec2/subnet:Subnet", {"vpcId": "vpc-0", "cidrBlock": "10.0.0.0/24"}, r"InvalidVpcID\.NotFound"),
        ("aws:sqs/queue:Queue", {"name": "bad name!"}, "alphanumeric"),
        (DATABASE, {"engine": "nothing", "instanceClass": "db.t4g.micro"}, "engine nothing not supported"),
        ("aws:cloudwatch/logGroup:LogGroup", {"name": "n" * 600}, "InvalidParameter|length"),
        ("aws:lambda/function:Function", {"role": "no-arn", "runtime": "python3.13", "handler": "a.b"}, "role"),
        ("aws:route53/record:Record", {"zoneId": "ZNONE", "name": "a", "type": "A"}, "NoSuchHostedZone"),
    ],
)
def test_aws_refuses_wrong_inputs(token: str, inputs: Values, message: str, scene: Scene) -> None:
    with pytest.raises(ClientError, match=message):
        scene.make(token, **inputs)


@pytest.mark.parametrize(
    ("token", "inputs"),
    [
        ("aws:ec2/vpc:Vpc", {"cidrBlock": ["10.0.0.0/16"]}),
        (DATABASE, {"engine": "postgres", "instanceClass": "db.t4g.micro", "allocatedStorage": "many"}),
        ("aws:sns/topicSubscription:TopicSubscription", {"topic": "arn:aws:sns:us-east-1:123456789012:t"}),
    ],
)
def test_botocore_refuses_wrong_types_and_missing_parameters(token: str, inputs: Values, scene: Scene) -> None:
    with pytest.raises(BotoCoreError, match="Parameter validation failed"):
        scene.make(token, **inputs)


@pytest.mark.parametrize(
    ("token", "inputs"),
    [
        ("aws:iam/role:Role", {"assumeRolePolicy": '{"Version": '}),
        ("aws:cloudwatch/dashboard:Dashboard", {"dashboardName": "d", "dashboardBody": "widgets"}),
    ],
)
def test_a_document_that_is_no_json_is_refused_without_repeating_it(token: str, inputs: Values, scene: Scene) -> None:
    with pytest.raises(KindError, match="is not JSON: ") as caught:
        scene.make(token, **inputs)
    assert "widgets" not in str(caught.value)


def test_a_creation_that_stops_half_way_says_what_there_is(scene: Scene) -> None:
    inputs = {"assumeRolePolicy": TRUST, "managedPolicyArns": ["arn:aws:iam::aws:policy/Nothing"]}
    context = scene.context("half")
    with pytest.raises(Incomplete, match="NoSuchEntity") as caught:
        KINDS["aws:iam/role:Role"].create(context, inputs)
    assert caught.value.outputs["name"] == caught.value.id
    assert context.client("iam").get_role(RoleName=caught.value.id)["Role"]["RoleName"] == caught.value.id
