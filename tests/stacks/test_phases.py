"""The four phases hold what the roadmap says, and each can grow into the next."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from stacks.phase import PROCESSES_PER_POD, REQUESTS_PER_POD, ROLES, SOCKETS_PER_POD, Phase, PhaseName, Sizing
from stacks.phases import PHASES, phase, phase_table, shrinks
from stacks.stores import CacheGroup, Database

ALL = [one for sizings in PHASES.values() for one in sizings.values()]
each_phase = pytest.mark.parametrize("one", ALL, ids=lambda one: f"{one.name}-{one.sizing}")
each_sizing = pytest.mark.parametrize("sizing", Sizing)
GIB_IN_GB = 2**30 / 10**9


def efficient(name: str) -> Phase:
    return PHASES[PhaseName(name)][Sizing.EFFICIENT]


def blueprint(name: str) -> Phase:
    return PHASES[PhaseName(name)][Sizing.BLUEPRINT]


def pods(one: Phase, bound: str) -> int:
    total: int = sum(getattr(each, bound) for each in one.compute.pods.values())
    return total * len(one.regions)


def redis_gb(one: Phase) -> float:
    return (one.cache.usable_mib + one.state.usable_mib) / 1024 * GIB_IN_GB


@pytest.mark.parametrize(
    ("name", "users", "concurrent", "rps", "queries", "p95", "uptime", "recovery", "band"),
    [
        ("10k", 10_000, (500, 1_000), 1_000, (200, 500), 300, 99.5, (240, 1_440), (600, 800)),
        ("50k", 50_000, (2_000, 3_000), 1_000, (1_000, 2_000), 400, 99.7, (120, 5), (1_500, 2_000)),
        ("250k", 250_000, (10_000, 15_000), 5_000, (5_000, 10_000), 500, 99.9, (60, 5), (5_000, 7_000)),
        ("1m", 1_000_000, (50_000, 100_000), 10_000, (50_000, 50_000), 300, 99.95, (15, 1), (15_000, 25_000)),
    ],
)
@each_sizing
def test_targets_are_the_roadmaps(
    *,
    name: str,
    sizing: Sizing,
    users: int,
    concurrent: tuple[int, int],
    rps: int,
    queries: tuple[int, int],
    p95: int,
    uptime: float,
    recovery: tuple[int, int],
    band: tuple[int, int],
) -> None:
    it = PHASES[PhaseName(name)][sizing].targets

    assert it.monthly_users == users
    assert (it.concurrent_users.low, it.concurrent_users.high) == concurrent
    assert it.requests_per_second == rps
    assert (it.database_queries_per_second.low, it.database_queries_per_second.high) == queries
    assert (it.p95_ms, it.uptime_percent) == (p95, uptime)
    assert (it.recovery_time_minutes, it.recovery_point_minutes) == recovery
    assert (it.monthly_usd.low, it.monthly_usd.high) == band


@pytest.mark.parametrize(
    ("name", "instance_class", "multi_az", "local", "remote", "shards", "planned_gib", "clients", "redis"),
    [
        ("10k", "db.t4g.small", False, 0, 0, 1, 10, 500, 0.25),
        ("50k", "db.t3.medium", False, 1, 0, 1, 50, 2_000, 1),
        ("250k", "db.r5.xlarge", True, 2, 1, 2, 200, 5_000, 10),
        ("1m", "db.r5.4xlarge", True, 3, 1, 10, 1_000, 10_000, 50),
    ],
)
def test_blueprint_stores_are_the_roadmaps(
    *,
    name: str,
    instance_class: str,
    multi_az: bool,
    local: int,
    remote: int,
    shards: int,
    planned_gib: int,
    clients: int,
    redis: float,
) -> None:
    it = blueprint(name)

    assert it.database.instance_class == it.database.replica_class == instance_class
    assert it.database.multi_az is multi_az
    assert (it.database.local_replicas, it.database.remote_replicas) == (local, remote)
    assert it.database.logical_shards == shards
    assert it.database.logical_budget_gib == planned_gib
    assert it.pooler.client_connections * len(it.regions) >= clients
    assert redis_gb(it) >= redis * 0.999


@pytest.mark.parametrize(
    ("name", "role", "least", "most", "vcpu", "gib"),
    [
        ("10k", "api", 2, 4, 2, 2),
        ("50k", "api", 2, 5, 2, 4),
        ("250k", "api", 4, 13, 2, 8),
        ("1m", "api", 12, 13, 2, 16),
    ],
)
def test_blueprint_pods_are_the_roadmaps(*, name: str, role: str, least: int, most: int, vcpu: int, gib: int) -> None:
    it = blueprint(name).compute.pods[role]

    assert (it.minimum, it.maximum) == (least, most)
    assert (it.cpu_millicores, it.memory_mib) == (vcpu * 1_000, gib * 1_024)


@pytest.mark.parametrize(("name", "low", "high"), [("250k", 10, 50), ("1m", 150, 200)])
@each_sizing
def test_pods_stay_between_the_roadmaps_bounds(name: str, low: int, high: int, sizing: Sizing) -> None:
    it = PHASES[PhaseName(name)][sizing]

    assert low <= pods(it, "minimum") <= pods(it, "maximum") <= high


@each_sizing
def test_a_region_of_1m_has_50_to_66_pods(sizing: Sizing) -> None:
    it = PHASES[PhaseName.P1M][sizing].compute.pods.values()

    # One more is the API's idle colour.
    assert (sum(each.minimum for each in it), sum(each.maximum for each in it)) == (50, 65)


def test_1m_is_what_it_was_named_for() -> None:
    it = efficient("1m")
    cpu = len(it.regions) * sum(each.minimum * each.cpu_millicores for each in it.compute.pods.values())
    memory = len(it.regions) * sum(each.minimum * each.memory_mib for each in it.compute.pods.values())

    assert cpu >= 50_000
    assert memory >= 100 * 1_000
    assert it.regions == ("us-east-1", "us-west-2", "eu-west-1")
    assert redis_gb(it) >= 50
    assert it.cache.nodes + it.state.nodes >= 10
    assert len(it.regions) * (it.database.local_replicas + it.database.remote_replicas) == 12
    assert it.search
    assert it.search.nodes == 3
    assert it.messaging.event_stream


def test_services_are_taken_out_at_250k_and_1m() -> None:
    usual = {"api", "realtime", "worker"}

    assert efficient("10k").compute.pods.keys() == usual
    usual |= {"images"}
    assert efficient("50k").compute.pods.keys() == usual
    assert efficient("250k").compute.pods.keys() - usual == {"auth", "leads", "email", "video", "analytics"}
    assert efficient("1m").compute.pods.keys() == set(ROLES)
    assert len(efficient("1m").compute.pods.keys() - usual) == 10


@pytest.mark.parametrize(
    ("what", "since"),
    [
        (lambda one: one.network.nat_gateways == 3, "50k"),
        (lambda one: one.database.local_replicas > 0, "50k"),
        (lambda one: one.telemetry.tracing, "50k"),
        (lambda one: one.edge.image_resizing, "50k"),
        (lambda one: bool(one.read_regions) or len(one.regions) > 1, "250k"),
        (lambda one: one.compute.blue_green, "250k"),
        (lambda one: one.search is not None, "250k"),
        (lambda one: one.messaging.fan_out, "250k"),
        (lambda one: one.telemetry.canaries, "250k"),
        (lambda one: one.cache.shards > 1, "250k"),
        (lambda one: one.messaging.event_stream, "1m"),
        (lambda one: one.compute.mesh, "1m"),
        (lambda one: one.telemetry.managed_prometheus, "1m"),
        (lambda one: one.edge.edge_workers, "1m"),
        (lambda one: len(one.regions) == 3, "1m"),
    ],
)
@each_sizing
def test_what_a_phase_brings_stays(what: Any, since: str, sizing: Sizing) -> None:
    names = list(PhaseName)

    assert [what(PHASES[name][sizing]) for name in names] == [
        names.index(name) >= names.index(PhaseName(since)) for name in names
    ]


@each_phase
def test_pods_carry_the_load_that_is_promised(one: Phase) -> None:
    regions, roles = len(one.regions), one.compute.pods

    assert regions * roles["api"].maximum * REQUESTS_PER_POD >= one.targets.requests_per_second
    assert regions * roles["realtime"].maximum * SOCKETS_PER_POD >= one.targets.concurrent_users.high


def test_1m_keeps_its_sockets_without_one_region() -> None:
    it = efficient("1m")

    left = (len(it.regions) - 1) * it.compute.pods["realtime"].maximum * SOCKETS_PER_POD
    assert left >= it.targets.concurrent_users.high


@each_phase
def test_every_process_gets_its_connections_from_the_pooler(one: Phase) -> None:
    """With all their overflow, at the most pods: a pooler refuses what is beyond its clients."""
    processes = sum(
        each.maximum * (1 if role in ("realtime", "worker") else PROCESSES_PER_POD)
        for role, each in one.compute.pods.items()
        if role != "images"  # It reads objects only.
    )

    assert processes * (one.pooler.app_pool_size + one.pooler.app_pool_overflow) <= one.pooler.client_connections


@each_phase
def test_the_poolers_leave_a_fifth_of_the_connections(one: Phase) -> None:
    limit = one.database.max_connections(one.database.instance_class)

    assert one.database.server_connections <= limit * 0.8
    assert one.database.server_connections >= one.pooler.pods


@pytest.mark.parametrize(
    ("instance_class", "connections"), [("db.t3.medium", 450), ("db.r5.xlarge", 3_604), ("db.r5.4xlarge", 5_000)]
)
def test_connections_are_what_rds_allows_by_default(instance_class: str, connections: int) -> None:
    assert efficient("10k").database.max_connections(instance_class) == connections


@pytest.mark.parametrize(
    ("node_type", "shards", "mib"),
    [
        ("cache.t4g.micro", 1, 384),
        ("cache.t4g.medium", 1, 2_373),
        ("cache.m7g.large", 2, 9_799),
        ("cache.r7g.large", 6, 60_223),
    ],
)
def test_a_quarter_of_a_cache_is_reserved(node_type: str, shards: int, mib: int) -> None:
    group = {"node_type": node_type, "shards": shards, "replicas_per_shard": 1, "snapshot_retention_days": 0}

    assert CacheGroup.model_validate({**group, "usable_mib": mib}).nodes == shards * 2
    with pytest.raises(ValueError, match="does not fit"):
        CacheGroup.model_validate({**group, "usable_mib": mib + 1})


@each_phase
def test_storage_holds_what_is_planned(one: Phase) -> None:
    assert one.database.storage_gib * len(one.regions) >= one.database.logical_budget_gib


@each_phase
def test_backups_are_kept_for_30_days(one: Phase) -> None:
    assert one.database.backup_retention_days == 30


@each_phase
def test_nothing_runs_alone(one: Phase) -> None:
    """A single pod or cache node would make each of its restarts an outage. Jobs of 10k may wait for one."""
    allowed = {"worker"} if one.name is PhaseName.P10K else set()

    assert {role for role, each in one.compute.pods.items() if each.minimum < 2} == allowed
    assert one.cache.replicas_per_shard >= 1 <= one.state.replicas_per_shard


@each_sizing
@pytest.mark.parametrize(("earlier", "later"), list(pairwise(PhaseName)))
def test_a_phase_grows_into_the_next_without_losing_anything(
    earlier: PhaseName, later: PhaseName, sizing: Sizing
) -> None:
    assert shrinks(PHASES[earlier][sizing], PHASES[later][sizing]) == []


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ({"database": {"storageGib": 399}}, "database.storageGib goes from 400 to 399: RDS never shrinks a volume"),
        ({"database": {"maxStorageGib": 999}}, "database.maxStorageGib goes from 1,000 to 999"),
        ({"database": {"multiAz": False}}, "database.multiAz is turned off"),
        ({"database": {"backupRetentionDays": 29}}, "database.backupRetentionDays goes from 30 to 29"),
        ({"database": {"localReplicas": 1}}, "database.localReplicas goes from 2 to 1"),
        ({"database": {"logicalShards": 1}}, "database.logicalShards goes from 2 to 1"),
        ({"cache": {"shards": 2}}, "cache.shards goes from 3 to 2"),
        ({"cache": {"usableMib": 4_000}}, "cache.usableMib goes from 7,630 to 4,000"),
        ({"state": {"snapshotRetentionDays": 6}}, "state.snapshotRetentionDays goes from 7 to 6"),
        ({"network": {"natGateways": 1}}, "network.natGateways goes from 3 to 1"),
        ({"messaging": {"queues": ["email"]}}, "messaging.queues loses leads, export, analytics, video, search-index"),
        ({"messaging": {"fanOut": False}}, "messaging.fanOut is turned off"),
        ({"search": None}, "search is taken away"),
        ({"search": {"storageGib": 99}}, "search.storageGib goes from 100 to 99"),
        ({"readRegions": ["us-west-2"]}, "readRegions loses eu-west-1"),
    ],
)
def test_what_would_be_lost_is_told(overrides: dict[str, Any], line: str) -> None:
    found = shrinks(efficient("250k"), phase(PhaseName.P250K, overrides=overrides))

    assert any(one.startswith(line) for one in found), found


@pytest.mark.parametrize(
    ("earlier", "later", "line"),
    [
        (
            phase(PhaseName.P250K, overrides={"database": {"placement": "dedicated"}}),
            efficient("250k"),
            "database.placement",
        ),
        (
            efficient("250k"),
            phase(PhaseName.P250K, regions=["us-west-2"]),
            "regions moves home from us-east-1 to us-west-2",
        ),
        (
            efficient("1m"),
            phase(PhaseName.P1M, regions=["us-east-1", "us-west-2", "ap-southeast-1"]),
            "regions loses eu-west-1",
        ),
        (
            phase(PhaseName.P50K, overrides={"cache": {"replicasPerShard": 2}}),
            efficient("250k"),
            "cache.replicasPerShard",
        ),
        (phase(PhaseName.P250K, overrides={"search": {"nodes": 6}}), efficient("1m"), "search.nodes goes from 6 to 3"),
        (
            phase(PhaseName.P1M),
            phase(PhaseName.P1M, overrides={"messaging": {"eventStream": False}}),
            "messaging.eventStream",
        ),
        (efficient("1m"), efficient("250k"), "compute.pods loses campaigns"),
        (efficient("250k"), efficient("50k"), "database.remoteReplicas goes from 1 to 0"),
    ],
)
def test_what_another_phase_would_lose_is_told(earlier: Phase, later: Phase, line: str) -> None:
    found = shrinks(earlier, later)

    assert any(one.startswith(line) for one in found), found


@each_phase
def test_a_phase_loses_nothing_to_itself(one: Phase) -> None:
    assert shrinks(one, one) == []


def test_growing_a_read_region_into_a_full_one_loses_nothing() -> None:
    assert efficient("250k").read_regions == ("eu-west-1",)
    assert "eu-west-1" in efficient("1m").regions
    assert [line for line in shrinks(efficient("250k"), efficient("1m")) if "egions" in line] == []


def test_the_blueprint_differs_from_the_efficient_sizing_only_in_hardware() -> None:
    for name in PhaseName:
        one, other = efficient(name), blueprint(name)
        assert one.targets == other.targets
        assert one.regions == other.regions
        assert one.messaging == other.messaging
        assert one.compute.pods.keys() == other.compute.pods.keys()


def test_nothing_of_a_phase_can_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="frozen"):
        efficient("10k").database.storage_gib = 1  # type: ignore[misc]
    with pytest.raises(ValueError, match="Extra inputs"):
        Database.model_validate({**dict(efficient("10k").database), "storage": 1})


def test_the_table_shows_every_phase() -> None:
    table = phase_table().splitlines()

    assert table[0] == "|  | `10k` | `50k` | `250k` | `1m` |"
    assert {line.count("|") for line in table} == {6}
    assert "| Monthly users | 10,000 | 50,000 | 250,000 | 1,000,000 |" in table
    assert "| Pods | 5 to 12 | 8 to 16 | 30 to 50 | 153 to 198 |" in table
