"""The Phase model: everything that differs between 10k, 50k, 250k and 1m, with units and bounds.

A phase is data. This module imports neither Pulumi nor AWS, so that it can be read, tested and
turned into documentation in milliseconds. Limits name the AWS rule that sets them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from infra.cidr import REGIONS
from stacks.model import FRACTION, Model, Region, Span, broken
from stacks.stores import CacheGroup, Database, Pooler

__all__ = [
    "CacheGroup",
    "Compute",
    "Database",
    "Edge",
    "Machine",
    "Messaging",
    "Model",
    "Network",
    "Phase",
    "PhaseName",
    "Pods",
    "Pooler",
    "Search",
    "Sizing",
    "Span",
    "Targets",
    "Telemetry",
]

SERVICES = (
    "auth",
    "leads",
    "email",
    "video",
    "analytics",
    "campaigns",
    "companies",
    "conversations",
    "search",
    "subscriptions",
)
"""Services that may be taken out of `api` and `worker`; the image is the same, a variable says the role."""
ROLES = ("api", "realtime", "worker", "images", *SERVICES)
SOCKETS_PER_POD = 10_000
"""WebSockets a `realtime` pod carries."""
REQUESTS_PER_POD = 500
"""Requests a second that an `api` pod carries."""
PROCESSES_PER_POD = 4
"""Processes of an HTTP pod, each with its own connections to the pooler; `realtime` and `worker` run one."""


def _known_role(value: str) -> str:
    if value not in ROLES:
        msg = f"is no role; the roles are {', '.join(ROLES)}"
        raise ValueError(msg)
    return value


Role = Annotated[str, AfterValidator(_known_role)]


class PhaseName(StrEnum):
    """The four phases, in the order of growth."""

    P10K = "10k"
    P50K = "50k"
    P250K = "250k"
    P1M = "1m"


class Sizing(StrEnum):
    """`efficient` fits the phase's band; `blueprint` is the roadmap's own hardware, for comparison."""

    EFFICIENT = "efficient"
    BLUEPRINT = "blueprint"


class Targets(Model):
    """What the phase promises. Nothing here creates a resource; alarms, budgets and tests read it."""

    monthly_users: Annotated[int, Field(ge=1)]
    """Monthly active users that the phase is for."""
    concurrent_users: Span
    """Users connected at the same time: design point and ceiling."""
    requests_per_second: Annotated[int, Field(ge=1)]
    """Sustained load the pods must carry at their maximum count, over all regions."""
    database_queries_per_second: Span
    """Over all primaries and replicas."""
    p95_ms: Annotated[int, Field(ge=50, le=2000)]
    """95th percentile of API response time, in milliseconds."""
    uptime_percent: Annotated[float, Field(ge=99.0, lt=100.0), FRACTION]
    """Objective for a month."""
    recovery_time_minutes: Annotated[int, Field(ge=1)]
    """From the loss of the region, or of the database, to serving again."""
    recovery_point_minutes: Annotated[int, Field(ge=1)]
    """Newest data that may be lost. RDS ships its log every 5 minutes; below that only a replica holds it."""
    monthly_usd: Span
    """The budget band: on-demand prices, production only, without tax and support plan."""


class Network(Model):
    """The VPC of one region. Address space is fixed for all phases (see `infra.cidr`)."""

    nat_gateways: Literal[1, 3]
    """1 shares a single gateway; 3 is one per zone (each about 33 USD a month before bytes)."""
    interface_endpoints: tuple[Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)*$")], ...] = ()
    """AWS services reached without NAT, by endpoint name such as `logs` (about 22 USD a month each, over three zones).

    Gateway endpoints (S3, DynamoDB) are free and always there.
    """


class Pods(Model):
    """One Deployment and its HorizontalPodAutoscaler, per full region."""

    minimum: Annotated[int, Field(ge=1, le=1000)]
    """Pods that always run."""
    maximum: Annotated[int, Field(ge=1, le=1000)]
    """Pods that the autoscaler may run."""
    cpu_millicores: Annotated[int, Field(ge=50, le=64000)]
    """Request; there is no CPU limit, throttling would hurt the p95 first."""
    memory_mib: Annotated[int, Field(ge=64, le=262144)]
    """Request and limit."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum > self.maximum:
            msg = f"minimum ({self.minimum}) must not exceed maximum ({self.maximum})"
            raise broken(msg, field="minimum", mend=self.maximum)
        return self


class Compute(Model):
    """EKS in Auto Mode, and the pods on it."""

    pods: dict[Role, Pods]
    """By role: `api`, `realtime`, `worker`, from 50k `images`, from 250k the services. One image, role by variable."""
    spot: bool
    """Stateless pods may run on spot nodes."""
    burstable: bool = False
    """Nodes may be of the t family, which pays for low average load and is throttled above it."""
    blue_green: bool
    """Weighted target groups instead of a rolling update."""
    mesh: bool = False
    """Mutual TLS and traffic telemetry between pods by a sidecar in each."""

    @model_validator(mode="after")
    def _roles(self) -> Self:
        missing = [role for role in ("api", "realtime", "worker") if role not in self.pods]
        if missing:
            msg = f"pods lacks the role(s) {', '.join(missing)}"
            raise broken(msg, field=f"pods.{missing[0]}")
        return self


class Search(Model):
    """One OpenSearch domain per full region; before 250k PostgreSQL answers searches."""

    instance_type: Annotated[
        str, Field(pattern=r"^(c|m|r|or)[1-8][a-z]{0,2}\.[a-z0-9]+\.search$", examples=["m6g.large.search"])
    ]
    """Type of a data node. Burstable (t) types are left out: AWS advises against them in production."""
    nodes: Annotated[int, Field(ge=3, le=78, multiple_of=3)]
    """Data nodes; three zones want a multiple of three."""
    storage_gib: Annotated[int, Field(ge=10, le=16384)]
    """gp3 storage of one node."""


class Messaging(Model):
    """SQS queues with dead-letter queues; one per job type."""

    queues: tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,29}$")], ...]
    """Job types, each a queue; taking one away deletes its messages."""
    fan_out: bool
    """SNS topic in front of the queues."""
    event_stream: bool
    """Kinesis on demand, Firehose to S3, Glue and Athena."""
    dedicated_sending_ips: bool = False
    """Mail leaves from addresses of its own: only worth it above some 100,000 mails a day, and they need warming up."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.queues)) < len(self.queues):
            msg = f"queues names one twice: {', '.join(self.queues)}"
            raise broken(msg, field="queues")
        return self


class Telemetry(Model):
    """What is collected. Retention is fixed: error 90, access 30, debug 7 days."""

    trace_sample_percent: Annotated[float, Field(ge=0, le=100), FRACTION]
    """Share of requests traced from the start; errors and slow requests are kept in addition."""
    tracing: bool
    """OpenTelemetry to X-Ray."""
    managed_prometheus: bool
    """Amazon Managed Service for Prometheus for custom metrics, instead of CloudWatch."""
    canaries: bool
    """CloudWatch Synthetics, besides Route 53's health checks."""
    container_insights: bool
    """Memory, CPU and disk of every node and pod in CloudWatch."""
    experiments: bool = False
    """Templates of faults to inject (FIS); nothing runs by itself."""


class Edge(Model):
    """CloudFront, WAF and Cloudflare."""

    image_resizing: bool
    """The resizer behind `/img/*`."""
    edge_workers: bool
    """Cloudflare Workers in front of the API."""
    partner_api: bool = False
    """API Gateway under `partners.<domain>`, for integrators and webhooks."""
    cloudflare_plan: Literal["free", "pro", "business", "enterprise"]
    """Plan of the zone, which is bought outside of this program; rules that a plan does not have are left out."""


class Machine(Model):
    """SageMaker, behind a flag in every phase."""

    enabled: bool = False
    """Deploy an endpoint on a GPU instance."""
    instance_type: Annotated[str, Field(pattern=r"^ml\.[a-z0-9]+\.[a-z0-9]+$", examples=["ml.g5.xlarge"])] = (
        "ml.g5.xlarge"
    )
    """Type of the endpoint's instances."""


class Phase(Model):
    """One phase, complete: read beside the roadmap's page about it."""

    name: PhaseName
    sizing: Sizing
    targets: Targets
    """What is promised; alarms, budget and tests read it."""
    regions: tuple[Region, ...]
    """Full regions, home first: each has its own VPC, primary, caches and cluster."""
    read_regions: tuple[Region, ...] = ()
    """Regions that hold a read replica and nothing that is written."""
    network: Network
    """VPC."""
    database: Database
    """RDS for PostgreSQL."""
    pooler: Pooler
    """PgBouncer."""
    cache: CacheGroup
    """allkeys-lru: may lose anything at any time."""
    state: CacheGroup
    """noeviction: sessions, rate limits, revocations."""
    compute: Compute
    """EKS and pods."""
    messaging: Messaging
    """SQS, SNS and the event stream."""
    search: Search | None = None
    """OpenSearch."""
    telemetry: Telemetry
    """Logs, metrics and traces."""
    edge: Edge
    """CDN and firewall."""
    machine: Machine = Machine()
    """SageMaker."""

    @property
    def home_region(self) -> str:
        """The region that stands from 10k on, and that global things are managed from."""
        return self.regions[0]

    @property
    def all_regions(self) -> tuple[str, ...]:
        """Full regions, then read regions."""
        return self.regions + self.read_regions

    def resized(self, **sections: Model) -> Self:
        """The same phase on the roadmap's own hardware: `sections` replace this one's, the rest stays."""
        return type(self).model_validate({**dict(self), "sizing": Sizing.BLUEPRINT, **sections})

    @model_validator(mode="after")
    def _regions(self) -> Self:
        if not self.regions:
            msg = "regions must name at least the home region"
            raise broken(msg, field="regions")
        if len(set(self.all_regions)) < len(self.all_regions):
            twice = sorted({region for region in self.all_regions if self.all_regions.count(region) > 1})
            msg = f"{', '.join(twice)} appears twice in regions and readRegions; every region is one or the other, once"
            free = [region for region in REGIONS if region not in self.all_regions]
            raise broken(
                msg, field="readRegions[0]" if self.read_regions else "regions", mend=free[0] if free else None
            )
        return self

    @model_validator(mode="after")
    def _remote_replicas(self) -> Self:
        others, remote = len(self.all_regions) - 1, self.database.remote_replicas
        if not len(self.read_regions) <= remote <= others:
            msg = (
                f"database.remoteReplicas ({remote}) must be {len(self.read_regions)} to {others}: "
                "one in each of readRegions, and at most one in each region besides the primary's own"
            )
            raise broken(msg, field="database.remoteReplicas", mend=min(max(remote, len(self.read_regions)), others))
        return self

    @model_validator(mode="after")
    def _shards(self) -> Self:
        if self.database.logical_shards < len(self.regions):
            msg = (
                f"database.logicalShards ({self.database.logical_shards}) must be {len(self.regions)} or more: "
                "every full region has a primary, and a primary without a shard would stand idle"
            )
            raise broken(msg, field="database.logicalShards", mend=len(self.regions))
        return self
