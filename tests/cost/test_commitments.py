"""Commitments: what they cover, what they save, and who cannot have them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cost.book import PriceBook, shipped
from infra.cost.commitments import OFFERS, Commitment, commitments, committed_usd
from infra.cost.model import Estimate
from stacks.hardware import CACHE_MEMORY_MIB, DATABASE_MEMORY_GIB
from tests.cost.made import line, price

RDS = "rds/instance/db.r6g.large/multi-az"
NODE = "elasticache/node/valkey/cache.r7g.large"
ONE, THREE, PLAN = OFFERS[0].key, OFFERS[2].key, OFFERS[3].key
SHARE = "USD on demand"
BOOK = PriceBook(
    [
        price(f"commitment/rds/r6g/{ONE}", "0.66", unit=SHARE, region="global", confirmed=False),
        price(f"commitment/rds/r6g/{THREE}", "0.45", unit=SHARE, region="global", confirmed=False),
        price(f"commitment/elasticache/cache.r7g.large/{ONE}", "0.07"),
        price(f"commitment/elasticache/r7g/{ONE}", "0.99", unit=SHARE, region="global"),
        price(f"commitment/ec2/all/{PLAN}", "0.73", unit=SHARE, region="global"),
        price("ec2/spot/m7g.large", "0.04"),
    ]
)


def made(whole: Estimate, least: Estimate | None = None, coverage: int = 100) -> list[Commitment]:
    return commitments(whole, least or whole, coverage_percent=coverage, book=BOOK)


def test_a_share_of_the_family_and_a_rate_of_the_very_type_are_both_read() -> None:
    database, node = made(Estimate((line(RDS, "200"), line(NODE, "100"))))

    assert {one.offer.key: float(one.monthly_usd) for one in database.offers} == {ONE: 132, THREE: 90}
    assert {one.offer.key: float(one.monthly_usd) for one in node.offers} == {ONE: 70}  # 0.07 of 0.10, not the family's
    assert [one.price.confirmed for one in (*database.offers, *node.offers)] == [False, False, True]


def test_a_commitment_pays_off_when_the_term_is_paid() -> None:
    (database,) = made(Estimate((line(RDS, "200"),)))

    assert [one.break_even_months for one in database.offers] == [8, 17]  # of 12 x 0.66 and of 36 x 0.45


def test_only_what_a_quiet_month_uses_is_covered() -> None:
    (one,) = made(Estimate((line(RDS, "200"),)), Estimate((line(RDS, "150"),)))
    (half,) = made(Estimate((line(RDS, "200"),)), Estimate((line(RDS, "150"),)), coverage=50)
    (none,) = made(Estimate((line(RDS, "200"),)), Estimate(()))

    def covered_and_paid(made_of_it: Commitment) -> tuple[float, float]:
        return float(made_of_it.covered_usd), float(made_of_it.offers[0].monthly_usd)

    assert covered_and_paid(one) == (150, 50 + 99)
    assert covered_and_paid(half) == (75, 125 + 49.5)
    assert covered_and_paid(none) == (0, 200)


def test_a_quiet_month_never_covers_more_than_there_is() -> None:
    (one,) = made(Estimate((line(RDS, "200"),)), Estimate((line(RDS, "900"),)))

    assert one.covered_usd == 200


def test_a_plan_for_nodes_covers_whatever_type_is_there() -> None:
    whole = Estimate((line("ec2/instance/m7g.large", "100"), line("ec2/instance/c7g.large", "100")))
    quiet = Estimate((line("ec2/instance/t4g.large", "150"),))

    nodes = made(whole, quiet)

    assert [one.covered_usd for one in nodes] == [75, 75]
    assert {one.part.kind: [offer.offer.name for offer in one.offers] for one in nodes} == {
        "c7g.large": ["savings plan, 1 year, no upfront"],
        "m7g.large": ["savings plan, 1 year, no upfront", "spot"],
    }


def test_the_headline_with_commitments_takes_the_cheapest_that_binds_no_longer_and_never_spot() -> None:
    found = Estimate((line(RDS, "200"), line("ec2/instance/m7g.large", "100"), line("s3/storage", "50")))
    offers = made(found)

    assert committed_usd(found, offers, 12) == 132 + 73 + 50
    assert committed_usd(found, offers, 36) == 90 + 73 + 50
    assert found.monthly_usd == 350


def test_what_has_no_offer_is_not_listed() -> None:
    bare = Estimate((line("rds/storage/gp3/multi-az", "10"), line("eks/auto/m7g.large", "10"), line(RDS, "0")))

    assert made(bare) == []


@pytest.mark.parametrize("family", ["r5", "r6g", "r6i", "t3", "t4g"])
def test_a_family_without_database_savings_plans_is_named_with_the_reason(family: str) -> None:
    (one,) = commitments(*[Estimate((line(f"rds/instance/db.{family}.large/single-az", "100"),))] * 2)

    assert one.refused == (f"no Database Savings Plan: they take generation 7 and newer, not {family}",)
    assert [offer.offer.name for offer in one.offers if "plan" in offer.offer.name] == []
    assert one.offers[0].offer.key == ONE


@pytest.mark.parametrize("family", ["m7g", "r7g", "m7i", "r7i", "m8g", "r8g"])
def test_newer_families_have_both_and_a_reservation_is_the_cheaper(family: str) -> None:
    (one,) = commitments(*[Estimate((line(f"rds/instance/db.{family}.large/single-az", "100"),))] * 2)

    by_key = {offer.offer.key: offer.monthly_usd for offer in one.offers}
    assert one.refused == ()
    assert by_key[ONE] < by_key[PLAN] < 100


def test_every_class_that_a_stack_may_have_can_be_reserved_for_a_year() -> None:
    rows = {row.key for row in shipped().prices}

    assert [one for one in DATABASE_MEMORY_GIB if f"commitment/rds/{one.split('.')[1]}/{ONE}" not in rows] == []
    assert [one for one in CACHE_MEMORY_MIB if f"commitment/elasticache/{one}/{ONE}" not in rows] == []


def test_every_price_of_a_commitment_is_below_on_demand() -> None:
    rows = [row for row in shipped().prices if row.key.startswith("commitment/")]
    shares = [row for row in rows if row.unit == SHARE]
    keys = {"elasticache": "elasticache/node/valkey", "opensearch": "opensearch/instance"}

    assert len(shares) > 20
    assert all(0 < row.usd < 1 for row in shares)
    assert not any(row.confirmed for row in shares)  # none of them was read off a list as it stands
    for row in rows:
        if row.unit == "hour":
            _, service, kind, _ = row.key.split("/")
            assert 0 < row.usd < shipped().tiers(f"{keys[service]}/{kind}", row.region)[0].usd


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 10_000), st.integers(0, 10_000))
def test_more_coverage_never_costs_more(less: int, more: int, whole: int, quiet: int) -> None:
    found, least = Estimate((line(RDS, str(whole)),)), Estimate((line(RDS, str(quiet)),))
    low, high = sorted((less, more))

    costs = [committed_usd(found, made(found, least, percent), 36) for percent in (low, high)]

    assert costs[1] <= costs[0] <= found.monthly_usd
