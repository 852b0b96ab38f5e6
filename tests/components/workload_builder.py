"""The application as its tests build it: secrets planted, everything else as 10k has it."""

from dataclasses import replace
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.alarms import AlarmTopics
from components.component import Site
from components.upkeep_watch import UpkeepWatch
from components.workload_access import AwsAccess
from components.workloads import CacheAccess, DatabaseAccess, OwnPrimary, Workloads, WorkloadsArgs
from stacks import phase_10k
from stacks.phase import Compute, Pods
from tests.components.conftest import ACCOUNT, Recorded

COMPUTE = phase_10k.EFFICIENT.compute
PLANTED = ("planted-application", "planted-owner", "planted-cache", "planted-dsn", "planted-second-factor")
IMAGE = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/headroom@sha256:{'ab' * 32}"
LATER = IMAGE.replace("ab" * 32, "cd" * 32)
PUBLIC, DATA = ("10.64.0.0/24",), ("10.64.96.0/22", "10.64.100.0/22")
AWS = AwsAccess(
    queue_urls={"email": "https://sqs/email", "leads": "https://sqs/leads"},
    queue_arns={"email": "arn:aws:sqs:::email", "leads": "arn:aws:sqs:::leads"},
    uploads_bucket="uploads",
    uploads_bucket_arn="arn:aws:s3:::uploads",
    signing_keys_arn="arn:aws:secretsmanager:::signing",
    data_key_arn="arn:aws:kms:::data",
    operations_key_arn="arn:aws:kms:::operations",
)


def arguments() -> WorkloadsArgs:
    """Call inside a recorded program."""
    application, owner, cache, dsn, second_factor = (pulumi.Output.secret(value) for value in PLANTED)
    return WorkloadsArgs(
        provider=kubernetes.Provider("us-east-1-kubernetes", kubeconfig="{}"),
        cluster_name="cluster",
        account_id=ACCOUNT,
        namespace="headroom",
        image=IMAGE,
        api_images={"blue": IMAGE},
        api_weights={"blue": 100, "green": 0},
        compute=COMPUTE,
        connections=phase_10k.EFFICIENT.pooler,
        database=DatabaseAccess(
            hosts={"writer": "pooler-writer.headroom", "reader": "pooler-reader.headroom"},
            primaries=[OwnPrimary(host="primary.db", databases=["headroom"])],
            name="headroom",
            user="headroom_app",
            password=application,
            owner="headroom_owner",
            owner_password=owner,
        ),
        cache=CacheAccess(cache_host="cache.host", state_host="state.host", password=cache),
        second_factor_key=second_factor,
        aws=AWS,
        api_target_group_arns={"blue": "arn:blue", "green": "arn:green"},
        realtime_target_group_arn="arn:realtime",
        images_target_group_arn="arn:images",
        public_cidrs=PUBLIC,
        data_cidrs=DATA,
        collector_cidrs=(),
        settings={"DOMAIN": "example.com"},
        secrets={"sentry_dsn": dsn},
        secret_versions=["v1"],
        upkeep_watch=UpkeepWatch(
            log_group="/headroom/10k/logs/access", topics=AlarmTopics(page_arn="arn:page", ticket_arn="arn:ticket")
        ),
    )


def build(site: Site, **changes: Any) -> Workloads:
    return Workloads("us-east-1-app", site, replace(arguments(), **changes))


def compute(*roles: str, **changes: bool) -> Compute:
    pods = Pods(minimum=2, maximum=6, cpu_millicores=250, memory_mib=512)
    return COMPUTE.model_copy(update={"pods": {**COMPUTE.pods, **dict.fromkeys(roles, pods)}, **changes})


def deployments(found: Recorded) -> dict[str, dict[str, Any]]:
    return {one.inputs["metadata"]["name"]: one.inputs for one in found.of("v1:Deployment")}
