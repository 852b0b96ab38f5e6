"""How old the prices are that a stack rests on. Only rows in use count: a book may keep others for comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

from infra.cost.book import Price
from infra.cost.model import Line

AGEING_DAYS: Final = 90
"""Older prices are told."""
OLD_DAYS: Final = 365
"""Older prices fail `headroom prices check`. AWS changes list prices seldom, but within a year some have changed."""


class Age(StrEnum):
    """How far back a price was read, best first."""

    CURRENT = "current"
    UNDATED = "undated"
    """Nobody knows when it was read. That is a matter of being confirmed, which the estimate tells, and not of age."""
    AGEING = "ageing"
    OLD = "old"


ORDER: Final = tuple(Age)


def age(price: Price, today: date) -> Age:
    """The age of one row."""
    if price.date is None:
        return Age.UNDATED
    days = (today - price.date).days
    if days > OLD_DAYS:
        return Age.OLD
    return Age.AGEING if days > AGEING_DAYS else Age.CURRENT


def ages(prices: Iterable[Price], today: date) -> dict[Age, tuple[Price, ...]]:
    """Rows by age, each row once; all ages are there."""
    found: dict[Age, dict[Price, None]] = {one: {} for one in ORDER}
    for price in prices:
        found[age(price, today)][price] = None
    return {one: tuple(rows) for one, rows in found.items()}


@dataclass(frozen=True, slots=True)
class Rest:
    """What an estimate rests on.

    Attributes:
        usd: a month's USD by the worst age among the rows under each line.
        rows: the rows in use, by age.
        resting: a month's USD that need a row, by row. Lines with several rows count under each of them.
    """

    usd: Mapping[Age, Decimal]
    rows: Mapping[Age, tuple[Price, ...]]
    resting: Mapping[Price, Decimal]

    @property
    def total(self) -> Decimal:
        """All of the month's USD."""
        return sum(self.usd.values(), Decimal(0))

    def share(self, one: Age) -> Decimal:
        """Part of the total that rests on prices of an age, 0 to 1."""
        return self.usd[one] / self.total if self.total else Decimal(0)


def rest(lines: Iterable[Line], today: date) -> Rest:
    """By age, what the lines of an estimate rest on."""
    usd = dict.fromkeys(ORDER, Decimal(0))
    resting: dict[Price, Decimal] = {}
    for line in lines:
        for price in line.prices:
            resting[price] = resting.get(price, Decimal(0)) + (line.monthly_usd or Decimal(0))
        worst = max((age(price, today) for price in line.prices), key=ORDER.index, default=Age.CURRENT)
        usd[worst] += line.monthly_usd or Decimal(0)
    return Rest(usd, ages(resting, today), resting)


def warnings(lines: Iterable[Line], today: date) -> list[str]:
    """What an estimate says of the age of its prices; nothing where they are current."""
    found = rest(lines, today)
    told = []
    for one, days in ((Age.OLD, OLD_DAYS), (Age.AGEING, AGEING_DAYS)):
        if found.rows[one]:
            rows = len(found.rows[one])
            count = f"{rows} price{'' if rows == 1 else 's'}"
            told.append(f"{found.share(one):.0%} of the total rests on {count} older than {days} days")
    if told:
        told.append("`headroom prices refresh --write` reads AWS's anew; `headroom prices check` names the others")
    return told
