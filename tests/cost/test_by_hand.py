"""The ten largest lines of each phase, reckoned by hand from prices that stand here: a second way to the same figures.

The prices are those of the book on 2026-11-21. They take its place in the estimate, so that a refresh of prices leaves
this test alone, while a change of what is charged, or how much of it, does not.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import cache

import pytest

from infra.cost.book import PriceBook, shipped
from infra.cost.estimate import estimate
from infra.cost.model import Line
from infra.cost.usage import Usage
from tests.cost.conftest import STACKS, phase_of, planned

MONTH = 730
"""Hours."""
PRICES = {
    # PostgreSQL: two instances where there is a standby. 0.899 is AWS's own figure, not 2 x 0.45.
    ("rds/instance/db.t4g.large/multi-az", "us-east-1"): "0.258",
    ("rds/instance/db.m7g.large/multi-az", "us-east-1"): "0.336",
    ("rds/instance/db.m7g.large/single-az", "us-east-1"): "0.168",
    ("rds/instance/db.r6g.xlarge/multi-az", "us-east-1"): "0.899",
    ("rds/instance/db.r6g.xlarge/multi-az", "us-west-2"): "0.899",
    ("rds/instance/db.r6g.xlarge/multi-az", "eu-west-1"): "1.007",
    ("rds/instance/db.r6g.xlarge/single-az", "us-east-1"): "0.45",
    ("rds/instance/db.r6g.xlarge/single-az", "eu-west-1"): "0.504",
    # Valkey, a fifth below Redis.
    ("elasticache/node/valkey/cache.t4g.small", "us-east-1"): "0.0256",
    ("elasticache/node/valkey/cache.m7g.large", "us-east-1"): "0.1264",
    ("elasticache/node/valkey/cache.r7g.large", "us-east-1"): "0.1752",
    ("elasticache/node/valkey/cache.r7g.large", "us-west-2"): "0.1752",
    ("elasticache/node/valkey/cache.r7g.large", "eu-west-1"): "0.1944",
    ("opensearch/instance/r6g.large.search", "us-east-1"): "0.167",
    ("opensearch/instance/r6g.large.search", "eu-west-1"): "0.187",
    ("eks/cluster", "us-east-1"): "0.10",
    ("eks/auto/t4g.large", "us-east-1"): "0.00806",
    ("ec2/instance/t4g.large", "us-east-1"): "0.0672",
    ("ec2/instance/t4g.xlarge", "us-east-1"): "0.1344",
    ("ec2/instance/c6g.large", "us-east-1"): "0.068",
    ("ec2/spot/m6g.xlarge", "us-east-1"): "0.0577",
    ("ec2/spot/m7g.large", "us-east-1"): "0.0370",
    ("ec2/spot/m7g.large", "us-west-2"): "0.0336",
    ("ec2/spot/m7g.large", "eu-west-1"): "0.0408",
    ("vpc/nat-gateway/hour", "us-east-1"): "0.045",
    ("lb/application/hour", "us-east-1"): "0.0225",
    ("cloudwatch/container-insights/observations", "us-east-1"): "0.00000021",
    ("pagerduty/professional/user", "global"): "21",
    ("sentry/plan/team", "global"): "26",
    ("cloudflare/plan/business", "global"): "200",
}
BY_HAND: dict[str, dict[tuple[str, str], Decimal]] = {
    "10k": {
        ("us-east-1-db-0-primary", "instance"): MONTH * Decimal("0.258"),
        # Five pods of 2.25 vCPU in all besides the poolers and the router: two nodes of 2, each in a zone of its own.
        ("us-east-1-cluster-on-demand", "instances"): 2 * MONTH * Decimal("0.0672"),
        ("us-east-1-cluster", "control plane"): MONTH * Decimal("0.10"),
        ("10k", "PagerDuty Professional"): 2 * Decimal(21),
        # One shard with one replica.
        ("us-east-1-valkey-cache", "nodes"): 2 * MONTH * Decimal("0.0256"),
        ("us-east-1-valkey-state", "nodes"): 2 * MONTH * Decimal("0.0256"),
        ("us-east-1-network-nat-a", "hours"): MONTH * Decimal("0.045"),
        ("10k", "Sentry team plan"): Decimal(26),
        ("us-east-1-lb", "hours"): MONTH * Decimal("0.0225"),
        # Twelve per cent of the instances, to the book's last digit.
        ("us-east-1-cluster-on-demand", "Auto Mode"): 2 * MONTH * Decimal("0.00806"),
    },
    "50k": {
        ("us-east-1-db-0-primary", "instance"): MONTH * Decimal("0.336"),
        ("us-east-1-cluster-on-demand", "instances"): 2 * MONTH * Decimal("0.1344"),
        ("us-east-1-valkey-cache", "nodes"): 2 * MONTH * Decimal("0.1264"),
        ("us-east-1-valkey-state", "nodes"): 2 * MONTH * Decimal("0.1264"),
        ("us-east-1-db-0-reader-0", "instance"): MONTH * Decimal("0.168"),
        ("us-east-1-cluster", "control plane"): MONTH * Decimal("0.10"),
        # Observed each minute: the control plane 6,000 times, 19 pods and 2 nodes 60 times each.
        ("us-east-1-observability-performance", "container insights"): (
            (6_000 + (19 + 2) * 60) * MONTH * 60 * Decimal("0.00000021")
        ),
        ("50k", "PagerDuty Professional"): 3 * Decimal(21),
        ("us-east-1-network-nat-a", "hours"): MONTH * Decimal("0.045"),
        ("us-east-1-network-nat-b", "hours"): MONTH * Decimal("0.045"),
    },
    "250k": {
        ("us-east-1-db-0-primary", "instance"): MONTH * Decimal("0.899"),
        # Three shards, two nodes each.
        ("us-east-1-valkey-cache", "nodes"): 3 * 2 * MONTH * Decimal("0.1264"),
        ("us-east-1-valkey-state", "nodes"): 2 * MONTH * Decimal("0.1264"),
        ("us-east-1-cluster-spot", "instances"): 9 * MONTH * Decimal("0.0577"),
        ("us-east-1-cluster-on-demand", "instances"): 5 * MONTH * Decimal("0.068"),
        # Replicas have no standby, wherever they are.
        ("eu-west-1-copy-of-us-east-1-db-0-replica", "instance"): MONTH * Decimal("0.504"),
        ("us-east-1-db-0-reader-0", "instance"): MONTH * Decimal("0.45"),
        ("us-east-1-db-0-reader-1", "instance"): MONTH * Decimal("0.45"),
        ("us-east-1-search", "nodes"): 3 * MONTH * Decimal("0.167"),
        ("250k", "Cloudflare business plan"): Decimal(200),
    },
    "1m": {
        # Four shards, two nodes each, in each region: replicas of the Global Datastore are paid for like others.
        ("eu-west-1-valkey-cache", "nodes"): 4 * 2 * MONTH * Decimal("0.1944"),
        ("us-east-1-valkey-cache", "nodes"): 4 * 2 * MONTH * Decimal("0.1752"),
        ("us-west-2-valkey-cache", "nodes"): 4 * 2 * MONTH * Decimal("0.1752"),
        ("eu-west-1-db-0-primary", "instance"): MONTH * Decimal("1.007"),
        ("us-east-1-db-0-primary", "instance"): MONTH * Decimal("0.899"),
        ("us-west-2-db-0-primary", "instance"): MONTH * Decimal("0.899"),
        ("eu-west-1-cluster-spot", "instances"): 17 * MONTH * Decimal("0.0408"),
        ("us-east-1-cluster-spot", "instances"): 17 * MONTH * Decimal("0.0370"),
        ("us-west-2-cluster-spot", "instances"): 17 * MONTH * Decimal("0.0336"),
        ("eu-west-1-search", "nodes"): 3 * MONTH * Decimal("0.187"),
    },
}


@cache
def largest(stack: str) -> list[Line]:
    """The ten largest lines at expected usage, at this file's prices."""
    known = [price for price in shipped().prices if (price.key, price.region) not in PRICES]
    units = {(price.key, price.region): price for price in shipped().prices if price.above == 0}
    frozen = [replace(units[place], usd=Decimal(usd)) for place, usd in PRICES.items()]
    lines = estimate(planned(stack), Usage(phase_of(stack)), PriceBook([*known, *frozen])).lines
    return sorted(lines, key=lambda line: -(line.monthly_usd or 0))[:10]


@pytest.mark.parametrize("stack", STACKS)
def test_the_ten_largest_lines_are_what_they_are_by_hand(stack: str) -> None:
    found = {(line.urn.rpartition("::")[2], line.component): line.monthly_usd for line in largest(stack)}
    assert found == {line: amount.quantize(Decimal("0.0001")) for line, amount in BY_HAND[stack].items()}
