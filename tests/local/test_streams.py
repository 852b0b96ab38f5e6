"""Topic, stream, lake and mail under the real engine: up, unchanged, changed in place, gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from components.alarms import AlarmTopics, topic_arn
from components.component import Site, register_defaults
from components.email import Email, EmailArgs
from components.fan_out import FanOut, FanOutArgs
from components.keys import Keys, KeysArgs
from components.lake import Lake, LakeArgs
from components.messaging import Messaging, MessagingArgs
from components.storage import LogsBucket, LogsBucketArgs
from components.stream import LakeTable, Stream, StreamArgs
from infra.naming import Names
from tests.engine.leftovers import leftovers
from tests.local.conftest import Lab

ACCOUNT = "123456789012"
TOPIC = "us-east-1-events"


async def program() -> Mapping[str, Any]:
    """Everything; `phase` is a tag, and the later one has the fan-out, the stream and addresses of its own."""
    register_defaults()
    config = pulumi.Config("headroom")
    later = config.require("phase") == "1m"
    site = Site(
        region="us-east-1",
        names=Names("headroom", pulumi.get_stack()),
        tags={"Phase": config.require("phase")},
        protected=False,
        retained=False,
    )
    keys = Keys("us-east-1-keys", site, KeysArgs(account_id=ACCOUNT))
    logs = LogsBucket("us-east-1-access-logs", site, LogsBucketArgs(account_id=ACCOUNT))
    arn = f"arn:aws:sns:us-east-1:{ACCOUNT}:alarms"
    topics = AlarmTopics(page_arn=arn, ticket_arn=arn)
    queues = Messaging(
        "us-east-1-queues",
        site,
        MessagingArgs(
            queues=("email", "leads"),
            key_arn=keys.operations_arn,
            account_id=ACCOUNT,
            topics=topics,
            publisher_arn=topic_arn(site, TOPIC, ACCOUNT) if later else None,
        ),
    )
    mail = Email(
        "us-east-1-email",
        site,
        EmailArgs(
            domain="example.com",
            cloudflare_zone_id="0" * 32,
            key_arn=keys.operations_arn,
            account_id=ACCOUNT,
            dedicated_ips=later,
            topics=topics,
        ),
    )
    outputs: dict[str, Any] = {"feedback": mail.feedback_queue_arn}
    if later:
        events = FanOut(
            TOPIC,
            site,
            FanOutArgs(queue_arns=queues.queue_arns, key_arn=keys.operations_arn, account_id=ACCOUNT, topics=topics),
        )
        lake = Lake(
            "us-east-1-lake",
            site,
            LakeArgs(account_id=ACCOUNT, logs_bucket=logs.bucket_name, key_arn=keys.data_arn),
        )
        table = LakeTable(
            bucket_arn=lake.bucket_arn,
            bucket_key_arn=keys.data_arn,
            database_name=lake.database_name,
            table_name=lake.table_name,
        )
        stream = Stream(
            "us-east-1-stream",
            site,
            StreamArgs(key_arn=keys.operations_arn, lake=table, account_id=ACCOUNT, topics=topics),
        )
        outputs |= {"topic": events.topic_arn, "expected": topic_arn(site, TOPIC, ACCOUNT)}
        outputs |= {"stream": stream.stream_arn}
    return outputs


def test_events_and_mail_come_up_grow_in_place_and_go_away(lab: Lab) -> None:
    before = leftovers(lab.cloud.endpoint)
    stack = lab.stack(program, phase="10k")
    stack.up()
    assert stack.up().progress.changed == 0
    assert stack.refresh().progress.changed == 0

    lab.configure(stack, phase="1m")
    grown = stack.up()
    totals = grown.progress.totals()
    assert set(totals) == {"created", "updated", "unchanged"}
    assert grown.outputs["topic"] == grown.outputs["expected"]
    assert stack.up().progress.changed == 0
    assert stack.refresh().progress.changed == 0

    stack.destroy()
    assert stack.outputs() == {}
    assert leftovers(lab.cloud.endpoint) == before
