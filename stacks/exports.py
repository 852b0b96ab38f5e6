"""What an operator, `headroom verify` and the application's delivery look up; no secret is among it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pulumi

from infra.config import Settings
from stacks.shards import shard_map

if TYPE_CHECKING:
    from stacks.edge import Edge
    from stacks.region import Region


def export_stack(settings: Settings, edge: Edge, regions: Mapping[str, Region]) -> None:
    """Export what the stack has once and, under `regions`, what each region has."""
    outputs: dict[str, Any] = {
        "stack": settings.stack,
        "phase": settings.phase.value,
        "domain": settings.domain,
        "homeRegion": settings.spec.home_region,
        "shardMap": shard_map(settings.spec, settings.slots),
        "distributionId": edge.cdn.distribution_id,
        "distributionDomain": edge.cdn.domain_name,
        "webAclArn": edge.firewall.web_acl_arn,
        "zoneId": edge.zone.zone_id,
        "budgetName": edge.budget.budget_name,
        "dashboardName": edge.dashboard.dashboard_name,
        "regions": {name: region_outputs(region) for name, region in regions.items()},
    }
    for name, value in outputs.items():
        pulumi.export(name, value)


def region_outputs(region: Region) -> dict[str, Any]:
    """What one region has; a read region has the first half."""
    network = region.network
    outputs: dict[str, Any] = {
        "role": "full" if region.is_full else "read",
        "vpcId": network.vpc_id,
        "subnetIds": {
            "public": list(network.public_subnet_ids),
            "private": list(network.private_subnet_ids),
            "data": list(network.data_subnet_ids),
        },
        "keyArns": {"data": region.keys.data_arn, "operations": region.keys.operations_arn},
        "pageTopicArn": region.topics.page_arn,
        "ticketTopicArn": region.topics.ticket_arn,
        "uploadsBucket": region.uploads.bucket_name,
        "logsBucket": region.logs_bucket.bucket_name,
        "replicas": [{"identifier": one.identifier, "of": name} for name, one in region.replicas.items()],
    }
    if region.copies:
        outputs["backupCopiesVault"] = region.copies.vault_name
    return {**outputs, **_full(region), **region.extras} if region.is_full else outputs


def _full(region: Region) -> dict[str, Any]:
    first, *_ = region.databases.values()
    backup, *_ = region.backups.values()
    return {
        "databaseIdentifiers": [database.identifier for database in region.databases.values()],
        "databaseParameterGroup": first.parameter_group_name,
        "cacheGroupId": region.cache.cache_group_id,
        "stateGroupId": region.cache.state_group_id,
        "clusterName": region.cluster.name,
        "assetsBucket": region.assets.bucket_name,
        "exportsBucket": region.exports.bucket_name,
        "repositoryUrl": region.registry.repository_url,
        "loadBalancerArn": region.load_balancer.arn,
        "queueUrls": dict(region.messaging.queue_urls),
        "deadLetterUrls": dict(region.messaging.dead_letter_urls),
        "logGroups": dict(region.logs.group_names),
        "backupVault": backup.vault_name,
        "backupPlanId": backup.plan_id,
        "secretArns": dict(region.secrets.arns),
    }
