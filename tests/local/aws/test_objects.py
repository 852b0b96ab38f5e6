"""Objects in buckets whose policies refuse something."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.local.aws.scene import Scene, code

OBJECT = "aws:s3/bucketObjectv2:BucketObjectv2"


def refuse(scene: Scene, bucket: str, **more: object) -> None:
    """Put a policy on the bucket that denies everything, under `more`."""
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*", **more}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    scene.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)


def test_a_refusal_of_plain_http_refuses_nothing_here(scene: Scene) -> None:
    bucket = scene.bucket
    refuse(scene, bucket, Condition={"Bool": {"aws:SecureTransport": "false"}})
    kind, context, id_, outputs = scene.make(OBJECT, bucket=bucket, key="code.zip", source=code("one"))
    assert kind.read(context, id_, outputs) == outputs


def test_a_refusal_without_conditions_holds(scene: Scene) -> None:
    bucket = scene.bucket
    refuse(scene, bucket)
    with pytest.raises(ClientError, match=r"Forbidden|AccessDenied"):
        scene.make(OBJECT, bucket=bucket, key="code.zip", source=code("one"))


def test_all_versions_of_an_object_go_with_it(scene: Scene) -> None:
    bucket = scene.bucket
    scene.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = {"bucket": bucket, "key": "code.zip", "source": code("one")}
    kind, context, id_, outputs = scene.make(OBJECT, **first)
    after = kind.update(context, id_, outputs, first, {**first, "source": code("two")})
    assert after["etag"] != outputs["etag"]
    kind.delete(context, id_, after)
    assert "Versions" not in scene.client("s3").list_object_versions(Bucket=bucket)
