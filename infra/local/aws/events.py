"""EventBridge, its scheduler, AWS Backup, budgets and cost anomalies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.aws.calls import call, change, input_shape, put
from infra.local.aws.kind import ACCOUNT_ID, Context, Kind, Values
from infra.local.aws.memory import MemoryKind, Parent
from infra.local.aws.shape import to_api
from infra.local.aws.table import ApiKind

_TARGET = {
    "inputPaths": "InputPathsMap",
    "kinesisTarget": "KinesisParameters",
    "sqsTarget": "SqsParameters",
    "targetId": "Id",
}
_BACKUP = {
    "coldStorageAfter": "MoveToColdStorageAfterDays",
    "completionWindow": "CompletionWindowMinutes",
    "deleteAfter": "DeleteAfterDays",
    "destinationVaultArn": "DestinationBackupVaultArn",
    "kmsKeyArn": "EncryptionKeyArn",
    "optInToArchiveForSupportedResources": "OptInToArchiveForSupportedResources",
    "schedule": "ScheduleExpression",
    "startWindow": "StartWindowMinutes",
    "targetVaultName": "TargetBackupVaultName",
}


def _rule(_: Context, values: Values) -> Values:
    enabled = values.get("isEnabled", True)
    return {**values, "state": values.get("state", "ENABLED" if enabled else "DISABLED")}


def _schedule(_: Context, values: Values) -> Values:
    """An update without a state would leave moto's schedule without one."""
    return {"state": "ENABLED", **values}


def _targets(_: Context, values: Values) -> Values:
    bus = {"eventBusName": values["eventBusName"]} if values.get("eventBusName") else {}
    return {"rule": values["rule"], **bus, "targets": [{k: v for k, v in values.items() if k != "rule"}]}


def _plan(_: Context, values: Values) -> Values:
    plan = {"backupPlanName": values["name"], "rules": values["rules"]}
    return {**values, "backupPlan": {**plan, "advancedBackupSettings": values.get("advancedBackupSettings")}}


def _budget(_: Context, values: Values) -> Values:
    """The inputs of a budget as the API's structures; one call makes it with its notifications."""
    filters = {each["name"]: each["values"] for each in values.get("costFilters") or []}
    limit = {"amount": values.get("limitAmount"), "unit": values.get("limitUnit", "USD")}
    budget = {
        "budgetName": values["name"],
        "budgetType": values["budgetType"],
        "timeUnit": values["timeUnit"],
        "budgetLimit": limit if values.get("limitAmount") else None,
        "costFilters": filters or None,
        "costTypes": values.get("costTypes"),
        "filterExpression": values.get("filterExpression"),
    }
    return {"accountId": _account(values), "budget": budget, "notificationsWithSubscribers": _notifications(values)}


def _account(values: Values) -> str:
    return str(values.get("accountId") or ACCOUNT_ID)


def _notifications(values: Values) -> list[Values]:
    made = []
    for each in values.get("notifications") or []:
        keys = ("comparisonOperator", "notificationType", "threshold", "thresholdType")
        people = [{"subscriptionType": "EMAIL", "address": at} for at in each.get("subscriberEmailAddresses") or []]
        topics = [{"subscriptionType": "SNS", "address": at} for at in each.get("subscriberSnsTopicArns") or []]
        made.append({"notification": {key: each.get(key) for key in keys}, "subscribers": [*people, *topics]})
    return made


def _change_budget(ctx: Context, _: str, old: Values, new: Values) -> None:
    """Make the changed budget anew under the old name: moto has no UpdateBudget."""
    if not old or {**old, "tags": None} == {**new, "tags": None}:
        return
    client: Any = ctx.client("budgets")
    client.delete_budget(AccountId=_account(new), BudgetName=new["name"])
    client.create_budget(**to_api(input_shape(client, "create_budget"), _budget(ctx, new)))


_RULE = {"Name": "{name}", "EventBusName": "{eventBusName}"}
_SCHEDULE = {"Name": "{name}", "GroupName": "{groupName}"}
_CE = "arn:{partition}:ce::{account}"

KINDS: Mapping[str, Kind] = {
    "aws:cloudwatch/eventRule:EventRule": ApiKind(
        service="events",
        make=call("put_rule"),
        prepare=_rule,
        id="={name}",
        find=call("describe_rule", **_RULE),
        outputs={"arn": "Arn"},
        watched={"eventPattern": "EventPattern", "scheduleExpression": "ScheduleExpression", "state": "State"},
        changes=(put("put_rule"),),
        drop=call("delete_rule", **_RULE),
        named=("name", 64),
        tags="events",
    ),
    "aws:cloudwatch/eventTarget:EventTarget": ApiKind(
        service="events",
        make=call("put_targets"),
        prepare=_targets,
        rename=_TARGET,
        id="={rule}-{targetId}",
        find=call("list_targets_by_rule", Rule="{rule}", EventBusName="{eventBusName}"),
        at="Targets[?Id == '{targetId}'] | [0]",
        watched={"arn": "Arn"},
        changes=(change("put_targets", "targets", Rule="{rule}", EventBusName="{eventBusName}"),),
        drop=call("remove_targets", Rule="{rule}", EventBusName="{eventBusName}", Ids=["{targetId}"]),
        named=("targetId", 64),
    ),
    "aws:scheduler/schedule:Schedule": ApiKind(
        service="scheduler",
        make=call("create_schedule"),
        prepare=_schedule,
        id=lambda values: f"{values.get('groupName', 'default')}/{values['name']}",
        find=call("get_schedule", **_SCHEDULE),
        outputs={"arn": "Arn"},
        watched={"scheduleExpression": "ScheduleExpression", "state": "State"},
        changes=(put("update_schedule"),),
        drop=call("delete_schedule", **_SCHEDULE),
        named=("name", 64),
    ),
    "aws:backup/vault:Vault": ApiKind(
        service="backup",
        make=call("create_backup_vault"),
        rename={"name": "BackupVaultName", "tags": "BackupVaultTags", **_BACKUP},
        id="BackupVaultName",
        find=call("describe_backup_vault", BackupVaultName="{id}"),
        outputs={"arn": "BackupVaultArn"},
        drop=call("delete_backup_vault", BackupVaultName="{id}"),
        named=("name", 50),
        tags="backup",
    ),
    "aws:backup/plan:Plan": ApiKind(
        service="backup",
        make=call("create_backup_plan"),
        prepare=_plan,
        rename={"tags": "BackupPlanTags", **_BACKUP},
        id="BackupPlanId",
        find=call("get_backup_plan", BackupPlanId="{id}"),
        at="[@][?DeletionDate == null] | [0]",
        outputs={"arn": "BackupPlanArn", "version": "VersionId"},
        changes=(put("update_backup_plan", BackupPlanId="{id}"),),
        drop=call("delete_backup_plan", BackupPlanId="{id}"),
        named=("name", 50),
        tags="backup",
    ),
    "aws:backup/selection:Selection": MemoryKind(
        type="backup selection",
        id="{token}",
        slot="{planId}/{name}",
        parents=(
            Parent("backup", call("get_backup_plan", BackupPlanId="{planId}"), "[@][?DeletionDate == null] | [0]"),
        ),
        named=("name", 50),
    ),
    "aws:backup/vaultNotifications:VaultNotifications": MemoryKind(
        type="backup vault notifications",
        id="{backupVaultName}",
        outputs={"backupVaultArn": "arn:{partition}:backup:{region}:{account}:backup-vault:{backupVaultName}"},
        parents=(
            Parent("backup", call("describe_backup_vault", BackupVaultName="{backupVaultName}"), "BackupVaultName"),
        ),
    ),
    "aws:budgets/budget:Budget": ApiKind(
        service="budgets",
        make=call("create_budget"),
        prepare=_budget,
        id=lambda values: f"{_account(values)}:{values['name']}",
        find=call("describe_budget", AccountId=ACCOUNT_ID, BudgetName="{name}"),
        at="Budget",
        outputs={"arn": "=arn:{partition}:budgets::{account}:budget/{name}"},
        watched={"limitAmount": "BudgetLimit.Amount", "timeUnit": "TimeUnit"},
        settle=_change_budget,
        drop=call("delete_budget", AccountId=ACCOUNT_ID, BudgetName="{name}"),
        named=("name", 100),
        world=True,
    ),
    "aws:costexplorer/anomalyMonitor:AnomalyMonitor": MemoryKind(
        type="cost anomaly monitor",
        id=f"{_CE}:anomalymonitor/{{token}}",
        slot="{name}",
        outputs={"arn": f"{_CE}:anomalymonitor/{{token}}"},
        named=("name", 1024),
        tags=True,
        world=True,
    ),
    "aws:costexplorer/anomalySubscription:AnomalySubscription": MemoryKind(
        type="cost anomaly subscription",
        id=f"{_CE}:anomalysubscription/{{token}}",
        slot="{name}",
        outputs={"arn": f"{_CE}:anomalysubscription/{{token}}"},
        named=("name", 1024),
        tags=True,
        world=True,
    ),
}
