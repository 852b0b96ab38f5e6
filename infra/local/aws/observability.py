"""X-Ray, Synthetics, Prometheus, Grafana, fault experiments, and the objects that such things read from S3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.aws.calls import call, change, put
from infra.local.aws.function import zipped
from infra.local.aws.kind import Context, Kind, Values
from infra.local.aws.memory import MemoryKind, Parent
from infra.local.aws.table import ApiKind

_ARN = "arn:{partition}:{{service}}:{region}:{account}"


def _arn(service: str, resource: str) -> str:
    return _ARN.replace("{{service}}", service) + f":{resource}"


def _named(items: list[Values] | None) -> dict[str, Values]:
    """FIS keeps by name what Pulumi lists with one."""
    return {each["name"]: {key: value for key, value in each.items() if key != "name"} for each in items or []}


def _experiment(_: Context, values: Values) -> Values:
    """Pairs become maps, tags of targets among them."""
    targets = _named(values.get("targets"))
    for target in targets.values():
        tags = target.pop("resourceTags", None)
        if tags:
            target["resourceTags"] = {each["key"]: each["value"] for each in tags}
    actions = _named(values.get("actions"))
    for action in actions.values():
        action["parameters"] = {each["key"]: each["value"] for each in action.get("parameters") or []}
        target = action.pop("target", None)
        if target:
            action["targets"] = {target["key"]: target["value"]}
    return {**values, "targets": targets, "actions": actions}


def _object(_: Context, values: Values) -> Values:
    """The body is the archive's bytes, the same for the same files."""
    return {**values, "body": zipped(values["source"])}


def _remove_object(ctx: Context, _: str, outputs: Values) -> None:
    """With all of its versions, as the provider does."""
    client: Any = ctx.client("s3")
    bucket, key = outputs["bucket"], outputs["key"]
    found = client.list_object_versions(Bucket=bucket, Prefix=key)
    for each in [*found.get("Versions", []), *found.get("DeleteMarkers", [])]:
        client.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])


_WORKSPACE = Parent("amp", call("describe_workspace", workspaceId="{workspaceId}"), "workspace")

KINDS: Mapping[str, Kind] = {
    "aws:xray/samplingRule:SamplingRule": MemoryKind(
        type="X-Ray sampling rule",
        id="{ruleName}",
        outputs={"arn": _arn("xray", "sampling-rule/{ruleName}")},
        tags=True,
    ),
    "aws:xray/group:Group": MemoryKind(
        type="X-Ray group",
        id=_arn("xray", "group/{groupName}/{token}"),
        slot="{groupName}",
        outputs={"arn": _arn("xray", "group/{groupName}/{token}")},
        tags=True,
    ),
    # moto makes canaries, and neither changes nor deletes them.
    "aws:synthetics/canary:Canary": MemoryKind(
        type="Synthetics canary",
        id="{name}",
        outputs={
            "arn": _arn("synthetics", "canary:{name}"),
            "engineArn": _arn("lambda", "function:cwsyn-{name}-{token}:1"),
            "sourceLocationArn": _arn("lambda", "layer:cwsyn-{name}-{token}:1"),
            "status": "RUNNING",
        },
        tags=True,
    ),
    "aws:amp/workspace:Workspace": ApiKind(
        service="amp",
        make=call("create_workspace"),
        id="workspaceId",
        find=call("describe_workspace", workspaceId="{id}"),
        at="workspace",
        outputs={"arn": "arn", "prometheusEndpoint": "prometheusEndpoint"},
        watched={"alias": "alias"},
        changes=(change("update_workspace_alias", "alias", workspaceId="{id}"),),
        drop=call("delete_workspace", workspaceId="{id}"),
        tags="amp",
    ),
    "aws:amp/ruleGroupNamespace:RuleGroupNamespace": ApiKind(
        service="amp",
        make=call("create_rule_groups_namespace"),
        id="arn",
        find=call("describe_rule_groups_namespace", workspaceId="{workspaceId}", name="{name}"),
        at="ruleGroupsNamespace",
        outputs={"arn": "arn"},
        changes=(put("put_rule_groups_namespace", "data", workspaceId="{workspaceId}", name="{name}"),),
        drop=call("delete_rule_groups_namespace", workspaceId="{workspaceId}", name="{name}"),
        tags="amp",
    ),
    "aws:amp/alertManagerDefinition:AlertManagerDefinition": MemoryKind(
        type="Prometheus alert manager definition", id="{workspaceId}", parents=(_WORKSPACE,)
    ),
    "aws:amp/scraper:Scraper": MemoryKind(
        type="Prometheus collector",
        id="s-{token}",
        slot="{alias}",
        outputs={
            "arn": _arn("aps", "scraper/s-{token}"),
            "roleArn": "arn:{partition}:iam::{account}:role/aws-service-role/scraper.aps.amazonaws.com/"
            "AWSServiceRoleForAmazonPrometheusScraper_{token}",
        },
        tags=True,
    ),
    "aws:grafana/workspace:Workspace": MemoryKind(
        type="Grafana workspace",
        id="g-{token}",
        slot="{name}",
        outputs={
            "arn": _arn("grafana", "/workspaces/g-{token}"),
            "endpoint": "g-{token}.grafana-workspace.{region}.amazonaws.com",
            "grafanaVersion": "10.4",
        },
        tags=True,
    ),
    "aws:fis/experimentTemplate:ExperimentTemplate": ApiKind(
        service="fis",
        make=call("create_experiment_template"),
        prepare=_experiment,
        id="experimentTemplate.id",
        find=call("get_experiment_template", id="{id}"),
        at="experimentTemplate",
        watched={"description": "description", "roleArn": "roleArn"},
        changes=(put("update_experiment_template", id="{id}"),),
        # Other tags are another template, so that no operation needs to change them.
        drop=call("delete_experiment_template", id="{id}"),
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": ApiKind(
        service="s3",
        make=call("put_object"),
        prepare=_object,
        id="={bucket}/{key}",
        find=call("head_object", Bucket="{bucket}", Key="{key}"),
        outputs={"arn": "=arn:{partition}:s3:::{bucket}/{key}", "etag": "ETag"},
        changes=(put("put_object", "source", Bucket="{bucket}", Key="{key}"),),
        remove=_remove_object,
    ),
}
