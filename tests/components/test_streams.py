"""Events reach those they name, are kept a week in the stream and ninety days in the lake."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from components.alarms import AlarmTopics, topic_arn
from components.component import Site
from components.fan_out import FanOut, FanOutArgs
from components.lake import Lake, LakeArgs
from components.messaging import Messaging, MessagingArgs, own_policy
from components.stream import LakeTable, Stream, StreamArgs
from tests.components.conftest import ACCOUNT, Recorded

Record = Callable[[Callable[[], object]], Recorded]
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
DATA_KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/2"
ROOT = Path(__file__).parents[2]
KINDS = ("email", "leads", "export")
TOPIC = "us-east-1-events"


def queue_arn(kind: str) -> str:
    return f"arn:aws:sqs:us-east-1:{ACCOUNT}:headroom-10k-us-east-1-queues-{kind}"


def fan_out(site: Site, topics: AlarmTopics) -> FanOut:
    arns = {kind: queue_arn(kind) for kind in KINDS}
    return FanOut(TOPIC, site, FanOutArgs(queue_arns=arns, key_arn=KEY, account_id=ACCOUNT, topics=topics))


def queues(site: Site, topics: AlarmTopics, publisher_arn: str | None) -> Messaging:
    args = MessagingArgs(queues=KINDS, key_arn=KEY, account_id=ACCOUNT, topics=topics, publisher_arn=publisher_arn)
    return Messaging("us-east-1-queues", site, args)


def lake(site: Site) -> Lake:
    return Lake("us-east-1-lake", site, LakeArgs(account_id=ACCOUNT, logs_bucket="logs", key_arn=DATA_KEY))


def stream(site: Site, topics: AlarmTopics) -> Stream:
    table = LakeTable(
        bucket_arn="arn:aws:s3:::lake", bucket_key_arn=DATA_KEY, database_name="headroom", table_name="events"
    )
    args = StreamArgs(key_arn=KEY, lake=table, account_id=ACCOUNT, topics=topics)
    return Stream("us-east-1-stream", site, args)


@pytest.fixture
def events(recorded: Record, site: Site, topics: AlarmTopics) -> Recorded:
    return recorded(lambda: stream(site, topics))


def test_each_queue_gets_what_names_it_and_nothing_else(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    subscriptions = recorded(lambda: fan_out(site, topics)).of("TopicSubscription")
    routes = {one.inputs["endpoint"]: json.loads(one.inputs["filterPolicy"]) for one in subscriptions}
    assert routes == {queue_arn(kind): {"queue": [kind]} for kind in KINDS}
    for one in subscriptions:
        assert one.inputs["rawMessageDelivery"]
        assert "redrivePolicy" in one.inputs


def test_the_topic_is_the_one_that_the_queues_let_in(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    arn = topic_arn(site, TOPIC, ACCOUNT)
    topic = recorded(lambda: fan_out(site, topics)).one("Topic")
    assert topic.inputs["name"] == arn.rsplit(":", 1)[1]
    assert topic.inputs["kmsMasterKeyId"] == KEY


def test_a_plan_knows_whose_policy_each_queue_has(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    parts = recorded(lambda: (queues(site, topics, None), fan_out(site, topics)))
    assert len(parts.of("Queue")) == 2 * len(KINDS) + 1
    for queue in parts.of("Queue"):
        statements = json.loads(parts.inputs(queue.name, "QueuePolicy")["policy"])["Statement"]
        arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{queue.inputs['name']}"
        assert {statement["Resource"] for statement in statements} == {arn}


@pytest.mark.parametrize("publisher", [None, "arn:aws:sns:us-east-1:123456789012:events"])
def test_only_the_topic_may_send_besides_roles(publisher: str | None) -> None:
    refused, *allowed = json.loads(own_policy("arn:of:queue", publisher))["Statement"]
    assert refused["Effect"] == "Deny"
    assert refused["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert [one["Condition"] for one in allowed] == ([{"ArnEquals": {"aws:SourceArn": publisher}}] if publisher else [])


def test_the_queues_are_the_same_with_a_topic_in_front(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    before = recorded(lambda: queues(site, topics, None))
    after = recorded(lambda: queues(site, topics, topic_arn(site, TOPIC, ACCOUNT)))
    assert [(one.urn, one.inputs) for one in before.of("Queue")] == [(one.urn, one.inputs) for one in after.of("Queue")]
    assert {one.urn for one in before.resources} == {one.urn for one in after.resources}


def test_an_event_without_address_or_way_is_noticed(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    alarms = recorded(lambda: fan_out(site, topics)).of("MetricAlarm")
    assert {alarm.inputs["metricName"] for alarm in alarms} == {
        "ApproximateNumberOfMessagesVisible",
        "NumberOfNotificationsFailed",
        "NumberOfNotificationsFailedToRedriveToDlq",
        "NumberOfNotificationsFilteredOut-NoMessageAttributes",
    }


def test_the_stream_grows_by_itself_and_keeps_a_week(events: Recorded) -> None:
    found = events.one("kinesis/stream:Stream")
    assert found.inputs["streamModeDetails"] == {"streamMode": "ON_DEMAND"}
    assert found.inputs["retentionPeriod"] == 7 * 24
    assert (found.inputs["encryptionType"], found.inputs["kmsKeyId"]) == ("KMS", KEY)
    assert found.options["protect"]
    assert found.options["retainOnDelete"]


def test_a_development_stream_goes_with_its_consumers(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    open_site = replace(site, protected=False, retained=False)
    found = recorded(lambda: stream(open_site, topics)).one("kinesis/stream:Stream")
    assert found.inputs["enforceConsumerDeletion"]
    assert "protect" not in found.options


def test_events_become_parquet_by_day(events: Recorded) -> None:
    target = events.one("FirehoseDeliveryStream").inputs["extendedS3Configuration"]
    assert target["prefix"] == "events/day=!{timestamp:yyyy-MM-dd}/"
    assert target["errorOutputPrefix"].startswith("errors/")
    assert target["compressionFormat"] == "UNCOMPRESSED"
    assert target["bufferingSize"] >= 64
    conversion = target["dataFormatConversionConfiguration"]
    assert conversion["enabled"]
    assert conversion["schemaConfiguration"]["tableName"] == "events"
    assert "parquetSerDe" in conversion["outputFormatConfiguration"]["serializer"]
    assert "openXJsonSerDe" in conversion["inputFormatConfiguration"]["deserializer"]


def test_the_delivery_may_do_its_work_and_no_more(events: Recorded) -> None:
    given = json.loads(events.one("RolePolicy").inputs["policy"])["Statement"]
    services = {action.partition(":")[0] for one in given for action in one["Action"]}
    assert services == {"glue", "kinesis", "kms", "logs", "s3"}
    for one in given:
        assert "*" not in one["Resource"]
        if "kms" in one["Action"][0]:
            assert set(one["Condition"]["StringEquals"]) == {"kms:ViaService"}
    stream_name, group = events.one("kinesis/stream:Stream").inputs["name"], events.one("LogGroup").inputs["name"]
    reached = [arn for one in given for arn in one["Resource"]]
    assert f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{stream_name}" in reached
    assert f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}:log-stream:s3" in reached


def test_only_the_accounts_firehose_takes_the_role(events: Recorded) -> None:
    trust = json.loads(events.one("Role").inputs["assumeRolePolicy"])["Statement"]
    assert [one["Condition"] for one in trust] == [{"StringEquals": {"sts:ExternalId": ACCOUNT}}]


def test_late_refused_and_unfit_events_are_noticed(events: Recorded) -> None:
    alarms = {alarm.inputs["metricName"]: alarm.inputs for alarm in events.of("MetricAlarm")}
    assert alarms.keys() == {
        "GetRecords.IteratorAgeMilliseconds",
        "WriteProvisionedThroughputExceeded",
        "ReadProvisionedThroughputExceeded",
        "DeliveryToS3.DataFreshness",
        "DeliveryToS3.Success",
        "FailedConversion.Records",
    }
    assert alarms["DeliveryToS3.Success"]["comparisonOperator"] == "LessThanThreshold"


def test_a_days_folder_is_found_without_a_crawler(recorded: Record, site: Site) -> None:
    table = recorded(lambda: lake(site)).one("CatalogTable").inputs
    parameters = table["parameters"]
    assert parameters["projection.enabled"] == "true"
    assert parameters["projection.day.range"] == "NOW-90DAYS,NOW"
    assert parameters["storage.location.template"].endswith("/events/day=${day}/")
    assert table["partitionKeys"] == [{"name": "day", "type": "string"}]
    columns = [column["name"] for column in table["storageDescriptor"]["columns"]]
    assert columns == ["id", "type", "actor", "subject", "occurred_at", "payload", "region"]


def test_the_database_needs_no_quotes_in_a_query(recorded: Record, site: Site) -> None:
    name = recorded(lambda: lake(site)).one("CatalogDatabase").inputs["name"]
    assert name == "headroom_10k_us_east_1_lake"


def test_raw_events_go_after_ninety_days_and_answers_after_a_week(recorded: Record, site: Site) -> None:
    rules = recorded(lambda: lake(site)).of("BucketLifecycleConfiguration")
    days = {one.name: one.inputs["rules"][0]["expiration"]["days"] for one in rules}
    assert days == {"us-east-1-lake-events": 90, "us-east-1-lake-results": 7}


def test_what_is_in_the_lake_is_encrypted_and_closed(recorded: Record, site: Site) -> None:
    parts = recorded(lambda: lake(site))
    for one in parts.of("BucketServerSideEncryptionConfiguration"):
        default = one.inputs["rules"][0]["applyServerSideEncryptionByDefault"]
        assert default == {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": DATA_KEY}
    for one in parts.of("BucketPublicAccessBlock"):
        assert one.inputs["restrictPublicBuckets"]
    for one in parts.of("s3/bucket:Bucket"):
        assert one.options["protect"]


def test_a_query_is_bounded_and_its_answer_encrypted_whoever_asks(recorded: Record, site: Site) -> None:
    configuration = recorded(lambda: lake(site)).one("Workgroup").inputs["configuration"]
    assert configuration["enforceWorkgroupConfiguration"]
    assert configuration["bytesScannedCutoffPerQuery"] == 100 * 1024**3
    result = configuration["resultConfiguration"]
    assert result["encryptionConfiguration"] == {"encryptionOption": "SSE_KMS", "kmsKeyArn": DATA_KEY}


def test_every_alarm_leads_to_a_runbook_that_exists(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    alarms = recorded(lambda: (fan_out(site, topics), stream(site, topics))).of("MetricAlarm")
    for alarm in alarms:
        page = alarm.inputs["alarmDescription"].rsplit("Runbook: ", 1)[1]
        assert (ROOT / page).is_file(), page
