"""Mail is signed, travels encrypted, and what comes back is heard."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from components.alarms import AlarmTopics
from components.component import Site
from components.email import Email, EmailArgs
from tests.components.conftest import ACCOUNT, Recorded

Record = Callable[[Callable[[], object]], Recorded]
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
ROOT = Path(__file__).parents[2]


def args(topics: AlarmTopics) -> EmailArgs:
    return EmailArgs(
        domain="example.com",
        cloudflare_zone_id="zone",
        key_arn=KEY,
        account_id=ACCOUNT,
        dedicated_ips=False,
        topics=topics,
    )


def email(site: Site, given: EmailArgs) -> Email:
    return Email("us-east-1-email", site, given)


def test_the_domain_is_proved_by_three_records(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    parts = recorded(lambda: email(site, args(topics)))
    assert parts.one("EmailIdentity").inputs["emailIdentity"] == "example.com"
    records = parts.of("DnsRecord")
    assert len(records) == 3
    for record in records:
        assert (record.inputs["type"], record.inputs["proxied"]) == ("CNAME", False)


def test_mail_leaves_with_tls_or_not_at_all(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    parts = recorded(lambda: email(site, args(topics)))
    found = parts.one("ConfigurationSet").inputs
    assert found["deliveryOptions"] == {"tlsPolicy": "REQUIRE"}
    assert found["suppressionOptions"]["suppressedReasons"] == ["BOUNCE", "COMPLAINT"]
    assert parts.one("EmailIdentity").inputs["configurationSetName"] == found["configurationSetName"]
    assert parts.of("DedicatedIpPool") == []


def test_addresses_of_its_own_come_and_go_in_place(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    shared = recorded(lambda: email(site, args(topics)))
    own = recorded(lambda: email(site, replace(args(topics), dedicated_ips=True)))
    pool = own.one("DedicatedIpPool")
    assert pool.inputs["scalingMode"] == "MANAGED"
    assert own.one("ConfigurationSet").inputs["deliveryOptions"]["sendingPoolName"] == pool.inputs["poolName"]
    assert own.one("ConfigurationSet").urn == shared.one("ConfigurationSet").urn
    assert {one.urn for one in own.resources} - {one.urn for one in shared.resources} == {pool.urn}


def test_bounces_and_complaints_come_to_a_queue(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    parts = recorded(lambda: email(site, args(topics)))
    destination = parts.one("ConfigurationSetEventDestination").inputs["eventDestination"]
    assert set(destination["matchingEventTypes"]) == {"BOUNCE", "COMPLAINT"}
    assert parts.one("TopicSubscription").inputs["protocol"] == "sqs"
    assert {queue.name for queue in parts.of("Queue")} == {"us-east-1-email-feedback", "us-east-1-email-feedback-dead"}
    for queue in parts.of("Queue"):
        assert queue.inputs["kmsMasterKeyId"] == KEY
        assert queue.options["protect"]


def test_only_this_configuration_set_publishes_feedback(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    parts = recorded(lambda: email(site, args(topics)))
    allowed, refused = json.loads(parts.one("TopicPolicy").inputs["policy"])["Statement"]
    name = parts.one("ConfigurationSet").inputs["configurationSetName"]
    assert allowed["Condition"]["StringEquals"] == {
        "aws:SourceAccount": ACCOUNT,
        "aws:SourceArn": f"arn:aws:ses:us-east-1:{ACCOUNT}:configuration-set/{name}",
    }
    assert refused["Effect"] == "Deny"
    assert allowed["Resource"].rsplit(":", 1)[1] == parts.one("Topic").inputs["name"]


def test_reputation_pages_before_ses_pauses_the_account(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    alarms = recorded(lambda: email(site, args(topics))).of("MetricAlarm")
    limits = {alarm.inputs["metricName"]: alarm.inputs["threshold"] for alarm in alarms}
    assert limits["Reputation.BounceRate"] == 0.05
    assert limits["Reputation.ComplaintRate"] == 0.001
    for alarm in alarms:
        assert (ROOT / alarm.inputs["alarmDescription"].rsplit("Runbook: ", 1)[1]).is_file()
