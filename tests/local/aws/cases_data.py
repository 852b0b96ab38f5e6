"""Cases of databases, caches, clusters and storage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from infra.local.aws.kind import Values
from tests.local.aws.case import Case, anyone, case, same
from tests.local.aws.scene import Scene, distribution, policy, web_acl


def _bucket_case(change: Values, *seen: str, stays: bool = False, **inputs: Any) -> Case:
    return case(lambda scene: {"bucket": scene.bucket, **inputs}, same(**change), *seen, stays=stays)


def _database(scene: Scene) -> Values:
    return {
        "identifier": scene.unique("db"),
        "engine": "postgres",
        "engineVersion": "17",
        "instanceClass": "db.m7g.large",
        "allocatedStorage": 100,
        "storageType": "gp3",
        "storageEncrypted": True,
        "kmsKeyId": scene.key,
        "username": "app",
        "password": "planted-password",
        "dbSubnetGroupName": scene.database_subnets,
        "multiAz": True,
        "backupRetentionPeriod": 7,
        "deletionProtection": False,
        "skipFinalSnapshot": True,
    }


DATA: Mapping[str, Case] = {
    "aws:rds/subnetGroup:SubnetGroup": case(
        lambda scene: {"name": scene.unique("group"), "subnetIds": scene.subnets},
        lambda scene: {"subnetIds": scene.subnets[:1]},
        "subnetIds",
        tags=True,
    ),
    "aws:rds/parameterGroup:ParameterGroup": case(
        lambda scene: {
            "name": scene.unique("pg"),
            "family": "postgres17",
            "parameters": [{"name": "rds.force_ssl", "value": "1"}],
        },
        same(parameters=[{"name": "rds.force_ssl", "value": "0"}]),
        tags=True,
    ),
    "aws:rds/instance:Instance": case(
        _database,
        same(
            instanceClass="db.m7g.xlarge",
            allocatedStorage=200,
            multiAz=False,
            backupRetentionPeriod=14,
            deletionProtection=False,
        ),
        "instanceClass",
        "allocatedStorage",
        "multiAz",
        "backupRetentionPeriod",
        tags=True,
    ),
    "aws:rds/eventSubscription:EventSubscription": case(
        lambda scene: {
            "name": scene.unique("events"),
            "snsTopic": scene.topic,
            "sourceType": "db-instance",
            "eventCategories": ["failover"],
        },
        tags=True,
    ),
    "aws:elasticache/replicationGroup:ReplicationGroup": case(
        lambda scene: {
            "replicationGroupId": scene.unique("cache"),
            "description": "first",
            "engine": "valkey",
            "engineVersion": "8.0",
            "nodeType": "cache.t4g.small",
            "numNodeGroups": 1,
            "replicasPerNodeGroup": 1,
            "automaticFailoverEnabled": True,
            "multiAzEnabled": True,
            "atRestEncryptionEnabled": True,
            "transitEncryptionEnabled": True,
        },
        same(nodeType="cache.m7g.large", description="second", snapshotRetentionLimit=5),
        "nodeType",
        "description",
        "snapshotRetentionLimit",
        tags=True,
    ),
    "aws:eks/cluster:Cluster": case(
        lambda scene: {
            "name": scene.unique("cluster"),
            "roleArn": scene.role["arn"],
            "version": "1.33",
            "vpcConfig": {"subnetIds": scene.subnets, "endpointPublicAccess": True, "endpointPrivateAccess": True},
            "accessConfig": {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False},
            "computeConfig": {"enabled": True, "nodePools": ["general-purpose"], "nodeRoleArn": scene.role["arn"]},
            "storageConfig": {"blockStorage": {"enabled": True}},
            "kubernetesNetworkConfig": {"elasticLoadBalancing": {"enabled": True}},
            "enabledClusterLogTypes": ["api"],
        },
        lambda scene: {
            "version": "1.34",
            "vpcConfig": {"subnetIds": scene.subnets, "endpointPublicAccess": False, "endpointPrivateAccess": True},
        },
        "vpcConfig",
        tags=True,
    ),
    "aws:ecr/repository:Repository": case(
        lambda scene: {
            "name": scene.unique("app"),
            "imageTagMutability": "IMMUTABLE",
            "encryptionConfigurations": [{"encryptionType": "KMS", "kmsKey": scene.key}],
        },
        same(imageTagMutability="MUTABLE", imageScanningConfiguration={"scanOnPush": True}),
        "imageTagMutability",
        tags=True,
    ),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": case(
        lambda scene: {
            "repository": scene.make("aws:ecr/repository:Repository", name=scene.unique("app"))[2],
            "policy": _lifecycle(10),
        },
        lambda _: {"policy": _lifecycle(20)},
        "policy",
    ),
}


def _lifecycle(count: int) -> str:
    selection = {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": count}
    return json.dumps({"rules": [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]})


_ENCRYPTED = {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}, "bucketKeyEnabled": True}

STORAGE: Mapping[str, Case] = {
    "aws:s3/bucket:Bucket": case(lambda scene: {"bucket": scene.unique("bucket")}, tags=True),
    "aws:s3/bucketVersioning:BucketVersioning": _bucket_case(
        {"versioningConfiguration": {"status": "Suspended"}},
        "versioningConfiguration",
        versioningConfiguration={"status": "Enabled"},
        stays=True,
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _bucket_case(
        {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]}, rules=[_ENCRYPTED]
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _bucket_case(
        {"blockPublicPolicy": False}, "blockPublicPolicy", blockPublicAcls=True, blockPublicPolicy=True
    ),
    "aws:s3/bucketPolicy:BucketPolicy": _bucket_case(
        {"policy": anyone("s3:GetObject", "B")}, "policy", policy=anyone("s3:GetObject", "A")
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _bucket_case(
        {"rules": [{"id": "old", "status": "Enabled", "filter": {"prefix": "a/"}, "expiration": {"days": 60}}]},
        rules=[{"id": "old", "status": "Enabled", "expiration": {"days": 30}}],
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _bucket_case(
        {"rule": {"objectOwnership": "BucketOwnerPreferred"}},
        "rule",
        rule={"objectOwnership": "BucketOwnerEnforced"},
    ),
    "aws:s3/bucketLogging:BucketLogging": case(
        lambda scene: {"bucket": scene.bucket, "targetBucket": _log_bucket(scene), "targetPrefix": "a/"},
        same(targetPrefix="b/"),
        "targetPrefix",
    ),
    "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration": _bucket_case(
        {"corsRules": [{"allowedMethods": ["GET"], "allowedOrigins": ["https://example.com"]}]},
        corsRules=[{"allowedMethods": ["PUT"], "allowedOrigins": ["https://example.com"]}],
    ),
    "aws:s3/bucketNotification:BucketNotification": case(
        lambda scene: {
            "bucket": scene.bucket,
            "queues": [{"id": "a", "queueArn": scene.queue["arn"], "events": ["s3:ObjectCreated:*"]}],
        },
        same(eventbridge=True),
    ),
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": case(
        lambda scene: {"bucket": _versioned(scene), "role": scene.role["arn"], "rules": [_copy_to(_versioned(scene))]},
        lambda scene: {"rules": [_copy_to(_versioned(scene))]},
    ),
    "aws:cloudfront/distribution:Distribution": case(
        lambda _: distribution(aliases=["a.example.com"]), same(enabled=False, comment="second"), "enabled", tags=True
    ),
    "aws:cloudfront/originAccessControl:OriginAccessControl": case(
        same(originAccessControlOriginType="s3", signingBehavior="always", signingProtocol="sigv4"),
        same(signingBehavior="never"),
        "signingBehavior",
    ),
    "aws:cloudfront/function:Function": case(
        same(runtime="cloudfront-js-2.0", code="function handler(event) { return event.request }"),
        same(code="function handler(event) { return event.response }"),
        "etag",
    ),
    "aws:wafv2/webAcl:WebAcl": case(
        lambda _: web_acl("CLOUDFRONT"),
        same(description="changed", defaultAction={"block": {}}),
        "description",
        tags=True,
    ),
    "aws:wafv2/ipSet:IpSet": case(
        same(scope="REGIONAL", ipAddressVersion="IPV4", addresses=["192.0.2.0/24"]),
        same(addresses=["198.51.100.0/24"]),
        "addresses",
        tags=True,
    ),
    "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": case(
        lambda scene: {
            "resourceArn": scene.web_acl["arn"],
            "logDestinationConfigs": [f"arn:aws:logs:us-east-1:123456789012:log-group:{scene.log_group}"],
        }
    ),
    "aws:wafv2/webAclAssociation:WebAclAssociation": case(
        lambda scene: {"resourceArn": scene.balancer["arn"], "webAclArn": scene.web_acl["arn"]}
    ),
}


def _versioned(scene: Scene) -> str:
    """A bucket that keeps versions, as both ends of a replication must."""
    token = "aws:s3/bucketVersioning:BucketVersioning"
    return scene.make(token, bucket=scene.bucket, versioningConfiguration={"status": "Enabled"})[2]


def _copy_to(bucket: str) -> Values:
    return {
        "id": "to-us-west-2",
        "priority": 1,
        "status": "Enabled",
        "filter": {"prefix": ""},
        "deleteMarkerReplication": {"status": "Enabled"},
        "sourceSelectionCriteria": {"sseKmsEncryptedObjects": {"status": "Enabled"}},
        "destination": {
            "bucket": f"arn:aws:s3:::{bucket}",
            "encryptionConfiguration": {"replicaKmsKeyId": "arn:aws:kms:us-west-2:123456789012:key/1"},
            "metrics": {"status": "Enabled"},
        },
    }


def _log_bucket(scene: Scene) -> str:
    """A bucket that S3 may write its access logs to."""
    bucket = scene.bucket
    allowed = policy("Logs", {"Service": "logging.s3.amazonaws.com"}, f"arn:aws:s3:::{bucket}/*", "s3:PutObject")
    scene.make("aws:s3/bucketPolicy:BucketPolicy", bucket=bucket, policy=allowed)
    return bucket
