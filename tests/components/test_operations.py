"""Keys, secrets, queues, backups, budget, topics and telemetry."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pulumi
import pytest

from components.alarms import Alarms, AlarmsArgs, AlarmTopics
from components.backup import Backup, BackupArgs
from components.budget import Budget, BudgetArgs
from components.component import Site
from components.functions.rotate_signing_keys import rotated
from components.keys import Keys, KeysArgs
from components.messaging import Messaging, MessagingArgs
from components.secrets import Secrets, SecretsArgs
from components.telemetry import Chart, Dashboard, DashboardArgs, Logs, LogsArgs
from infra.plan import SECRET
from stacks.phase import Span
from tests.components.conftest import ACCOUNT, Recorded

Record = Callable[[Callable[[], object]], Recorded]
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
ROOT = Path(__file__).parents[2]


def test_keys_can_follow_the_data_to_other_regions(recorded: Record, site: Site) -> None:
    keys = recorded(lambda: Keys("us-east-1-keys", site, KeysArgs(account_id=ACCOUNT))).of("Key")
    assert len(keys) == 2
    for key in keys:
        assert (key.inputs["multiRegion"], key.inputs["enableKeyRotation"]) == (True, True)
        assert key.inputs["deletionWindowInDays"] == 30
        assert key.options["protect"]


def test_no_key_is_open_to_the_world(recorded: Record, site: Site) -> None:
    keys = recorded(lambda: Keys("us-east-1-keys", site, KeysArgs(account_id=ACCOUNT))).of("Key")
    for key in keys:
        for statement in json.loads(key.inputs["policy"])["Statement"]:
            assert statement["Principal"] != "*"
            if statement["Principal"].get("Service", "events.amazonaws.com") != "events.amazonaws.com":
                assert ACCOUNT in json.dumps(statement["Condition"])


def test_secrets_are_generated_stored_and_never_shown(recorded: Record, site: Site) -> None:
    parts = recorded(lambda: Secrets("us-east-1-secrets", site, SecretsArgs(key_arn=KEY, account_id=ACCOUNT)))
    assert len(parts.of("Secret")) == len(parts.of("SecretVersion")) == 6
    assert {version.inputs["secretString"] for version in parts.of("SecretVersion")} <= {SECRET, "[unknown]"}
    assert all(secret.inputs["kmsKeyId"] == KEY for secret in parts.of("Secret"))


def test_signing_keys_rotate_without_a_deployment(recorded: Record, site: Site) -> None:
    parts = recorded(lambda: Secrets("us-east-1-secrets", site, SecretsArgs(key_arn=KEY, account_id=ACCOUNT)))
    assert parts.one("SecretRotation").inputs["rotationRules"] == {"automaticallyAfterDays": 30}
    assert parts.one("Permission").inputs["principal"] == "secretsmanager.amazonaws.com"


def test_the_first_signing_keys_are_not_brought_back_after_a_rotation(recorded: Record, site: Site) -> None:
    parts = recorded(lambda: Secrets("us-east-1-secrets", site, SecretsArgs(key_arn=KEY, account_id=ACCOUNT)))
    version = parts.named("us-east-1-secrets-signing", "SecretVersion")
    assert set(version.inputs["versionStages"]) > {"AWSCURRENT"}
    assert version.options["ignoreChanges"] == ["versionStages"]


def test_a_deleted_development_secret_gives_its_name_back_at_once(recorded: Record, site: Site) -> None:
    development = replace(site, protected=False, retained=False)
    parts = recorded(lambda: Secrets("us-east-1-secrets", development, SecretsArgs(key_arn=KEY, account_id=ACCOUNT)))
    assert {secret.inputs["recoveryWindowInDays"] for secret in parts.of("Secret")} == {0}


def test_rotation_keeps_exactly_the_former_key() -> None:
    first = {"active": "a", "keys": {"a": "c2VjcmV0", "older": "eA=="}}
    second = rotated(first, "b", b"new")
    assert second["active"] == "b"
    assert set(second["keys"]) == {"a", "b"}
    assert second["keys"]["a"] == "c2VjcmV0"


def queues(site: Site, topics: AlarmTopics) -> Messaging:
    args = MessagingArgs(queues=("email", "export"), key_arn=KEY, account_id=ACCOUNT, topics=topics)
    return Messaging("us-east-1-queues", site, args)


def test_each_job_type_has_a_queue_a_dead_letter_queue_and_three_alarms(
    recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    parts = recorded(lambda: queues(site, topics))
    assert len(parts.of("Queue")) == 4
    assert len(parts.of("MetricAlarm")) == 6
    assert all(queue.inputs["kmsMasterKeyId"] == KEY for queue in parts.of("Queue"))
    assert all(queue.options["protect"] for queue in parts.of("Queue"))


def test_dead_letters_are_kept_longer_than_the_jobs_they_were(
    recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    parts = recorded(lambda: queues(site, topics))
    dead = parts.inputs("us-east-1-queues-email-dead", "Queue")["messageRetentionSeconds"]
    assert dead > parts.inputs("us-east-1-queues-email", "Queue")["messageRetentionSeconds"]


def test_a_single_dead_letter_is_told(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    alarm = recorded(lambda: queues(site, topics)).inputs("us-east-1-queues-email-dead", "MetricAlarm")
    assert (alarm["threshold"], alarm["evaluationPeriods"]) == (0, 1)


def test_depth_and_age_have_the_stated_limits(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    parts = recorded(lambda: queues(site, topics))
    assert parts.inputs("us-east-1-queues-email-depth")["threshold"] == 1_000
    assert parts.inputs("us-east-1-queues-email-age")["threshold"] == 300


def backup(site: Site, topics: AlarmTopics) -> Backup:
    return Backup(
        "us-east-1-backup",
        site,
        BackupArgs(
            resource_arns=["arn:aws:rds:us-east-1:123456789012:db:one"],
            database_identifier="headroom-10k-us-east-1-db-0",
            export_bucket="exports",
            export_bucket_arn="arn:aws:s3:::exports",
            key_arn=KEY,
            operations_key_arn=KEY,
            account_id=ACCOUNT,
            topics=topics,
        ),
    )


def test_backups_are_encrypted_daily_and_kept_over_the_promised_30_days(
    recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    parts = recorded(lambda: backup(site, topics))
    assert parts.one("backup/vault:Vault").inputs["kmsKeyArn"] == KEY
    kept = [rule["lifecycle"]["deleteAfter"] for rule in parts.one("Plan").inputs["rules"]]
    assert min(kept) >= 30
    assert len(parts.one("backup/selection:Selection").inputs["resources"]) == 1


def test_automated_snapshots_of_this_database_are_exported(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    parts = recorded(lambda: backup(site, topics))
    pattern = json.loads(parts.one("EventRule").inputs["eventPattern"])
    assert pattern["detail"]["EventID"] == ["RDS-EVENT-0091"]
    assert pattern["detail"]["SourceIdentifier"] == [{"prefix": "rds:headroom-10k-us-east-1-db-0-"}]
    variables = parts.one("lambda/function:Function").inputs["environment"]["variables"]
    assert (variables["BUCKET"], variables["KEY_ARN"]) == ("exports", KEY)


def test_the_budget_warns_at_both_ends_of_the_band(recorded: Record, site: Site) -> None:
    args = BudgetArgs(band=Span(low=600, high=800), cost_center="product", emails=("a@b.io",), ticket_arn="arn:t")
    parts = recorded(lambda: Budget("budget", site, args))
    budget = parts.one("budgets/budget:Budget").inputs
    assert budget["limitAmount"] == "800"
    told = {
        (entry["notificationType"], entry["thresholdType"], entry["threshold"]) for entry in budget["notifications"]
    }
    assert ("ACTUAL", "ABSOLUTE_VALUE", 600) in told
    assert ("FORECASTED", "PERCENTAGE", 100) in told
    assert "product" in parts.one("AnomalyMonitor").inputs["monitorSpecification"]


def test_topics_hear_only_this_account_and_tell_everybody_named(recorded: Record, site: Site) -> None:
    def build() -> Alarms:
        pagerduty = pulumi.Output.secret("https://events.example/planted")
        args = AlarmsArgs(key_arn=KEY, emails=("a@b.io", "c@d.io"), pagerduty_url=pagerduty, account_id=ACCOUNT)
        return Alarms("us-east-1-alarms", site, args)

    parts = recorded(build)
    assert len(parts.of("TopicSubscription")) == 5
    assert parts.inputs("us-east-1-alarms-page-pagerduty")["endpoint"] == SECRET
    assert all(topic.inputs["kmsMasterKeyId"] == KEY for topic in parts.of("Topic"))
    for topic in parts.of("Topic"):
        statements = json.loads(parts.inputs(topic.name, "TopicPolicy")["policy"])["Statement"]
        arn = f"arn:aws:sns:us-east-1:{ACCOUNT}:{topic.inputs['name']}"
        assert {statement["Resource"] for statement in statements} == {arn}
        assert statements[0]["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def test_logs_are_kept_90_30_and_7_days(recorded: Record, site: Site) -> None:
    parts = recorded(lambda: Logs("us-east-1-logs", site, LogsArgs(key_arn=KEY, account_id=ACCOUNT)))
    kept = {group.name.rsplit("-", 1)[-1]: group.inputs["retentionInDays"] for group in parts.of("LogGroup")}
    assert kept == {"error": 90, "access": 30, "debug": 7}


def test_the_dashboard_shows_three_charts_a_row(recorded: Record, site: Site) -> None:
    charts = [
        Chart(title=str(index), series=[["AWS/RDS", "CPUUtilization"]], statistic="Average", region="us-east-1")
        for index in range(4)
    ]
    parts = recorded(lambda: Dashboard("dashboard", site, DashboardArgs(charts=charts)))
    widgets = json.loads(parts.one("Dashboard").inputs["dashboardBody"])["widgets"]
    assert [(widget["x"], widget["y"]) for widget in widgets] == [(0, 0), (8, 0), (16, 0), (0, 6)]


@pytest.mark.parametrize("owner", ["Owner", "Environment", "DataClass", "Urn"])
def test_tags_name_what_a_bill_or_a_sweeper_needs(
    recorded: Record, site: Site, topics: AlarmTopics, owner: str
) -> None:
    tagged = replace(site, tags={"Owner": "team", "Environment": "production"})
    queue = recorded(lambda: queues(tagged, topics)).of("Queue")[0]
    assert queue.inputs["tags"][owner]
    assert queue.inputs["tags"]["Urn"] == queue.urn.replace("$", "+")


def test_every_alarm_leads_to_a_runbook_that_exists(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    parts = recorded(lambda: (queues(site, topics), backup(site, topics)))
    for alarm in parts.of("MetricAlarm"):
        page = alarm.inputs["alarmDescription"].rsplit("Runbook: ", 1)[1]
        assert (ROOT / page).is_file(), page
