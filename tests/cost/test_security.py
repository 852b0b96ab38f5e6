"""What keys, secrets, the trail and GuardDuty are charged for."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cost.estimators import security
from infra.cost.estimators.fleet import Fleet
from infra.cost.estimators.queues import QUEUE, STREAM
from infra.cost.estimators.security import FEATURE, INSTANCE, KEY, TRAIL
from infra.cost.model import Line, State
from infra.cost.usage import SECONDS
from infra.plan import UNKNOWN, PlannedResource
from stacks.hardware import DATABASE_MEMORY_GIB
from tests.cost.priced import Tiers, amount, lines_of, monthly, usage_of
from tests.growth.conftest import made

PRICES: Mapping[str | tuple[str, str], Tiers] = {
    "kms/key": "1",
    "kms/requests": [(0, "0"), (20_000, "0.000003")],
    ("secretsmanager/secret", "us-east-1"): "0.4",
    ("secretsmanager/secret", "eu-west-1"): "0.5",
    "cloudtrail/management-events/further-copy": "0.00002",
    "guardduty/cloudtrail-events": "0.000004",
    "guardduty/flow-dns-logs": "1",
    "guardduty/s3-events": "0.0000008",
    "guardduty/eks-audit-events": "0.0000016",
    "guardduty/rds-vcpu": "1",
    "guardduty/runtime-vcpu": "1.5",
}
ALL = {"management events", "flow and DNS logs", "S3 events", "EKS audit", "database log-ins"}


def priced(*resources: PlannedResource, stack: str = "10k", **overrides: Any) -> list[Line]:
    """Lines by the prices above, of what this module prices."""
    lines = lines_of(resources, usage_of(stack, **overrides), PRICES)
    return [one for one in lines if one.urn.split("::")[2] in security.ESTIMATORS]


@pytest.fixture
def four_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each region runs four nodes of four cores."""
    monkeypatch.setattr(security, "fleet", lambda *_: Fleet(nodes=4, pods=10, daemon_pods=4, vcpus=16))


def key(**inputs: Any) -> PlannedResource:
    """A key of the home region."""
    return made(KEY, "us-east-1-keys-operations", inputs)


def queue(key_: PlannedResource, name: str = "us-east-1-queues-email", **inputs: Any) -> list[PlannedResource]:
    """A queue under a key, and its dead-letter queue."""
    dead = made(QUEUE, f"{name}-dead", {"kmsMasterKeyId": UNKNOWN}, uses={"kmsMasterKeyId": [key_.urn]})
    uses = {"kmsMasterKeyId": [key_.urn], "redrivePolicy": [dead.urn]}
    return [made(QUEUE, name, {"receiveWaitTimeSeconds": 20, "redrivePolicy": UNKNOWN, **inputs}, uses=uses), dead]


def detector(**inputs: Any) -> PlannedResource:
    """GuardDuty in the home region."""
    return made("aws:guardduty/detector:Detector", "audit", {"enable": True, "region": "us-east-1", **inputs})


def database(instance_class: str = "db.r6g.xlarge", name: str = "us-east-1-db-0-primary") -> PlannedResource:
    """A database instance."""
    return made(INSTANCE, name, {"instanceClass": instance_class, "multiAz": True})


class TestKeys:
    """KMS."""

    def test_a_copy_in_another_region_costs_as_much_as_the_key(self) -> None:
        copy = made("aws:kms/replicaKey:ReplicaKey", "eu-west-1-keys-operations")
        assert [one.monthly_usd for one in priced(key(multiRegion=True), copy)] == [1, 1]

    def test_rotation_is_said_to_cost_more_later(self) -> None:
        assert "rotation" in priced(key(enableKeyRotation=True))[0].note
        assert priced(key())[0].note == ""

    def test_a_queue_asks_three_times_in_each_life_of_a_data_key(self) -> None:
        used = key()
        lines = priced(used, *queue(used, kmsDataKeyReusePeriodSeconds=600))
        assert amount(lines, "requests") == 3 * SECONDS / 600
        assert monthly(lines, "requests") == 0

    def test_streams_ask_as_well_and_dead_letter_queues_do_not(self) -> None:
        used = key()
        stream = made(STREAM, "us-east-1-stream", {}, uses={"kmsKeyId": [used.urn]})
        lines = priced(used, *queue(used), stream)
        assert amount(lines, "requests") == 2 * 3 * SECONDS / 300

    def test_a_key_that_nothing_busy_uses_has_no_requests(self) -> None:
        assert [one.component for one in priced(key())] == ["key"]

    def test_requests_beyond_the_free_ones_are_charged_once_for_all_keys(self) -> None:
        keys = [made(KEY, f"{region}-keys-operations", {}) for region in ("us-east-1", "eu-west-1")]
        queues = [one for used in keys for one in queue(used, f"{used.name}-email")]
        lines = priced(*keys, *queues)
        expected = (amount(lines, "requests") - 20_000) * Decimal("0.000003")
        assert monthly(lines, "requests") == pytest.approx(expected, abs=Decimal("0.001"))


class TestSecrets:
    """Secrets Manager."""

    def test_each_copy_is_paid_for_in_its_region(self) -> None:
        replicas = [{"region": "eu-west-1", "kmsKeyId": UNKNOWN}]
        secret = made("aws:secretsmanager/secret:Secret", "us-east-1-secrets-signing", {"replicas": replicas})
        assert [one.monthly_usd for one in priced(secret)] == [Decimal("0.4"), Decimal("0.5")]

    @given(st.integers(0, 5))
    def test_one_more_copy_never_costs_less(self, copies: int) -> None:
        token, name = "aws:secretsmanager/secret:Secret", "us-east-1-secrets-signing"
        few, many = (
            monthly(priced(made(token, name, {"replicas": [{"region": "eu-west-1"}] * count})))
            for count in (copies, copies + 1)
        )
        assert few < many


class TestTrail:
    """CloudTrail."""

    def trail(self, name: str = "audit", inputs: Mapping[str, Any] | None = None) -> PlannedResource:
        """A trail of all regions."""
        return made(TRAIL, name, {"isMultiRegionTrail": True, **(inputs or {})})

    def test_the_first_trail_is_free_and_the_second_is_not(self) -> None:
        lines = priced(self.trail(), self.trail("second"))
        assert [one.state for one in lines] == [State.FREE, State.PRICED]
        assert monthly(lines) == 500_000 * Decimal("0.00002")

    @pytest.mark.parametrize("selectors", ["eventSelectors", "advancedEventSelectors", "insightSelectors"])
    def test_data_events_and_insights_are_not_free(self, selectors: str) -> None:
        lines = priced(self.trail(inputs={selectors: [{}]}))
        assert State.NEEDS_USAGE in {one.state for one in lines}


@pytest.mark.usefixtures("four_nodes")
class TestThreatDetection:
    """GuardDuty."""

    def test_all_but_runtime_monitoring_is_on_unless_it_is_turned_off(self) -> None:
        assert {one.component for one in priced(detector(), database())} == ALL

    @pytest.mark.parametrize(
        ("feature", "component"),
        [("S3_DATA_EVENTS", "S3 events"), ("EKS_AUDIT_LOGS", "EKS audit"), ("RDS_LOGIN_EVENTS", "database log-ins")],
    )
    def test_a_feature_that_is_turned_off_costs_nothing(self, feature: str, component: str) -> None:
        off = made(FEATURE, "us-east-1-feature", {"name": feature, "status": "DISABLED"})
        lines = priced(detector(), off, database())
        assert {one.component for one in lines if one.urn != off.urn} == ALL - {component}

    def test_the_detector_s_own_switches_count_too(self) -> None:
        sources = {"s3Logs": {"enable": False}, "kubernetes": {"auditLogs": {"enable": False}}}
        lines = priced(detector(datasources=sources), database())
        assert {one.component for one in lines} == ALL - {"S3 events", "EKS audit"}

    def test_runtime_monitoring_is_charged_by_core(self) -> None:
        feature = made(FEATURE, "us-east-1-runtime", {"name": "RUNTIME_MONITORING", "status": "ENABLED"})
        assert monthly(priced(detector(), feature), "runtime") == 16 * Decimal("1.5")

    def test_flows_and_the_cluster_s_audit_follow_the_nodes(self) -> None:
        lines = priced(detector(), flowLogGibPerNode=3)
        assert [amount(lines, "flow"), amount(lines, "EKS audit")] == [Decimal(12), Decimal(4_000_000)]

    def test_log_ins_are_charged_by_the_cores_of_instances_and_replicas_but_not_of_standbys(self) -> None:
        replica = database("db.r6g.2xlarge", "us-east-1-db-0-replica-0")
        elsewhere = database("db.r6g.large", "eu-west-1-replica")
        lines = priced(detector(), database(), replica, elsewhere)
        assert amount(lines, "database log-ins") == 4 + 8

    @pytest.mark.parametrize("instance_class", DATABASE_MEMORY_GIB)
    def test_every_class_has_cores(self, instance_class: str) -> None:
        lines = priced(detector(), database(instance_class))
        assert amount(lines, "database log-ins") >= 2

    def test_a_class_of_unknown_size_is_not_guessed(self) -> None:
        lines = priced(detector(), database("db.x9.metal"))
        assert [one.state for one in lines if one.component == "database log-ins"] == [State.UNPRICED]

    def test_a_detector_that_is_off_costs_nothing(self) -> None:
        assert [one.state for one in priced(detector(enable=False))] == [State.FREE]

    def test_unknown_nodes_leave_their_logs_unpriced(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(security, "fleet", lambda *_: None)
        unpriced = {one.component for one in priced(detector()) if one.state is State.UNPRICED}
        assert unpriced == {"flow and DNS logs", "EKS audit"}
