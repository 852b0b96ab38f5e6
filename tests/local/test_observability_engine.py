"""What watches the stack, under the real engine: it comes up, changes in place, and leaves nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes
import pytest

from components.alarms import AlarmTopics
from components.canaries import Canaries, CanariesArgs
from components.component import Site, register_defaults
from components.error_budget import ErrorBudget, ErrorBudgetArgs
from components.experiments import Experiments, ExperimentsArgs
from components.mesh import Mesh, MeshArgs
from components.observability import Observability, ObservabilityArgs
from components.prometheus import Grafana, GrafanaArgs, Prometheus, PrometheusArgs
from components.raw import kubernetes_object
from infra.naming import Names
from tests.engine.leftovers import leftovers
from tests.local.conftest import Lab

ACCOUNT = "123456789012"
ALARM = f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:errors"

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed")


async def program() -> Mapping[str, Any]:
    """All of them, on a network and a cluster as small as may be; `promise` is the phase's p95."""
    register_defaults()
    promise = pulumi.Config("headroom").require_int("promise")
    site = Site(
        region="us-east-1",
        names=Names("headroom", pulumi.get_stack()),
        tags={"Environment": "development", "Phase": str(promise)},
        protected=False,
        retained=False,
    )
    topics = AlarmTopics(
        page_arn=f"arn:aws:sns:us-east-1:{ACCOUNT}:page", ticket_arn=f"arn:aws:sns:us-east-1:{ACCOUNT}:ticket"
    )
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
    vpc = aws.ec2.Vpc("net", cidr_block="10.60.0.0/16")
    subnets = [
        aws.ec2.Subnet(f"net-{zone}", vpc_id=vpc.id, cidr_block=f"10.60.{part}.0/24", availability_zone=zone)
        for part, zone in enumerate(("us-east-1a", "us-east-1b"))
    ]
    ids = [subnet.id for subnet in subnets]
    cluster = aws.eks.Cluster(
        "cluster",
        role_arn=f"arn:aws:iam::{ACCOUNT}:role/cluster",
        vpc_config=aws.eks.ClusterVpcConfigArgs(subnet_ids=ids),
    )
    provider = kubernetes.Provider("kubernetes", cluster_identifier=cluster.arn, kubeconfig="{}")
    options = pulumi.ResourceOptions(provider=provider)
    app = kubernetes_object("app", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "headroom"}}, options)
    ErrorBudget(
        "us-east-1-error-budget",
        site,
        ErrorBudgetArgs(load_balancer_arn_suffix="app/lb/1", uptime_percent=99.9, topics=topics),
    )
    Observability(
        "us-east-1-observability",
        site,
        ObservabilityArgs(
            cluster_name=cluster.name,
            account_id=ACCOUNT,
            key_arn=key,
            namespace="headroom",
            tracing=True,
            container_insights=True,
            trace_sample_percent=10,
            slow_ms=promise,
            after=[],
            topics=topics,
        ),
    )
    visits = CanariesArgs(account_id=ACCOUNT, urls=["https://example.com/"], key_arn=key, topics=topics)
    Canaries("us-east-1-canary", site, visits)
    Prometheus(
        "us-east-1-prometheus",
        site,
        PrometheusArgs(
            cluster_arn=cluster.arn,
            subnet_ids=ids,
            security_group_id="sg-1",
            namespace="headroom",
            key_arn=key,
            account_id=ACCOUNT,
            p95_ms=promise,
            topics=topics,
        ),
    )
    Grafana("us-east-1-grafana", site, GrafanaArgs(account_id=ACCOUNT, vpc_id=vpc.id, subnet_ids=ids))
    Mesh("us-east-1-mesh", site, MeshArgs(provider=provider, namespace="headroom", after=[app]))
    Experiments(
        "us-east-1-experiments",
        site,
        ExperimentsArgs(
            account_id=ACCOUNT,
            key_arn=key,
            stop_alarm_arn=ALARM,
            provider=provider,
            cluster_arn=cluster.arn,
            cluster_name=cluster.name,
            namespace=app.metadata["name"],
            database_arn=f"arn:aws:rds:us-east-1:{ACCOUNT}:db:one",
            cache_group_arn=f"arn:aws:elasticache:us-east-1:{ACCOUNT}:replicationgroup:one",
            zone="us-east-1a",
            zone_subnet_ids=ids[:1],
        ),
    )
    return {}


def test_it_comes_up_changes_in_place_and_leaves_nothing(lab: Lab) -> None:
    before = leftovers(lab.cloud.endpoint)
    stack = lab.stack(program, promise=400)
    stack.up()
    assert stack.refresh().progress.changed == 0
    assert stack.up().progress.changed == 0

    lab.configure(stack, promise=300)
    grown = stack.up().progress
    replaced = [line for line in grown.notable if line.startswith("replaced")]
    assert sorted({line.split()[1] for line in replaced}) == ["aws:fis/experimentTemplate:ExperimentTemplate"]
    assert grown.totals().get("deleted", 0) == 0
    assert stack.refresh().progress.changed == 0

    stack.destroy()
    assert leftovers(lab.cloud.endpoint) == before
