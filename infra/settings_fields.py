"""Kinds of text that a stack file may hold: each with its pattern, what it says when refused, and an example."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from infra.cidr import NETWORK_PREFIX, REGIONS
from policies import exemptions
from stacks import shards

ZONE_LETTERS = dict(zip(REGIONS, ("abcdef", "abcd", "abc", "abc"), strict=True))
"""Zones of each region. In us-east-1 the letters stand for other zones in every account, and EKS refuses one of them
(`use1-az3`): https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html."""
EKS_SERVICE_NETWORKS = (ip_network("10.100.0.0/16"), ip_network("172.20.0.0/16"))
"""EKS takes addresses of Kubernetes services from one of these."""
_NOT_ON_THE_INTERNET = tuple(
    IPv4Network(network)
    for network in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
)
_PRIVATE = tuple(IPv4Network(network) for network in ("10.0.0.0/8", "172.16.0.0/12"))
_WIDEST_ACCESS = 8
_LONGEST_DOMAIN = 57  # ACM takes 64 characters as a certificate's first name, and that is `origin.` + the domain
_OWN_HOSTS = ("api", "cdn", "origin", "www")


@dataclass(frozen=True, slots=True)
class Text:
    """Text of one kind, as a pydantic annotation.

    Attributes:
        pattern: what it must match, in full.
        allowed: completes the sentence "must be ...".
        example: a right value, for the command that mends a wrong one.
        check: gives the reason why a matching text is refused all the same, or None.
        choices: all right values, where an editor can list them.
    """

    pattern: str
    allowed: str
    example: str
    check: Callable[[str], str | None] = lambda _: None
    choices: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate after the type itself."""
        return core_schema.no_info_after_validator_function(self._validate, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Show the choices, or the pattern, to an editor."""
        return {**handler(schema), **({"enum": list(self.choices)} if self.choices else {"pattern": self.pattern})}

    def _validate(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value, re.ASCII):
            msg = f"must be {self.allowed}"
            raise ValueError(msg)
        if reason := self.check(value):
            raise ValueError(reason)
        return value


@dataclass(frozen=True, slots=True)
class Key:
    """What a key's message says when its value has the wrong shape altogether; as a pydantic annotation."""

    allowed: str
    example: str


def _check_domain(value: str) -> str | None:
    first, _, rest = value.partition(".")
    if len(value) > _LONGEST_DOMAIN:
        return f"must be {_LONGEST_DOMAIN} characters or less: a certificate's name is 64, and origin. is put before it"
    if first in _OWN_HOSTS and "." in rest:
        return f"must be the domain itself, without {first}.: www, api, cdn and origin are put before it"
    return None


def _network(value: str) -> IPv4Network | str:
    """The network, or why it is none."""
    try:
        return IPv4Network(value)
    except ValueError as error:
        loose = _loose(value)
        return f"has bits set behind its prefix; the network is {loose}" if loose else f"is no IPv4 network: {error}"


def _loose(value: str) -> IPv4Network | None:
    try:
        return IPv4Network(value, strict=False)
    except ValueError:
        return None


def _check_network_cidr(value: str) -> str | None:
    network = _network(value)
    if isinstance(network, str):
        return network
    if network.prefixlen != NETWORK_PREFIX:
        return f"must be a /{NETWORK_PREFIX}: a /16 for each of the {len(REGIONS)} regions, now or later"
    if not any(network.subnet_of(private) for private in _PRIVATE):
        return f"must be private: inside {' or '.join(map(str, _PRIVATE))}"
    if taken := [service for service in EKS_SERVICE_NETWORKS if network.overlaps(service)]:
        return f"must not overlap {taken[0]}, where EKS may put the addresses of Kubernetes services"
    return None


def _check_access_cidr(value: str) -> str | None:
    network = _network(value)
    if isinstance(network, str):
        return network
    if network.prefixlen < _WIDEST_ACCESS:
        return (
            f"is open to the world: name the networks that people and pipelines come from, /{_WIDEST_ACCESS} or smaller"
        )
    if inside := [private for private in _NOT_ON_THE_INTERNET if network.overlaps(private)]:
        return f"overlaps {inside[0]}, which never arrives at a public endpoint; the VPC itself needs no entry"
    return None


def _check_zone(value: str) -> str | None:
    region, letter = value[:-1], value[-1]
    if region not in ZONE_LETTERS:
        return f"must be in one of {', '.join(REGIONS)}"
    if letter not in ZONE_LETTERS[region]:
        return f"does not exist: {region} has the zones {', '.join(ZONE_LETTERS[region])}"
    return None


def _check_region(value: str) -> str | None:
    return None if value in REGIONS else f"must be one of {', '.join(REGIONS)}"


def _check_exemption(value: str) -> str | None:
    try:
        exemptions.parse(value)
    except ValueError as error:
        return str(error)
    return None


def _check_slots(value: str) -> str | None:
    try:
        shards.parse(value)
    except ValueError as error:
        return str(error)
    return None


_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_OCTET = r"[0-9]{1,3}"
_CIDR = rf"^{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}/[0-9]{{1,2}}$"

Domain = Annotated[
    str,
    Text(
        rf"^({_LABEL}\.)+([a-z]{{2,63}}|xn--[a-z0-9-]{{1,59}})$",
        "a registered host name in lower case, without scheme, port or path, such as example.com",
        "example.com",
        _check_domain,
    ),
]
TagValue = Annotated[
    str,
    Text(
        r"^[A-Za-z0-9+=.:/@_-]([A-Za-z0-9 +=.:/@_-]{0,126}[A-Za-z0-9+=.:/@_-])?$",
        "1 to 128 characters of an AWS tag value: letters, digits, spaces and + - = . _ : / @",
        "platform",
    ),
]
Email = Annotated[
    str,
    Text(
        r"^[A-Za-z0-9._%+-]{1,64}@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$",
        "an e-mail address such as oncall@example.com",
        "oncall@example.com",
    ),
]
CloudflareId = Annotated[
    str,
    Text(
        r"^[0-9a-f]{32}$",
        "32 hexadecimal digits in lower case, from the overview page of the zone at Cloudflare",
        "0123456789abcdef0123456789abcdef",
    ),
]
Image = Annotated[
    str,
    Text(
        r"^[a-z0-9]+([._-]+[a-z0-9]+)*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?"
        r"@sha256:[0-9a-f]{64}$",
        "an image by digest, REPOSITORY@sha256:64 hexadecimal digits: a tag may mean another image tomorrow",
        f"registry.example.com/product@sha256:{'0' * 64}",
    ),
]
EcrImage = Annotated[
    str,
    Text(
        r"^[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/[a-z0-9._/-]+(:[A-Za-z0-9_.-]+|@sha256:[0-9a-f]{64})$",
        "an image in ECR, which is where SageMaker takes them from",
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/model:1",
    ),
]
ModelUrl = Annotated[
    str,
    Text(
        r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/\S+$",
        "the address of a model's archive in S3",
        "s3://product-models/model.tar.gz",
    ),
]
RoleArn = Annotated[
    str,
    Text(
        r"^arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,512}$",
        "the ARN of an IAM role (no user, no assumed session) such as arn:aws:iam::123456789012:role/admin",
        "arn:aws:iam::123456789012:role/admin",
    ),
]
NetworkCidr = Annotated[
    str, Text(_CIDR, "an IPv4 network in CIDR notation such as 10.64.0.0/14", "10.64.0.0/14", _check_network_cidr)
]
AccessCidr = Annotated[
    str, Text(_CIDR, "an IPv4 network in CIDR notation such as 203.0.113.7/32", "203.0.113.7/32", _check_access_cidr)
]
Zone = Annotated[
    str,
    Text(
        r"^[a-z]{2}-[a-z]+-[0-9][a-z]$",
        "a zone with its region, such as us-east-1a",
        "us-east-1a",
        _check_zone,
        tuple(f"{region}{letter}" for region, letters in ZONE_LETTERS.items() for letter in letters),
    ),
]
RegionName = Annotated[
    str, Text(r"^[a-z]{2}-[a-z]+-[0-9]$", f"one of {', '.join(REGIONS)}", REGIONS[0], _check_region, REGIONS)
]
ApiPath = Annotated[
    str,
    Text(
        r"^/api/[A-Za-z0-9_.~*/-]{1,250}$",
        "a path below /api/, * for any text, such as /api/v1/posts/*",
        "/api/v1/posts/*",
    ),
]
Origin = Annotated[
    str,
    Text(
        rf"^https?://({_LABEL}\.)*{_LABEL}(:[0-9]{{1,5}})?$",
        "an origin: scheme and host in lower case, no path and no slash at the end, such as https://app.example.com",
        "https://app.example.com",
    ),
]
_SLOT = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
Slots = Annotated[
    str,
    Text(
        rf"^{_SLOT}(-{_SLOT})?={_SLOT}(>{_SLOT}:frozen)?$",
        "slots=shard, such as 128-255=1, slots from 0 to 255; while they move 128-255=0>1:frozen",
        "128-255=1",
        _check_slots,
    ),
]
ExemptionText = Annotated[
    str,
    Text(
        exemptions.PATTERN,
        "a rule, a resource, a last day and a reason, such as rds-multi-az db-0-* 2027-03-31 the budget comes in April",
        "rds-multi-az us-east-1-db-0-* 2027-03-31 the standby comes with the next budget",
        _check_exemption,
    ),
]
Percentage = Annotated[
    int,
    Field(ge=0, le=100),
    # `pulumi config set` stores text, a person writes a number.
    WithJsonSchema(
        {"type": ["integer", "string"], "minimum": 0, "maximum": 100, "pattern": "^(100|[1-9]?[0-9])$"},
    ),
]
