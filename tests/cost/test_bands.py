"""Where a total stands."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from infra.cost.bands import stand, unconfirmed_share
from infra.cost.estimate import estimate
from infra.cost.model import Estimate, State
from infra.cost.source import Source
from infra.cost.usage import Level, Usage
from stacks.phase import PhaseName
from stacks.phases import phase
from tests.cost.conftest import planned
from tests.cost.made import line, standing, unknown


@pytest.mark.parametrize(
    ("monthly", "is_inside", "headroom"),
    [("599.99", False, "200.01"), ("600", True, "200"), ("800", True, "0"), ("800.01", False, "-0.01")],
)
def test_both_ends_belong_to_the_band(monthly: str, is_inside: bool, headroom: str) -> None:
    it = standing(line(monthly=monthly))

    assert (it.band.low, it.band.high) == (600, 800)
    assert it.is_inside is is_inside
    assert it.headroom_usd == Decimal(headroom)


def test_a_total_with_an_unknown_part_is_in_no_band() -> None:
    assert standing(line(monthly="700")).is_inside
    assert not standing(line(monthly="700"), unknown(State.UNPRICED, "no price")).is_inside
    assert standing(line(monthly="700"), unknown(State.NEEDS_USAGE, "bytes")).is_inside


def test_unit_costs_are_those_of_the_expected_users_and_requests() -> None:
    it = standing(line(monthly="700"))
    usage = it.usages[Level.EXPECTED]

    assert it.usd_per_thousand_users == 70
    assert it.usd_per_million_requests == Decimal(700) / usage.requests * 1_000_000
    idle = Usage(it.source.phase, overrides={"requestsPerDailyUser": 0})
    assert replace(it, usages={**it.usages, Level.EXPECTED: idle}).usd_per_million_requests is None


def test_the_unconfirmed_share_is_by_money() -> None:
    found = Estimate((line(monthly="75"), line(monthly="25", confirmed=False)))

    assert unconfirmed_share(found) == Decimal("0.25")
    assert unconfirmed_share(Estimate(())) == 0


def test_every_level_is_priced_with_what_the_stack_says_about_usage() -> None:
    source = Source("10k", phase(PhaseName.P10K), planned("10k"), {"dailyShare": 0.5})

    it = stand(source)

    assert list(it.estimates) == list(Level)
    assert it.usages[Level.EXPECTED].profile.daily_share == Decimal("0.5")
    own = estimate(source.resources, Usage(source.phase, Level.HIGH, source.usage))
    assert it.estimates[Level.HIGH] == own
