"""Properties become parameters by AWS's own description of its operations."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from infra.local.aws.shape import same, to_api


def _shape(service: str, operation: str) -> Any:
    return botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape


@pytest.mark.parametrize(
    ("service", "operation", "given", "expected"),
    [
        ("rds", "CreateDBInstance", {"dbName": "app", "multiAz": True}, {"DBName": "app", "MultiAZ": True}),
        ("rds", "CreateDBInstance", {"allocatedStorage": 20.0, "port": "5432"}, {"AllocatedStorage": 20, "Port": 5432}),
        ("rds", "CreateDBInstance", {"storageEncrypted": "true"}, {"StorageEncrypted": True}),
        ("sqs", "CreateQueue", {"attributes": {"DelaySeconds": 5}}, {"Attributes": {"DelaySeconds": "5"}}),
        ("ec2", "CreateVpc", {"cidrBlock": "10.0.0.0/16", "noSuchThing": 1}, {"CidrBlock": "10.0.0.0/16"}),
        ("ec2", "CreateVpc", {"cidrBlock": None}, {}),
        ("ecr", "CreateRepository", {"tags": {"a": "b"}}, {"tags": [{"Key": "a", "Value": "b"}]}),
        ("kms", "CreateKey", {"tags": {"a": "b"}}, {"Tags": [{"TagKey": "a", "TagValue": "b"}]}),
        (
            "cloudwatch",
            "PutMetricAlarm",
            {"dimensions": {"Queue": "q"}},
            {"Dimensions": [{"Name": "Queue", "Value": "q"}]},
        ),
        (
            "eks",
            "CreateCluster",
            {"encryptionConfig": {"provider": {"keyArn": "arn"}, "resources": ["secrets"]}},
            {"encryptionConfig": [{"provider": {"keyArn": "arn"}, "resources": ["secrets"]}]},
        ),
        (
            "ecr",
            "CreateRepository",
            {"encryptionConfiguration": [{"encryptionType": "KMS"}]},
            {"encryptionConfiguration": {"encryptionType": "KMS"}},
        ),
    ],
)
def test_a_property_finds_its_parameter(
    service: str, operation: str, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert to_api(_shape(service, operation), given) == expected


def test_cloudfronts_lists_are_counted() -> None:
    shape = _shape("cloudfront", "CreateDistribution").members["DistributionConfig"]
    assert to_api(shape, {"aliases": ["a.example.com"]})["Aliases"] == {"Quantity": 1, "Items": ["a.example.com"]}
    assert to_api(shape, {"aliases": []})["Aliases"] == {"Quantity": 0}


def test_a_rename_counts_where_its_target_is() -> None:
    shape = _shape("cloudfront", "CreateDistribution").members["DistributionConfig"]
    origins = [{"originId": "a", "customHeaders": [{"name": "X", "value": "v"}]}]
    made = to_api(shape, {"origins": origins}, {"originId": "Id", "name": "HeaderName", "value": "HeaderValue"})
    headers = {"Quantity": 1, "Items": [{"HeaderName": "X", "HeaderValue": "v"}]}
    assert made["Origins"]["Items"] == [{"Id": "a", "CustomHeaders": headers}]


def test_what_does_not_fit_is_left_for_botocore_to_refuse() -> None:
    assert to_api(_shape("rds", "CreateDBInstance"), {"allocatedStorage": "many"}) == {"AllocatedStorage": "many"}
    assert to_api(_shape("eks", "CreateCluster"), {"logging": "all"}) == {"logging": "all"}


@pytest.mark.parametrize(
    ("given", "observed", "expected"),
    [
        (30, "30", True),
        (True, "true", True),
        (1.0, 1, True),
        (["b", "a"], ["a", "b"], True),
        (["a"], ["a", "b"], False),
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ("a", None, False),
    ],
)
def test_the_same_may_be_spelt_in_another_way(given: Any, observed: Any, *, expected: bool) -> None:
    assert same(given, observed) is expected
