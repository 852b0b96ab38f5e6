"""The one assembly: a stack's settings become one Region per region and one Edge for the world."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations

import pulumi
import pulumi_aws as aws

from components.component import Component, Site, register_defaults
from components.edge import EDGE_REGION
from infra.cidr import REGIONS
from infra.config import Environment, Settings
from infra.errors import UserError
from infra.naming import PROJECT, Names
from infra.problems import NAMESPACE
from stacks.edge import Edge, EdgeArgs
from stacks.exports import export_stack
from stacks.parts import add_parts
from stacks.phase import Phase
from stacks.pods import run_pods
from stacks.region import Region, RegionArgs
from stacks.shards import replica_regions


async def program() -> None:
    """Build the stack that is selected, from its configuration. `pulumi up`, the plan and tests all run this.

    Raises:
        infra.errors.UserError: the configuration is wrong, or asks for what this version cannot build.
    """
    settings = Settings.current()
    refuse_unbuilt(settings.spec)
    alarms: defaultdict[str, list[aws.cloudwatch.MetricAlarm]] = defaultdict(list)

    def note_alarm(args: pulumi.ResourceTransformationArgs) -> None:
        if isinstance(args.resource, aws.cloudwatch.MetricAlarm) and isinstance(args.opts.parent, Component):
            alarms[args.opts.parent.site.region].append(args.resource)

    pulumi.runtime.register_stack_transformation(note_alarm)
    register_defaults()
    _assemble(settings)
    pulumi.export("alarmNames", {region: [one.name for one in found] for region, found in alarms.items()})


def refuse_unbuilt(phase: Phase) -> None:
    """Refuse what this version does not build, rather than build a part of it.

    Raises:
        UserError: naming each of them.
    """
    if phase.home_region != EDGE_REGION:
        msg = f"phase {phase.name} needs what this version does not build yet"
        raise UserError(msg, [f"a home region besides {EDGE_REGION}"])


def _assemble(settings: Settings) -> None:
    phase = settings.spec
    edge = Edge("edge", _site(settings, phase.home_region), EdgeArgs(settings=settings))
    regions = _lay_ground(settings)
    _hold_data(phase, regions)
    _share_data(phase, regions)
    config = pulumi.Config(NAMESPACE)
    sentry_dsn = config.get_secret("sentryDsn")
    home = regions[phase.home_region]
    for name in phase.regions:
        region = regions[name]
        region.serve(edge.zone.certificate_arns[name], home.secrets.origin_token)
        secrets = {} if sentry_dsn is None else {"sentry_dsn": sentry_dsn}
        run_pods(region, regions, add_parts(region), secrets)
    edge.serve([regions[name] for name in phase.regions])
    export_stack(settings, edge, regions)


def _lay_ground(settings: Settings) -> dict[str, Region]:
    """Every region, home first, and the ways between them."""
    identity = aws.get_caller_identity()
    config = pulumi.Config(NAMESPACE)
    args = RegionArgs(
        settings=settings,
        account_id=identity.account_id,
        caller_arn=identity.arn,
        pagerduty_url=config.get_secret("pagerdutyUrl"),
    )
    regions = {name: Region(name, _site(settings, name), args) for name in settings.spec.all_regions}
    # Which of two regions asks for the peering must not depend on how many others there are.
    for requester, accepter in combinations(sorted(regions, key=REGIONS.index), 2):
        regions[requester].peer(regions[accepter])
    return regions


def _hold_data(phase: Phase, regions: Mapping[str, Region]) -> None:
    home, *others = (regions[name] for name in phase.regions)
    keys = [(other.site.region, other.keys.operations_arn) for other in others]
    home.hold(home=home, secret_replicas=keys, global_cache_id=None)
    global_cache_id = home.spread_cache() if others else None
    for other in others:
        other.hold(home=home, secret_replicas=(), global_cache_id=global_cache_id)
    if others:
        home.copy_assets(others)


def _share_data(phase: Phase, regions: Mapping[str, Region]) -> None:
    """Replicas of databases, uploads and backups in other regions."""
    for name in phase.regions:
        region = regions[name]
        elsewhere = [regions[other] for other in replica_regions(phase, name)]
        for other in elsewhere:
            for primary, database in region.databases.items():
                other.replicate(primary, database)
        first = elsewhere[0] if elsewhere else None
        region.back_up(first.keep_copies() if first else None)
        if first:
            region.copy_uploads(first)


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
