"""The 10k stack as a whole, read from its plan."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import stack_file
from infra.errors import UserError
from infra.plan import Plan, PlannedResource, make_plan
from infra.stack_file import StackFile

ROOT = Path(__file__).parents[2]
TAGS = {"Environment", "Owner", "CostCenter", "DataClass", "Phase", "ManagedBy", "Urn"}
STATEFUL = {
    "aws:rds/instance:Instance",
    "aws:rds/subnetGroup:SubnetGroup",
    "aws:elasticache/replicationGroup:ReplicationGroup",
    "aws:elasticache/subnetGroup:SubnetGroup",
    "aws:s3/bucket:Bucket",
    "aws:kms/key:Key",
    "aws:secretsmanager/secret:Secret",
    "aws:sqs/queue:Queue",
    "aws:ec2/vpc:Vpc",
    "aws:ec2/subnet:Subnet",
    "aws:eks/cluster:Cluster",
    "aws:ecr/repository:Repository",
    "aws:backup/vault:Vault",
    "aws:route53/zone:Zone",
}


def stored(**changes: str) -> StackFile:
    """The shipped 10k stack with some keys changed."""
    shipped = stack_file.read(ROOT / "Pulumi.10k.yaml")
    raw = {**shipped.raw, **{f"headroom:{key}": value for key, value in changes.items()}}
    return StackFile(stack=shipped.stack, raw=raw, encrypted=frozenset())


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(stored())


def of(plan: Plan, token: str) -> list[PlannedResource]:
    return [resource for resource in plan.resources if resource.type == token]


def real(plan: Plan) -> Iterator[PlannedResource]:
    return (resource for resource in plan.resources if not resource.is_component)


def test_no_urn_appears_twice(plan: Plan) -> None:
    assert [urn for urn, count in Counter(resource.urn for resource in plan.resources).items() if count > 1] == []


def test_everything_belongs_to_a_component(plan: Plan) -> None:
    assert {resource.name for resource in plan.resources if resource.parent is None} == {"edge", "us-east-1"}


def test_every_dependency_is_in_the_plan(plan: Plan) -> None:
    known = {resource.urn for resource in plan.resources}
    assert {urn for resource in plan.resources for urn in resource.dependencies} <= known


def test_logical_names_outlive_phase_and_environment(plan: Plan) -> None:
    assert [resource.name for resource in plan.resources if re.search(r"10k|prod", resource.name)] == []


def test_everything_taggable_says_whose_it_is(plan: Plan) -> None:
    tagged = [resource for resource in real(plan) if resource.type.startswith("aws:") and "tags" in resource.inputs]
    assert len(tagged) > 150
    assert [resource.name for resource in tagged if not resource.inputs["tags"].keys() >= TAGS] == []


def test_tag_values_are_what_aws_accepts(plan: Plan) -> None:
    allowed = re.compile(r"[\w\s+\-=.:/@]{0,256}", re.ASCII)
    values = {value for resource in real(plan) for value in (resource.inputs.get("tags") or {}).values()}
    assert [value for value in values if not allowed.fullmatch(value)] == []


def test_inline_policies_have_names_of_their_own(plan: Plan) -> None:
    """One that Pulumi chose would make a second policy where the first one's creation was not recorded."""
    policies = [one for one in plan.resources if one.type == "aws:iam/rolePolicy:RolePolicy"]
    assert policies
    assert [one.urn for one in policies if not one.inputs.get("name")] == []


def test_regional_resources_say_their_region(plan: Plan) -> None:
    regional = [resource for resource in real(plan) if "region" in resource.inputs]
    assert len(regional) > 200
    assert {resource.inputs["region"] for resource in regional} == {"us-east-1"}


def test_what_holds_data_refuses_replacement_and_outlives_the_program(plan: Plan) -> None:
    stateful = [resource for resource in real(plan) if resource.type in STATEFUL]
    assert {resource.type for resource in stateful} == STATEFUL
    for resource in stateful:
        assert resource.options.get("protect"), resource.urn
        assert resource.options.get("retainOnDelete"), resource.urn


def test_development_protects_nothing(plan: Plan) -> None:
    free = make_plan(stored(environment="development"))
    assert [resource.urn for resource in free.resources if resource.options.get("protect")] == []
    assert [one.urn for one in real(free) if one.inputs.get("deletionProtection") is True] == []
    assert {resource.urn for resource in free.resources} == {resource.urn for resource in plan.resources}


def test_staging_protects_but_lets_go(plan: Plan) -> None:
    staging = of(make_plan(stored(environment="staging")), "aws:rds/instance:Instance")[0]
    assert staging.options.get("protect")
    assert "retainOnDelete" not in staging.options


def test_the_plan_is_the_same_each_time(plan: Plan) -> None:
    assert json.dumps(make_plan(stored()).to_dict()) == json.dumps(plan.to_dict())


def test_every_alarm_is_heard_and_leads_to_a_page(plan: Plan) -> None:
    alarms = of(plan, "aws:cloudwatch/metricAlarm:MetricAlarm")
    assert len(alarms) >= 40
    for alarm in alarms:
        assert alarm.inputs["alarmActions"], alarm.name
        page = alarm.inputs["alarmDescription"].rsplit("Runbook: ", 1)[1]
        assert (ROOT / page).is_file(), f"{alarm.name}: {page}"


def _with_a_model(shipped: StackFile) -> StackFile:
    """The only part that no shipped stack has."""
    model = {
        "overrides": '{"machine": {"enabled": true}}',
        "modelImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/model@sha256:" + "0" * 64,
        "modelDataUrl": "s3://product-models/model.tar.gz",
    }
    raw = {**shipped.raw, **{f"headroom:{key}": value for key, value in model.items()}}
    return StackFile(stack=shipped.stack, raw=raw, encrypted=frozenset())


def test_no_runbook_is_left_without_an_alarm() -> None:
    files = [stack_file.read(ROOT / f"Pulumi.{name}.yaml") for name in ("10k", "50k", "250k", "1m")]
    plans = [make_plan(one) for one in (*files, _with_a_model(files[0]))]
    texts = [
        text
        for one in plans
        for resource in one.resources
        for text in (resource.inputs.get("alarmDescription"), resource.inputs.get("description"))
        if isinstance(text, str) and "docs/runbooks/" in text
    ]
    used = {text.rsplit("/", 1)[1] for text in texts}
    assert {page.name for page in (ROOT / "docs/runbooks").glob("*.md")} == used


def test_secrets_from_the_configuration_never_show() -> None:
    planted = {
        "sentryDsn": "https://planted-dsn@sentry.example/1",
        "pagerdutyUrl": "https://events.example/planted-key",
    }
    shipped = stored(**planted)
    keys = frozenset(f"headroom:{key}" for key in planted)
    plan = make_plan(StackFile(stack=shipped.stack, raw=shipped.raw, encrypted=keys))
    text = json.dumps(plan.to_dict())
    assert "planted" not in text
    assert "sentry_dsn" in text
    assert "pagerduty" in text


def test_the_public_image_stands_in_by_digest(plan: Plan) -> None:
    text = json.dumps([resource.inputs for resource in plan.resources])
    images = set(re.findall(r'"image": "([^"]+)"', text))
    assert images
    assert [image for image in images if not re.search(r"@sha256:[0-9a-f]{64}$", image)] == []


def test_a_configured_image_runs_everywhere_and_migrates_first() -> None:
    image = f"registry.example.com/product@sha256:{'ab' * 32}"
    plan = make_plan(stored(image=image))
    migration = next(one for one in plan.resources if one.type == "kubernetes:batch/v1:Job")
    assert migration.inputs["spec"]["template"]["spec"]["containers"][0]["image"] == image
    for deployment in (one for one in plan.resources if one.type == "kubernetes:apps/v1:Deployment"):
        if deployment.parent and deployment.parent.endswith("-app"):
            assert deployment.inputs["spec"]["template"]["spec"]["containers"][0]["image"] == image
            assert migration.urn in deployment.dependencies


def test_a_home_elsewhere_is_refused_until_the_edge_can_be_apart_from_it() -> None:
    shipped = stored(regions='["eu-west-1"]')
    elsewhere = StackFile("10k", {**shipped.raw, "aws:region": "eu-west-1"}, frozenset())
    with pytest.raises(UserError) as refusal:
        make_plan(elsewhere)
    assert refusal.value.problems == ("a home region besides us-east-1",)


@pytest.mark.parametrize(
    ("row", "token"),
    [
        ("managed PostgreSQL", "aws:rds/instance:Instance"),
        ("connection pooling", "kubernetes:apps/v1:Deployment"),
        ("Redis", "aws:elasticache/replicationGroup:ReplicationGroup"),
        ("Cloudflare", "cloudflare:index/dnsRecord:DnsRecord"),
        ("alerting", "aws:cloudwatch/metricAlarm:MetricAlarm"),
        ("budget", "aws:budgets/budget:Budget"),
        ("HTTP/3", "aws:cloudfront/distribution:Distribution"),
        ("flood cap", "aws:wafv2/webAcl:WebAcl"),
        ("backups", "aws:backup/plan:Plan"),
        ("dashboard", "aws:cloudwatch/dashboard:Dashboard"),
        ("uptime", "aws:route53/healthCheck:HealthCheck"),
        ("cost anomalies", "aws:costexplorer/anomalySubscription:AnomalySubscription"),
        ("rotation", "aws:secretsmanager/secretRotation:SecretRotation"),
        ("disruption budgets", "kubernetes:policy/v1:PodDisruptionBudget"),
        ("autoscaling", "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"),
    ],
)
def test_what_the_first_phase_must_have_is_there(plan: Plan, row: str, token: str) -> None:
    assert of(plan, token), row
