"""Queues, topics, streams, the lake's queries, and mail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Final

from infra.cost.model import HOURS, Charge, Estimator, Free, Item, NeedsUsage, Scene, Unpriced
from infra.cost.usage import KIB_PER_GIB, SECONDS
from infra.plan import PlannedResource

QUEUE: Final = "aws:sqs/queue:Queue"
TOPIC: Final = "aws:sns/topic:Topic"
SUBSCRIPTION: Final = "aws:sns/topicSubscription:TopicSubscription"
STREAM: Final = "aws:kinesis/stream:Stream"
DELIVERY: Final = "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream"
IDENTITY: Final = "aws:sesv2/emailIdentity:EmailIdentity"

REQUESTS_PER_JOB: Final = 3
"""Send, receive, delete; nothing is batched, and a message is below the 64 KiB of one request."""
BOUNCED_SHARE: Final = Decimal("0.05")
"""Of the mails, how many come back: the rate from which SES reviews a sender, so the most that a healthy one has.

Source: https://docs.aws.amazon.com/ses/latest/dg/faqs-enforcement.html
"""
RETENTION_HOURS: Final = 24
"""Held by a stream at no charge; up to a week is charged by the GB-month, and longer at another price."""
LONGEST_RETENTION_HOURS: Final = 168
STREAM_ROUNDING_KIB: Final = 1
"""Kinesis on demand counts each record in whole KiB. Source: https://aws.amazon.com/kinesis/data-streams/pricing/"""
DELIVERY_ROUNDING_KIB: Final = 5
"""Firehose counts each record in steps of 5 KiB. Source: https://aws.amazon.com/firehose/pricing/"""
GIB_PER_TIB: Final = 1_024

_DELIVERIES: Final[Mapping[str, str]] = {
    "sqs": "SNS delivers to SQS for nothing; the queue's requests are on the queue",
    "lambda": "SNS delivers to Lambda for nothing",
    "firehose": "delivered at the price of Firehose",
    "email": "the first 1,000 mails of a month are free, and alarms send fewer",
    "https": "the first 100,000 calls of a month are free, and alarms make fewer",
}


def queue(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Requests for jobs, and for asking when there are none."""
    if not _works(resource, scene):
        yield Free(why="takes what failed elsewhere: nobody asks it, and the first million requests are free")
        return
    if not resource.inputs.get("receiveWaitTimeSeconds"):
        # AWS's default, 0, answers at once: only the consumer's own pause limits how often it asks.
        yield NeedsUsage(component="requests", what="how often consumers ask: receiveWaitTimeSeconds is 0")
        return
    kind = _kind(resource)
    yield Charge(
        component="requests",
        key=f"sqs/requests/{kind}",
        quantity=_requests(resource, scene),
        of=scene.once(f"sqs {kind}", lambda: sum(_requests(one, scene) for one in _working(scene, kind))),
    )


def _kind(resource: PlannedResource) -> str:
    return "fifo" if resource.inputs.get("fifoQueue") else "standard"


def _works(resource: PlannedResource, scene: Scene) -> bool:
    """Whether it is no dead-letter queue, which is one that others name and that names none."""
    return bool(scene.behind(resource, "redrivePolicy"))


def _working(scene: Scene, kind: str) -> Sequence[PlannedResource]:
    return [
        one
        for one in scene.all(QUEUE)
        if _works(one, scene) and _kind(one) == kind and one.inputs.get("receiveWaitTimeSeconds")
    ]


def _requests(resource: PlannedResource, scene: Scene) -> Decimal:
    """A region's jobs, evenly over its queues; and each worker that always runs waits at each queue."""
    region = scene.region(resource)
    jobs = scene.usage.jobs * scene.usage.share(region) / _count(scene, QUEUE, region)
    waits = SECONDS / Decimal(str(resource.inputs["receiveWaitTimeSeconds"]))
    return jobs * REQUESTS_PER_JOB + waits * scene.usage.phase.compute.pods["worker"].minimum


def _count(scene: Scene, token: str, region: str) -> int:
    """How many of a region share its traffic; of queues, those that work."""
    return scene.once(
        ("sharing", token, region),
        lambda: sum(token != QUEUE or _works(one, scene) for one in scene.in_region(region, token)),
    )


def topic(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Messages published: jobs where it fans out to queues, mail's bounces, or alarms."""
    if not _published(resource, scene):
        yield Free(why="alarms publish a few messages a day, and the first million of a month are free")
        return
    yield Charge(
        component="requests",
        key="sns/requests",
        quantity=_published(resource, scene),
        of=scene.once("sns", lambda: sum(_published(one, scene) for one in scene.all(TOPIC))),
    )


def _published(resource: PlannedResource, scene: Scene) -> Decimal:
    subscribers = _subscribers(scene).get(resource.urn, ())
    queues = [one for one in subscribers if one.inputs.get("protocol") == "sqs"]
    if not queues:
        return Decimal(0)
    region = scene.region(resource)
    # Which queue a job goes to is told by a filter; bounces have one queue and need none.
    if any(one.inputs.get("filterPolicy") for one in queues):
        return scene.usage.jobs * scene.usage.share(region)
    return scene.usage.emails * BOUNCED_SHARE * scene.usage.share(region)


def _subscribers(scene: Scene) -> Mapping[str, Sequence[PlannedResource]]:
    def found() -> Mapping[str, Sequence[PlannedResource]]:
        by_topic: dict[str, list[PlannedResource]] = {}
        for one in scene.all(SUBSCRIPTION):
            for source in scene.behind(one, "topic"):
                by_topic.setdefault(source.urn, []).append(one)
        return by_topic

    return scene.once("subscribers", found)


def subscription(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Deliveries, by where they go."""
    del scene
    protocol = str(resource.inputs.get("protocol"))
    why = _DELIVERIES.get(protocol)
    yield Free(why=why) if why else NeedsUsage(component="deliveries", what=f"how many messages go by {protocol}")


def stream(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """A stream on demand: by the hour, by bytes in, out and kept."""
    mode = (resource.inputs.get("streamModeDetails") or {}).get("streamMode", "PROVISIONED")
    if mode != "ON_DEMAND":
        yield Unpriced(component="stream", why=f"only streams on demand have prices here, not {mode}")
        return
    region = scene.region(resource)
    gib = _events(scene, region, STREAM) * _rounded(scene, STREAM_ROUNDING_KIB) / KIB_PER_GIB
    yield Charge(component="stream", key="kinesis/on-demand/hours", quantity=HOURS)
    yield Charge(component="data in", key="kinesis/on-demand/in", quantity=gib)
    readers = [one for one in scene.in_region(region, DELIVERY) if resource in _sources(one, scene)]
    yield Charge(component="data out", key="kinesis/on-demand/out", quantity=gib * len(readers))
    hours = int(resource.inputs.get("retentionPeriod", RETENTION_HOURS))
    if hours > LONGEST_RETENTION_HOURS:
        yield Unpriced(component="retention", why=f"{hours} hours are more than the week that has a price here")
    elif hours > RETENTION_HOURS:
        kept = gib * (hours - RETENTION_HOURS) / HOURS
        yield Charge(component="retention", key="kinesis/on-demand/extended-retention", quantity=kept)


def delivery(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Bytes that Firehose takes from a stream, and makes columns of."""
    if not _sources(resource, scene):
        yield NeedsUsage(component="ingestion", what="what is put into a delivery stream that reads no stream of ours")
        return
    settings = resource.inputs.get("extendedS3Configuration") or {}
    region = scene.region(resource)
    gib = _events(scene, region, DELIVERY) * _rounded(scene, DELIVERY_ROUNDING_KIB) / KIB_PER_GIB
    note = f"each event counts as {DELIVERY_ROUNDING_KIB} KiB"
    yield Charge(component="ingestion", key="firehose/ingested", quantity=gib, note=note)
    conversion = settings.get("dataFormatConversionConfiguration")
    if conversion and conversion.get("enabled", True):
        yield Charge(component="conversion", key="firehose/format-conversion", quantity=gib, note=note)
    if (settings.get("dynamicPartitioningConfiguration") or {}).get("enabled"):
        yield Unpriced(component="partitioning", why="dynamic partitioning has no price here")


def _sources(resource: PlannedResource, scene: Scene) -> Sequence[PlannedResource]:
    return [one for one in scene.behind(resource, "kinesisSourceConfiguration") if one.type == STREAM]


def _events(scene: Scene, region: str, token: str) -> Decimal:
    return scene.usage.events * scene.usage.share(region) / _count(scene, token, region)


def _rounded(scene: Scene, step_kib: int) -> Decimal:
    return (scene.usage.profile.event_kib / step_kib).to_integral_value(ROUND_CEILING) * step_kib


def workgroup(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Bytes that queries scan."""
    gib = scene.usage.profile.searches_scanned_gib * scene.usage.share(scene.region(resource))
    yield Charge(component="queries", key="athena/scanned", quantity=gib / GIB_PER_TIB)


def identity(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Mails sent from a domain."""
    yield Charge(component="messages", key="ses/messages", quantity=_mails(resource, scene))


def dedicated_pool(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Addresses that nobody else sends from, where SES manages them: a fee, and one more price for each mail."""
    if resource.inputs.get("scalingMode") != "MANAGED":
        yield Unpriced(component="addresses", why="only managed pools have prices here")
        return
    yield Charge(component="pool", key="ses/dedicated-pool/managed", quantity=1)
    yield Charge(component="messages", key="ses/dedicated-pool/messages", quantity=_mails(resource, scene))


def _mails(resource: PlannedResource, scene: Scene) -> Decimal:
    region = scene.region(resource)
    return scene.usage.emails * scene.usage.share(region) / _count(scene, resource.type, region)


ESTIMATORS: Final[Mapping[str, Estimator]] = {
    QUEUE: queue,
    TOPIC: topic,
    SUBSCRIPTION: subscription,
    STREAM: stream,
    DELIVERY: delivery,
    "aws:athena/workgroup:Workgroup": workgroup,
    IDENTITY: identity,
    "aws:sesv2/dedicatedIpPool:DedicatedIpPool": dedicated_pool,
}
_CATALOG: Final = "a million objects and a million requests of the Data Catalog are free each month"
FREE: Final[Mapping[str, str]] = {
    "aws:sqs/queuePolicy:QueuePolicy": "part of its queue",
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": "part of its queue",
    "aws:sns/topicPolicy:TopicPolicy": "part of its topic",
    "aws:glue/catalogDatabase:CatalogDatabase": _CATALOG,
    "aws:glue/catalogTable:CatalogTable": _CATALOG,
    "aws:sesv2/configurationSet:ConfigurationSet": "mails are charged, on the identity that they are sent from",
    "aws:sesv2/configurationSetEventDestination:ConfigurationSetEventDestination": (
        "SES publishes events for nothing; the topic's requests are on the topic"
    ),
}
