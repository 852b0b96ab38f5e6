"""An account that holds what a phase promises, made with boto3 alone, without the program that is verified."""

from __future__ import annotations

import json
from typing import Any

from infra.naming import PROJECT, Names
from infra.verify.facts import Clients
from stacks.phase import Phase
from stacks.shards import primaries, replica_regions, shard_map
from tests.verify.account_edge import ACCOUNT_ID, build_edge, build_zone
from tests.verify.account_region import AccountRegion


class Account:
    """Makes every object that `verify` looks at; `outputs` is what the stack would export."""

    OUTPUTS = ("alarmNames", "budgetName", "dashboardName", "distributionId", "shardMap", "webAclArn", "zoneId")
    """What verification starts from, besides the regions."""

    def __init__(self, endpoint: str, phase: Phase, stack: str, domain: str) -> None:
        """Make everything, region by region; names start with the stack's, since all servers share moto's memory."""
        self.endpoint = endpoint
        self.clients = Clients(endpoint)
        self.phase, self.stack, self.prefix = phase, stack, f"headroom-{stack}"
        self.domain = domain
        self.web_acl: dict[str, Any] = {}
        self.distribution_config: dict[str, Any] = {}
        self.health_checks: dict[str, str] = {}
        self.outputs: dict[str, Any] = {
            "stack": stack,
            "phase": str(phase.name),
            "homeRegion": phase.home_region,
            "domain": self.domain,
            "shardMap": shard_map(phase),
            "alarmNames": {},
        }
        self.regions = {region: AccountRegion(self, region) for region in phase.all_regions}
        self.outputs["regions"] = {region: one.outputs for region, one in self.regions.items()}
        self._replicas()
        self._peerings()
        self._copies()
        build_edge(self)
        build_zone(self)
        self._operations()

    @property
    def home(self) -> AccountRegion:
        """The home region."""
        return self.regions[self.phase.home_region]

    def client(self, service: str) -> Any:
        """Home's client."""
        return self.home.client(service)

    def identifier(self, primary: str) -> str:
        """Physical name of a primary."""
        return Names(PROJECT, self.stack).of("database", primary)

    def outputs_with(self, home: dict[str, Any] | None = None, **stack: Any) -> dict[str, Any]:
        """The outputs with some of the home region's, and of the stack's, changed."""
        changed = {**self.home.outputs, **(home or {})}
        return {**self.outputs, "regions": {**self.outputs["regions"], self.phase.home_region: changed}, **stack}

    def _replicas(self) -> None:
        """Once all primaries stand, because one region follows another."""
        for one in self.regions.values():
            one.outputs["replicas"] = []
        for primary in primaries(self.phase):
            identifier, home = self.identifier(primary.name), self.regions[primary.region]
            for index in range(self.phase.database.local_replicas):
                home.add_replica(f"{identifier}-reader-{index}", primary.name, primary.region)
            for region in replica_regions(self.phase, primary.region):
                self.regions[region].add_replica(f"{identifier}-in-{region}", primary.name, primary.region)

    def _peerings(self) -> None:
        """Every two regions."""
        regions = list(self.regions.values())
        for index, one in enumerate(regions):
            for other in regions[index + 1 :]:
                self.peer(one, other)

    def peer(self, one: AccountRegion, other: AccountRegion) -> None:
        """Connect the VPCs of two regions."""
        asked = one.client("ec2").create_vpc_peering_connection(
            VpcId=one.outputs["vpcId"], PeerVpcId=other.outputs["vpcId"], PeerRegion=other.region
        )["VpcPeeringConnection"]["VpcPeeringConnectionId"]
        other.client("ec2").accept_vpc_peering_connection(VpcPeeringConnectionId=asked)

    def _copies(self) -> None:
        """Uploads to the next region, home's assets to every other full one, and backups likewise."""
        regions = list(self.regions.values())
        full = [one for one in regions if one.full]
        for one in full if len(regions) > 1 else []:
            following = regions[(regions.index(one) + 1) % len(regions)]
            one.copy_bucket("uploads", [following])
            one.back_up(following)
        if len(full) > 1:
            self.home.copy_bucket("assets", full[1:])
            self.home.outputs["globalCacheId"] = "global-cache"

    def _operations(self) -> None:
        self.client("cloudwatch").put_dashboard(DashboardName=self.prefix, DashboardBody=json.dumps({"widgets": []}))
        band = self.phase.targets.monthly_usd
        self.client("budgets").create_budget(
            AccountId=ACCOUNT_ID,
            Budget={
                "BudgetName": self.prefix,
                "BudgetLimit": {"Amount": str(band.high), "Unit": "USD"},
                "TimeUnit": "MONTHLY",
                "BudgetType": "COST",
            },
            NotificationsWithSubscribers=[
                {
                    "Notification": {
                        "NotificationType": "ACTUAL",
                        "ComparisonOperator": "GREATER_THAN",
                        "Threshold": band.low,
                        "ThresholdType": "ABSOLUTE_VALUE",
                    },
                    "Subscribers": [{"SubscriptionType": "EMAIL", "Address": "oncall@example.com"}],
                }
            ],
        )
        self.outputs |= {"dashboardName": self.prefix, "budgetName": self.prefix}
