"""The price book: on-demand list prices in US dollars, each with where it comes from, when, and how sure it is."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Final

from infra.errors import UserError

FOLDER: Final = Path(__file__).parent / "prices"
COLUMNS: Final = ("key", "region", "above", "unit", "usd", "source", "date", "confirmed")
GLOBAL: Final = "global"
"""Region of a price that is the same everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One row.

    Attributes:
        key: what is sold, such as `rds/instance/db.r6g.xlarge/multi-az`.
        region: AWS region, or `global`.
        above: the price holds for what lies above so many units in a month (tiers and free allowances), 0 for all.
        unit: one of it, such as `hour` or `GB-month`; GB is AWS's (2^30 bytes).
        usd: for one unit.
        source: page, price list or file that the figure was read from.
        date: day that the source states or was read on; None where nobody knows.
        confirmed: read from a primary source: the vendor's price list or page, or test data recorded from it.
            Otherwise it is recalled or derived.
    """

    key: str
    region: str
    above: Decimal
    unit: str
    usd: Decimal
    source: str
    date: date | None
    confirmed: bool


class NoPriceError(LookupError):
    """The book has no such price. There is no default and no factor between regions: it says so."""


class PriceBook:
    """Prices by key and region."""

    def __init__(self, prices: Iterable[Price]) -> None:
        """Sort each key's tiers."""
        found: dict[tuple[str, str], list[Price]] = {}
        for price in prices:
            found.setdefault((price.key, price.region), []).append(price)
        self._tiers: Mapping[tuple[str, str], tuple[Price, ...]] = {
            place: tuple(sorted(tiers, key=lambda one: one.above)) for place, tiers in found.items()
        }

    @property
    def prices(self) -> tuple[Price, ...]:
        """All rows, by key, region and tier."""
        return tuple(price for place in sorted(self._tiers) for price in self._tiers[place])

    def tiers(self, key: str, region: str) -> tuple[Price, ...]:
        """The tiers of a price, lowest first: the region's own, or the one that holds everywhere.

        Raises:
            NoPriceError: there is none.
        """
        found = self._tiers.get((key, region)) or self._tiers.get((key, GLOBAL))
        if found is None:
            others = sorted(place for one, place in self._tiers if one == key)
            where = f"the book knows it in {', '.join(others)}" if others else "the book knows it nowhere"
            msg = f"no price of {key} in {region}: {where}"
            raise NoPriceError(msg)
        return found

    def monthly(self, key: str, region: str, quantity: Decimal) -> Decimal:
        """Price of so many units in a month, over all tiers, in USD."""
        tiers = self.tiers(key, region)
        ends = [*(tier.above for tier in tiers[1:]), None]
        total = Decimal(0)
        for tier, end in zip(tiers, ends, strict=True):
            inside = (quantity if end is None else min(quantity, end)) - tier.above
            total += max(inside, Decimal(0)) * tier.usd
        return total


@cache
def shipped() -> PriceBook:
    """The project's own book."""
    return read(sorted(FOLDER.glob("*.csv")))


def read(files: Sequence[Path]) -> PriceBook:
    """Read a book; every bad row is named at once.

    Raises:
        UserError: a row is not a price, or stands twice.
    """
    prices, problems = [], []
    seen: dict[tuple[str, str, Decimal], str] = {}
    for file in files:
        with file.open(encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream)
            if tuple(rows.fieldnames or ()) != COLUMNS:
                problems.append(f"{file.name}: the first line must be {','.join(COLUMNS)}")
                continue
            for row in rows:
                where = f"{file.name}:{rows.line_num}"
                try:
                    price = _price(row)
                except (ValueError, InvalidOperation, AttributeError, TypeError) as error:
                    problems.append(f"{where}: {str(error) or 'no number'}")
                    continue
                place = (price.key, price.region, price.above)
                if place in seen:
                    problems.append(f"{where}: {price.key} in {price.region} stands in {seen[place]} already")
                seen[place] = where
                prices.append(price)
    if problems:
        msg = "the price book cannot be read"
        raise UserError(msg, problems)
    return PriceBook(prices)


def _price(row: Mapping[str, str]) -> Price:
    if row["confirmed"] not in ("yes", "no"):
        msg = f"confirmed must be yes or no, not {row['confirmed']!r}"
        raise ValueError(msg)
    if not (row["key"] and row["region"] and row["unit"] and row["source"]):
        msg = "key, region, unit and source must all be there"
        raise ValueError(msg)
    usd, above = Decimal(row["usd"]), Decimal(row["above"] or 0)
    if not usd.is_finite() or usd < 0 or not above.is_finite() or above < 0:
        msg = "usd and above must be numbers from 0 up"
        raise ValueError(msg)
    return Price(
        key=row["key"],
        region=row["region"],
        above=above,
        unit=row["unit"],
        usd=usd,
        source=row["source"],
        date=date.fromisoformat(row["date"]) if row["date"] else None,
        confirmed=row["confirmed"] == "yes",
    )
