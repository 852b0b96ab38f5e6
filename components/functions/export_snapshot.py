"""Export one automated database snapshot a month to the encrypted bucket, outside RDS's own retention."""

import os
import re
from typing import Any

import boto3

LOST = ("CANCELED", "FAILED")


def handler(event: dict[str, Any], _context: object) -> str:
    """Start a month's export for an RDS "automated snapshot created" event; returns the task's identifier.

    RDS charges every export by the size of the whole snapshot, and daily copies are the backup plan's work. The
    identifier is the database's name and the month, so the first snapshot of a month is exported and the others are
    not; when that export was lost, the next snapshot is exported under its own name.
    Limits: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.html
    """
    snapshot_arn: str = event["detail"]["SourceArn"]
    snapshot = snapshot_arn.rsplit(":", 1)[-1][:60]
    month = re.sub(r"-\d{2}-\d{2}-\d{2}$", "", snapshot)
    client = boto3.client("rds")
    try:
        _start(client, month, snapshot_arn)
    except client.exceptions.ExportTaskAlreadyExistsFault:
        tasks = client.describe_export_tasks(ExportTaskIdentifier=month)["ExportTasks"]
        if all(task["Status"] not in LOST for task in tasks):
            return month
        try:
            _start(client, snapshot, snapshot_arn)
        except client.exceptions.ExportTaskAlreadyExistsFault:
            return snapshot  # the event came twice
        return snapshot
    return month


def _start(client: Any, task: str, snapshot_arn: str) -> None:
    client.start_export_task(
        ExportTaskIdentifier=task,
        SourceArn=snapshot_arn,
        S3BucketName=os.environ["BUCKET"],
        S3Prefix="rds",
        IamRoleArn=os.environ["EXPORT_ROLE_ARN"],
        KmsKeyId=os.environ["KEY_ARN"],
    )
