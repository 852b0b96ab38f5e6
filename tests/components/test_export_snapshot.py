"""The export function: one export a month, another when that one was lost."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from components.functions.export_snapshot import handler

ARN = "arn:aws:rds:us-east-1:123456789012:snapshot:rds:prod-db-0-2026-11-21-03-04"
MONTH, DAY = "prod-db-0-2026-11", "prod-db-0-2026-11-21-03-04"
EVENT = {"detail": {"SourceArn": ARN}}


@pytest.fixture
def rds(monkeypatch: pytest.MonkeyPatch) -> Stubber:
    """RDS, answering what the test says."""
    for name in ("BUCKET", "EXPORT_ROLE_ARN", "KEY_ARN"):
        monkeypatch.setenv(name, name.lower())
    client = boto3.client("rds", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    monkeypatch.setattr(boto3, "client", lambda _service: client)
    stubber = Stubber(client)
    stubber.activate()
    return stubber


def starts(task: str) -> dict[str, Any]:
    return {
        "ExportTaskIdentifier": task,
        "SourceArn": ARN,
        "S3BucketName": "bucket",
        "S3Prefix": "rds",
        "IamRoleArn": "export_role_arn",
        "KmsKeyId": "key_arn",
    }


def refuse(stubber: Stubber, task: str) -> None:
    stubber.add_client_error("start_export_task", "ExportTaskAlreadyExists", expected_params=starts(task))


def test_the_first_snapshot_of_a_month_is_exported(rds: Stubber) -> None:
    rds.add_response("start_export_task", {}, starts(MONTH))
    assert handler(EVENT, None) == MONTH
    rds.assert_no_pending_responses()


def test_the_others_of_the_month_are_not(rds: Stubber) -> None:
    refuse(rds, MONTH)
    rds.add_response("describe_export_tasks", {"ExportTasks": [{"Status": "COMPLETE"}]})
    assert handler(EVENT, None) == MONTH
    rds.assert_no_pending_responses()


@pytest.mark.parametrize("status", ["FAILED", "CANCELED"])
def test_what_was_lost_is_exported_from_the_next_snapshot(rds: Stubber, status: str) -> None:
    refuse(rds, MONTH)
    rds.add_response("describe_export_tasks", {"ExportTasks": [{"Status": status}]})
    rds.add_response("start_export_task", {}, starts(DAY))
    assert handler(EVENT, None) == DAY
    rds.assert_no_pending_responses()


def test_an_event_that_comes_twice_starts_one_export(rds: Stubber) -> None:
    refuse(rds, MONTH)
    rds.add_response("describe_export_tasks", {"ExportTasks": [{"Status": "FAILED"}]})
    refuse(rds, DAY)
    assert handler(EVENT, None) == DAY
    rds.assert_no_pending_responses()
