"""The price book against AWS's price list, and the book's files anew."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from infra.cost import book, refresh, skus
from infra.cost.book import Price
from infra.cost.price_list import PriceList
from infra.cost.refresh import Finding, Found, compare, write
from tests.cost.listed import Answers, product

TODAY = date(2026, 11, 21)


def row(key: str, usd: str, region: str = "us-east-1", above: str = "0", unit: str = "hour") -> Price:
    return Price(
        key=key,
        region=region,
        above=Decimal(above),
        unit=unit,
        usd=Decimal(usd),
        source="a page",
        date=date(2024, 7, 1),
        confirmed=False,
    )


def found(price: Price, *products: str) -> Finding:
    (finding,) = compare([price], [price.region], PriceList(Answers(*products)))
    return finding


SINGLE = {"databaseEngine": "PostgreSQL", "deploymentOption": "Single-AZ", "instanceType": "db.r6g.xlarge"}
DOUBLE = {**SINGLE, "deploymentOption": "Multi-AZ"}
NODE = {"cacheEngine": "Valkey", "instanceType": "cache.r7g.large"}
INSTANCE = row("rds/instance/db.r6g.xlarge/single-az", "0.456")


def test_a_changed_price_is_found_with_its_change() -> None:
    finding = found(INSTANCE, product("InstanceUsage:db.r6g.xl", "0.4500000000", **SINGLE))
    assert (finding.found, finding.usd) == (Found.CHANGED, Decimal("0.45"))
    assert finding.change is not None
    assert round(finding.change, 4) == Decimal("-0.0132")


def test_the_same_price_in_more_digits_is_the_same() -> None:
    assert found(INSTANCE, product("InstanceUsage:db.r6g.xl", "0.4560000000", **SINGLE)).found is Found.SAME


def test_a_multi_az_price_is_the_multi_az_sku_and_not_twice_the_single_one() -> None:
    finding = found(
        row("rds/instance/db.r6g.xlarge/multi-az", "0.9"),
        product("InstanceUsage:db.r6g.xl", "0.45", **SINGLE),
        product("Multi-AZUsage:db.r6g.xl", "0.899", **DOUBLE),
        product("Multi-AZClusterUsage:db.r6g.xl", "1.3", **DOUBLE),
    )
    assert finding.usd == Decimal("0.899")


def test_an_io_optimized_instance_is_another_price() -> None:
    finding = found(
        INSTANCE,
        product("InstanceUsageIOOptimized:db.r6g.xl", "0.585", **SINGLE),
        product("InstanceUsage:db.r6g.xl", "0.45", **SINGLE),
    )
    assert finding.usd == Decimal("0.45")


def test_another_engines_price_is_not_taken() -> None:
    mysql = {**SINGLE, "databaseEngine": "MySQL"}
    assert found(INSTANCE, product("InstanceUsage:db.r6g.xl", "0.43", **mysql)).found is Found.KEPT


def test_extended_support_and_synchronous_durability_are_other_prices() -> None:
    finding = found(
        row("elasticache/node/valkey/cache.r7g.large", "0.2"),
        product("ExtendedSupportYr1_Yr2-NodeUsage:cache.r7g.large", "0.14", **NODE),
        product("SyncDurability-NodeUsage:cache.r7g.large", "0.0379", **NODE),
        product("NodeUsage:cache.r7g.large", "0.1752", **NODE),
    )
    assert finding.usd == Decimal("0.1752")


@pytest.mark.parametrize(
    ("region", "usage"),
    [
        ("us-east-1", "NodeUsage:cache.r7g.large"),
        ("us-east-1", "USE1-NodeUsage:cache.r7g.large"),
        ("us-west-2", "USW2-NodeUsage:cache.r7g.large"),
        ("eu-west-1", "EU-NodeUsage:cache.r7g.large"),
    ],
)
def test_each_region_has_its_prefix(region: str, usage: str) -> None:
    there = {**NODE, "regionCode": region}
    price = row("elasticache/node/valkey/cache.r7g.large", "0.2", region)
    assert found(price, product(usage, "0.1752", **there)).usd == Decimal("0.1752")
    assert found(price, product(f"EUW1-{usage}", "0.1752", **there)).found is Found.KEPT


def test_two_prices_for_one_thing_are_told_and_the_book_is_kept() -> None:
    finding = found(
        INSTANCE,
        product("InstanceUsage:db.r6g.xl", "0.45", **SINGLE),
        product("USE1-InstanceUsage:db.r6g.xl", "0.46", **SINGLE),
    )
    assert finding.found is Found.KEPT
    assert finding.note == "AWS's list has several prices for it: 0.45, 0.46"


def test_a_storage_price_that_stands_for_every_engine_and_for_any_is_one_price() -> None:
    finding = found(
        row("rds/storage/gp3/single-az", "0.08", unit="GB-month"),
        product("USE1-RDS:GP3-Storage", "0.115", "GB-Mo", databaseEngine="PostgreSQL"),
        product("USE1-RDS:GP3-Storage", "0.115", "GB-Mo", databaseEngine="Any"),
        product("USE1-RDS:GP3-Storage", "0.2", "GB-Mo", databaseEngine="SQL Server"),
    )
    assert finding.usd == Decimal("0.115")


def test_a_price_in_another_unit_is_never_taken() -> None:
    finding = found(
        row("rds/storage/gp3/single-az", "0.08", unit="GB-month"),
        product("RDS:GP3-Storage", "0.115", "GB-Hours", databaseEngine="Any"),
    )
    assert finding.note == "AWS counts in GB-Hours, the book in GB-month"


def test_a_price_for_one_request_becomes_one_for_a_thousand() -> None:
    finding = found(
        row("s3/requests/put", "0.004", unit="1000 requests"), product("Requests-Tier1", "0.0000050000", "Requests")
    )
    assert finding.usd == Decimal("0.005")


def test_a_load_balancers_price_is_that_of_its_kind() -> None:
    finding = found(
        row("lb/application/lcu-hour", "0.007", unit="LCU-hour"),
        product("LCUUsage", "0.006", "LCU-Hrs", productFamily="Load Balancer-Network"),
        product("LCUUsage", "0.008", "LCU-Hrs", productFamily="Load Balancer-Application"),
    )
    assert finding.usd == Decimal("0.008")


VENDED = "cloudwatch/logs/ingestion/vended"


def test_tiers_are_compared_one_by_one() -> None:
    rows = [row(VENDED, "0.5", unit="GB"), row(VENDED, "0.25", above="10240", unit="GB")]
    api = Answers(product("VendedLog-Bytes", [("0", "0.5"), ("10240", "0.2")], "GB"))
    findings = compare(rows, ["us-east-1"], PriceList(api))
    assert [(one.found, one.usd) for one in findings] == [
        (Found.SAME, Decimal("0.5")),
        (Found.CHANGED, Decimal("0.2")),
    ]


def test_other_tiers_are_for_a_person_to_put_in() -> None:
    rows = [row(VENDED, "0.5", unit="GB"), row(VENDED, "0.25", above="10240", unit="GB")]
    api = Answers(product("VendedLog-Bytes", [("0", "0.5"), ("20480", "0.2")], "GB"))
    findings = compare(rows, ["us-east-1"], PriceList(api))
    assert {one.found for one in findings} == {Found.KEPT}
    assert findings[0].note == "AWS has tiers from 0, 20480: put them into the book by hand"


def test_a_free_allowance_is_left_alone_while_the_price_above_it_is_read() -> None:
    key = "cloudwatch/alarms/standard"
    rows = [row(key, "0", unit="metric-month"), row(key, "0.2", above="10", unit="metric-month")]
    findings = compare(rows, ["us-east-1"], PriceList(Answers(product("CW:AlarmMonitorUsage", "0.1", "Alarms"))))
    assert [(one.found, one.usd) for one in findings] == [(Found.ELSEWHERE, None), (Found.CHANGED, Decimal("0.1"))]


def test_other_vendors_prices_are_not_asked_for() -> None:
    api = Answers()
    (finding,) = compare([row("sentry/plan/team", "26")], ["us-east-1"], PriceList(api))
    assert finding.found is Found.ELSEWHERE
    assert api.asked == []


def test_only_the_regions_asked_for_are_compared() -> None:
    rows = [row("lb/application/hour", "1", region) for region in ("us-east-1", "eu-west-1")]
    assert [one.price.region for one in compare(rows, ["eu-west-1"], PriceList(Answers()))] == ["eu-west-1"]


def test_all_classes_of_a_region_are_one_question() -> None:
    api = Answers()
    rows = [row(f"rds/instance/db.r6g.{size}/single-az", "1") for size in ("large", "xlarge", "2xlarge")]
    compare(rows, ["us-east-1"], PriceList(api))
    assert len(api.asked) == 1


def test_most_of_the_shipped_books_aws_prices_are_looked_up() -> None:
    prices = book.shipped().prices
    for kind in ("rds/instance/", "elasticache/node/", "opensearch/instance/", "ec2/instance/", "vpc/nat-gateway/"):
        rows = [one for one in prices if one.key.startswith(kind)]
        assert rows
        assert [one.key for one in rows if skus.place(one.key, one.region) is None] == []


def test_every_row_of_the_table_is_for_a_price_that_the_book_has() -> None:
    keys = {(one.key, one.region) for one in book.shipped().prices}
    for sku in skus.SKUS:
        assert any(sku.place(key, region) for key, region in keys), sku.key


def test_every_unit_of_a_looked_up_price_is_known() -> None:
    units = {one.unit for one in book.shipped().prices if skus.place(one.key, one.region)}
    assert units <= set(skus.UNITS)


CSV = """key,region,above,unit,usd,source,date,confirmed
lb/application/hour,eu-west-1,0,hour,0.0252,a page,2023-02-23,yes
lb/application/hour,us-east-1,0,hour,0.0220,"a page, recalled",,no
sentry/plan/team,global,,month,26.00,a page,2024-07-01,no
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "prices.csv"
    path.write_text(CSV)
    return path


def refreshed(file: Path, usd: str) -> list[Path]:
    api = Answers(product("LoadBalancerUsage", usd, productFamily="Load Balancer-Application"))
    findings = compare(book.read([file]).prices, ["us-east-1"], PriceList(api))
    return write([file], findings, TODAY)


def test_a_new_price_is_written_with_its_source_and_day_and_nothing_else_changes(file: Path) -> None:
    assert refreshed(file, "0.0225000000") == [file]
    assert file.read_text() == CSV.replace('0.0220,"a page, recalled",,no', "0.0225,AWS Price List API,2026-11-21,yes")


def test_a_price_that_is_confirmed_keeps_its_digits_and_gets_the_day(file: Path) -> None:
    refreshed(file, "0.0220000000")
    assert "lb/application/hour,us-east-1,0,hour,0.0220,AWS Price List API,2026-11-21,yes" in file.read_text()


def test_a_second_refresh_on_the_same_day_writes_nothing(file: Path) -> None:
    refreshed(file, "0.0225")
    assert refreshed(file, "0.0225") == []


@pytest.mark.parametrize("path", sorted(book.FOLDER.glob("*.csv")), ids=lambda path: path.name)
def test_the_shipped_files_are_written_as_they_are(path: Path) -> None:
    assert refresh._text(path, {}, TODAY) == path.read_text()
