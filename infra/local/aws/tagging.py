"""How each service puts tags on an object that exists, and takes them off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.local.aws.calls import Call, call
from infra.local.aws.kind import Context, Values


@dataclass(frozen=True)
class Tagging:
    """The two operations; their templates know the object's properties and these.

    `{added}` tags as a map, `{pairs}` the same as a list of pairs, `{keys}` of the removed tags, `{gone}` these as
    pairs, `{all}` every tag as pairs.
    """

    service: str
    tag: Call
    untag: Call
    key: str = "Key"
    value: str = "Value"

    def apply(self, ctx: Context, values: Values, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        """Bring an object's tags from `old` to `new`."""
        added = {key: value for key, value in new.items() if old.get(key) != value}
        keys = sorted(old.keys() - new.keys())
        templates = {
            **values,
            "added": added,
            "pairs": self._pairs(added),
            "keys": keys,
            "gone": [{self.key: key} for key in keys],
            "all": self._pairs(new),
        }
        client = ctx.client(self.service)
        if added:
            self.tag(client, templates)
        if keys:
            self.untag(client, templates)

    def _pairs(self, tags: Mapping[str, str]) -> list[dict[str, str]]:
        return [{self.key: key, self.value: value} for key, value in tags.items()]


def _rds_like(service: str) -> Tagging:
    return Tagging(
        service,
        call("add_tags_to_resource", ResourceName="{arn}", Tags="{pairs}"),
        call("remove_tags_from_resource", ResourceName="{arn}", TagKeys="{keys}"),
    )


def _arn_like(service: str, arn: str = "ResourceArn") -> Tagging:
    return Tagging(
        service,
        call("tag_resource", **{arn: "{arn}", "Tags": "{pairs}"}),
        call("untag_resource", **{arn: "{arn}", "TagKeys": "{keys}"}),
    )


def _lower(service: str, tags: str = "{added}") -> Tagging:
    return Tagging(
        service,
        call("tag_resource", resourceArn="{arn}", tags=tags),
        call("untag_resource", resourceArn="{arn}", tagKeys="{keys}"),
    )


def _route53(resource_type: str) -> Tagging:
    where = {"ResourceType": resource_type, "ResourceId": "{id}"}
    return Tagging(
        "route53",
        call("change_tags_for_resource", **where, AddTags="{pairs}"),
        call("change_tags_for_resource", **where, RemoveTagKeys="{keys}"),
    )


_S3 = call("put_bucket_tagging", Bucket="{id}", Tagging={"TagSet": "{all}"})

TAGGING: Mapping[str, Tagging] = {
    "ec2": Tagging(
        "ec2",
        call("create_tags", Resources=["{id}"], Tags="{pairs}"),
        call("delete_tags", Resources=["{id}"], Tags="{gone}"),
    ),
    "role": Tagging(
        "iam",
        call("tag_role", RoleName="{id}", Tags="{pairs}"),
        call("untag_role", RoleName="{id}", TagKeys="{keys}"),
    ),
    "policy": Tagging(
        "iam",
        call("tag_policy", PolicyArn="{id}", Tags="{pairs}"),
        call("untag_policy", PolicyArn="{id}", TagKeys="{keys}"),
    ),
    "kms": Tagging(
        "kms",
        call("tag_resource", KeyId="{id}", Tags="{pairs}"),
        call("untag_resource", KeyId="{id}", TagKeys="{keys}"),
        key="TagKey",
        value="TagValue",
    ),
    "secretsmanager": Tagging(
        "secretsmanager",
        call("tag_resource", SecretId="{id}", Tags="{pairs}"),
        call("untag_resource", SecretId="{id}", TagKeys="{keys}"),
    ),
    "lambda": Tagging(
        "lambda",
        call("tag_resource", Resource="{arn}", Tags="{added}"),
        call("untag_resource", Resource="{arn}", TagKeys="{keys}"),
    ),
    "rds": _rds_like("rds"),
    "elasticache": _rds_like("elasticache"),
    "eks": _lower("eks"),
    "elbv2": Tagging(
        "elbv2",
        call("add_tags", ResourceArns=["{arn}"], Tags="{pairs}"),
        call("remove_tags", ResourceArns=["{arn}"], TagKeys="{keys}"),
    ),
    "acm": Tagging(
        "acm",
        call("add_tags_to_certificate", CertificateArn="{arn}", Tags="{pairs}"),
        call("remove_tags_from_certificate", CertificateArn="{arn}", Tags="{gone}"),
    ),
    "zone": _route53("hostedzone"),
    "healthcheck": _route53("healthcheck"),
    "ecr": _lower("ecr", "{pairs}"),
    "s3": Tagging("s3", _S3, _S3),
    "cloudfront": Tagging(
        "cloudfront",
        call("tag_resource", Resource="{arn}", Tags={"Items": "{pairs}"}),
        call("untag_resource", Resource="{arn}", TagKeys={"Items": "{keys}"}),
    ),
    "wafv2": _arn_like("wafv2", "ResourceARN"),
    "sqs": Tagging(
        "sqs",
        call("tag_queue", QueueUrl="{id}", Tags="{added}"),
        call("untag_queue", QueueUrl="{id}", TagKeys="{keys}"),
    ),
    "sns": _arn_like("sns"),
    "kinesis": Tagging(
        "kinesis",
        call("add_tags_to_stream", StreamName="{name}", Tags="{added}"),
        call("remove_tags_from_stream", StreamName="{name}", TagKeys="{keys}"),
    ),
    "firehose": Tagging(
        "firehose",
        call("tag_delivery_stream", DeliveryStreamName="{name}", Tags="{pairs}"),
        call("untag_delivery_stream", DeliveryStreamName="{name}", TagKeys="{keys}"),
    ),
    "glue": Tagging(
        "glue",
        call("tag_resource", ResourceArn="{arn}", TagsToAdd="{added}"),
        call("untag_resource", ResourceArn="{arn}", TagsToRemove="{keys}"),
    ),
    "athena": _arn_like("athena", "ResourceARN"),
    "ses": _arn_like("sesv2"),
    "opensearch": Tagging(
        "opensearch",
        call("add_tags", ARN="{arn}", TagList="{pairs}"),
        call("remove_tags", ARN="{arn}", TagKeys="{keys}"),
    ),
    "apigatewayv2": Tagging(
        "apigatewayv2",
        call("tag_resource", ResourceArn="{arn}", Tags="{added}"),
        call("untag_resource", ResourceArn="{arn}", TagKeys="{keys}"),
    ),
    "appautoscaling": Tagging(
        "application-autoscaling",
        call("tag_resource", ResourceARN="{arn}", Tags="{added}"),
        call("untag_resource", ResourceARN="{arn}", TagKeys="{keys}"),
    ),
    "logs": _lower("logs"),
    "amp": _lower("amp"),
    "cloudwatch": _arn_like("cloudwatch", "ResourceARN"),
    "events": _arn_like("events", "ResourceARN"),
    "backup": Tagging(
        "backup",
        call("tag_resource", ResourceArn="{arn}", Tags="{added}"),
        call("untag_resource", ResourceArn="{arn}", TagKeyList="{keys}"),
    ),
    "cloudtrail": Tagging(
        "cloudtrail",
        call("add_tags", ResourceId="{arn}", TagsList="{pairs}"),
        call("remove_tags", ResourceId="{arn}", TagsList="{gone}"),
    ),
    "ssm": Tagging(
        "ssm",
        call("add_tags_to_resource", ResourceType="Parameter", ResourceId="{id}", Tags="{pairs}"),
        call("remove_tags_from_resource", ResourceType="Parameter", ResourceId="{id}", TagKeys="{keys}"),
    ),
}
