"""ECR: where the image of the application is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.component import Component, Site

KEPT_IMAGES = 30
"""Enough to roll back a month of daily releases."""
UNTAGGED_DAYS = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistryArgs:
    """`key_arn` encrypts the images: its ARN, and for good, since ECR cannot change it."""

    key_arn: pulumi.Input[str]


class Registry(Component):
    """One repository: tags that never move, a scan at each push, the last 30 images."""

    KIND: ClassVar[str] = "delivery:Registry"

    repository_url: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(self, name: str, site: Site, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the repository."""
        super().__init__(name, site, opts)
        repository = self._create_repository(name, args.key_arn)
        self._create_lifecycle(name, repository)
        self.repository_url = repository.repository_url
        self.arn = repository.arn
        self.register_outputs({"repository_url": self.repository_url, "arn": self.arn})

    def _create_repository(self, name: str, key_arn: pulumi.Input[str]) -> aws.ecr.Repository:
        return aws.ecr.Repository(
            name,
            name=self.site.names.of("repository", name),
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            encryption_configurations=[
                aws.ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=key_arn)
            ],
            force_delete=not self.site.protected,
            opts=self.stateful(),
        )

    def _create_lifecycle(self, name: str, repository: aws.ecr.Repository) -> None:
        rules = [
            {
                "rulePriority": 1,
                "description": "Layers that no tag holds",
                "selection": {
                    "tagStatus": "untagged",
                    "countType": "sinceImagePushed",
                    "countUnit": "days",
                    "countNumber": UNTAGGED_DAYS,
                },
                "action": {"type": "expire"},
            },
            {
                "rulePriority": 2,
                "description": "All but the newest images",
                "selection": {
                    "tagStatus": "tagged",
                    "tagPatternList": ["*"],
                    "countType": "imageCountMoreThan",
                    "countNumber": KEPT_IMAGES,
                },
                "action": {"type": "expire"},
            },
        ]
        aws.ecr.LifecyclePolicy(
            name, repository=repository.name, policy=json.dumps({"rules": rules}), opts=self.child()
        )
