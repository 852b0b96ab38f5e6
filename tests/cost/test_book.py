"""The price book: what it reads, what it refuses, and what it makes of tiers."""

from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cidr import REGIONS
from infra.cost import book
from infra.cost.book import GLOBAL, NoPriceError, Price, PriceBook
from infra.errors import UserError

HEADER = "key,region,above,unit,usd,source,date,confirmed\n"
GOOD = "nat/hour,us-east-1,0,hour,0.045,a page,2026-10-01,yes\n"


def price(key: str = "out/gb", region: str = "us-east-1", above: str = "0", usd: str = "0.09") -> Price:
    return Price(
        key=key,
        region=region,
        above=Decimal(above),
        unit="GB",
        usd=Decimal(usd),
        source="a page",
        date=date(2026, 10, 1),
        confirmed=True,
    )


def written(tmp_path: Path, text: str, name: str = "prices.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


TIERS = PriceBook([price(above="100", usd="0.09"), price(above="0", usd="0"), price(above="10240", usd="0.085")])


@pytest.mark.parametrize(
    ("quantity", "usd"),
    [
        ("0", "0"),
        ("99", "0"),
        ("100", "0"),
        ("101", "0.09"),
        ("10240", "912.6"),
        ("10241", "912.685"),
        ("20480", "1783.0"),
    ],
)
def test_each_tier_charges_only_what_lies_in_it(quantity: str, usd: str) -> None:
    assert TIERS.monthly("out/gb", "us-east-1", Decimal(quantity)) == Decimal(usd)


@given(st.lists(st.decimals(0, 100_000, places=2), min_size=2, max_size=2).map(sorted))
def test_more_never_costs_less(amounts: list[Decimal]) -> None:
    less, more = (TIERS.monthly("out/gb", "us-east-1", amount) for amount in amounts)
    assert less <= more


def test_tiers_come_lowest_first_whatever_their_order_in_the_file() -> None:
    assert [tier.above for tier in TIERS.tiers("out/gb", "us-east-1")] == [0, 100, 10240]


def test_a_regions_own_price_wins_over_the_one_that_holds_everywhere() -> None:
    found = PriceBook([price(region=GLOBAL, usd="1"), price(region="eu-west-1", usd="2")])
    assert found.monthly("out/gb", "eu-west-1", Decimal(1)) == 2
    assert found.monthly("out/gb", "us-east-1", Decimal(1)) == 1


def test_a_missing_region_is_an_error_that_names_where_the_price_is_known() -> None:
    found = PriceBook([price(region="us-east-1"), price(region="eu-west-1")])
    with pytest.raises(NoPriceError) as caught:
        found.tiers("out/gb", "us-west-2")
    assert str(caught.value) == "no price of out/gb in us-west-2: the book knows it in eu-west-1, us-east-1"


def test_an_unknown_key_is_an_error_that_says_so() -> None:
    with pytest.raises(NoPriceError, match="no price of in/gb in us-east-1: the book knows it nowhere"):
        TIERS.tiers("in/gb", "us-east-1")


def test_a_row_without_a_day_has_none(tmp_path: Path) -> None:
    row = GOOD.replace("2026-10-01", "").replace("yes", "no")
    (found,) = book.read([written(tmp_path, HEADER + row)]).prices
    assert (found.date, found.confirmed) == (None, False)


BAD = [
    (GOOD.replace("yes", "maybe"), "confirmed must be yes or no, not 'maybe'"),
    (GOOD.replace("0.045", "-1"), "usd and above must be numbers from 0 up"),
    (GOOD.replace("0.045", "NaN"), "usd and above must be numbers from 0 up"),
    (GOOD.replace("0.045", "cheap"), "ConversionSyntax"),
    (GOOD.replace("0.045", ""), "ConversionSyntax"),
    (GOOD.replace(",0,", ",-5,"), "usd and above must be numbers from 0 up"),
    (GOOD.replace("a page", ""), "key, region, unit and source must all be there"),
    (GOOD.replace("nat/hour", ""), "key, region, unit and source must all be there"),
    (GOOD.replace("2026-10-01", "last week"), "Invalid isoformat string"),
    ("nat/hour,us-east-1\n", "confirmed must be yes or no"),
]


@pytest.mark.parametrize(("row", "why"), BAD, ids=[why for _, why in BAD])
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, row: str, why: str) -> None:
    other = GOOD.replace("nat/hour", "nat/gb")
    with pytest.raises(UserError) as caught:
        book.read([written(tmp_path, HEADER + other + row)])
    (problem,) = caught.value.problems
    assert problem.startswith("prices.csv:3: ")
    assert why in problem


def test_all_bad_rows_of_all_files_are_named_at_once(tmp_path: Path) -> None:
    bad = HEADER + "".join(row for row, _ in BAD)
    files = [written(tmp_path, bad, "a.csv"), written(tmp_path, bad, "b.csv"), written(tmp_path, "key,usd\n", "c.csv")]
    with pytest.raises(UserError) as caught:
        book.read(files)
    assert len(caught.value.problems) == 2 * len(BAD) + 1
    assert caught.value.problems[-1] == f"c.csv: the first line must be {HEADER.strip()}"


def test_a_price_that_stands_twice_is_named_with_both_places(tmp_path: Path) -> None:
    files = [written(tmp_path, HEADER + GOOD, "a.csv"), written(tmp_path, HEADER + GOOD, "b.csv")]
    with pytest.raises(UserError) as caught:
        book.read(files)
    assert caught.value.problems == ("b.csv:2: nat/hour in us-east-1 stands in a.csv:2 already",)


def shipped() -> tuple[Price, ...]:
    return book.shipped().prices


def test_the_shipped_book_knows_regions_by_their_names() -> None:
    assert {one.region for one in shipped()} <= {*REGIONS, GLOBAL}


def test_what_is_confirmed_in_the_shipped_book_is_not_recalled() -> None:
    assert [one.key for one in shipped() if one.confirmed and "recalled" in one.source] == []


def test_every_price_in_the_shipped_book_has_a_first_tier() -> None:
    found = book.shipped()
    for key, region in {(one.key, one.region) for one in found.prices}:
        assert found.tiers(key, region)[0].above == 0, (key, region)


def test_the_tiers_of_a_price_have_one_unit() -> None:
    found = book.shipped()
    for key, region in {(one.key, one.region) for one in found.prices}:
        assert len({tier.unit for tier in found.tiers(key, region)}) == 1, (key, region)


@pytest.mark.parametrize("file", sorted(book.FOLDER.glob("*.csv")), ids=lambda path: path.name)
def test_shipped_rows_are_sorted_so_that_a_refresh_reads_as_a_small_diff(file: Path) -> None:
    with file.open(newline="") as stream:
        rows = [(row["key"], row["region"], Decimal(row["above"] or 0)) for row in csv.DictReader(stream)]
    assert rows == sorted(rows)
