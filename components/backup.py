"""Backups beyond what RDS keeps itself: an AWS Backup plan, and snapshots exported to S3."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmTopics, Metric, alarm
from components.component import Component, DataClass, Site
from components.documents import document, trust
from components.function import Function, FunctionArgs

_Rule = aws.backup.PlanRuleArgs
DAILY_DAYS = 35
MONTHLY_DAYS = 365


@dataclass(frozen=True, kw_only=True, slots=True)
class BackupArgs:
    """What is backed up, and where exports go.

    Attributes:
        resource_arns: databases and buckets the plan selects.
        database_identifier: whose automated snapshots are exported.
        export_bucket: name of the encrypted bucket for exports.
        export_bucket_arn: its ARN.
        key_arn: KMS key of the vault and of the exports.
        operations_key_arn: KMS key of the export function's environment and log.
        account_id: this account.
        topics: who hears of a failed backup.
        copy_vault_arn: vault in another region that daily recovery points are copied to.
    """

    resource_arns: Sequence[pulumi.Input[str]]
    database_identifier: str
    export_bucket: pulumi.Input[str]
    export_bucket_arn: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    operations_key_arn: pulumi.Input[str]
    account_id: str
    topics: AlarmTopics
    copy_vault_arn: pulumi.Input[str] | None = None


class Backup(Component):
    """Vault, plan (daily for 35 days, monthly for a year), selection, copies, snapshot exports, alarms on failures."""

    KIND: ClassVar[str] = "data:Backup"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    vault_name: pulumi.Output[str]
    plan_id: pulumi.Output[str]

    def __init__(self, name: str, site: Site, args: BackupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create vault, plan and exports."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        vault = self._create_vault()
        plan = self._create_plan(vault)
        self._create_selection(plan)
        self._create_exports()
        self._create_alarms(vault)
        self.vault_name = vault.name
        self.plan_id = plan.id
        self.register_outputs({"vault_name": self.vault_name, "plan_id": self.plan_id})

    def _create_vault(self) -> aws.backup.Vault:
        return aws.backup.Vault(
            self._name,
            name=self.site.names.of("backup", self._name),
            kms_key_arn=self._args.key_arn,
            force_destroy=not self.site.protected,
            opts=self.stateful(),
        )

    def _create_plan(self, vault: aws.backup.Vault) -> aws.backup.Plan:
        def rule(name: str, schedule: str, days: int, copies: Sequence[pulumi.Input[str]] = ()) -> _Rule:
            return _Rule(
                rule_name=name,
                target_vault_name=vault.name,
                schedule=schedule,
                start_window=60,
                completion_window=720,
                lifecycle=aws.backup.PlanRuleLifecycleArgs(delete_after=days),
                copy_actions=[
                    aws.backup.PlanRuleCopyActionArgs(
                        destination_vault_arn=arn,
                        lifecycle=aws.backup.PlanRuleCopyActionLifecycleArgs(delete_after=days),
                    )
                    for arn in copies
                ]
                or None,
            )

        copies = [self._args.copy_vault_arn] if self._args.copy_vault_arn is not None else []
        return aws.backup.Plan(
            self._name,
            name=self.site.names.of("backup", self._name),
            rules=[
                rule("daily", "cron(0 5 * * ? *)", DAILY_DAYS, copies),
                rule("monthly", "cron(0 6 1 * ? *)", MONTHLY_DAYS),
            ],
            opts=self.child(),
        )

    def _create_selection(self, plan: aws.backup.Plan) -> None:
        role = aws.iam.Role(
            self._name,
            name=self.site.names.of("role", self._name),
            assume_role_policy=trust("backup.amazonaws.com", account_id=self._args.account_id),
            opts=self.child(),
        )
        policies = {
            "backup": "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup",
            "restore": "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores",
            "s3-backup": "arn:aws:iam::aws:policy/AWSBackupServiceRolePolicyForS3Backup",
            "s3-restore": "arn:aws:iam::aws:policy/AWSBackupServiceRolePolicyForS3Restore",
        }
        attachments: list[pulumi.Resource] = [
            aws.iam.RolePolicyAttachment(
                f"{self._name}-{key}", role=role.name, policy_arn=policy_arn, opts=self.child()
            )
            for key, policy_arn in policies.items()
        ]
        aws.backup.Selection(
            self._name,
            name=self.site.names.of("backup", self._name),
            plan_id=plan.id,
            iam_role_arn=role.arn,
            resources=self._args.resource_arns,
            opts=self.child(depends_on=attachments),
        )

    def _create_exports(self) -> None:
        """RDS announces each automated snapshot (RDS-EVENT-0091); the function exports a month's first as Parquet."""
        name = f"{self._name}-export"
        export_role = self._create_export_role(f"{name}-task")
        function = Function(
            name,
            self.site,
            FunctionArgs(
                module="export_snapshot",
                statements=pulumi.Output.all(export_role.arn, self._args.key_arn).apply(
                    lambda known: [
                        {
                            "Effect": "Allow",
                            "Action": ["rds:StartExportTask", "rds:DescribeExportTasks"],
                            "Resource": "*",
                            "Condition": {"StringEquals": {"aws:ResourceAccount": self._args.account_id}},
                        },
                        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": known[0]},
                        {"Effect": "Allow", "Action": ["kms:CreateGrant", "kms:DescribeKey"], "Resource": known[1]},
                    ]
                ),
                invoker="events.amazonaws.com",
                account_id=self._args.account_id,
                key_arn=self._args.operations_key_arn,
                environment={
                    "BUCKET": self._args.export_bucket,
                    "EXPORT_ROLE_ARN": export_role.arn,
                    "KEY_ARN": self._args.key_arn,
                },
            ),
            pulumi.ResourceOptions(parent=self),
        )
        rule = aws.cloudwatch.EventRule(
            name,
            name=self.site.names.of("rule", name),
            description="An automated snapshot of the database is ready.",
            event_pattern=json.dumps(
                {
                    "source": ["aws.rds"],
                    "detail-type": ["RDS DB Snapshot Event"],
                    "detail": {
                        "EventID": ["RDS-EVENT-0091"],
                        "SourceIdentifier": [{"prefix": f"rds:{self._args.database_identifier}-"}],
                    },
                }
            ),
            opts=self.child(),
        )
        aws.cloudwatch.EventTarget(
            name, rule=rule.name, arn=function.arn, opts=self.child(depends_on=[function.permission])
        )

    def _create_export_role(self, name: str) -> aws.iam.Role:
        role = aws.iam.Role(
            name,
            name=self.site.names.of("role", name),
            assume_role_policy=trust("export.rds.amazonaws.com"),
            opts=self.child(),
        )
        aws.iam.RolePolicy(
            name,
            name=name,
            role=role.name,
            policy=pulumi.Output.from_input(self._args.export_bucket_arn).apply(
                lambda arn: document(
                    {
                        "Effect": "Allow",
                        "Action": ["s3:GetBucketLocation", "s3:ListBucket"],
                        "Resource": arn,
                    },
                    {
                        "Effect": "Allow",
                        "Action": ["s3:DeleteObject*", "s3:GetObject*", "s3:PutObject*"],
                        "Resource": f"{arn}/rds/*",
                    },
                )
            ),
            opts=self.child(),
        )
        return role

    def _create_alarms(self, vault: aws.backup.Vault) -> None:
        """A copy is a job of its own: it can fail for weeks while every backup succeeds.

        Copy jobs are counted under the vault that they copy from, by examples in public repositories; AWS's table of
        metrics only says `BackupVaultName`: unverified.
        """
        jobs = {"failed": ("NumberOfBackupJobsFailed", "A backup job failed.")}
        if self._args.copy_vault_arn is not None:
            jobs["copy-failed"] = ("NumberOfCopyJobsFailed", "A backup was not copied to the other region.")
        for suffix, (metric, description) in jobs.items():
            alarm(
                self,
                f"{self._name}-{suffix}",
                description=description,
                runbook="backup-failed",
                severity="ticket",
                topics=self._args.topics,
                metric=Metric(
                    namespace="AWS/Backup",
                    name=metric,
                    dimensions={"BackupVaultName": vault.name},
                    statistic="Sum",
                ),
                threshold=0,
                period_seconds=3600,
                evaluation_periods=1,
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class BackupCopiesArgs:
    """`key_arn` is a KMS key of the vault's own region; a vault keeps its key for ever."""

    key_arn: pulumi.Input[str]


class BackupCopies(Component):
    """A vault for another region's recovery points, so that they outlive that region.

    It is not locked: a vault lock in compliance mode cannot be taken back, and would outlive the product's account.
    """

    KIND: ClassVar[str] = "data:BackupCopies"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    vault_name: pulumi.Output[str]
    vault_arn: pulumi.Output[str]

    def __init__(
        self, name: str, site: Site, args: BackupCopiesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Create the vault; `site` is of the region that the copies go to."""
        super().__init__(name, site, opts)
        vault = aws.backup.Vault(
            name,
            name=site.names.of("backup", name),
            kms_key_arn=args.key_arn,
            force_destroy=not site.protected,
            opts=self.stateful(),
        )
        self.vault_name = vault.name
        self.vault_arn = vault.arn
        self.register_outputs({"vault_name": self.vault_name, "vault_arn": self.vault_arn})
