"""What databases are charged for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cost.book import Price, PriceBook, shipped
from infra.cost.estimate import estimate
from infra.cost.estimators import data
from infra.cost.estimators.data import INSTANCE, PLAN, SELECTION
from infra.cost.model import HOURS, Charge, Scene, State, Unpriced
from infra.cost.usage import DAYS, Usage
from infra.plan import UNKNOWN, PlannedResource
from stacks.hardware import DATABASE_MEMORY_GIB
from stacks.phase import Phase
from stacks.phases import PHASES
from tests.cost.conftest import STACKS, estimated, phase_of, planned
from tests.growth.conftest import made

PRICED_REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
IDLE: dict[str, Any] = {"writeKibPerRequest": 0}
"""Nobody writes: snapshots hold the data and nothing else."""


def repr_of(phase: Phase) -> str:
    """Name of a phase in a test's."""
    return f"{phase.name}-{phase.sizing}"


def usage(phase: str = "10k", **overrides: Any) -> Usage:
    """A month; overrides in the stack file's spelling."""
    return Usage(phase_of(phase), overrides=overrides)


def database(name: str = "us-east-1-db-0-primary", **inputs: Any) -> PlannedResource:
    """A Single-AZ primary of 100 GiB without backups."""
    given = {"instanceClass": "db.r6g.xlarge", "engine": "postgres", "allocatedStorage": 100, "storageType": "gp3"}
    return made(INSTANCE, name, {**given, **inputs})


def replica(source: PlannedResource, name: str, **inputs: Any) -> PlannedResource:
    """A replica, whose engine is its source's."""
    given = {"instanceClass": "db.r6g.xlarge", "replicateSourceDb": UNKNOWN, "allocatedStorage": 100}
    return made(INSTANCE, name, {**given, "storageType": "gp3", **inputs}, uses={"replicateSourceDb": [source.urn]})


def charged(resource: PlannedResource, *others: PlannedResource, month: Usage | None = None) -> Mapping[str, Charge]:
    """Charges of a resource by component."""
    scene = Scene([resource, *others], month or usage(**IDLE), PriceBook([]))
    items = data.ESTIMATORS[resource.type](resource, scene)
    return {item.component: item for item in items if isinstance(item, Charge)}


def book(prices: Mapping[str, str]) -> PriceBook:
    """Prices that hold everywhere."""
    return PriceBook(
        Price(
            key=key,
            region="global",
            above=Decimal(0),
            unit="1",
            usd=Decimal(usd),
            source="test",
            date=None,
            confirmed=True,
        )
        for key, usd in prices.items()
    )


BOOK = book(
    {
        "rds/instance/db.r6g.xlarge/single-az": "0.45",
        "rds/instance/db.r6g.xlarge/multi-az": "0.899",
        "rds/storage/gp3/single-az": "0.115",
        "rds/storage/gp3/multi-az": "0.23",
        "rds/iops/gp3/single-az": "0.02",
        "rds/iops/gp3/multi-az": "0.04",
        "rds/throughput/gp3/single-az": "0.08",
        "rds/throughput/gp3/multi-az": "0.16",
        "rds/backup": "0.095",
        "rds/transfer/inter-region": "0.02",
    }
)


def monthly(*resources: PlannedResource, month: Usage | None = None) -> Decimal:
    """What resources cost together; all of it must be priced."""
    ours = {one.urn for one in resources}
    lines = [line for line in estimate(resources, month or usage(), BOOK).lines if line.urn in ours]
    assert all(line.state is State.PRICED for line in lines)
    return sum((line.monthly_usd for line in lines if line.monthly_usd is not None), Decimal(0))


# Instances.


@pytest.mark.parametrize(("multi_az", "expected"), [(False, "328.50"), (True, "656.27")])
def test_a_multi_az_instance_has_a_rate_of_its_own(multi_az: bool, expected: str) -> None:
    lines = estimate([database(multiAz=multi_az)], usage(**IDLE), BOOK).lines
    assert next(line.monthly_usd for line in lines if line.component == "instance") == Decimal(expected)


def test_another_engine_is_unpriced_and_never_charged_at_the_rate_of_postgresql() -> None:
    scene = Scene([mysql := database(engine="mysql")], usage(), BOOK)
    items = list(data.rds_instance(mysql, scene))
    assert any(isinstance(item, Unpriced) and "mysql" in item.why for item in items)
    assert "instance" not in {item.component for item in items if isinstance(item, Charge)}


def test_a_replica_is_charged_by_its_own_class_and_zones_and_by_its_sources_engine() -> None:
    primary = database(multiAz=True)
    copy = replica(primary, "us-east-1-db-0-reader-0", instanceClass="db.r6g.large")
    assert charged(copy, primary)["instance"].key == "rds/instance/db.r6g.large/single-az"
    assert charged(copy, primary)["instance"].quantity == HOURS
    copy_of_mysql = replica(mysql := database(engine="mysql"), "reader")
    assert "instance" not in charged(copy_of_mysql, mysql)


def test_what_only_aws_will_know_is_unpriced() -> None:
    resource = database(instanceClass=UNKNOWN, allocatedStorage=UNKNOWN)
    items = list(data.rds_instance(resource, Scene([resource], usage(), BOOK)))
    assert {item.component for item in items if isinstance(item, Unpriced)} == {"instance", "storage"}


def test_numbers_of_the_engine_are_floats_and_cost_the_same() -> None:
    whole = database(allocatedStorage=500, iops=13_000, storageThroughput=600, monitoringInterval=60)
    as_floats = {name: float(value) if isinstance(value, int) else value for name, value in whole.inputs.items()}
    assert charged(whole) == charged(replace(whole, inputs=as_floats))


def test_surplus_credits_are_charged_by_the_vcpu_of_burstable_classes_only() -> None:
    busy = usage(burstShare="0.4")
    surplus = charged(database(instanceClass="db.t3.medium"), month=busy)["cpu credits"]
    assert surplus.quantity == 2 * HOURS * Decimal("0.4")
    assert "cpu credits" not in charged(database(instanceClass="db.r6g.large"), month=busy)
    assert "cpu credits" not in charged(database(instanceClass="db.t3.medium"), month=usage())


@pytest.mark.parametrize(
    ("inputs", "vcpus"),
    [
        ({"performanceInsightsEnabled": True, "performanceInsightsRetentionPeriod": 7}, 0),
        ({"performanceInsightsEnabled": True, "performanceInsightsRetentionPeriod": 465}, 4),
        ({"databaseInsightsMode": "advanced"}, 4),
        ({"databaseInsightsMode": "advanced", "multiAz": True}, 8),
    ],
)
def test_seven_days_of_insights_are_free_and_more_is_charged_by_the_vcpu(inputs: dict[str, Any], vcpus: int) -> None:
    found = charged(database(**inputs)).get("database insights")
    assert (0 if found is None else found.quantity) == vcpus * HOURS


def test_enhanced_monitoring_grows_with_its_frequency() -> None:
    minutely, by_second = (charged(database(monitoringInterval=every))["enhanced monitoring"] for every in (60, 1))
    assert by_second.quantity == 60 * Decimal(minutely.quantity)
    assert "enhanced monitoring" not in charged(database(monitoringInterval=0))


# Volumes.


@pytest.mark.parametrize(
    ("gib", "iops", "mibps", "expected"),
    [
        (399, 3_000, 125, {}),
        (399, 5_000, 200, {"iops": 2_000, "throughput": 75}),
        (400, 12_000, 500, {}),
        (400, 15_000, 700, {"iops": 3_000, "throughput": 200}),
        (500, None, None, {}),
    ],
)
def test_gp3_is_charged_beyond_what_a_volume_of_its_size_includes(
    gib: int, iops: int | None, mibps: int | None, expected: dict[str, int]
) -> None:
    found = charged(database(allocatedStorage=gib, iops=iops, storageThroughput=mibps, multiAz=True))
    assert found["storage"].key == "rds/storage/gp3/multi-az"
    assert found["storage"].quantity == gib
    assert {name: found[name].quantity for name in ("iops", "throughput") if name in found} == expected
    assert all(found[name].key == f"rds/{name}/gp3/multi-az" for name in expected)


def test_provisioned_iops_volumes_pay_for_each_iops() -> None:
    found = charged(database(storageType="io1", iops=3_000))
    assert (found["iops"].key, found["iops"].quantity) == ("rds/iops/io1/single-az", 3_000)


# Backups and replication.


def test_backups_are_free_up_to_the_storage_of_the_region() -> None:
    month = usage(**IDLE, fillShare="0.5")
    assert charged(database(backupRetentionPeriod=30), month=month)["backup"].quantity == 0


def test_backups_beyond_the_storage_of_the_region_are_charged() -> None:
    # 50 GiB of data, and 30 days on each of which half of it changed.
    busy = usage(writeKibPerRequest=1_000_000)
    backup = charged(database(backupRetentionPeriod=30), month=busy)["backup"]
    assert backup.quantity == pytest.approx(Decimal(50 + 30 * 50 - 100))


def test_a_replica_adds_to_the_free_storage_of_its_region_and_not_of_another() -> None:
    busy = usage(writeKibPerRequest=1_000_000)
    primary = database(backupRetentionPeriod=30)
    alone = charged(primary, month=busy)["backup"].quantity
    near, far = replica(primary, "us-east-1-reader"), replica(primary, "eu-west-1-reader", region="eu-west-1")
    assert charged(primary, near, month=busy)["backup"].quantity == pytest.approx(Decimal(alone) - 100)
    assert charged(primary, far, month=busy)["backup"].quantity == alone


def test_without_retention_there_are_no_backups() -> None:
    assert "backup" not in charged(database(backupRetentionPeriod=0), month=usage())


def test_replication_is_paid_between_regions_by_the_sender_and_free_within() -> None:
    month = usage("250k")
    primary = database(multiAz=True)
    far = replica(primary, "eu-west-1-copy", region="eu-west-1")
    found = charged(far, primary, month=month)["replication"]
    assert found.region == "us-east-1"
    assert found.quantity == month.per_request_gib(month.profile.write_kib_per_request)
    assert "replication" not in charged(replica(primary, "us-east-1-reader"), primary, month=month)


def test_the_primaries_of_a_region_share_its_writes() -> None:
    month = usage("1m")
    primaries = [database(f"{region}-db-{index}", region=region) for region in PRICED_REGIONS for index in range(2)]
    scene = Scene(primaries, month, BOOK)
    written = sum(data.written_gib(one, scene) for one in primaries)
    assert written == pytest.approx(month.per_request_gib(month.profile.write_kib_per_request))


def protected(*rules: Mapping[str, Any]) -> tuple[PlannedResource, ...]:
    """A database under AWS Backup, with a vault for copies in Ireland; the plan comes first."""
    primary = database()
    own = made("aws:backup/vault:Vault", "us-east-1-backup", {"name": "here"})
    other = made("aws:backup/vault:Vault", "eu-west-1-backup-copies", {"name": "there", "region": "eu-west-1"})
    plan = made(PLAN, "us-east-1-backup", {"rules": list(rules)}, uses={"rules": [own.urn, other.urn]})
    chosen = made(SELECTION, "us-east-1-backup", uses={"planId": [plan.urn], "resources": [primary.urn]})
    return plan, primary, own, other, chosen


def rule(schedule: str, days: int, *, copied: bool = False) -> dict[str, Any]:
    """A rule as the plan shows it."""
    copies = {"copyActions": [{"destinationVaultArn": UNKNOWN, "lifecycle": {"deleteAfter": days}}]} if copied else {}
    return {"schedule": schedule, "lifecycle": {"deleteAfter": days}, "targetVaultName": "here", **copies}


def test_a_copied_snapshot_begins_with_all_the_data() -> None:
    plan, *others = protected(rule("cron(0 5 * * ? *)", 35, copied=True))
    scene = Scene([plan, *others], usage(**IDLE), BOOK)
    assert data.recovery_points(plan, scene) == {"us-east-1": 0, "eu-west-1": 50}


def test_monthly_snapshots_hold_what_changed_since_the_last_but_no_more_than_all_data() -> None:
    plan, *others = protected(rule("cron(0 6 1 * ? *)", 365))
    month = usage(writeKibPerRequest=10)
    scene = Scene([plan, *others], month, BOOK)
    written = month.per_request_gib(Decimal(10))
    assert written < 50
    assert data.recovery_points(plan, scene)["us-east-1"] == pytest.approx(365 / DAYS * written)
    flooded = Scene([plan, *others], usage(writeKibPerRequest=1_000_000), BOOK)
    assert data.recovery_points(plan, flooded)["us-east-1"] == pytest.approx(365 / DAYS * 50)


@pytest.mark.parametrize(
    ("schedule", "days"),
    [("cron(0 5 * * ? *)", 1), ("cron(0 6 1 * ? *)", DAYS), ("cron(0 5 ? * SUN *)", 7), ("", 1)],
)
def test_schedules_are_read_as_days(schedule: str, days: Decimal | int) -> None:
    assert data.days_between(schedule) == days


# More never costs less.


@given(replicas=st.integers(0, 5), regions=st.lists(st.sampled_from(PRICED_REGIONS), min_size=6, max_size=6))
def test_another_replica_never_costs_less(replicas: int, regions: list[str]) -> None:
    primary = database(backupRetentionPeriod=30, multiAz=True)
    copies = [replica(primary, f"{region}-reader-{index}", region=region) for index, region in enumerate(regions)]
    month = usage(writeKibPerRequest=100)
    fewer = monthly(primary, *copies[:replicas], month=month)
    assert monthly(primary, *copies[: replicas + 1], month=month) >= fewer


@given(
    gib=st.integers(20, 2_000),
    more=st.integers(1, 2_000),
    multi_az=st.booleans(),
    written=st.integers(0, 10_000),
)
def test_more_storage_never_costs_less(gib: int, more: int, written: int, *, multi_az: bool) -> None:
    # Without IOPS of its own: a volume of 400 GiB includes some that a smaller one pays for.
    month = usage(writeKibPerRequest=written)
    small, large = (
        database(allocatedStorage=size, multiAz=multi_az, backupRetentionPeriod=30) for size in (gib, gib + more)
    )
    assert monthly(large, month=month) >= monthly(small, month=month)


def test_a_bigger_class_never_costs_less() -> None:
    known = {
        (price.key, price.region): price.usd for price in shipped().prices if price.key.startswith("rds/instance/")
    }
    for zones in ("single-az", "multi-az"):
        for region in PRICED_REGIONS:
            by_family: dict[str, list[tuple[int, Decimal]]] = {}
            for name, gib in DATABASE_MEMORY_GIB.items():
                if (usd := known.get((f"rds/instance/{name}/{zones}", region))) is not None:
                    by_family.setdefault(name.split(".")[1], []).append((gib, usd))
            for sizes in by_family.values():
                assert [usd for _, usd in sorted(sizes)] == sorted(usd for _, usd in sizes)


# The shipped book and stacks.


@pytest.mark.parametrize("region", PRICED_REGIONS)
def test_storage_of_rds_has_not_the_price_of_a_plain_volume(region: str) -> None:
    # EBS sells gp3 for 0.08; RDS sells it for what gp2 costs.
    single, double = (shipped().tiers(f"rds/storage/gp3/{zones}-az", region)[0].usd for zones in ("single", "multi"))
    assert single == shipped().tiers("rds/storage/gp2/single-az", region)[0].usd > Decimal("0.1")
    assert double == 2 * single


def test_a_standby_costs_what_the_instance_costs_but_for_rounding() -> None:
    multi = {price for price in shipped().prices if price.key.startswith("rds/instance/") and "/multi-az" in price.key}
    assert multi
    for price in multi:
        single = shipped().tiers(price.key.replace("multi-az", "single-az"), price.region)[0].usd
        assert abs(price.usd - 2 * single) <= Decimal("0.002")


@pytest.mark.parametrize("region", PRICED_REGIONS)
@pytest.mark.parametrize("phase", [one for sizings in PHASES.values() for one in sizings.values()], ids=repr_of)
def test_the_hardware_of_every_phase_and_sizing_has_a_price_in_every_region(phase: Phase, region: str) -> None:
    keys = [
        f"rds/instance/{name}/{zones}-az"
        for name in (phase.database.instance_class, phase.database.replica_class)
        for zones in ("single", "multi")
    ]
    keys += [f"elasticache/node/valkey/{one.node_type}" for one in (phase.cache, phase.state)]
    if phase.search is not None:
        keys.append(f"opensearch/instance/{phase.search.instance_type}")
    assert all(shipped().tiers(key, region) for key in keys)


@pytest.mark.parametrize("stack", STACKS)
def test_no_database_or_cache_of_a_shipped_stack_is_unpriced(stack: str) -> None:
    names = ("aws:rds/", "aws:elasticache/")
    ours = {one.urn for one in planned(stack) if one.type.startswith(names)}
    lines = [line for line in estimated(stack).lines if line.urn in ours]
    assert {line.urn for line in lines} == ours
    assert {line.state for line in lines} <= {State.PRICED, State.FREE}


def test_each_type_is_priced_or_free_and_never_both() -> None:
    tokens = {one.type for stack in STACKS for one in planned(stack)}
    ours = {token for token in tokens if token.startswith(("aws:rds/", "aws:elasticache/"))}
    assert ours <= data.ESTIMATORS.keys() | data.FREE.keys()
    assert not data.ESTIMATORS.keys() & data.FREE.keys()
