"""How much a stack is used in a month: a few assumptions per user, and the chain from users to requests to bytes.

Every assumption can be overridden in the stack file (`headroom:usage`). They are assumptions: nobody measured this
product. `low` and `high` bracket them.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field
from pydantic.alias_generators import to_camel

from stacks.model import Model
from stacks.phase import Phase, PhaseName

DAYS: Final = Decimal("30.4167")
"""Days of a month: 365 / 12, as in 730 hours."""
SECONDS: Final = Decimal(2_628_000)
"""Seconds of 730 hours."""
KIB_PER_GIB: Final = Decimal(1_048_576)
MIB_PER_GIB: Final = Decimal(1_024)

Share = Annotated[Decimal, Field(ge=0, le=1)]
Amount = Annotated[Decimal, Field(ge=0, le=1_000_000_000)]
"""Bounded, so that no product of a few passes what decimals hold."""


class Level(StrEnum):
    """How busy the month is."""

    LOW = "low"
    EXPECTED = "expected"
    HIGH = "high"


class Profile(Model):
    """What one user does, on average."""

    daily_share: Share = Decimal("0.30")
    """Of the monthly users, how many come on an average day. Baseline of the product before growth: 0.2."""
    requests_per_daily_user: Amount = Decimal(40)
    """API requests of one user on a day when they come."""
    peak_factor: Annotated[Decimal, Field(ge=1, le=1_000)] = Decimal(5)
    """Busiest minute against the month's average."""
    response_kib: Amount = Decimal(6)
    """Mean API response, compressed."""
    request_kib: Amount = Decimal(1)
    """Mean API request."""
    asset_mib_per_daily_user: Amount = Decimal("0.5")
    """Pages, scripts and pictures from the CDN, on a day when a user comes; browsers cache the rest."""
    asset_requests_per_daily_user: Amount = Decimal(15)
    """Requests for them."""
    asset_cache_hit_share: Share = Decimal("0.95")
    """Answered by the CDN without asking the origin."""
    uploads_per_user: Amount = Decimal("0.5")
    """Files that a monthly user uploads."""
    upload_mib: Amount = Decimal(1)
    """Mean size of one."""
    stored_gib: Amount
    """Uploads kept, in each copy."""
    reads_per_upload: Amount = Decimal(2)
    """How often a file uploaded in the month is fetched in it, straight from its bucket: bytes to the internet."""
    assets_gib: Amount = Decimal(5)
    """Public files kept, in each region that has them, and replaced once a month by releases."""
    fill_share: Share = Decimal("0.5")
    """Of the storage of databases and the memory of caches, how much holds data: what snapshots and exports carry."""
    emails_per_user: Amount = Decimal(3)
    """Mails sent to a monthly user."""
    jobs_per_request: Amount = Decimal("0.05")
    """Messages queued by an API request."""
    events_per_request: Amount = Decimal("0.5")
    """Analytics events of an API request, where there is an event stream."""
    event_kib: Amount = Decimal(1)
    """Mean event."""
    log_kib_per_request: Amount = Decimal("0.5")
    """Lines that the application writes for one request, at the level of production."""
    firewall_log_kib_per_request: Amount = Decimal("1.5")
    """The firewall's line about one request, of the API or of the CDN, with its headers; a third of it is free."""
    firewall_hit_share: Share = Decimal("0.02")
    """Requests that a rule of the firewall blocks or counts; where its log has a filter, only these are in it."""
    control_plane_log_gib_per_node: Amount = Decimal(8)
    """Log of EKS' control plane, mostly its audit: it grows with what talks to the API. Others measured 37 GB a month
    for 5 nodes, 102 GB for a small cluster and some 230 GB for 8 nodes (2026); all ran more controllers than this."""
    flow_log_gib_per_node: Amount = Decimal(2)
    """Flow and DNS logs of a node, all flows: GuardDuty reads them. Measured elsewhere: 7.7 GB for a small cluster."""
    cross_zone_share: Share = Decimal("0.67")
    """Of the bytes between pods, databases and caches, how many cross a zone: two of three."""
    database_kib_per_request: Amount = Decimal(8)
    """Bytes between the application and its databases."""
    cache_kib_per_request: Amount = Decimal(4)
    """Bytes between the application and its caches."""
    write_kib_per_request: Amount = Decimal(1)
    """Write-ahead log that an API request makes: what replicas are sent."""
    egress_kib_per_request: Amount = Decimal("0.5")
    """Bytes to other vendors' APIs, through the NAT gateways."""
    burst_share: Share = Decimal(0)
    """Of the time of burstable databases, how much runs above the baseline: charged per vCPU."""
    metric_series_per_pod: Amount = Decimal(200)
    """Time series of a pod, where Prometheus scrapes."""
    custom_metrics: Amount
    """CloudWatch metrics of the application's own."""
    image_pushes: Amount = Decimal(20)
    """Images pushed in a month; each is kept at some 200 MiB."""
    searches_scanned_gib: Amount = Decimal(50)
    """Bytes that Athena scans, where there is a lake."""
    partner_requests: Amount = Decimal(0)
    """Requests of integrators through the API gateway."""
    email_kib: Amount = Decimal(30)
    """Mean mail: its bytes reach SES through the NAT gateways."""
    anonymous_request_share: Share = Decimal("0.1")
    """Of the API requests, how many are for `anonymousApiPaths`, where Cloudflare Workers run on them."""
    sentry: Annotated[str, Field(pattern="^(none|team|business)$")] = "team"
    """Plan of the error tracker, billed yearly."""
    pagerduty_users: Annotated[int, Field(ge=0, le=10_000)]
    """People on call."""


_BY_PHASE: Final[dict[PhaseName, dict[str, Any]]] = {
    PhaseName.P10K: {"stored_gib": 10, "custom_metrics": 20, "pagerduty_users": 2},
    PhaseName.P50K: {"stored_gib": 100, "custom_metrics": 50, "pagerduty_users": 3},
    PhaseName.P250K: {
        "stored_gib": 500,
        "custom_metrics": 100,
        "pagerduty_users": 5,
        "partner_requests": 1_000_000,
        "sentry": "business",
    },
    PhaseName.P1M: {
        "stored_gib": 2_000,
        "custom_metrics": 200,
        "pagerduty_users": 8,
        "partner_requests": 5_000_000,
        "sentry": "business",
    },
}
_BY_LEVEL: Final[dict[Level, dict[str, Decimal]]] = {
    # Factors on the expected profile.
    Level.LOW: {
        "daily_share": Decimal("0.67"),
        "requests_per_daily_user": Decimal("0.5"),
        "stored_gib": Decimal("0.5"),
    },
    Level.EXPECTED: {},
    Level.HIGH: {
        "daily_share": Decimal("1.5"),
        "requests_per_daily_user": Decimal(2),
        "stored_gib": Decimal(2),
        "log_kib_per_request": Decimal(2),
    },
}


class Usage:
    """A month of a phase at one level: what estimators ask for, each figure from the users down.

    Bytes are in GiB, which AWS calls GB; counts are of a month of 730 hours, over all regions.
    """

    def __init__(self, phase: Phase, level: Level = Level.EXPECTED, overrides: Mapping[str, Any] | None = None) -> None:
        """Take the phase's profile, what the stack file overrides of it (camelCase), and the level's factors.

        Raises:
            pydantic.ValidationError: an override is none.
        """
        camel = {to_camel(name): value for name, value in _BY_PHASE[phase.name].items()}
        profile = Profile.model_validate({**camel, **(overrides or {})})
        factors = {name: getattr(profile, name) * factor for name, factor in _BY_LEVEL[level].items()}
        factors["daily_share"] = min(factors.get("daily_share", profile.daily_share), Decimal(1))
        self.profile: Final = profile.model_copy(update=factors)
        self.level: Final = level
        self.phase: Final = phase

    @property
    def users(self) -> Decimal:
        """Monthly users."""
        return Decimal(self.phase.targets.monthly_users)

    @property
    def daily_users(self) -> Decimal:
        """Users of an average day."""
        return self.users * self.profile.daily_share

    @property
    def visits(self) -> Decimal:
        """Days on which a user came, summed over the users of a month."""
        return self.daily_users * DAYS

    @property
    def requests(self) -> Decimal:
        """API requests."""
        return self.visits * self.profile.requests_per_daily_user

    @property
    def peak_requests_per_second(self) -> Decimal:
        """API requests of the busiest second."""
        return self.requests / SECONDS * self.profile.peak_factor

    @property
    def asset_requests(self) -> Decimal:
        """Requests to the CDN that are not for the API."""
        return self.visits * self.profile.asset_requests_per_daily_user

    @property
    def asset_gib(self) -> Decimal:
        """Bytes of them."""
        return self.visits * self.profile.asset_mib_per_daily_user / MIB_PER_GIB

    @property
    def response_gib(self) -> Decimal:
        """Bytes of API responses."""
        return self.per_request_gib(self.profile.response_kib)

    @property
    def upload_gib(self) -> Decimal:
        """Bytes uploaded."""
        return self.users * self.profile.uploads_per_user * self.profile.upload_mib / MIB_PER_GIB

    @property
    def jobs(self) -> Decimal:
        """Messages queued."""
        return self.requests * self.profile.jobs_per_request

    @property
    def emails(self) -> Decimal:
        """Mails sent."""
        return self.users * self.profile.emails_per_user

    @property
    def events(self) -> Decimal:
        """Analytics events, where there is a stream."""
        return self.requests * self.profile.events_per_request

    @property
    def event_gib(self) -> Decimal:
        """Bytes of them."""
        return self.events * self.profile.event_kib / KIB_PER_GIB

    def per_request_gib(self, kib: Decimal) -> Decimal:
        """So many KiB for each API request."""
        return self.requests * kib / KIB_PER_GIB

    def share(self, region: str) -> Decimal:
        """Part of the traffic that a region serves: the full regions share it evenly, read regions serve none.

        Source: none; Route 53 answers by latency, so the true shares follow where the users are.
        """
        full = self.phase.regions
        return Decimal(1) / len(full) if region in full else Decimal(0)
