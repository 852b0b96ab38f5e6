"""Customer-managed KMS keys: multi-Region from the first phase, since a key cannot become one later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.alarms import PUBLISHERS
from components.component import Component, DataClass, Site
from components.documents import Statement, document


@dataclass(frozen=True, kw_only=True, slots=True)
class KeysArgs:
    """`account_id` is the account whose administrators manage the keys (plain: it shapes the key policy)."""

    account_id: str


class Keys(Component):
    """Two keys with yearly rotation and an alias each.

    `data` encrypts what users own: database, caches, uploads, backups.
    `operations` encrypts what runs the product: secrets, queues, topics, logs, cluster secrets, images.
    Stateful types are given the key's ARN: an alias would plan a replacement at each run
    (https://github.com/hashicorp/terraform/issues/8259).
    """

    KIND: ClassVar[str] = "security:Keys"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    data_arn: pulumi.Output[str]
    operations_arn: pulumi.Output[str]

    def __init__(self, name: str, site: Site, args: KeysArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create both keys."""
        super().__init__(name, site, opts)
        self._args = args
        self.data_arn = self._create_key(f"{name}-data", "What users own: database, caches, uploads, backups.")
        self.operations_arn = self._create_key(
            f"{name}-operations",
            "What runs the product: secrets, queues, topics, logs, cluster secrets, images.",
            self._log_statement(),
            self._publisher_statement(),
            self._topic_statement(),
            self._event_statement(),
        )
        self.register_outputs({"data_arn": self.data_arn, "operations_arn": self.operations_arn})

    def _create_key(self, name: str, description: str, *statements: Statement) -> pulumi.Output[str]:
        key = aws.kms.Key(
            name,
            description=description,
            multi_region=True,
            enable_key_rotation=True,
            deletion_window_in_days=30 if self.site.protected else 7,
            policy=document(self._administrator_statement(), *statements),
            opts=self.stateful(),
        )
        aws.kms.Alias(
            name,
            name=f"alias/{self.site.names.of('alias', name)}",
            target_key_id=key.key_id,
            opts=self.child(),
        )
        return key.arn

    def _administrator_statement(self) -> Statement:
        """Hands the key to IAM: without it nobody could ever change the policy again."""
        return {
            "Sid": "AccountAdministrators",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{self._args.account_id}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }

    def _log_statement(self) -> Statement:
        """CloudWatch Logs encrypts with the key for this account's log groups only."""
        region, account = self.site.region, self._args.account_id
        return {
            "Sid": "Logs",
            "Effect": "Allow",
            "Principal": {"Service": f"logs.{region}.amazonaws.com"},
            "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
            "Resource": "*",
            "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{region}:{account}:*"}},
        }

    def _publisher_statement(self) -> Statement:
        """Services that publish to an encrypted topic use the key themselves, each for this account only.

        That SES tells KMS the account is not documented (unverified): if it does not, bounces are not delivered.
        """
        return {
            "Sid": "Publishers",
            "Effect": "Allow",
            "Principal": {"Service": [*PUBLISHERS, "ses.amazonaws.com"]},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:SourceAccount": self._args.account_id}},
        }

    def _topic_statement(self) -> Statement:
        """SNS itself, which puts what was published into encrypted queues.

        The condition is the CDK's (https://github.com/aws/aws-cdk/issues/20339).
        """
        topics = f"arn:aws:sns:{self.site.region}:{self._args.account_id}:*"
        return {
            "Sid": "Topics",
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
            "Resource": "*",
            "Condition": {"ArnLike": {"aws:SourceArn": topics}},
        }

    def _event_statement(self) -> Statement:
        """EventBridge's rules, without the condition.

        AWS's own example has none, and a topic's policy cannot have one for EventBridge; whether a key's could was not
        tried. https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
        """
        return {
            "Sid": "EventRules",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
            "Resource": "*",
        }
