"""Topic, stream, lake and mail in an account: right ones hold, and each thing that can be wrong is found."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.verify import streams
from infra.verify.facts import Clients, Probe, Scope, Verdict
from stacks import phase_1m, phase_10k

REGION = "us-east-1"
ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
OTHER_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/2"
_NUMBERS = itertools.count(1)


class Account:
    """What a phase with a stream has, made with boto3 alone."""

    def __init__(self, endpoint: str) -> None:
        self.clients = Clients(endpoint)
        self.mark = f"v{next(_NUMBERS)}"
        self.domain = f"{self.mark}.example.com"
        self.outputs: dict[str, Any] = {"stack": self.mark, "keyArns": {"operations": KEY}}
        self.database = f"headroom_{self.mark}_us_east_1_lake"
        self.configuration_set = f"headroom-{self.mark}-us-east-1-email"
        self._queues()
        self._lake()
        self._stream()
        self._mail()

    def client(self, service: str) -> Any:
        return self.clients.get(service, REGION)

    def scope(self) -> Scope:
        return Scope(
            region=REGION,
            outputs=self.outputs,
            phase=phase_1m.EFFICIENT,
            domain=self.domain,
            protected=True,
            clients=self.clients,
            local=True,
        )

    def _queues(self) -> None:
        sns, sqs = self.client("sns"), self.client("sqs")
        topic = sns.create_topic(Name=self.mark, Attributes={"KmsMasterKeyId": KEY})["TopicArn"]
        urls: dict[str, str] = {}
        self.subscriptions: dict[str, str] = {}
        for kind in phase_1m.EFFICIENT.messaging.queues:
            urls[kind] = sqs.create_queue(QueueName=f"{self.mark}-{kind}")["QueueUrl"]
            found = sns.subscribe(
                TopicArn=topic,
                Protocol="sqs",
                Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.mark}-{kind}",
                Attributes={"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"queue": [kind]})},
                ReturnSubscriptionArn=True,
            )
            self.subscriptions[kind] = found["SubscriptionArn"]
        self.outputs |= {"eventsTopicArn": topic, "queueUrls": urls}

    def _lake(self) -> None:
        bucket = f"{self.mark}-lake"
        self.client("s3").create_bucket(Bucket=bucket)
        self.encrypt(KEY)
        self.keep(90)
        self.client("glue").create_database(DatabaseInput={"Name": self.database})
        self.client("glue").create_table(
            DatabaseName=self.database,
            TableInput={
                "Name": "events",
                "Parameters": {"projection.enabled": "true"},
                "StorageDescriptor": {"Location": f"s3://{bucket}/events/"},
            },
        )
        self.client("athena").create_work_group(
            Name=self.mark,
            Configuration={
                "EnforceWorkGroupConfiguration": True,
                "BytesScannedCutoffPerQuery": 10**11,
                "ResultConfiguration": {
                    "OutputLocation": "s3://results/",
                    "EncryptionConfiguration": {"EncryptionOption": "SSE_KMS", "KmsKey": KEY},
                },
            },
        )
        self.outputs |= {"lakeBucket": bucket, "workgroupName": self.mark}

    def encrypt(self, key: str) -> None:
        default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
        self.client("s3").put_bucket_encryption(
            Bucket=f"{self.mark}-lake",
            ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": default}]},
        )

    def keep(self, days: int) -> None:
        rule = {"ID": "a", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": days}}
        self.client("s3").put_bucket_lifecycle_configuration(
            Bucket=f"{self.mark}-lake", LifecycleConfiguration={"Rules": [rule]}
        )

    def _stream(self) -> None:
        kinesis = self.client("kinesis")
        kinesis.create_stream(StreamName=self.mark, StreamModeDetails={"StreamMode": "ON_DEMAND"})
        kinesis.increase_stream_retention_period(StreamName=self.mark, RetentionPeriodHours=168)
        kinesis.start_stream_encryption(StreamName=self.mark, EncryptionType="KMS", KeyId=KEY)
        role = f"arn:aws:iam::{ACCOUNT}:role/delivery"
        self.client("firehose").create_delivery_stream(
            DeliveryStreamName=self.mark,
            DeliveryStreamType="KinesisStreamAsSource",
            KinesisStreamSourceConfiguration={
                "KinesisStreamARN": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{self.mark}",
                "RoleARN": role,
            },
            ExtendedS3DestinationConfiguration={
                "BucketARN": f"arn:aws:s3:::{self.mark}-lake",
                "RoleARN": role,
                "DataFormatConversionConfiguration": {
                    "Enabled": True,
                    "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {}}},
                },
            },
        )
        self.outputs |= {"streamName": self.mark, "deliveryName": self.mark}

    def deliver_to(self, bucket: str) -> None:
        firehose = self.client("firehose")
        found = firehose.describe_delivery_stream(DeliveryStreamName=self.mark)["DeliveryStreamDescription"]
        firehose.update_destination(
            DeliveryStreamName=self.mark,
            CurrentDeliveryStreamVersionId=found["VersionId"],
            DestinationId=found["Destinations"][0]["DestinationId"],
            ExtendedS3DestinationUpdate={"BucketARN": f"arn:aws:s3:::{bucket}"},
        )

    def _mail(self) -> None:
        sesv2 = self.client("sesv2")
        self.configure_mail("REQUIRE")
        sesv2.create_email_identity(EmailIdentity=self.domain, ConfigurationSetName=self.configuration_set)

    def configure_mail(self, policy: str) -> None:
        self.client("sesv2").create_configuration_set(
            ConfigurationSetName=self.configuration_set,
            DeliveryOptions={"TlsPolicy": policy},
            SuppressionOptions={"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
        )


@pytest.fixture
def own(endpoint: str) -> Account:
    return Account(endpoint)


FINDERS: tuple[Callable[[Scope], Iterator[Probe]], ...] = (
    streams.fan_out,
    streams.event_stream,
    streams.lake,
    streams.mail,
)


def wrong(account: Account) -> set[str]:
    """What differs."""
    probes = [probe for find in FINDERS for probe in find(account.scope())]
    return {fact.what for probe in probes for fact in probe.facts() if fact.verdict is Verdict.DIFFERS}


def test_a_right_account_holds(own: Account) -> None:
    probes = [probe for find in FINDERS for probe in find(own.scope())]
    assert len(probes) == 8
    assert wrong(own) == set()


def test_a_phase_without_stream_is_not_asked_for_one(own: Account) -> None:
    scope = Scope(
        region=REGION, outputs={}, phase=phase_10k.EFFICIENT, domain=own.domain, protected=True, clients=own.clients
    )
    assert [probe for find in FINDERS[:3] for probe in find(scope)] == []


def _configure_anew(own: Account) -> None:
    own.client("sesv2").delete_configuration_set(ConfigurationSetName=own.configuration_set)
    own.configure_mail("OPTIONAL")


BREAKS: dict[str, tuple[str, Callable[[Account], object]]] = {
    "unsubscribed": (
        "queues that get what names them",
        lambda own: own.client("sns").unsubscribe(SubscriptionArn=own.subscriptions["email"]),
    ),
    "wrapped": (
        "bodies as they were published",
        lambda own: own.client("sns").set_subscription_attributes(
            SubscriptionArn=own.subscriptions["email"], AttributeName="RawMessageDelivery", AttributeValue="false"
        ),
    ),
    "another key of the topic": (
        "encrypted with the stack's key",
        lambda own: own.client("sns").set_topic_attributes(
            TopicArn=own.outputs["eventsTopicArn"], AttributeName="KmsMasterKeyId", AttributeValue=OTHER_KEY
        ),
    ),
    "provisioned": (
        "mode",
        lambda own: own.client("kinesis").update_stream_mode(
            StreamARN=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{own.mark}",
            StreamModeDetails={"StreamMode": "PROVISIONED"},
        ),
    ),
    "shorter": (
        "hours kept",
        lambda own: own.client("kinesis").decrease_stream_retention_period(
            StreamName=own.mark, RetentionPeriodHours=24
        ),
    ),
    "in the clear": (
        "encrypted with the stack's key",
        lambda own: own.client("kinesis").stop_stream_encryption(StreamName=own.mark, EncryptionType="KMS", KeyId=KEY),
    ),
    "another bucket": ("writes to", lambda own: own.deliver_to("elsewhere")),
    "kept for ever": ("days kept", lambda own: own.keep(3_650)),
    "another key of the lake": ("encrypted with the stack's key", lambda own: own.encrypt(OTHER_KEY)),
    "mail in the clear": ("TLS", _configure_anew),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_wrong_is_found(name: str, own: Account) -> None:
    what, spoil = BREAKS[name]
    spoil(own)
    assert what in wrong(own)
