"""An estimate for people and for machines."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from io import StringIO

import pytest
from rich.console import Console, RenderableType

from infra.cost import offers_report, report
from infra.cost.bands import stand
from infra.cost.commitments import commitments
from infra.cost.model import Estimate, Line, State
from infra.cost.source import Source
from infra.cost.usage import Level
from infra.plan import PlannedResource
from tests.cost.conftest import phase_of, planned
from tests.cost.made import line, standing, unknown
from tests.growth.conftest import PREFIX, made

REGION = f"{PREFIX}headroom:region:Region::home"
NETWORK = f"{PREFIX}headroom:region:Region$headroom:network:Network::net"
GROUPS = [
    PlannedResource(REGION, "headroom:region:Region", "home", None, {}, {}, []),
    PlannedResource(NETWORK, "headroom:network:Network", "net", REGION, {}, {}, []),
]
QUEUE = "aws:sqs/queue:Queue"


def text(renderable: RenderableType) -> str:
    out = StringIO()
    Console(file=out, width=140).print(renderable)
    return out.getvalue()


def paid(resource: PlannedResource, monthly: str, *, confirmed: bool = True) -> Line:
    return line(monthly=monthly, urn=resource.urn, confirmed=confirmed)


def free(resource: PlannedResource) -> Line:
    return Line(urn=resource.urn, component="all", state=State.FREE, monthly_usd=Decimal(0), note="of IAM")


def test_components_sum_what_is_in_them_and_count_what_is_free() -> None:
    top, inner, gratis = made(QUEUE, "a", parent=REGION), made(QUEUE, "b", parent=NETWORK), made(QUEUE, "c")
    gratis = replace(gratis, parent=NETWORK)
    found = Estimate((paid(top, "2"), paid(inner, "3", confirmed=False), free(gratis)))

    rows = report.rows([*GROUPS, top, inner, gratis], found)

    assert [(one.depth, one.name, float(one.monthly_usd), one.free) for one in rows] == [
        (0, "home", 5, 0),
        (1, "net", 3, 1),
        (2, "b", 3, 0),
        (1, "a", 2, 0),
    ]
    assert [one.is_confirmed for one in rows] == [False, False, False, True]


def test_a_component_without_costs_is_counted_where_it_stands() -> None:
    gratis, top = made(QUEUE, "c", parent=NETWORK), made(QUEUE, "a", parent=REGION)

    rows = report.rows([*GROUPS, gratis, top], Estimate((free(gratis), paid(top, "2"))))

    assert [(one.name, one.free) for one in rows] == [("home", 1), ("a", 0)]


def test_like_costs_of_like_resources_share_a_line_and_the_dearest_comes_first() -> None:
    alike = [made(QUEUE, name, parent=REGION) for name in "abc"]
    dear = made("aws:sns/topic:Topic", "t", parent=REGION)

    rows = report.rows([*GROUPS, *alike, dear], Estimate((*(paid(one, "2") for one in alike), paid(dear, "9"))))

    assert [(one.name, one.about, float(one.quantity or 0)) for one in rows[1:]] == [
        ("t", "sns.Topic all", 90),
        ("3 sqs.Queue", "all", 60),
    ]


def test_what_no_resource_stands_for_has_a_place_of_its_own() -> None:
    vendor = line(monthly="26", urn="urn:pulumi:prod::headroom::pulumi:pulumi:Stack::headroom-prod")

    rows = report.rows(GROUPS, Estimate((vendor,)))

    assert [(one.depth, one.name, float(one.monthly_usd)) for one in rows] == [(0, "other vendors", 26), (1, "all", 26)]


def test_unknown_costs_are_shown_as_such_and_told_once_each() -> None:
    alike = [made(QUEUE, name, parent=REGION) for name in "ab"]
    lines = (
        *(unknown(State.UNPRICED, "no price of x", one.urn) for one in alike),
        unknown(State.NEEDS_USAGE, "bytes to the model", alike[0].urn),
    )

    shown = text(report.render(standing(*lines, resources=(*GROUPS, *alike)), Level.EXPECTED))

    assert "2 sqs.Queue  all" in shown
    assert shown.count("UNPRICED") == 2
    assert "  - 2 resources such as a, all: no price of x\n" in shown
    assert "  - a, all: bytes to the model\n" in shown
    assert "in no place of the band, 600 to 800 USD on demand, without tax and support plan: 2 costs" in shown


@pytest.mark.parametrize(
    ("monthly", "says"),
    [("500", "100.00 USD below the band"), ("700", "100.00 USD below its top"), ("900", "100.00 USD above the band")],
)
def test_the_verdict_says_how_far_it_is(monthly: str, says: str) -> None:
    shown = text(report.render(standing(line(monthly=monthly)), Level.LOW))

    assert f"prod, phase 10k, low usage: {monthly}.00 USD a month (expected {monthly}.00, high {monthly}.00)\n" in shown
    assert says in shown
    assert f"{int(monthly) / 10:.2f} USD for each 1,000 monthly users" in shown


def test_what_rests_on_unconfirmed_prices_is_marked_and_its_share_told() -> None:
    one = made(QUEUE, "a", parent=REGION)

    shown = text(report.render(standing(paid(one, "7", confirmed=False), resources=(*GROUPS, one)), Level.EXPECTED))

    assert "7.00?\n" in shown
    assert "100% of it rests on prices that no primary source confirms, marked ?" in shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [("0.0000004", "0.0000004"), ("1234567", "1,234,570"), ("250.000", "250"), ("1E+3", "1,000"), ("0", "0")],
)
def test_a_number_is_never_a_power_of_ten(value: str, shown: str) -> None:
    assert report.plain(Decimal(value)) == shown


def test_json_of_a_shipped_stack_adds_up() -> None:
    it = stand(Source("10k", phase_of("10k"), planned("10k")))

    facts = json.loads(json.dumps(report.to_dict(it, Level.EXPECTED)))

    assert (facts["stack"], facts["phase"], facts["sizing"], facts["level"]) == ("10k", "10k", "efficient", "expected")
    assert facts["band_usd"] == [600, 800]
    assert facts["low_usd"] <= facts["expected_usd"] <= facts["high_usd"]
    total = sum(one["monthly_usd"] for one in facts["lines"] if one["monthly_usd"] is not None)
    assert total == pytest.approx(facts["monthly_usd"])
    tops = sum(one["monthly_usd"] for one in facts["components"] if one["parent"] is None)
    resources = {one.urn for one in planned("10k")}
    elsewhere = sum(one["monthly_usd"] or 0 for one in facts["lines"] if one["urn"] not in resources)
    assert tops + elsewhere == pytest.approx(total)
    assert {one["state"] for one in facts["lines"]} <= {"priced", "free", "needs-usage", "unpriced"}


def test_an_unknown_cost_is_null_in_json() -> None:
    facts = report.line_dict("10k", unknown(State.UNPRICED, "no price"))

    assert (facts["monthly_usd"], facts["unit_usd"], facts["quantity"], facts["note"]) == (None, None, None, "no price")


def test_commitments_stand_beside_the_total_with_what_they_cover() -> None:
    found = Estimate((line("rds/instance/db.r6g.large/multi-az", "200"),))
    made_of_it = commitments(found, found, coverage_percent=80)

    shown = text(offers_report.render(found, made_of_it, 80))
    facts = json.loads(json.dumps(offers_report.to_dict(found, made_of_it, 80)))

    assert "rds db.r6g.large/multi-az" in shown
    assert "80%" in shown
    assert "in all: 200.00 on demand; " in shown
    assert "rds: no Database Savings Plan: they take generation 7 and newer, not r6g\n" in shown
    (part,) = facts["parts"]
    assert (facts["on_demand_usd"], part["covered_usd"], facts["coverage_percent"]) == (200, 160, 80)
    assert facts["three_years_usd"] < facts["one_year_usd"] < 200
    assert not any(one["confirmed"] for one in part["offers"])
