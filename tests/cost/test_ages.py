"""The age of prices in use."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from infra.cost.ages import Age, age, ages, rest, warnings
from infra.cost.book import Price
from infra.cost.model import Line, State

TODAY = date(2026, 11, 21)


def price(days: int | None, key: str = "nat/hour") -> Price:
    return Price(
        key=key,
        region="us-east-1",
        above=Decimal(0),
        unit="hour",
        usd=Decimal("0.045"),
        source="a page",
        date=None if days is None else TODAY - timedelta(days=days),
        confirmed=days is not None,
    )


def line(usd: str, *prices: Price) -> Line:
    return Line(urn="urn", component="hours", state=State.PRICED, monthly_usd=Decimal(usd), prices=prices)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (0, Age.CURRENT),
        (90, Age.CURRENT),
        (91, Age.AGEING),
        (365, Age.AGEING),
        (366, Age.OLD),
        (None, Age.UNDATED),
    ],
)
def test_a_price_is_told_after_90_days_and_fails_after_365(days: int | None, expected: Age) -> None:
    assert age(price(days), TODAY) is expected


def test_each_row_counts_once() -> None:
    assert ages([price(400), price(400), price(0)], TODAY)[Age.OLD] == (price(400),)


def test_a_line_is_as_old_as_the_oldest_of_its_tiers() -> None:
    found = rest([line("10", price(0, "a"), price(400, "b")), line("30", price(0, "a"))], TODAY)
    assert found.usd == {Age.CURRENT: 30, Age.UNDATED: 0, Age.AGEING: 0, Age.OLD: 10}
    assert found.share(Age.OLD) == Decimal("0.25")
    assert found.resting[price(0, "a")] == 40


def test_a_price_without_a_day_is_not_old() -> None:
    found = rest([line("10", price(None))], TODAY)
    assert found.share(Age.UNDATED) == 1
    assert warnings([line("10", price(None))], TODAY) == []


def test_free_and_unpriced_lines_have_no_age() -> None:
    lines = [
        Line(urn="urn", component="all", state=State.FREE, monthly_usd=Decimal(0)),
        Line(urn="urn", component="all", state=State.UNPRICED),
    ]
    found = rest(lines, TODAY)
    assert found.total == 0
    assert found.share(Age.OLD) == 0
    assert not any(found.rows.values())


def test_current_prices_give_no_warning() -> None:
    assert warnings([line("10", price(90))], TODAY) == []


def test_a_warning_says_how_much_of_the_total_rests_on_what() -> None:
    lines = [line("10", price(100, "a")), line("20", price(400, "b")), line("10", price(401, "c"))]
    assert warnings(lines, TODAY)[:2] == [
        "75% of the total rests on 2 prices older than 365 days",
        "25% of the total rests on 1 price older than 90 days",
    ]
    assert "headroom prices" in warnings(lines, TODAY)[-1]
