"""What is behind and beside the queues: the topic in front of them, the event stream, the lake, and mail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from infra.verify.facts import Fact, Probe, Scope, equal, holds, unchecked

STREAM_HOURS = 7 * 24
LAKE_DAYS = 90
EVENTS_PREFIX = "events/"
NOT_IN_LOCAL_CLOUD = "the local cloud does not keep it"


def fan_out(scope: Scope) -> Iterator[Probe]:
    """The topic in front of the queues, from the phase on that has one."""
    if scope.phase.messaging.fan_out:
        arn = scope.text("eventsTopicArn")
        yield Probe("messaging", f"topic {arn.rpartition(':')[2]}", partial(_topic, scope, arn))


def _topic(scope: Scope, arn: str) -> Iterator[Fact]:
    sns = scope.client("sns")
    yield _own_key(scope, sns.get_topic_attributes(TopicArn=arn)["Attributes"].get("KmsMasterKeyId"))
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
    found = [one for page in pages for one in page["Subscriptions"]]
    routes: set[str] = set()
    direct = True
    for one in found:
        attributes = sns.get_subscription_attributes(SubscriptionArn=one["SubscriptionArn"])["Attributes"]
        direct = direct and attributes.get("RawMessageDelivery") == "true"
        for kind in json.loads(attributes.get("FilterPolicy", "{}")).get("queue", ()):
            queue = scope.names("queueUrls").get(kind, "").rpartition("/")[2]
            if queue and queue == one["Endpoint"].rpartition(":")[2]:
                routes.add(kind)
    yield equal("queues that get what names them", set(scope.phase.messaging.queues), routes)
    yield holds("bodies as they were published", direct, "in every subscription", direct)


def event_stream(scope: Scope) -> Iterator[Probe]:
    """The stream and its delivery, in the phase that has them."""
    if scope.phase.messaging.event_stream:
        stream, delivery = scope.text("streamName"), scope.text("deliveryName")
        yield Probe("messaging", f"event stream {stream}", partial(_stream, scope, stream))
        yield Probe("messaging", f"delivery {delivery}", partial(_delivery, scope, delivery))


def _stream(scope: Scope, name: str) -> Iterator[Fact]:
    found = scope.client("kinesis").describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    yield equal("mode", "ON_DEMAND", found.get("StreamModeDetails", {}).get("StreamMode"))
    yield equal("hours kept", STREAM_HOURS, found["RetentionPeriodHours"])
    yield _own_key(scope, found.get("KeyId"))


def _delivery(scope: Scope, name: str) -> Iterator[Fact]:
    found = scope.client("firehose").describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
    source = found.get("Source", {}).get("KinesisStreamSourceDescription", {}).get("KinesisStreamARN", "")
    target = found["Destinations"][0].get("ExtendedS3DestinationDescription", {})
    yield equal("status", "ACTIVE", found["DeliveryStreamStatus"])
    yield equal("reads", scope.text("streamName"), source.rpartition("/")[2])
    yield equal("writes to", scope.text("lakeBucket"), target.get("BucketARN", "").rpartition(":")[2])
    conversion = target.get("DataFormatConversionConfiguration", {})
    parquet = "ParquetSerDe" in conversion.get("OutputFormatConfiguration", {}).get("Serializer", {})
    yield holds("as Parquet", parquet and conversion.get("Enabled", True), "yes", parquet)


def lake(scope: Scope) -> Iterator[Probe]:
    """The lake's bucket, table and workgroup, in the phase that has the event stream."""
    if scope.phase.messaging.event_stream:
        bucket, workgroup = scope.text("lakeBucket"), scope.text("workgroupName")
        # Glue's names have no hyphens, for the sake of those who write queries.
        database = scope.physical_name("catalog", f"{scope.region}-lake").replace("-", "_")
        yield Probe("lake", bucket, partial(_bucket, scope, bucket))
        yield Probe("lake", f"table {database}.events", partial(_table, scope, database, bucket))
        yield Probe("lake", f"workgroup {workgroup}", partial(_workgroup, scope, workgroup))


def _bucket(scope: Scope, name: str) -> Iterator[Fact]:
    s3 = scope.client("s3")
    rules = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    days = {rule["Expiration"]["Days"] for rule in rules if rule.get("Expiration", {}).get("Days")}
    yield equal("days kept", {LAKE_DAYS}, days)
    encryption = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    for rule in encryption:
        yield _own_key(scope, rule["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID"))


def _table(scope: Scope, database: str, bucket: str) -> Iterator[Fact]:
    found = scope.client("glue").get_table(DatabaseName=database, Name="events")["Table"]
    yield equal("location", f"s3://{bucket}/{EVENTS_PREFIX}", found["StorageDescriptor"]["Location"])
    yield equal("partitions are projected", "true", found["Parameters"].get("projection.enabled"))


def _workgroup(scope: Scope, name: str) -> Iterator[Fact]:
    found = (scope.client("athena").get_work_group(WorkGroup=name).get("WorkGroup") or {}).get("Configuration", {})
    enforced = found.get("EnforceWorkGroupConfiguration")
    yield holds("clients cannot ask for less", enforced, "yes", bool(enforced))
    limit = found.get("BytesScannedCutoffPerQuery")
    yield holds("bytes that a query may read", limit, "limited", limit)
    encryption = found.get("ResultConfiguration", {}).get("EncryptionConfiguration", {})
    yield _own_key(scope, encryption.get("KmsKey"))


def mail(scope: Scope) -> Iterator[Probe]:
    """The domain as a sender in this region."""
    name = scope.physical_name("configuration_set", f"{scope.region}-email")
    yield Probe("mail", scope.domain, partial(_identity, scope, name))
    yield Probe("mail", f"configuration set {name}", partial(_configuration_set, scope, name))


def _identity(scope: Scope, configuration_set: str) -> Iterator[Fact]:
    found = scope.client("sesv2").get_email_identity(EmailIdentity=scope.domain)
    yield equal("configuration set", configuration_set, found.get("ConfigurationSetName"))
    if scope.local:
        yield unchecked("DKIM", NOT_IN_LOCAL_CLOUD)
        yield unchecked("may write to anybody", NOT_IN_LOCAL_CLOUD)
        return
    yield equal("DKIM", "SUCCESS", found.get("DkimAttributes", {}).get("Status"))
    # A new account writes to verified addresses only, until AWS lifts that in this region.
    open_to_all = scope.client("sesv2").get_account().get("ProductionAccessEnabled", False)
    yield holds("may write to anybody", open_to_all, "yes", open_to_all)


def _configuration_set(scope: Scope, name: str) -> Iterator[Fact]:
    sesv2 = scope.client("sesv2")
    found = sesv2.get_configuration_set(ConfigurationSetName=name)
    yield equal("TLS", "REQUIRE", found.get("DeliveryOptions", {}).get("TlsPolicy"))
    suppressed = set(found.get("SuppressionOptions", {}).get("SuppressedReasons", ()))
    yield equal("suppressed", {"BOUNCE", "COMPLAINT"}, suppressed)
    if scope.local:
        yield unchecked("bounces and complaints are heard", NOT_IN_LOCAL_CLOUD)
        return
    destinations = sesv2.get_configuration_set_event_destinations(ConfigurationSetName=name)["EventDestinations"]
    heard = {kind for one in destinations if one["Enabled"] for kind in one["MatchingEventTypes"]}
    yield holds("bounces and complaints are heard", {"BOUNCE", "COMPLAINT"} <= heard, "both", heard)


def _own_key(scope: Scope, used: str | None) -> Fact:
    keys = set(scope.names("keyArns").values())
    return holds("encrypted with the stack's key", used in keys, keys, used)
