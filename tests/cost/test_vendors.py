"""Other vendors: plans that the phase or the profile names, and nothing that has no list price."""

from __future__ import annotations

from decimal import Decimal

import pytest

from infra.cost.estimate import estimate
from infra.cost.estimators import vendors
from infra.cost.model import Line, State
from infra.cost.usage import Usage
from infra.plan import PlannedResource
from tests.cost.conftest import STACKS, estimated, phase_of, planned
from tests.cost.priced import Prices, book_of, lines_of, monthly, usage_of
from tests.growth.conftest import made

PRICES: Prices = {
    "cloudflare/plan/free": "0",
    "cloudflare/plan/pro": "20",
    "cloudflare/plan/business": "200",
    "cloudflare/workers/month": "5",
    "cloudflare/workers-requests/1m": [(0, "0"), (10, "0.30")],
    "sentry/plan/team": "26",
    "sentry/plan/business": "80",
    "pagerduty/professional/user": "21",
}


def bought(usage: Usage) -> dict[str, Line]:
    return {line.component: line for line in estimate([], usage, book_of(PRICES)).lines}


def worker(index: int = 0) -> PlannedResource:
    return made(vendors.SCRIPT, f"edge-workers-{index}", {"scriptName": "x"})


@pytest.mark.parametrize(("stack", "plan", "usd"), [("10k", "free", 0), ("50k", "pro", 20), ("1m", "business", 200)])
def test_the_phase_says_which_plan_cloudflare_is_paid(stack: str, plan: str, usd: int) -> None:
    assert bought(usage_of(stack))[f"Cloudflare {plan} plan"].monthly_usd == usd


def test_the_enterprise_plan_has_no_list_price_and_is_not_taken_for_free() -> None:
    phase = phase_of("1m")
    enterprise = phase.model_copy(update={"edge": phase.edge.model_copy(update={"cloudflare_plan": "enterprise"})})
    assert bought(Usage(enterprise))["Cloudflare enterprise plan"].state is State.UNPRICED


def test_the_error_tracker_and_each_person_on_call_cost_what_the_profile_says() -> None:
    lines = bought(usage_of("1m", sentry="team", pagerdutyUsers=3))
    assert lines["Sentry team plan"].monthly_usd == 26
    assert lines["PagerDuty Professional"].monthly_usd == 63


def test_who_is_not_bought_is_no_line() -> None:
    lines = bought(usage_of("10k", sentry="none", pagerdutyUsers=0))
    assert list(lines) == ["Cloudflare free plan"]


def test_a_script_that_no_route_leads_to_costs_nothing() -> None:
    assert [line.state for line in lines_of([worker()], usage_of("1m"), PRICES)] == [State.FREE]


def test_ten_million_requests_of_a_worker_are_in_its_plan_once_an_account() -> None:
    route = made(vendors.ROUTE, "edge-workers-api/public")
    usage = usage_of("1m", anonymousRequestShare="0.5")
    millions = usage.requests / 2_000_000
    for scripts in ([worker()], [worker(0), worker(1)]):
        lines = lines_of([*scripts, route], usage, PRICES)
        assert monthly(lines, "plan") == 5
        expected = (millions - 10) * Decimal("0.3")
        assert monthly(lines, "requests") == pytest.approx(expected, abs=Decimal("0.001"))


@pytest.mark.parametrize("stack", STACKS)
def test_everything_of_cloudflares_is_priced_or_free_in_the_shipped_stacks(stack: str) -> None:
    urns = {one.urn for one in planned(stack) if one.type.startswith("cloudflare:")}
    lines = [line for line in estimated(stack).lines if line.urn in urns]
    assert {line.urn for line in lines} == urns
    assert [line for line in lines if line.state not in (State.PRICED, State.FREE)] == []


@pytest.mark.parametrize("stack", STACKS)
def test_what_is_bought_has_a_price_in_the_shipped_stacks(stack: str) -> None:
    urns = {one.urn for one in planned(stack)}
    lines = [line for line in estimated(stack).lines if line.urn not in urns]
    assert {line.component.split()[0] for line in lines} == {"Cloudflare", "Sentry", "PagerDuty"}
    assert [line for line in lines if line.state is not State.PRICED] == []
