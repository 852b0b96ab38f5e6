"""Tags: whose a resource is, what it costs whom, and which resource of the program it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.rule import Level, Rules, Severity
from policies.view import Resource

RULES = Rules()
REQUIRED: Final = ("Environment", "Owner", "CostCenter", "DataClass", "Phase", "ManagedBy", "Urn")
UNTAGGABLE: Final = frozenset(
    {
        "aws:acm/certificateValidation:CertificateValidation",
        "aws:amp/alertManagerDefinition:AlertManagerDefinition",
        "aws:apigatewayv2/apiMapping:ApiMapping",
        "aws:apigatewayv2/integration:Integration",
        "aws:apigatewayv2/route:Route",
        "aws:appautoscaling/policy:Policy",
        "aws:backup/selection:Selection",
        "aws:cloudfront/cachePolicy:CachePolicy",
        "aws:cloudfront/monitoringSubscription:MonitoringSubscription",
        "aws:cloudfront/originAccessControl:OriginAccessControl",
        "aws:cloudfront/originRequestPolicy:OriginRequestPolicy",
        "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy",
        "aws:cloudwatch/dashboard:Dashboard",
        "aws:cloudwatch/eventTarget:EventTarget",
        "aws:cloudwatch/logMetricFilter:LogMetricFilter",
        "aws:cloudwatch/logResourcePolicy:LogResourcePolicy",
        "aws:cloudwatch/logStream:LogStream",
        "aws:ec2/peeringConnectionOptions:PeeringConnectionOptions",
        "aws:ec2/route:Route",
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        "aws:elasticache/globalReplicationGroup:GlobalReplicationGroup",
        "aws:glue/catalogTable:CatalogTable",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "aws:kms/alias:Alias",
        "aws:lambda/permission:Permission",
        "aws:route53/record:Record",
        "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration",
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "aws:s3/bucketLogging:BucketLogging",
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        "aws:s3/bucketPolicy:BucketPolicy",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:s3/bucketVersioning:BucketVersioning",
        "aws:secretsmanager/secretRotation:SecretRotation",
        "aws:secretsmanager/secretVersion:SecretVersion",
        "aws:sesv2/configurationSetEventDestination:ConfigurationSetEventDestination",
        "aws:sns/topicPolicy:TopicPolicy",
        "aws:sns/topicSubscription:TopicSubscription",
        "aws:sqs/queuePolicy:QueuePolicy",
        "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy",
        "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration",
    }
)
"""Types of the program's that take no tags; a test compares them with the SDK."""


@RULES.on(
    "aws:*",
    id="tags-required",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="Every resource that takes tags says whose it is, what it costs whom, and which of the program's it is.",
    remedy=f"set the tags {', '.join(REQUIRED)}; a resource whose parent is a component gets them by itself",
)
def required(one: Resource) -> Iterator[str]:
    """The Urn tag is what finds a resource that an update made and then lost."""
    if one.type in UNTAGGABLE:
        return
    one.get("tags")
    missing = [name for name in REQUIRED if not one.has(f"tags.{name}")]
    if missing:
        yield f"it has no tag {', '.join(missing)}"
