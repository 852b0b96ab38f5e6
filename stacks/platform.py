"""The one assembly: a stack's settings become one Region per region and one Edge for the world."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components.component import Site, register_defaults
from components.edge import EDGE_REGION
from infra.config import Environment, Settings
from infra.errors import UserError
from infra.naming import PROJECT, Names
from infra.problems import NAMESPACE
from stacks.edge import Edge, EdgeArgs
from stacks.phase import Phase
from stacks.region import Region, RegionArgs


async def program() -> None:
    """Build the stack that is selected, from its configuration. `pulumi up`, the plan and tests all run this.

    Raises:
        infra.errors.UserError: the configuration is wrong, or asks for what this version cannot build.
    """
    settings = Settings.current()
    refuse_unbuilt(settings.spec)
    registered: list[pulumi.Resource] = []
    pulumi.runtime.register_stack_transformation(lambda args: registered.append(args.resource))
    register_defaults()
    _assemble(settings)
    pulumi.export("alarmNames", [one.name for one in registered if isinstance(one, aws.cloudwatch.MetricAlarm)])


def refuse_unbuilt(phase: Phase) -> None:
    """Refuse a phase that needs components which do not exist yet, rather than build a part of it.

    Raises:
        UserError: naming each of them.
    """
    needs = {
        f"a home region besides {EDGE_REGION}": phase.home_region != EDGE_REGION,
        "several regions": len(phase.all_regions) > 1,
        "read replicas in other regions": phase.database.remote_replicas > 0,
        "several logical shards": phase.database.logical_shards > 1,
        "a primary for each shard": phase.database.placement == "dedicated",
        "search": phase.search is not None,
        "SNS fan-out": phase.messaging.fan_out,
        "an event stream": phase.messaging.event_stream,
        "blue and green releases": phase.compute.blue_green,
        "a service mesh": phase.compute.mesh,
        "tracing": phase.telemetry.tracing,
        "managed Prometheus": phase.telemetry.managed_prometheus,
        "canaries": phase.telemetry.canaries,
        "Container Insights": phase.telemetry.container_insights,
        "image resizing": phase.edge.image_resizing,
        "edge workers": phase.edge.edge_workers,
        "machine learning": phase.machine.enabled,
    }
    missing = [need for need, wanted in needs.items() if wanted]
    if missing:
        msg = f"phase {phase.name} needs what this version does not build yet"
        raise UserError(msg, missing)


def _assemble(settings: Settings) -> None:
    identity = aws.get_caller_identity()
    config = pulumi.Config(NAMESPACE)
    sentry_dsn = config.get_secret("sentryDsn")
    edge = Edge("edge", _site(settings, settings.spec.home_region), EdgeArgs(settings=settings))
    regions = [
        Region(
            region,
            _site(settings, region),
            RegionArgs(
                settings=settings,
                account_id=identity.account_id,
                caller_arn=identity.arn,
                certificate_arn=edge.zone.certificate_arns[region],
                application_secrets={} if sentry_dsn is None else {"sentry_dsn": sentry_dsn},
                pagerduty_url=config.get_secret("pagerdutyUrl"),
            ),
        )
        for region in settings.spec.regions
    ]
    edge.serve(regions)
    _export(settings, edge, regions[0])


def _site(settings: Settings, region: str) -> Site:
    return Site(
        region=region,
        names=Names(PROJECT, settings.stack),
        tags={
            "Environment": settings.environment.value,
            "Owner": settings.owner,
            "CostCenter": settings.cost_center,
            "Phase": settings.phase.value,
            "ManagedBy": "headroom",
        },
        protected=settings.environment is not Environment.DEVELOPMENT,
        retained=settings.environment is Environment.PRODUCTION,
    )


def _export(settings: Settings, edge: Edge, home: Region) -> None:
    """What an operator, `headroom verify` and the application's delivery look up; no secret is among it."""
    outputs: dict[str, pulumi.Input[object]] = {
        "stack": settings.stack,
        "phase": settings.phase.value,
        "domain": settings.domain,
        "homeRegion": settings.spec.home_region,
        "regions": list(settings.spec.regions),
        "vpcId": home.network.vpc_id,
        "subnetIds": {
            "public": list(home.network.public_subnet_ids),
            "private": list(home.network.private_subnet_ids),
            "data": list(home.network.data_subnet_ids),
        },
        "databaseIdentifier": home.database.identifier,
        "databaseParameterGroup": home.database.parameter_group_name,
        "cacheGroupId": home.cache.cache_group_id,
        "stateGroupId": home.cache.state_group_id,
        "clusterName": home.cluster.name,
        "assetsBucket": home.assets.bucket_name,
        "uploadsBucket": home.uploads.bucket_name,
        "exportsBucket": home.exports.bucket_name,
        "logsBucket": home.logs_bucket.bucket_name,
        "repositoryUrl": home.registry.repository_url,
        "loadBalancerArn": home.load_balancer.arn,
        "distributionId": edge.cdn.distribution_id,
        "distributionDomain": edge.cdn.domain_name,
        "webAclArn": edge.firewall.web_acl_arn,
        "zoneId": edge.zone.zone_id,
        "queueUrls": dict(home.messaging.queue_urls),
        "deadLetterUrls": dict(home.messaging.dead_letter_urls),
        "logGroups": dict(home.logs.group_names),
        "pageTopicArn": home.topics.page_arn,
        "ticketTopicArn": home.topics.ticket_arn,
        "backupVault": home.backup.vault_name,
        "backupPlanId": home.backup.plan_id,
        "budgetName": edge.budget.budget_name,
        "dashboardName": edge.dashboard.dashboard_name,
        "keyArns": {"data": home.keys.data_arn, "operations": home.keys.operations_arn},
        "secretArns": dict(home.secrets.arns),
    }
    for name, value in outputs.items():
        pulumi.export(name, value)
