"""CloudTrail and GuardDuty."""

from __future__ import annotations

from collections.abc import Mapping

from infra.local.aws.calls import call, put
from infra.local.aws.kind import Context, Kind, Values
from infra.local.aws.table import ApiKind, arn

_TRAIL = {"name": "Name", "s3BucketName": "S3BucketName", "tags": "TagsList"}


def _log(ctx: Context, id_: str, _: Values, new: Values) -> None:
    """A trail is made without logging."""
    client = ctx.client("cloudtrail")
    (client.start_logging if new.get("enableLogging", True) else client.stop_logging)(Name=id_)


KINDS: Mapping[str, Kind] = {
    "aws:cloudtrail/trail:Trail": ApiKind(
        service="cloudtrail",
        make=call("create_trail"),
        rename=_TRAIL,
        id="TrailARN",
        find=call("get_trail", Name="{id}"),
        at="Trail",
        outputs={"arn": "TrailARN"},
        watched={"isMultiRegionTrail": "IsMultiRegionTrail", "s3BucketName": "S3BucketName"},
        changes=(put("update_trail"),),
        settle=_log,
        drop=call("delete_trail", Name="{name}"),
        named=("name", 128),
        tags="cloudtrail",
    ),
    "aws:guardduty/detector:Detector": ApiKind(
        service="guardduty",
        make=call("create_detector"),
        id="DetectorId",
        find=call("get_detector", DetectorId="{id}"),
        at="[@][?Status] | [0]",
        outputs={"arn": arn("guardduty", "detector/{id}"), "accountId": "={account}"},
        watched={"findingPublishingFrequency": "FindingPublishingFrequency"},
        changes=(put("update_detector", DetectorId="{id}"),),
        drop=call("delete_detector", DetectorId="{id}"),
    ),
}
