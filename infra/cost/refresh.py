"""The price book against AWS's price list: what has changed, what is not to be found, and the book's files anew."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Final

from infra.cost import skus
from infra.cost.book import COLUMNS, GLOBAL, Price, read
from infra.cost.price_list import Offer, PriceList, Tier

SOURCE: Final = "AWS Price List API"


class Found(StrEnum):
    """What became of a price."""

    SAME = "same"
    CHANGED = "changed"
    KEPT = "kept"
    """AWS's list does not say it clearly: the note has why."""
    ELSEWHERE = "elsewhere"
    """Not a price that is looked up in AWS's list."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A row of the book, and what AWS's list says of it.

    Attributes:
        price: the row.
        found: what became of it.
        usd: AWS's price, where it says one.
        note: why the row is kept.
    """

    price: Price
    found: Found
    usd: Decimal | None = None
    note: str = ""

    @property
    def change(self) -> Decimal | None:
        """By how much of the old price it changes; None where there was none to change from."""
        if self.usd is None or not self.price.usd:
            return None
        return (self.usd - self.price.usd) / self.price.usd


def compare(prices: Sequence[Price], regions: Collection[str], listed: PriceList) -> list[Finding]:
    """Look up the prices of these regions, in the book's order.

    Raises:
        UserError: the list cannot be asked.
    """
    places: dict[tuple[str, str], list[Price]] = {}
    for price in prices:
        if price.region in regions:
            places.setdefault((price.key, price.region), []).append(price)
    return [
        finding
        for (key, region), tiers in places.items()
        for finding in _compared(tiers, skus.place(key, region), listed)
    ]


def _compared(rows: Sequence[Price], place: skus.Place | None, listed: PriceList) -> Iterator[Finding]:
    if place is None:
        yield from (Finding(row, Found.ELSEWHERE) for row in rows)
        return
    # AWS puts free allowances into rows of their own, for all regions together; the book's are left as they are.
    free = [row for row in rows if not row.usd] if len(rows) > 1 else []
    paid = [row for row in rows if row not in free]
    yield from (Finding(row, Found.ELSEWHERE) for row in free)
    tiers, problem = _tiers(paid, place, listed)
    if problem:
        yield from (Finding(row, Found.KEPT, note=problem) for row in paid)
        return
    for row, tier in zip(paid, tiers, strict=True):
        yield Finding(row, Found.SAME if row.usd == tier.usd else Found.CHANGED, tier.usd)


def _tiers(rows: Sequence[Price], place: skus.Place, listed: PriceList) -> tuple[Sequence[Tier], str]:
    """AWS's tiers in the book's units, or why they are of no use."""
    offers = [
        offer
        for filters in place.questions
        for offer in listed.offers(place.service, filters)
        if place.usage.fullmatch(offer.attributes.get("usagetype", ""))
        and all(offer.attributes.get(name, "") in values for name, values in place.has.items())
    ]
    if not offers:
        return (), f"not in the list of {place.service}"
    units = skus.UNITS.get(rows[0].unit, {})
    strange = sorted({offer.unit for offer in offers} - set(units))
    if strange:
        return (), f"AWS counts in {', '.join(strange)}, the book in {rows[0].unit}"
    found = {_scaled(offer, units[offer.unit]) for offer in offers}
    if len(found) > 1:
        seen = sorted({f"{tier.usd:f}" for tiers in found for tier in tiers})
        return (), f"AWS's list has several prices for it: {', '.join(seen)}"
    tiers = found.pop()
    # The first paid tier begins where the book's free allowance ends.
    if [tier.above for tier in tiers[1:]] != [row.above for row in rows[1:]]:
        return (
            (),
            f"AWS has tiers from {', '.join(f'{tier.above:f}' for tier in tiers)}: put them into the book by hand",
        )
    return tiers, ""


def _scaled(offer: Offer, factor: Decimal) -> tuple[Tier, ...]:
    return tuple(Tier(tier.above / factor, tier.usd * factor) for tier in offer.tiers)


def regions(prices: Sequence[Price]) -> list[str]:
    """The regions that the book has prices of."""
    return sorted({price.region for price in prices} - {GLOBAL})


def write(files: Sequence[Path], findings: Sequence[Finding], today: date) -> list[Path]:
    """Put what AWS says into the book's files, all or none; other rows stay as they are, letter by letter.

    Args:
        files: of the book.
        findings: what to put in.
        today: the day that the prices were read on.

    Returns:
        The files that were written.
    """
    news = {
        (one.price.key, one.price.region, one.price.above): one.usd
        for one in findings
        if one.usd is not None and one.found in {Found.SAME, Found.CHANGED}
    }
    texts = {file: _text(file, news, today) for file in files}
    changed = [file for file, text in texts.items() if text != file.read_text(encoding="utf-8")]
    for file in changed:
        file.write_text(texts[file], encoding="utf-8", newline="")
    read(files)  # What was written is a book.
    return changed


def _text(file: Path, news: Mapping[tuple[str, str, Decimal], Decimal], today: date) -> str:
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        usd = news.get((row["key"], row["region"], Decimal(row["above"] or 0)))
        if usd is not None:
            # The same price in other digits is no change.
            shown = row["usd"] if Decimal(row["usd"]) == usd else f"{usd.normalize():f}"
            row |= {"usd": shown, "source": SOURCE, "date": today.isoformat(), "confirmed": "yes"}
        writer.writerow(row)
    return out.getvalue()
