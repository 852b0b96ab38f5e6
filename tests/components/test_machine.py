"""The model's endpoint: closed in, scaled, and changeable while it serves."""

import json
from collections.abc import Callable

import pytest

from components.alarms import AlarmTopics
from components.component import Site
from components.machine import Machine, MachineArgs
from tests.components.conftest import ACCOUNT, Recorded

Record = Callable[[Callable[[], object]], Recorded]
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
NAME = "us-east-1-machine"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.6-gpu"


def arguments(topics: AlarmTopics, instance_type: str = "ml.g5.xlarge", image: str = IMAGE) -> MachineArgs:
    return MachineArgs(
        image_uri=image,
        model_data_url="s3://models/leads/model.tar.gz",
        instance_type=instance_type,
        account_id=ACCOUNT,
        vpc_id="vpc-1",
        subnet_ids=("subnet-a", "subnet-b", "subnet-c"),
        key_arn=KEY,
        log_key_arn=KEY,
        topics=topics,
    )


def machine(site: Site, topics: AlarmTopics, instance_type: str = "ml.g5.xlarge") -> Machine:
    return Machine(NAME, site, arguments(topics, instance_type))


@pytest.fixture
def parts(recorded: Record, site: Site, topics: AlarmTopics) -> Recorded:
    return recorded(lambda: machine(site, topics))


def test_the_model_has_no_way_out(parts: Recorded) -> None:
    model = parts.one("Model").inputs
    assert model["enableNetworkIsolation"]
    assert len(model["vpcConfig"]["subnets"]) == 3


def test_requests_are_not_kept(parts: Recorded) -> None:
    configuration = parts.one("EndpointConfiguration").inputs
    assert "dataCaptureConfig" not in configuration
    assert configuration["kmsKeyArn"] == KEY


def test_the_role_reads_one_object_and_one_repository(parts: Recorded) -> None:
    policy = json.loads(parts.one("RolePolicy").inputs["policy"])
    resources = {str(each["Action"]): each["Resource"] for each in policy["Statement"]}
    assert resources["s3:GetObject"] == "arn:aws:s3:::models/leads/model.tar.gz"
    assert "arn:aws:ecr:us-east-1:763104351884:repository/pytorch-inference" in resources.values()


def test_an_image_from_elsewhere_is_refused(topics: AlarmTopics) -> None:
    with pytest.raises(ValueError, match="is not an image in ECR"):
        arguments(topics, image="docker.io/library/model:1")


def test_another_type_makes_another_endpoint(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    """AWS refuses to change the type of a variant that is scaled."""
    first = recorded(lambda: machine(site, topics, "ml.g5.xlarge")).one("endpoint:Endpoint")
    second = recorded(lambda: machine(site, topics, "ml.g5.2xlarge")).one("endpoint:Endpoint")
    assert first.inputs["name"] != second.inputs["name"]


def test_the_variant_is_scaled_by_its_load(parts: Recorded) -> None:
    target = parts.one("Target").inputs
    assert (target["serviceNamespace"], target["minCapacity"], target["maxCapacity"]) == ("sagemaker", 1, 3)
    tracking = parts.one("Policy").inputs["targetTrackingScalingPolicyConfiguration"]
    metric = tracking["predefinedMetricSpecification"]["predefinedMetricType"]
    assert metric == "SageMakerVariantInvocationsPerInstance"


def test_latency_is_watched_in_microseconds(parts: Recorded) -> None:
    assert parts.inputs(f"{NAME}-latency", "MetricAlarm")["threshold"] == 1_000_000
