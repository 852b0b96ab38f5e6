"""What queues, topics, streams and mail are charged for."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cost.estimators.queues import DELIVERY, IDENTITY, QUEUE, STREAM, SUBSCRIPTION, TOPIC
from infra.cost.model import HOURS, Line, State
from infra.cost.usage import KIB_PER_GIB, SECONDS
from infra.plan import UNKNOWN, PlannedResource
from tests.cost.priced import Tiers, amount, lines_of, monthly, usage_of
from tests.growth.conftest import made

PRICES: Mapping[str | tuple[str, str], Tiers] = {
    "sqs/requests/standard": [(0, "0"), (1_000_000, "0.0000004")],
    "sqs/requests/fifo": "0.0000005",
    "sns/requests": [(0, "0"), (1_000_000, "0.0000005")],
    "kinesis/on-demand/hours": "0.04",
    "kinesis/on-demand/in": "0.08",
    "kinesis/on-demand/out": "0.04",
    "kinesis/on-demand/extended-retention": "0.1",
    "firehose/ingested": "0.029",
    "firehose/format-conversion": "0.018",
    "athena/scanned": "5",
    "ses/messages": "0.0001",
    "ses/dedicated-pool/managed": "15",
    "ses/dedicated-pool/messages": "0.00008",
}
ON_DEMAND = {"streamModeDetails": {"streamMode": "ON_DEMAND"}}


def priced(*resources: PlannedResource, stack: str = "10k", **overrides: Any) -> list[Line]:
    """Lines by the prices above."""
    return lines_of(resources, usage_of(stack, **overrides), PRICES)


def of(lines: list[Line], resource: PlannedResource) -> list[Line]:
    """Those of one resource."""
    return [line for line in lines if line.urn == resource.urn]


def working(name: str = "us-east-1-queues-email", **inputs: Any) -> tuple[PlannedResource, PlannedResource]:
    """A queue and its dead-letter queue."""
    dead = made(QUEUE, f"{name}-dead", {})
    given = {"receiveWaitTimeSeconds": 20, "redrivePolicy": UNKNOWN, **inputs}
    return made(QUEUE, name, given, uses={"redrivePolicy": [dead.urn]}), dead


def subscribed(topic: PlannedResource, protocol: str, **inputs: Any) -> PlannedResource:
    """A subscription to a topic."""
    return made(SUBSCRIPTION, f"{topic.name}-{protocol}", {"protocol": protocol, **inputs}, uses={"topic": [topic.urn]})


class TestQueues:
    """SQS."""

    def test_a_job_is_three_requests_and_each_worker_asks_three_times_a_minute(self) -> None:
        queue, dead = working()
        usage = usage_of("10k")
        waits = SECONDS / 20 * usage.phase.compute.pods["worker"].minimum
        assert amount(priced(queue, dead)) == usage.jobs * 3 + waits

    def test_a_dead_letter_queue_costs_nothing(self) -> None:
        queue, dead = working()
        assert [one.state for one in of(priced(queue, dead), dead)] == [State.FREE]

    def test_the_jobs_of_a_region_are_counted_once_however_many_queues_there_are(self) -> None:
        pairs = [working(f"us-east-1-queues-{kind}") for kind in ("email", "video", "export")]
        usage = usage_of("10k")
        waits = SECONDS / 20 * usage.phase.compute.pods["worker"].minimum
        every = amount(priced(*(one for pair in pairs for one in pair)))
        assert every == pytest.approx(usage.jobs * 3 + 3 * waits)

    def test_the_first_million_requests_are_free_once_for_all_queues(self) -> None:
        pairs = [working(f"us-east-1-queues-{kind}") for kind in ("email", "video")]
        lines = priced(*(one for pair in pairs for one in pair), stack="250k")
        expected = (amount(lines) - 1_000_000) * Decimal("0.0000004")
        assert monthly(lines) == pytest.approx(expected, abs=Decimal("0.001"))

    def test_queues_in_order_cost_more(self) -> None:
        plain, fifo = (priced(*working(fifoQueue=kind), stack="250k") for kind in (False, True))
        assert monthly(fifo) > monthly(plain)

    def test_without_long_polls_nobody_knows_how_often_consumers_ask(self) -> None:
        queue, dead = working(receiveWaitTimeSeconds=0)
        assert [one.state for one in of(priced(queue, dead), queue)] == [State.NEEDS_USAGE]

    @given(st.integers(0, 50), st.integers(0, 50))
    def test_more_jobs_never_cost_less(self, percent: int, more: int) -> None:
        few, many = (
            priced(*working(), stack="250k", jobsPerRequest=Decimal(share) / 100) for share in (percent, percent + more)
        )
        assert monthly(few) <= monthly(many)


class TestTopics:
    """SNS."""

    def test_a_topic_before_queues_takes_every_job(self) -> None:
        topic = made(TOPIC, "us-east-1-events")
        subscriptions = [subscribed(topic, "sqs", filterPolicy="{}")]
        usage = usage_of("250k")
        lines = of(priced(topic, *subscriptions, stack="250k"), topic)
        assert amount(lines) == usage.jobs
        assert monthly(lines) == ((usage.jobs - 1_000_000) * Decimal("0.0000005")).quantize(Decimal("0.0001"))

    def test_the_topic_of_mail_takes_what_bounces(self) -> None:
        topic = made(TOPIC, "us-east-1-email-feedback")
        lines = priced(topic, subscribed(topic, "sqs"))
        assert amount(lines) == usage_of("10k").emails / 20

    def test_alarms_are_too_few_to_cost(self) -> None:
        topic = made(TOPIC, "us-east-1-alarms-page")
        lines = priced(topic, subscribed(topic, "email"), subscribed(topic, "https"))
        assert {one.state for one in lines} == {State.FREE}

    def test_deliveries_by_text_message_are_not_guessed(self) -> None:
        topic = made(TOPIC, "us-east-1-alarms-page")
        lines = of(priced(topic, sms := subscribed(topic, "sms")), sms)
        assert [one.state for one in lines] == [State.NEEDS_USAGE]


class TestStream:
    """Kinesis and Firehose."""

    def stream(self, hours: int = 24) -> PlannedResource:
        """A stream on demand."""
        return made(STREAM, "us-east-1-stream", {**ON_DEMAND, "retentionPeriod": hours})

    def delivery(self, stream: PlannedResource, **settings: Any) -> PlannedResource:
        """Firehose that reads it."""
        uses = {"kinesisSourceConfiguration": [stream.urn]}
        return made(DELIVERY, "us-east-1-stream", {"extendedS3Configuration": settings}, uses=uses)

    def test_a_stream_is_charged_by_the_hour_and_by_bytes_in_and_out(self) -> None:
        stream = self.stream()
        lines = of(priced(stream, self.delivery(stream)), stream)
        gib = usage_of("10k").events / KIB_PER_GIB
        assert monthly(lines, "stream") == HOURS * Decimal("0.04")
        assert (amount(lines, "data in"), amount(lines, "data out")) == (gib, gib)

    def test_each_record_counts_in_whole_kibibytes(self) -> None:
        small, large = (priced(self.stream(), eventKib=kib) for kib in ("1", "1.1"))
        assert amount(large, "data in") == 2 * amount(small, "data in")

    def test_nobody_pays_for_reading_what_nobody_reads(self) -> None:
        assert amount(priced(self.stream()), "data out") == 0

    def test_a_day_is_kept_for_nothing_and_the_rest_of_a_week_costs(self) -> None:
        day, week = priced(self.stream(24)), priced(self.stream(168))
        assert amount(day, "retention") == 0
        assert amount(week, "retention") == amount(week, "data in") * 144 / HOURS

    def test_longer_than_a_week_has_no_price(self) -> None:
        assert [one.component for one in priced(self.stream(169)) if one.state is State.UNPRICED] == ["retention"]

    def test_a_stream_of_shards_has_no_price(self) -> None:
        assert [one.state for one in priced(made(STREAM, "us-east-1-stream", {"shardCount": 2}))] == [State.UNPRICED]

    def test_firehose_counts_each_event_as_five_kibibytes(self) -> None:
        stream = self.stream()
        delivery = self.delivery(stream)
        lines = of(priced(stream, delivery), delivery)
        assert amount(lines, "ingestion") == usage_of("10k").events * 5 / KIB_PER_GIB

    def test_columns_cost_for_the_same_bytes_again(self) -> None:
        stream = self.stream()
        delivery = self.delivery(stream, dataFormatConversionConfiguration={"enabled": True})
        lines = of(priced(stream, delivery), delivery)
        assert amount(lines, "conversion") == amount(lines, "ingestion")

    def test_dynamic_partitions_are_not_free(self) -> None:
        stream = self.stream()
        delivery = self.delivery(stream, dynamicPartitioningConfiguration={"enabled": True})
        lines = of(priced(stream, delivery), delivery)
        assert [one.component for one in lines if one.state is State.UNPRICED] == ["partitioning"]

    def test_what_others_put_into_firehose_is_not_known(self) -> None:
        assert [one.state for one in priced(made(DELIVERY, "us-east-1-own", {}))] == [State.NEEDS_USAGE]


class TestLake:
    """Athena."""

    def test_regions_share_the_bytes_that_queries_scan(self) -> None:
        groups = [made("aws:athena/workgroup:Workgroup", f"{one}-lake") for one in usage_of("1m").phase.regions]
        lines = priced(*groups, stack="1m", searchesScannedGib=1_024)
        assert monthly(lines) == pytest.approx(Decimal(5), abs=Decimal("0.001"))


class TestMail:
    """SES."""

    def test_all_regions_together_send_all_mails(self) -> None:
        identities = [made(IDENTITY, f"{one}-email") for one in usage_of("1m").phase.regions]
        lines = priced(*identities, stack="1m")
        assert amount(lines) == pytest.approx(usage_of("1m").emails)
        assert monthly(lines) == pytest.approx(Decimal(300), abs=Decimal("0.001"))

    def test_addresses_of_one_s_own_cost_a_fee_and_for_each_mail(self) -> None:
        pool = made("aws:sesv2/dedicatedIpPool:DedicatedIpPool", "us-east-1-email", {"scalingMode": "MANAGED"})
        lines = priced(pool)
        assert monthly(lines) == 15 + 30_000 * Decimal("0.00008")

    def test_addresses_that_are_leased_one_by_one_have_no_price(self) -> None:
        pool = made("aws:sesv2/dedicatedIpPool:DedicatedIpPool", "us-east-1-email", {"scalingMode": "STANDARD"})
        assert [one.state for one in priced(pool)] == [State.UNPRICED]
