"""What buckets, their copies, backups and images are charged for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cost.book import Price, PriceBook
from infra.cost.estimate import estimate
from infra.cost.estimators import data, storage
from infra.cost.model import Charge, NeedsUsage, Scene, State
from infra.cost.usage import DAYS, Usage
from infra.plan import UNKNOWN, PlannedResource
from tests.cost.conftest import STACKS, estimated, phase_of, planned
from tests.growth.conftest import PREFIX, made

TYPES = ("aws:s3/", "aws:backup/", "aws:ecr/")
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
COPY = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
REPOSITORY = "aws:ecr/repository:Repository"
DAILY = "cron(0 5 * * ? *)"


def usage(phase: str = "10k", **overrides: Any) -> Usage:
    """A month; overrides in the stack file's spelling."""
    return Usage(phase_of(phase), overrides=overrides)


def bucket(kind: str, name: str) -> PlannedResource:
    """A bucket in its component, such as `UploadsBucket`."""
    return made(storage.BUCKET, name, {}, parent=f"{PREFIX}headroom:region:Region$headroom:storage:{kind}::{name}")


def lifecycle(of: PlannedResource, *, moves: int | None = None, expires: int | None = None) -> PlannedResource:
    """Rules of a bucket as the program writes them."""
    rule: dict[str, Any] = {"status": "Enabled"}
    if moves is not None:
        rule["transitions"] = [{"days": moves, "storageClass": "STANDARD_IA"}]
    if expires is not None:
        rule["expiration"] = {"days": expires}
    return made(LIFECYCLE, of.name, {"rules": [rule]}, uses={"bucket": [of.urn]})


def copying(source: PlannedResource, *destinations: PlannedResource, **settings: Any) -> PlannedResource:
    """Replication of one bucket to others."""
    rules = [{"status": "Enabled", "destination": {"bucket": UNKNOWN, **settings}} for _ in destinations]
    uses = {"bucket": [source.urn], "rules": [one.urn for one in destinations]}
    return made(COPY, f"{source.name}-copy", {"rules": rules}, uses=uses)


def charged(resource: PlannedResource, *others: PlannedResource, month: Usage | None = None) -> Mapping[str, Charge]:
    """Charges of a resource by component."""
    scene = Scene([resource, *others], month or usage(), PriceBook([]))
    items = storage.ESTIMATORS[resource.type](resource, scene)
    return {item.component: item for item in items if isinstance(item, Charge)}


# Buckets.


def test_young_uploads_are_in_the_standard_class_and_old_ones_where_the_lifecycle_moves_them() -> None:
    month = usage(storedGib=100)
    uploads = bucket("UploadsBucket", "us-east-1-uploads")
    found = charged(uploads, lifecycle(uploads, moves=30), month=month)
    young = month.upload_gib / DAYS * 30
    assert found["storage"].quantity == pytest.approx(young)
    assert found["storage standard-ia"].quantity == pytest.approx(100 - young)
    assert found["transitions"].key == "s3/requests/to-standard-ia"


def test_without_a_lifecycle_everything_stays_in_the_standard_class() -> None:
    found = charged(bucket("UploadsBucket", "us-east-1-uploads"), month=usage(storedGib=100))
    assert found["storage"].quantity == 100
    assert "storage standard-ia" not in found


def test_uploads_pay_their_requests_and_what_leaves_past_the_cdn() -> None:
    month = usage(uploadsPerUser=2, uploadMib=3, readsPerUpload=4)
    found = charged(bucket("UploadsBucket", "us-east-1-uploads"), month=month)
    files = month.users * 2
    assert found["put requests"].quantity == files / 1_000
    assert found["get requests"].quantity == files * 4 / 1_000
    assert found["to the internet"].quantity == month.upload_gib * 4


def test_the_regions_hold_all_uploads_together() -> None:
    month = usage("1m", storedGib=900)
    buckets = [bucket("UploadsBucket", f"{region}-uploads") for region in phase_of("1m").regions]
    assert sum(charged(one, *buckets, month=month)["storage"].quantity for one in buckets) == pytest.approx(900)


def test_a_bucket_holds_what_other_regions_copy_to_it_and_does_not_copy_that_on() -> None:
    month = usage("1m", storedGib=900)
    first, second, third = buckets = [bucket("UploadsBucket", f"{region}-uploads") for region in phase_of("1m").regions]
    ring = [copying(first, second), copying(second, third), copying(third, first)]
    held = [charged(one, *buckets, *ring, month=month) for one in buckets]
    assert [one["storage"].quantity for one in held] == [pytest.approx(600)] * 3
    sent = charged(ring[0], *buckets, *ring[1:], month=month)["transfer to us-west-2"]
    assert sent.quantity == pytest.approx(month.upload_gib / 3)


def test_exports_hold_each_month_of_their_retention_and_rds_charges_each_export() -> None:
    month = usage(fillShare="0.5")
    database = made(data.INSTANCE, "us-east-1-db-0-primary", {"allocatedStorage": 200, "engine": "postgres"})
    exports = bucket("ExportsBucket", "us-east-1-exports")
    found = charged(exports, database, lifecycle(exports, moves=30, expires=365), month=month)
    parquet = Decimal(100) * Decimal("0.3")
    assert found["storage"].quantity == pytest.approx(parquet * 30 / DAYS)
    assert found["storage standard-ia"].quantity == pytest.approx(parquet * 335 / DAYS)
    assert found["snapshot export"].key == "rds/snapshot-export"
    assert found["snapshot export"].quantity == pytest.approx(100)


def test_replicas_are_not_exported() -> None:
    database = made(data.INSTANCE, "us-east-1-db-0-primary", {"allocatedStorage": 200, "engine": "postgres"})
    uses = {"replicateSourceDb": [database.urn]}
    reader = made(data.INSTANCE, "us-east-1-db-0-reader-0", {"allocatedStorage": 200}, uses=uses)
    exports = bucket("ExportsBucket", "us-east-1-exports")
    alone = charged(exports, database)["snapshot export"].quantity
    assert charged(exports, database, reader)["snapshot export"].quantity == alone


def test_events_are_kept_as_long_as_their_lifecycle_says() -> None:
    month = usage("1m")
    events = bucket("EventsBucket", "us-east-1-lake-events")
    short, long = (charged(events, lifecycle(events, expires=days), month=month)["storage"] for days in (30, 90))
    assert long.quantity == pytest.approx(3 * Decimal(short.quantity))


def test_only_home_is_asked_for_what_the_cdn_misses() -> None:
    month = usage("1m", assetCacheHitShare="0.9")
    home, other = bucket("AssetsBucket", "us-east-1-assets"), bucket("AssetsBucket", "us-west-2-assets")
    copy = copying(home, other)
    assert charged(home, other, copy, month=month)["get requests"].quantity == pytest.approx(
        month.asset_requests / 10_000
    )
    found = charged(other, home, copy, month=month)
    assert "get requests" not in found
    assert found["storage"].quantity == month.profile.assets_gib


def test_a_bucket_that_nothing_is_known_of_needs_usage_and_is_not_free() -> None:
    unknown = bucket("FilmsBucket", "us-east-1-films")
    items = list(storage.bucket(unknown, Scene([unknown], usage(), PriceBook([]))))
    assert items == [NeedsUsage(component="storage", what="what us-east-1-films holds")]


def test_the_tiers_of_storage_run_over_all_buckets_of_a_region() -> None:
    def price(key: str, usd: str, above: int = 0) -> Price:
        return Price(
            key=key,
            region="global",
            above=Decimal(above),
            unit="GB-month",
            usd=Decimal(usd),
            source="test",
            date=None,
            confirmed=True,
        )

    book = PriceBook([price("s3/storage/standard", "2"), price("s3/storage/standard", "1", above=100)])
    month = usage(storedGib=100, assetsGib=100)
    buckets = [bucket("UploadsBucket", "us-east-1-uploads"), bucket("AssetsBucket", "us-east-1-assets")]
    lines = [line for line in estimate(buckets, month, book).lines if line.component == "storage"]
    assert [line.monthly_usd for line in lines] == [150, 150]


# Copies in other regions.


def test_each_destination_pays_transfer_and_its_own_writes() -> None:
    month = usage("1m", assetsGib=8)
    home, *others = [bucket("AssetsBucket", f"{region}-assets") for region in phase_of("1m").regions]
    found = charged(copying(home, *others), home, *others, month=month)
    for region in ("us-west-2", "eu-west-1"):
        assert found[f"transfer to {region}"].quantity == pytest.approx(8)
        assert found[f"transfer to {region}"].region is None
        assert found[f"put in {region}"].region == region
    assert "metrics" not in found
    assert "time control" not in found


def test_replication_metrics_and_the_promise_of_fifteen_minutes_cost_extra() -> None:
    enabled = {"status": "Enabled"}
    source, target = bucket("UploadsBucket", "us-east-1-uploads"), bucket("UploadsBucket", "eu-west-1-uploads")
    month = usage("250k")
    found = charged(copying(source, target, metrics=enabled, replicationTime=enabled), source, target, month=month)
    assert found["metrics"].quantity == 4
    assert found["time control"].quantity == pytest.approx(month.upload_gib)


# AWS Backup.


def backed_up(rules: Sequence[Mapping[str, Any]]) -> tuple[PlannedResource, ...]:
    """Uploads under AWS Backup, with a vault for copies in Ireland; the plan comes first."""
    uploads = bucket("UploadsBucket", "us-east-1-uploads")
    own = made("aws:backup/vault:Vault", "us-east-1-backup", {"name": "here"})
    other = made("aws:backup/vault:Vault", "eu-west-1-backup-copies", {"name": "there"})
    plan = made(data.PLAN, "us-east-1-backup", {"rules": list(rules)}, uses={"rules": [own.urn, other.urn]})
    chosen = made(data.SELECTION, "us-east-1-backup", uses={"planId": [plan.urn], "resources": [uploads.urn]})
    return plan, uploads, own, other, chosen


def rule(schedule: str, days: int, *, copied: bool = False) -> dict[str, Any]:
    """A rule as the plan shows it."""
    copies = {"copyActions": [{"destinationVaultArn": UNKNOWN, "lifecycle": {"deleteAfter": days}}]} if copied else {}
    return {"schedule": schedule, "lifecycle": {"deleteAfter": days}, "targetVaultName": "here", **copies}


def test_a_vault_holds_a_bucket_once_however_many_rules_fill_it() -> None:
    month = usage(storedGib=100)
    once, twice = (
        charged(*backed_up(rules), month=month)
        for rules in ([rule(DAILY, 35)], [rule(DAILY, 35), rule("cron(0 6 1 * ? *)", 365)])
    )
    assert once["bucket backups"].quantity == twice["bucket backups"].quantity == pytest.approx(100)
    assert not any("copies" in component for component in twice)


def test_copies_are_stored_again_over_there_and_what_is_new_is_sent() -> None:
    month = usage("250k", storedGib=1_000)
    found = charged(*backed_up([rule(DAILY, 35, copied=True)]), month=month)
    assert found["bucket copies in eu-west-1"].region == "eu-west-1"
    assert found["bucket copies in eu-west-1"].quantity == pytest.approx(1_000)
    assert found["transfer to eu-west-1"].quantity == pytest.approx(month.upload_gib)
    assert found["transfer to eu-west-1"].region is None


# Images.


def test_the_registry_keeps_as_many_images_as_its_lifecycle_says() -> None:
    images = made(REPOSITORY, "us-east-1-registry")
    selection = {"countType": "imageCountMoreThan", "countNumber": 30}
    policy = json.dumps(
        {"rules": [{"selection": {"countType": "sinceImagePushed", "countNumber": 7}}, {"selection": selection}]}
    )
    limit = made(
        "aws:ecr/lifecyclePolicy:LifecyclePolicy", "limit", {"policy": policy}, uses={"repository": [images.urn]}
    )
    gib_each = Decimal(200) / 1_024
    assert charged(images, limit)["storage"].quantity == 30 * gib_each
    assert charged(images)["storage"].quantity == 240 * gib_each
    assert charged(images, limit, month=usage(imagePushes=1))["storage"].quantity == 12 * gib_each


# More never costs less.


@given(stored=st.integers(0, 100_000), more=st.integers(1, 100_000), phase=st.sampled_from(STACKS))
def test_more_uploads_never_cost_less(stored: int, more: int, phase: str) -> None:
    uploads = bucket("UploadsBucket", "us-east-1-uploads")
    resources = [uploads, lifecycle(uploads, moves=30)]

    def monthly(gib: int) -> Decimal:
        lines = estimate(resources, usage(phase, storedGib=gib)).lines
        return sum((one.monthly_usd for one in lines if one.urn == uploads.urn and one.monthly_usd), Decimal(0))

    assert monthly(stored + more) >= monthly(stored)


# The shipped stacks.


@pytest.mark.parametrize("stack", STACKS)
def test_no_bucket_backup_or_image_of_a_shipped_stack_is_unpriced(stack: str) -> None:
    ours = {one.urn for one in planned(stack) if one.type.startswith(TYPES)}
    lines = [line for line in estimated(stack).lines if line.urn in ours]
    assert {line.urn for line in lines} == ours
    assert {line.state for line in lines} <= {State.PRICED, State.FREE}


def test_each_type_is_priced_or_free_and_never_both() -> None:
    tokens = {one.type for stack in STACKS for one in planned(stack) if one.type.startswith(TYPES)}
    assert tokens <= storage.ESTIMATORS.keys() | storage.FREE.keys()
    assert not storage.ESTIMATORS.keys() & storage.FREE.keys()
