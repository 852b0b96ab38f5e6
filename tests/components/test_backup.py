"""Backups in another region: what is copied there, how long it stays, and who hears when it is not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from components.alarms import AlarmTopics
from components.backup import Backup, BackupArgs, BackupCopies, BackupCopiesArgs
from components.component import Site
from tests.components.conftest import Recorded
from tests.components.growth import changes, gone

Record = Callable[[Callable[[], object]], Recorded]
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
KEY_THERE = "arn:aws:kms:eu-west-1:123456789012:key/2"
THERE = "arn:aws:backup:eu-west-1:123456789012:backup-vault:headroom-10k-eu-west-1-backup-copies"


def backup(site: Site, topics: AlarmTopics, copy_vault_arn: str | None = None) -> Backup:
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
            account_id="123456789012",
            topics=topics,
            copy_vault_arn=copy_vault_arn,
        ),
    )


def copies(site: Site) -> BackupCopies:
    there = replace(site, region="eu-west-1")
    return BackupCopies("eu-west-1-backup-copies", there, BackupCopiesArgs(key_arn=KEY_THERE))


def rules(found: Recorded) -> dict[str, dict[str, Any]]:
    return {rule["ruleName"]: rule for rule in found.one("backup/plan:Plan").inputs["rules"]}


def test_daily_recovery_points_are_kept_as_long_in_the_other_region(
    recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    found = rules(recorded(lambda: backup(site, topics, THERE)))
    (copy,) = found["daily"]["copyActions"]
    assert copy["destinationVaultArn"] == THERE
    assert copy["lifecycle"]["deleteAfter"] == found["daily"]["lifecycle"]["deleteAfter"] == 35
    assert "copyActions" not in found["monthly"]


def test_without_a_second_region_nothing_is_copied_and_nothing_waits_for_copies(
    recorded: Record, site: Site, topics: AlarmTopics
) -> None:
    found = recorded(lambda: backup(site, topics))
    assert not any("copyActions" in rule for rule in rules(found).values())
    assert [one.name for one in found.of("MetricAlarm")] == ["us-east-1-backup-failed"]


def test_copies_begin_in_place(recorded: Record, site: Site, topics: AlarmTopics) -> None:
    before, after = recorded(lambda: backup(site, topics)), recorded(lambda: backup(site, topics, THERE))
    assert not gone(before, after)
    (difference,) = changes(before, after).values()
    assert not difference.replaces
    assert not difference.refusals


@pytest.mark.parametrize(
    ("name", "metric"),
    [("failed", "NumberOfBackupJobsFailed"), ("copy-failed", "NumberOfCopyJobsFailed")],
)
def test_one_failed_job_is_a_ticket(recorded: Record, site: Site, topics: AlarmTopics, name: str, metric: str) -> None:
    alarm = recorded(lambda: backup(site, topics, THERE)).inputs(f"us-east-1-backup-{name}", "MetricAlarm")
    assert (alarm["metricName"], alarm["threshold"]) == (metric, 0)
    assert alarm["alarmActions"] == [topics.ticket_arn]


def test_copies_are_encrypted_with_a_key_of_their_own_region_and_refuse_deletion(recorded: Record, site: Site) -> None:
    vault = recorded(lambda: copies(site)).one("backup/vault:Vault")
    assert (vault.inputs["kmsKeyArn"], vault.inputs["region"]) == (KEY_THERE, "eu-west-1")
    assert vault.inputs["forceDestroy"] is False
    assert vault.options["protect"]
    assert vault.options["retainOnDelete"]
