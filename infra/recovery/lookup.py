"""What is really there: the one part of recovery that differs between the local cloud and an AWS account."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import boto3
import grpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from infra.local.cloud import Cloud
from infra.local.ledger import TOKEN
from infra.local.values import decode_struct, encode_struct
from infra.recovery import aws, cloudflare
from infra.recovery.names import id_of_name

Values = dict[str, Any]
LEDGER_BYTES: Final = 400 * 1024 * 1024
URN_TAG: Final = "Urn"
NOTHING: Final = "no URN begins so"


@dataclass(frozen=True, slots=True)
class Found:
    """An object in the cloud.

    Attributes:
        urn: the resource that it was made for.
        type: that resource's type.
        id: as the state would have it.
        place: region or cluster.
        properties: its outputs as far as they are known without asking the provider.
        by: how it was found: its tag, or the ledger, which AWS has nothing like.
    """

    urn: str
    type: str
    id: str
    place: str = ""
    properties: Values = field(default_factory=dict)
    by: str = "tag"

    @property
    def key(self) -> tuple[str, str, str]:
        """What the state knows it by."""
        return self.type, self.id, self.place


class Lookup(Protocol):
    """Answers what exists."""

    @property
    def is_complete(self) -> bool:
        """Whether what it does not find does not exist."""

    def objects(self, project: str, stack: str) -> list[Found]:
        """Everything of the stack that exists and can be found."""

    def id_of(self, type_: str, inputs: Mapping[str, Any]) -> str:
        """The id that an object with these inputs has if it exists and `objects` missed it; empty if nobody can say."""


class LocalLookup:
    """Asks the local cloud's providers what they made, and whether it is still there."""

    is_complete = True

    def __init__(self, cloud: Cloud) -> None:
        """Remember where the providers listen."""
        self._cloud = cloud

    def objects(self, project: str, stack: str) -> list[Found]:
        """See `Lookup`; this one misses nothing."""
        prefix = f"urn:pulumi:{stack}::{project}::"
        return [found for port in self._cloud.ports.values() for found in _made(port, prefix)]

    def id_of(self, type_: str, inputs: Mapping[str, Any]) -> str:  # noqa: ARG002 - it misses nothing
        """See `Lookup`."""
        return ""

    def changes(self) -> int:
        """How many creations and updates the cloud has seen."""
        return sum(int(_ask(port, NOTHING)["changes"]) for port in self._cloud.ports.values())


def _ask(port: int, prefix: str) -> Values:
    options = [("grpc.max_receive_message_length", LEDGER_BYTES)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        stub: Any = provider_pb2_grpc.ResourceProviderStub(channel)
        answer = stub.Invoke(provider_pb2.InvokeRequest(tok=TOKEN, args=encode_struct({"prefix": prefix})))
    return decode_struct(getattr(answer, "return"))


def _made(port: int, prefix: str) -> Iterator[Found]:
    for one in _ask(port, prefix)["made"]:
        properties = one["properties"]
        tagged = URN_TAG in (properties.get("tags") or {})
        yield Found(one["urn"], one["type"], one["id"], one["place"], properties, "tag" if tagged else "ledger")


class AwsLookup:
    """Asks AWS's Resource Groups Tagging API for the Urn tag. Never run against a real account.

    What it cannot find: types that take no tags, roles (the API does not list them; a role's name is fixed, so a
    second creation fails and says so), Cloudflare, Kubernetes. Of these, what was under way is asked for by its name,
    and `PARTS` always.
    https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html
    """

    is_complete = False

    def __init__(self, regions: Sequence[str], client: aws.Client = boto3.client) -> None:
        """Look in `regions`; tests bring their own `client` of a service and a region."""
        self._regions, self._client = regions, client

    def objects(self, project: str, stack: str) -> list[Found]:
        """See `Lookup`."""
        prefix = f"urn:pulumi:{stack}::{project}::"
        return [
            found
            for region in self._regions
            for page in self._client("resourcegroupstaggingapi", region)
            .get_paginator("get_resources")
            .paginate(TagFilters=[{"Key": URN_TAG}])
            for one in page["ResourceTagMappingList"]
            if (found := _tagged(one, region, prefix)) is not None
        ]

    def id_of(self, type_: str, inputs: Mapping[str, Any]) -> str:
        """See `Lookup`: by what the id is made of, or by asking whoever knows."""
        return id_of_name(type_, inputs) or aws.ask(type_, inputs, self._client) or cloudflare.ask(type_, inputs)


def _tagged(one: Mapping[str, Any], region: str, prefix: str) -> Found | None:
    urn = next(tag["Value"] for tag in one["Tags"] if tag["Key"] == URN_TAG).replace("+", "$")
    if not urn.startswith(prefix):
        return None  # Another stack's, which has the same tag.
    type_ = urn.split("::")[2].rpartition("$")[2]
    arn = str(one["ResourceARN"])
    return Found(urn, type_, id_of_arn(type_, arn), region, {"region": region, "arn": arn})


def _queue_url(arn: str) -> str:
    _, _, _, region, account, name = arn.split(":", 5)
    return f"https://sqs.{region}.amazonaws.com/{account}/{name}"


def _whole(arn: str) -> str:
    return arn


def _after_colon(arn: str) -> str:
    return arn.rpartition(":")[2]


def _after_last_slash(arn: str) -> str:
    return arn.rpartition("/")[2]


def _after_first_slash(arn: str) -> str:
    return arn.partition("/")[2]


def _log_group(arn: str) -> str:
    return arn.split(":log-group:", 1)[1].removesuffix(":*")


IDS: Final[Sequence[tuple[str, Callable[[str], str]]]] = (
    ("aws:acm/", _whole),
    ("aws:cloudwatch/event", _after_last_slash),
    ("aws:cloudwatch/logGroup", _log_group),
    ("aws:cloudwatch/", _after_colon),
    ("aws:costexplorer/", _whole),
    ("aws:elasticache/", _after_colon),
    ("aws:lambda/", _after_colon),
    ("aws:lb/", _whole),
    ("aws:rds/", _after_colon),
    ("aws:s3/", _after_colon),
    ("aws:secretsmanager/", _whole),
    ("aws:sns/", _whole),
    ("aws:sqs/", _queue_url),
    ("aws:wafv2/", _after_last_slash),
    ("aws:", _after_first_slash),
)
"""How a type's id is made of its ARN; the first that fits. Read from the import sections of pulumi-aws's pages.

An RDS instance is read by its identifier as well as by its resource id, which the ARN does not hold.
"""


def id_of_arn(type_: str, arn: str) -> str:
    """The Pulumi id of an object of which AWS tells the ARN."""
    return next(rule for prefix, rule in IDS if type_.startswith(prefix))(arn)
