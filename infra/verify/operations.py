"""What watches the stack: logs, alarms, dashboard, backups, budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from infra.verify.facts import Fact, OutputError, Probe, Scope, equal, holds, unchecked

LOG_DAYS = {"error": 90, "access": 30, "debug": 7}
ALARMS_PER_CALL = 100
"""DescribeAlarms takes no more names at once."""


def log_groups(scope: Scope) -> Iterator[Probe]:
    """The application's three log groups."""
    groups = scope.names("logGroups")
    for kind, days in LOG_DAYS.items():
        name = groups.get(kind, "")
        yield Probe("operations", f"log group {name or kind}", partial(_log_group, scope, name, days))


def _log_group(scope: Scope, name: str, days: int) -> Iterator[Fact]:
    pages = scope.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name or "-")
    found = [group for page in pages for group in page["logGroups"] if group["logGroupName"] == name]
    yield equal("exists", expected=True, actual=bool(found))
    for group in found:
        yield equal("kept", f"{days} days", f"{group.get('retentionInDays', 'all')} days")
        keys = set(scope.names("keyArns").values())
        yield holds("encrypted with the stack's key", group.get("kmsKeyId") in keys, keys, group.get("kmsKeyId"))


def alarms(scope: Scope) -> Iterator[Probe]:
    """Every alarm of the stack, region by region; those of the global services are in one of them."""
    by_region = scope.outputs.get("alarmNames")
    if not isinstance(by_region, Mapping) or not set(scope.phase.all_regions) <= set(by_region):
        key = "alarmNames"
        raise OutputError(key)
    for region, names in by_region.items():
        yield Probe("operations", f"alarms in {region}", partial(_alarms, scope, region, set(names)))


def _alarms(scope: Scope, region: str, names: set[str]) -> Iterator[Fact]:
    found: dict[str, Mapping[str, Any]] = {}
    client = scope.clients.get("cloudwatch", region)
    ordered = sorted(names)
    for start in range(0, len(ordered), ALARMS_PER_CALL):
        answer = client.describe_alarms(
            AlarmNames=ordered[start : start + ALARMS_PER_CALL], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        for alarm in [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]:
            found[alarm["AlarmName"]] = alarm
    yield holds("any", names, "one or more", len(names))
    yield holds("missing", not names - set(found), "none", names - set(found))
    silent = [name for name, alarm in found.items() if not alarm.get("AlarmActions") or not alarm["ActionsEnabled"]]
    yield holds("that tell nobody", not silent, "none", silent)


def dashboard(scope: Scope) -> Iterator[Probe]:
    """The stack's dashboard."""
    name = scope.text("dashboardName")

    def facts() -> Iterator[Fact]:
        body = scope.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"]
        yield holds("shows something", '"widgets"' in body, "yes", bool(body))

    yield Probe("operations", f"dashboard {name}", facts)


def backup(scope: Scope) -> Iterator[Probe]:
    """Vault and plan of AWS Backup."""
    vault, plan_id = scope.text("backupVault"), scope.text("backupPlanId")
    yield Probe("operations", f"backup vault {vault}", partial(_vault, scope, vault))
    yield Probe("operations", f"backup plan {plan_id}", partial(_plan, scope, vault, plan_id))


def copies(scope: Scope) -> Iterator[Probe]:
    """The vault that another region copies its backups to; a read region always has one."""
    if "backupCopiesVault" in scope.outputs or not scope.full:
        vault = scope.text("backupCopiesVault")
        yield Probe("operations", f"vault of copies {vault}", partial(_vault, scope, vault))


def _vault(scope: Scope, vault: str) -> Iterator[Fact]:
    found = scope.client("backup").describe_backup_vault(BackupVaultName=vault)
    keys = set(scope.names("keyArns").values())
    used = found.get("EncryptionKeyArn")
    yield holds("encrypted with the stack's key", used in keys, keys, used)


def _plan(scope: Scope, vault: str, plan_id: str) -> Iterator[Fact]:
    client = scope.client("backup")
    rules = client.get_backup_plan(BackupPlanId=plan_id)["BackupPlan"]["Rules"]
    yield holds("rules", rules, "one or more", [rule["RuleName"] for rule in rules])
    yield equal("kept in", {vault}, {rule["TargetBackupVaultName"] for rule in rules})
    endless = [rule["RuleName"] for rule in rules if not rule.get("Lifecycle", {}).get("DeleteAfterDays")]
    yield holds("rules that keep for ever", not endless, "none", endless)
    if len(scope.phase.all_regions) > 1:
        copied = {copy["DestinationBackupVaultArn"] for rule in rules for copy in rule.get("CopyActions", [])}
        # arn:aws:backup:REGION:ACCOUNT:backup-vault:NAME
        places = {(arn.split(":")[3], arn.rpartition(":")[2]) for arn in copied}
        vaults = {
            (region, scope.within(region).outputs.get("backupCopiesVault"))
            for region in scope.phase.all_regions
            if region != scope.region
        }
        known = places and places <= vaults
        yield holds("copied to", known, "a vault in another region", {f"{name} in {where}" for where, name in places})
    if scope.local:
        yield unchecked("what is backed up", "the local cloud has no backup selections (moto)")
        return
    selections = client.list_backup_selections(BackupPlanId=plan_id)["BackupSelectionsList"]
    yield holds("what is backed up", selections, "one or more selections", len(selections))


def budget(scope: Scope) -> Iterator[Probe]:
    """The month's budget: the band's upper end, and who hears of it."""
    name = scope.text("budgetName")
    yield Probe("operations", f"budget {name}", partial(_budget, scope, name))


def _budget(scope: Scope, name: str) -> Iterator[Fact]:
    account = scope.client("sts").get_caller_identity()["Account"]
    client = scope.global_client("budgets")
    found = client.describe_budget(AccountId=account, BudgetName=name)["Budget"]
    band = scope.phase.targets.monthly_usd
    limit = found["BudgetLimit"]
    yield equal("limit", f"{band.high} USD", f"{float(limit['Amount']):.0f} {limit['Unit']}")
    yield equal("period", "MONTHLY", found["TimeUnit"])
    notifications = client.describe_notifications_for_budget(AccountId=account, BudgetName=name)["Notifications"]
    told = {
        int(item["Threshold"]) for item in notifications if item.get("ThresholdType", "PERCENTAGE") == "ABSOLUTE_VALUE"
    }
    yield holds("told from", band.low in told, f"{band.low} USD", {f"{amount} USD" for amount in told})
