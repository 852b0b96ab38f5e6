"""Keys of a stack file: each with the field it fills, what it takes, and what it is for."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field
from pydantic.alias_generators import to_camel

from infra.cidr import DEFAULT_NETWORK
from infra.settings_fields import (
    AccessCidr,
    ApiPath,
    CloudflareId,
    Domain,
    EcrImage,
    Email,
    ExemptionText,
    Image,
    Key,
    ModelUrl,
    NetworkCidr,
    Origin,
    Percentage,
    RegionName,
    RoleArn,
    Slots,
    TagValue,
    Zone,
)
from stacks.model import Model
from stacks.phase import PhaseName, Sizing

SECRETS = ("sentryDsn", "pagerdutyUrl")
"""Keys whose values only the components read, as secrets of Pulumi; here they are known by name."""
REGION_KEY = "aws:region"


class Environment(StrEnum):
    """What an environment is for: how much it is protected follows from it."""

    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"


class Keys(Model):
    """What a stack's configuration holds; the keys are `headroom:` and the field in camelCase."""

    stack: str
    """Name of the stack; not a key."""
    secret_keys: tuple[str, ...] = ()
    """Those of `SECRETS` that are configured; not a key."""
    phase: Annotated[PhaseName, Key("one of 10k, 50k, 250k, 1m", "10k")]
    """Phase of the product; everything else has its size from it."""
    sizing: Annotated[Sizing, Key("one of efficient, blueprint", "efficient")] = Sizing.EFFICIENT
    """`efficient` fits the phase's budget band; `blueprint` is the roadmap's own hardware, for comparison."""
    environment: Annotated[Environment, Key("one of production, staging, development", "production")]
    """Production keeps its data even when the program forgets it; development protects nothing: destroy works."""
    domain: Annotated[Domain, Key("a host name such as example.com", "example.com")]
    """Domain of the product, whose zone is at Cloudflare."""
    owner: Annotated[TagValue, Key("the name of a team or person", "platform")]
    """Team that answers for the stack: tag Owner of every resource."""
    cost_center: Annotated[TagValue, Key("the name of a cost center", "product")]
    """Who pays: tag CostCenter of every resource, which the cost anomaly monitor follows."""
    alert_emails: Annotated[
        tuple[Email, ...],
        Field(min_length=1, max_length=10),
        Key("a list of 1 to 10 e-mail addresses (AWS Budgets takes 10 a notification)", "oncall@example.com"),
    ]
    """Who hears of alarms and budgets."""
    cloudflare_zone_id: Annotated[CloudflareId, Key("the id of the domain's zone", "0123456789abcdef0123456789abcdef")]
    """Zone of the domain at Cloudflare."""
    cloudflare_account_id: Annotated[
        CloudflareId | None, Key("the id of the Cloudflare account", "0123456789abcdef0123456789abcdef")
    ] = None
    """Account at Cloudflare; only edge workers need it."""
    image: Annotated[Image | None, Key("an image by digest", f"registry.example.com/product@sha256:{'0' * 64}")] = None
    """The product's container image, for arm64, by digest. Without one a public image that answers the probes runs."""
    green_image: Annotated[
        Image | None, Key("an image by digest", f"registry.example.com/product@sha256:{'1' * 64}")
    ] = None
    """From 250k: image of the API's second set of pods, green; `image` unless set."""
    green_share: Annotated[Percentage, Key("a percentage, 0 to 100", "10")] = 0
    """From 250k: share of the API's requests that green answers."""
    slots: Annotated[
        tuple[Slots, ...], Field(max_length=256), Key("a list of at most 256 moved slots", "128-255=1")
    ] = ()
    """Which of the 256 slots of users are on another logical shard than 0; docs/shards.md is how to move one."""
    model_image: Annotated[
        EcrImage | None, Key("an image in ECR", "123456789012.dkr.ecr.us-east-1.amazonaws.com/model:1")
    ] = None
    """Container that serves the model, where `machine` is enabled."""
    model_data_url: Annotated[
        ModelUrl | None, Key("the address of a model's archive in S3", "s3://product-models/model.tar.gz")
    ] = None
    """The model itself, where `machine` is enabled."""
    regions: Annotated[tuple[RegionName, ...], Key("a list of regions, home first", "us-east-1")] = ()
    """Full regions, home first, as many as the phase has; the phase's own unless set. Home and order are for ever."""
    operator_role_arns: Annotated[
        tuple[RoleArn, ...], Key("a list of ARNs of IAM roles", "arn:aws:iam::123456789012:role/admin")
    ] = ()
    """IAM roles that administer the clusters, besides the one that deploys."""
    cluster_access_cidrs: Annotated[
        tuple[AccessCidr, ...],
        Field(max_length=40),
        Key("a list of at most 40 IPv4 networks (EKS takes no more)", "203.0.113.7/32"),
    ] = ()
    """Networks that reach the clusters' API over the internet; without any it is reached from inside the VPC only."""
    network_cidr: Annotated[NetworkCidr, Key("a private /14", DEFAULT_NETWORK)] = DEFAULT_NETWORK
    """Address space of all regions, a /16 each. No VPC can change it later."""
    availability_zones: Annotated[tuple[Zone, ...], Key("a list of zones, three of a region", "us-east-1a")] = ()
    """Three zones for each region named here, where a, b and c will not do: in us-east-1 EKS refuses one of the zones,
    and which letter it has differs by account."""
    anonymous_api_paths: Annotated[
        tuple[ApiPath, ...],
        Field(max_length=8),
        Key("a list of at most 8 paths (each is one of 25 behaviors of the distribution)", "/api/v1/posts/*"),
    ] = ()
    """Paths whose GET answers are the same for everybody, so that CloudFront may keep them; no other is cached."""
    allowed_origins: Annotated[tuple[Origin, ...], Key("a list of origins", "https://app.example.com")] = ()
    """Origins that may call the API from a browser and upload, besides the domain's own."""
    overrides: Annotated[
        dict[str, Any], Field(default_factory=dict), Key("a group of settings such as database", "database")
    ]
    """Settings of the phase to change for this stack."""
    usage: Annotated[
        dict[str, Any], Field(default_factory=dict), Key("a group of assumptions such as dailyShare", "dailyShare")
    ]
    """What users do, where the assumptions of the cost estimate do not fit this product. Nothing is built from it."""
    exempted: Annotated[
        tuple[ExemptionText, ...],
        Field(max_length=50),
        Key(
            "a list of at most 50 exemptions: rule, resource, last day, reason",
            "rds-multi-az us-east-1-db-0-* 2027-03-31 the standby comes with the next budget",
        ),
    ] = ()
    """Resources that a rule of the policy pack does not bind, until a day: `RULE RESOURCE LAST-DAY REASON`."""


KEYS = {to_camel(name): name for name in Keys.model_fields if name not in ("stack", "secret_keys")}
"""Keys of a stack file, without namespace, and the fields they fill."""
LISTS = tuple(key for key, name in KEYS.items() if "tuple" in str(Keys.model_fields[name].annotation))
"""Keys that hold a list."""
GROUPS = ("overrides", "usage")
"""Keys that hold a group."""


def key_info(key: str) -> Key:
    """Shape and example of a key."""
    return next(part for part in Keys.model_fields[KEYS[key]].metadata if isinstance(part, Key))
