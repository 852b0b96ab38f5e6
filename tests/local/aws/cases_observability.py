"""Cases of metrics, fault experiments and objects in S3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.aws.kind import Values
from tests.local.aws.case import Case, case, same
from tests.local.aws.scene import Scene, code


def _experiment(scene: Scene, description: str) -> Values:
    """A template that restarts a database."""
    target = {"name": "databases", "resourceType": "aws:rds:db", "selectionMode": "ALL"}
    return {
        "description": description,
        "roleArn": scene.role["arn"],
        "stopConditions": [{"source": "none"}],
        "targets": [{**target, "resourceArns": ["arn:aws:rds:us-east-1:123456789012:db:one"]}],
        "actions": [
            {
                "name": "restart",
                "actionId": "aws:rds:reboot-db-instances",
                "parameters": [{"key": "forceFailover", "value": "true"}],
                "target": {"key": "DBInstances", "value": "databases"},
            }
        ],
    }


def _rules(scene: Scene) -> Values:
    workspace = scene.make("aws:amp/workspace:Workspace", alias=scene.unique())[2]
    return {"name": "rules", "workspaceId": workspace, "data": '{"groups": []}'}


OBSERVABILITY: Mapping[str, Case] = {
    "aws:amp/workspace:Workspace": case(
        lambda scene: {"alias": scene.unique(), "kmsKeyArn": scene.key}, same(alias="other"), "alias", tags=True
    ),
    "aws:amp/ruleGroupNamespace:RuleGroupNamespace": case(_rules, same(data='{"groups": [1]}'), tags=True),
    "aws:fis/experimentTemplate:ExperimentTemplate": case(
        lambda scene: _experiment(scene, "first"),
        lambda scene: _experiment(scene, "second"),
        "description",
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": case(
        lambda scene: {"bucket": scene.bucket, "key": "code.zip", "source": code("one")},
        same(source=code("two")),
        "etag",
    ),
}

REMEMBERED: Mapping[str, Any] = {
    "aws:xray/samplingRule:SamplingRule": lambda s: {"ruleName": s.unique(), "fixedRate": 0.1},
    "aws:xray/group:Group": lambda s: {"groupName": s.unique(), "filterExpression": "fault = true"},
    "aws:synthetics/canary:Canary": lambda s: {"name": s.unique(), "handler": "canary.handler"},
    "aws:amp/alertManagerDefinition:AlertManagerDefinition": lambda s: {
        "workspaceId": s.make("aws:amp/workspace:Workspace", alias=s.unique())[2],
        "definition": "{}",
    },
    "aws:amp/scraper:Scraper": lambda s: {"alias": s.unique(), "scrapeConfiguration": "{}"},
    "aws:grafana/workspace:Workspace": lambda s: {"name": s.unique(), "accountAccessType": "CURRENT_ACCOUNT"},
}
