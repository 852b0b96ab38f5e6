"""S3 buckets by what they hold, their copies in other regions, AWS Backup, and the registry of images."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from infra.cost.estimators import data
from infra.cost.model import Charge, Estimator, Item, NeedsUsage, Scene
from infra.cost.usage import DAYS, KIB_PER_GIB, MIB_PER_GIB
from infra.plan import UNKNOWN, PlannedResource

BUCKET: Final = "aws:s3/bucket:Bucket"
_LIFECYCLE: Final = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
_COPY: Final = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
_REPOSITORY: Final = "aws:ecr/repository:Repository"

# What nobody measured; all of it is small beside uploads and exports.
_LOG_LINE_KIB: Final = Decimal("0.2")
"""A line of an access log, compressed."""
_PARQUET_SHARE: Final = Decimal("0.3")
"""Size of rows and events as compressed Parquet, against what they take in the database or as JSON."""
_TRAIL_GIB: Final = Decimal(1)
"""Files of CloudTrail in a month, for each region in use."""
_RUN_MIB: Final = Decimal("0.05")
"""Logs that one run of a canary leaves; it runs every five minutes."""
_RESULTS_SHARE: Final = Decimal("0.01")
"""Answers of Athena, against what it scanned."""
_IMAGE_MIB: Final = Decimal(200)
"""One image in the registry."""
_FIVE_MINUTES: Final = Decimal(8_760)
"""Of a month: how often CloudTrail, Firehose and canaries write."""
_THOUSAND: Final = 1_000
_METRICS: Final = 4
"""Of a replication rule: bytes and operations pending, latency, operations failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A bucket in a month.

    Attributes:
        stored_gib: what it holds.
        daily_gib: what comes in on a day: as long as an object is young it is in the standard class.
        puts: objects written here; the lifecycle moves them later, where it moves any.
        copied: objects that other regions copy here, whose writes are charged with the replication.
        gets: objects read.
        sent_gib: read from the internet, past CloudFront.
    """

    stored_gib: Decimal
    daily_gib: Decimal
    puts: Decimal = Decimal(0)
    copied: Decimal = Decimal(0)
    gets: Decimal = Decimal(0)
    sent_gib: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class _Lifecycle:
    """When objects go: to a cheaper class, and away. None: never."""

    moves_after_days: Decimal | None = None
    moves_to: str = "standard"
    expires_after_days: Decimal | None = None


def bucket(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Storage by class, requests, lifecycle transitions, and what leaves for the internet.

    Versions that were replaced or deleted are not counted: files are written once. Objects under 128 KiB, which stay in
    the standard class, are taken to be few.
    """
    contents = _contents(resource, scene)
    if contents is None:
        yield NeedsUsage(component="storage", what=f"what {resource.name} holds")
        return
    lifecycle = _lifecycle(resource, scene)
    standard = _standard_gib(resource, scene)
    region = scene.region(resource)
    whole = scene.once(
        ("standard", region),
        lambda: sum((_standard_gib(one, scene) for one in scene.in_region(region, BUCKET)), Decimal(0)),
    )
    yield Charge(component="storage", key="s3/storage/standard", quantity=standard, of=whole)
    if cold := contents.stored_gib - standard:
        yield Charge(component=f"storage {lifecycle.moves_to}", key=f"s3/storage/{lifecycle.moves_to}", quantity=cold)
        if moved := contents.puts + contents.copied:
            moves = f"s3/requests/to-{lifecycle.moves_to}"
            yield Charge(component="transitions", key=moves, quantity=moved / _THOUSAND)
    for component, count in (("put", contents.puts), ("get", contents.gets)):
        if count:
            yield Charge(component=f"{component} requests", key=f"s3/requests/{component}", quantity=count / _THOUSAND)
    if contents.sent_gib:
        note = "the 100 GB a month that are free are left to the other services"
        yield Charge(component="to the internet", key="s3/transfer/internet", quantity=contents.sent_gib, note=note)
    if _kind(resource) == "ExportsBucket":
        # RDS charges each export by the size of the whole snapshot.
        exported = _exported_gib(region, scene)
        yield Charge(component="snapshot export", key="rds/snapshot-export", quantity=exported)


def replication(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """For each destination: bytes between the regions, writes there, metrics, and the promise of 15 minutes if bought.

    Metrics cost as CloudWatch's custom ones do:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html
    """
    sources = [one for one in scene.behind(resource, "bucket") if one.type == BUCKET]
    own = _own(sources[0], scene) if sources else None
    if own is None:
        yield NeedsUsage(component="replication", what=f"what {resource.name} copies")
        return
    enabled = [rule for rule in resource.inputs.get("rules", ()) if rule.get("status") == "Enabled"]
    destinations = [one for one in scene.behind(resource, "rules") if one.type == BUCKET]
    copied = own.daily_gib * DAYS
    for destination in destinations:
        region = scene.region(destination)
        yield Charge(component=f"transfer to {region}", key="s3/transfer/inter-region", quantity=copied)
        yield Charge(component=f"put in {region}", key="s3/requests/put", quantity=own.puts / _THOUSAND, region=region)
    measured = sum(_on(rule, "metrics") for rule in enabled)
    if measured:
        yield Charge(component="metrics", key="s3/replication-metrics", quantity=measured * _METRICS)
    if timed := sum(_on(rule, "replicationTime") for rule in enabled):
        yield Charge(component="time control", key="s3/replication-time-control", quantity=copied * timed)


def _on(rule: Mapping[str, Any], name: str) -> bool:
    return (rule["destination"].get(name) or {}).get("status") == "Enabled"


def backup_plan(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Recovery points of databases, by RDS's rules and rates, and of buckets, by those of AWS Backup; and their copies.

    A vault holds one whole copy of a bucket, and then what is new: the rules of a plan share it. What was deleted from
    a bucket and lives on in the vault is not counted, nor are the requests that AWS Backup reads with.
    """
    home = scene.region(resource)
    for region, gib in sorted(data.recovery_points(resource, scene).items()):
        yield data.backup_charge(gib, region, scene, f"database snapshots in {region}")
    databases = data.selected(resource, data.INSTANCE, scene)
    buckets = [(_contents(one, scene), _own(one, scene)) for one in data.selected(resource, BUCKET, scene)]
    stored = sum((held.stored_gib for held, _ in buckets if held is not None), Decimal(0))
    if stored:
        yield Charge(component="bucket backups", key="backup/s3", quantity=stored)
    for rule in resource.inputs.get("rules", ()):
        every = data.days_between(rule.get("schedule", ""))
        changed = sum((data.kept_changes_gib(one, every, DAYS, scene) for one in databases), Decimal(0))
        arrived = sum((held.daily_gib * DAYS for held, _ in buckets if held is not None), Decimal(0))
        for _, region in data.copies(resource, rule, scene):
            if stored:
                yield Charge(component=f"bucket copies in {region}", key="backup/s3", quantity=stored, region=region)
            if region != home:
                sent = changed + arrived
                yield Charge(component=f"transfer to {region}", key="backup/transfer/inter-region", quantity=sent)


def repository(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """The images kept: as many as the lifecycle keeps, or those of a year. Layers that images share count in each."""
    pushed = scene.usage.profile.image_pushes * 12
    limits = [
        rule["selection"]["countNumber"]
        for one in scene.all("aws:ecr/lifecyclePolicy:LifecyclePolicy")
        if resource in scene.behind(one, "repository") and one.inputs.get("policy") != UNKNOWN
        for rule in json.loads(one.inputs["policy"])["rules"]
        if rule["selection"]["countType"] == "imageCountMoreThan"
    ]
    kept = min([pushed, *map(Decimal, limits)])
    yield Charge(component="storage", key="ecr/storage", quantity=kept * _IMAGE_MIB / MIB_PER_GIB)


# What each bucket holds.


def _contents(resource: PlannedResource, scene: Scene) -> Contents | None:
    """Own contents and those that other regions copy here; None where nothing says what a bucket is for."""
    return scene.once(("contents", resource.urn), lambda: _with_copies(resource, scene))


def _with_copies(resource: PlannedResource, scene: Scene) -> Contents | None:
    own = _own(resource, scene)
    if own is None:
        return None
    # S3 does not copy copies on.
    sources = [
        source
        for one in scene.all(_COPY)
        if resource in scene.behind(one, "rules")
        for source in scene.behind(one, "bucket")
        if source.type == BUCKET
    ]
    copied = [held for source in sources if (held := _own(source, scene)) is not None]
    return Contents(
        stored_gib=own.stored_gib + sum(held.stored_gib for held in copied),
        daily_gib=own.daily_gib + sum(held.daily_gib for held in copied),
        puts=own.puts,
        copied=sum((held.puts for held in copied), Decimal(0)),
        gets=own.gets,
        sent_gib=own.sent_gib,
    )


def _own(resource: PlannedResource, scene: Scene) -> Contents | None:
    describe = _HOLDS.get(_kind(resource))
    return None if describe is None else describe(resource, scene)


def _kind(resource: PlannedResource) -> str:
    """Last word of the component's type that the bucket is in, such as `UploadsBucket`."""
    kind = (resource.parent or "").split("::")[2:3]
    return kind[0].rpartition(":")[2] if kind else ""


def _uploads(resource: PlannedResource, scene: Scene) -> Contents:
    usage = scene.usage
    share = usage.share(scene.region(resource))
    stored, uploaded = usage.profile.stored_gib * share, usage.upload_gib * share
    files = usage.users * usage.profile.uploads_per_user * share
    reads = usage.profile.reads_per_upload
    return Contents(
        stored_gib=stored,
        daily_gib=min(uploaded / DAYS, stored),
        puts=files,
        gets=files * reads,
        sent_gib=uploaded * reads,
    )


def _assets(resource: PlannedResource, scene: Scene) -> Contents:
    """Home's is the CDN's origin and what releases write to; the others hold copies, for the day that home is down."""
    usage = scene.usage
    if scene.region(resource) != usage.phase.home_region:
        return Contents(stored_gib=Decimal(0), daily_gib=Decimal(0))
    missed = usage.asset_requests * (1 - usage.profile.asset_cache_hit_share)
    kept = usage.profile.assets_gib
    return Contents(stored_gib=kept, daily_gib=kept / DAYS, gets=missed)


def _exports(resource: PlannedResource, scene: Scene) -> Contents:
    return _flow(_exported_gib(scene.region(resource), scene) * _PARQUET_SHARE / DAYS, resource, scene)


def _exported_gib(region: str, scene: Scene) -> Decimal:
    """Data of the region's primaries: each month all of it."""
    here = [one for one in data.primaries(scene) if scene.region(one) == region]
    return sum((data.used_gib(one, scene) for one in here), Decimal(0))


def _access_logs(resource: PlannedResource, scene: Scene) -> Contents:
    """A line for each request to the region's load balancer, and at home for each to CloudFront."""
    usage, region = scene.usage, scene.region(resource)
    lines = usage.requests * usage.share(region)
    if region == usage.phase.home_region:
        lines += usage.requests + usage.asset_requests
    return _flow(lines * _LOG_LINE_KIB / KIB_PER_GIB / DAYS, resource, scene)


def _events(resource: PlannedResource, scene: Scene) -> Contents:
    usage = scene.usage
    arriving = usage.event_gib * usage.share(scene.region(resource)) * _PARQUET_SHARE
    return _flow(arriving / DAYS, resource, scene, _FIVE_MINUTES)


def _results(resource: PlannedResource, scene: Scene) -> Contents:
    answered = scene.usage.profile.searches_scanned_gib * scene.usage.share(scene.region(resource)) * _RESULTS_SHARE
    return _flow(answered / DAYS, resource, scene)


def _canary(resource: PlannedResource, scene: Scene) -> Contents:
    return _flow(_FIVE_MINUTES * _RUN_MIB / MIB_PER_GIB / DAYS, resource, scene, _FIVE_MINUTES)


def _trail(resource: PlannedResource, scene: Scene) -> Contents:
    regions = len(scene.usage.phase.all_regions)
    return _flow(regions * _TRAIL_GIB / DAYS, resource, scene, regions * _FIVE_MINUTES)


_HOLDS: Final[Mapping[str, Callable[[PlannedResource, Scene], Contents]]] = {
    "AssetsBucket": _assets,
    "AuditBucket": _trail,
    "CanaryBucket": _canary,
    "EventsBucket": _events,
    "ExportsBucket": _exports,
    "LogsBucket": _access_logs,
    "QueryResultsBucket": _results,
    "UploadsBucket": _uploads,
}


def _flow(daily_gib: Decimal, resource: PlannedResource, scene: Scene, puts: Decimal = Decimal(0)) -> Contents:
    """What comes in evenly and is deleted by age; where nothing is deleted, a year of it."""
    kept = _lifecycle(resource, scene).expires_after_days or 12 * DAYS
    return Contents(stored_gib=daily_gib * kept, daily_gib=daily_gib, puts=puts)


def _standard_gib(resource: PlannedResource, scene: Scene) -> Decimal:
    """What is younger than the lifecycle's first move, or all of it."""
    contents = _contents(resource, scene)
    if contents is None:
        return Decimal(0)
    after = _lifecycle(resource, scene).moves_after_days
    return contents.stored_gib if after is None else min(contents.stored_gib, contents.daily_gib * after)


def _lifecycle(resource: PlannedResource, scene: Scene) -> _Lifecycle:
    return scene.once("lifecycles", lambda: _lifecycles(scene)).get(resource.urn, _Lifecycle())


def _lifecycles(scene: Scene) -> Mapping[str, _Lifecycle]:
    """By the bucket's URN; of several transitions the first counts."""
    found: dict[str, _Lifecycle] = {}
    for one in scene.all(_LIFECYCLE):
        rules: Sequence[Mapping[str, Any]] = [
            rule for rule in one.inputs.get("rules", ()) if rule.get("status") == "Enabled"
        ]
        expiry = next((rule["expiration"]["days"] for rule in rules if rule.get("expiration")), None)
        move = next((rule["transitions"][0] for rule in rules if rule.get("transitions")), None)
        lifecycle = _Lifecycle(
            moves_after_days=None if move is None else Decimal(move["days"]),
            moves_to="standard" if move is None else move["storageClass"].lower().replace("_", "-"),
            expires_after_days=None if expiry is None else Decimal(expiry),
        )
        found |= {each.urn: lifecycle for each in scene.behind(one, "bucket")}
    return found


ESTIMATORS: Final[Mapping[str, Estimator]] = {
    BUCKET: bucket,
    _COPY: replication,
    data.PLAN: backup_plan,
    _REPOSITORY: repository,
}
_SETTING: Final = "a setting of a bucket"
FREE: Final[Mapping[str, str]] = {
    "aws:backup/vault:Vault": "what it holds is charged with the plan that fills it",
    data.SELECTION: "what it selects is charged with its plan",
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": "a setting of a repository",
    "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration": _SETTING,
    _LIFECYCLE: "what it moves is charged with the bucket",
    "aws:s3/bucketLogging:BucketLogging": "S3 delivers access logs for nothing; the bucket that takes them pays",
    "aws:s3/bucketObjectv2:BucketObjectv2": "a few KiB, counted with its bucket",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _SETTING,
    "aws:s3/bucketPolicy:BucketPolicy": _SETTING,
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _SETTING,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _SETTING,
    "aws:s3/bucketVersioning:BucketVersioning": _SETTING,
}
