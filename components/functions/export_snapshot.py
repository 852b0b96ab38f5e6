"""Export each automated database snapshot to the encrypted bucket, outside RDS's own retention."""

import os
from typing import Any

import boto3


def handler(event: dict[str, Any], _context: object) -> str:
    """Start one export for an RDS "automated snapshot created" event; returns the task's identifier.

    The identifier is the snapshot's name, so an event delivered twice starts one export.
    Limits: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.html
    """
    snapshot_arn: str = event["detail"]["SourceArn"]
    task = snapshot_arn.rsplit(":", 1)[-1][:60]
    client = boto3.client("rds")
    try:
        client.start_export_task(
            ExportTaskIdentifier=task,
            SourceArn=snapshot_arn,
            S3BucketName=os.environ["BUCKET"],
            S3Prefix="rds",
            IamRoleArn=os.environ["EXPORT_ROLE_ARN"],
            KmsKeyId=os.environ["KEY_ARN"],
        )
    except client.exceptions.ExportTaskAlreadyExistsFault:
        return task
    return task
