"""Traffic and workloads at each phase's values: what stands stays where it is, and changes in place."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import combinations

from components.alarms import AlarmTopics
from components.cluster import Cluster, ClusterArgs
from components.component import Site
from components.dns import OriginRecord, OriginRecordArgs
from components.load_balancer import Colour, LoadBalancer, LoadBalancerArgs
from components.workloads import Workloads
from stacks.phase import Phase
from stacks.phases import PHASES
from tests.components.conftest import ACCOUNT, Recorded
from tests.components.growth import changes, gone
from tests.components.workload_builder import IMAGE, arguments

Record = Callable[[Callable[[], object]], Recorded]


def build(site: Site, topics: AlarmTopics, phase: Phase) -> None:
    colours: tuple[Colour, ...] = ("blue", "green") if phase.compute.blue_green else ("blue",)
    weights: Mapping[Colour, int] = {colour: 100 if colour == "blue" else 0 for colour in colours}
    cluster = Cluster(
        "us-east-1-cluster",
        site,
        ClusterArgs(
            compute=phase.compute,
            subnet_ids=("subnet-a", "subnet-b", "subnet-c"),
            key_arn="arn:key",
            operator_role_arns=(f"arn:aws:iam::{ACCOUNT}:role/operators",),
            caller_arn=f"arn:aws:iam::{ACCOUNT}:user/anna",
            access_cidrs=(),
        ),
    )
    balancer = LoadBalancer(
        "us-east-1-lb",
        site,
        LoadBalancerArgs(
            vpc_id="vpc-1",
            subnet_ids=("subnet-a", "subnet-b", "subnet-c"),
            pod_security_group_id="sg-pods",
            cluster_name=cluster.name,
            certificate_arn="arn:certificate",
            origin_token="token",
            logs_bucket="logs",
            weights=weights,
            images="images" in phase.compute.pods,
            p95_ms=phase.targets.p95_ms,
            topics=topics,
        ),
    )
    OriginRecord(
        "us-east-1-origin",
        site,
        OriginRecordArgs(
            host="origin.example.com",
            zone_id="Z1",
            load_balancer_dns_name="alb.example.com",
            load_balancer_zone_id="Z2",
            load_balancer_arn_suffix="app/lb/1",
            target_group_arns={colour: f"arn:targetgroup/{colour}" for colour in colours},
            weights=weights,
            topics=topics,
        ),
    )
    workloads = replace(
        arguments(),
        provider=cluster.provider,
        compute=phase.compute,
        connections=phase.pooler,
        api_images=dict.fromkeys(colours, IMAGE),
        api_weights=weights,
        api_target_group_arns=balancer.api_target_group_arns,
        realtime_target_group_arn=balancer.realtime_target_group_arn,
        images_target_group_arn=balancer.images_target_group_arn,
        collector_cidrs=("10.64.32.0/19",) if phase.telemetry.tracing else (),
    )
    Workloads("us-east-1-app", site, workloads)


def test_growth_replaces_nothing_but_jobs_that_are_done(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    stands = [recorded(partial(build, site, topics, one)) for sizings in PHASES.values() for one in sizings.values()]

    for early, late in combinations(stands, 2):
        replaced = {
            urn: difference.replaces or difference.refusals
            for urn, difference in changes(early, late).items()
            if difference.replaces or difference.refusals
        }
        assert {urn.split("::")[2].rpartition("$")[2] for urn in replaced} <= {"kubernetes:batch/v1:Job"}
        assert {one.name for one in gone(early, late)} <= {"us-east-1-cluster-spot"}
