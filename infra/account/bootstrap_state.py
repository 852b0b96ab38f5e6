"""Where Pulumi keeps its state, and the key that encrypts it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError

from infra.account import permissions
from infra.account.bootstrap_piece import TAGS, Lack, Piece, answer, says
from infra.account.permissions import Account
from infra.errors import UserError
from infra.naming import PROJECT

ALIAS: Final = f"alias/{PROJECT}-pulumi"
KEY_NOTE: Final = "Headroom: Pulumi's state and its secrets"
OLD_STATE_DAYS: Final = 90
UNSET: Final = ("OwnershipControlsNotFound", "ServerSideEncryptionConfigurationNotFound")
"""How S3 says of two settings that there is none; the others begin with `NoSuch`."""


class Setting(NamedTuple):
    """One setting of the bucket: its operations are `get_` and `put_` of the subject.

    `sent` is what the second takes where that is not what the first answers.
    """

    what: str
    subject: str
    expected: Mapping[str, Any]
    sent: Mapping[str, Any] | None = None


@dataclass(kw_only=True)
class Key(Piece):
    """The key that encrypts the stacks' secrets and the state's files."""

    _id: str = ""

    @property
    def name(self) -> str:
        """Its alias."""
        return f"key {ALIAS}"

    @property
    def arn(self) -> str:
        """Its ARN; while there is none yet, one that says so."""
        return self._id or f"arn:{self.account.partition}:kms:{self.region}:{self.account.id}:key/to-be-created"

    def exists(self) -> bool:
        """By its alias, or by its description where a run broke off between the two."""
        found = answer(lambda: self.client("kms").describe_key(KeyId=ALIAS), "NotFoundException")
        if found is not None:
            key = found["KeyMetadata"]
            if key["KeyState"] not in {"Enabled", "Disabled"}:
                msg = f"{ALIAS} is {key['KeyState']}: without the key no stack's secrets can be read"
                raise UserError(
                    msg, [f"aws kms cancel-key-deletion --region {self.region} --key-id {key['KeyId']}, then run again"]
                )
            self._id = key["Arn"]
            return True
        for page in self.client("kms").get_paginator("list_keys").paginate():
            for one in page["Keys"]:
                # A key of another owner's policy may not be looked at; it is not this one.
                described = answer(partial(self.client("kms").describe_key, KeyId=one["KeyId"]), "AccessDenied")
                key = described["KeyMetadata"] if described else {}
                if key.get("Description") == KEY_NOTE and key["KeyState"] == "Enabled":
                    self._id = key["Arn"]
                    return True
        return False

    def create(self) -> None:
        """A symmetric key, used by whom IAM in this account allows."""
        made = self.client("kms").create_key(
            Description=KEY_NOTE, Tags=[{"TagKey": key, "TagValue": value} for key, value in TAGS.items()]
        )
        self._id = made["KeyMetadata"]["Arn"]

    def lacks(self) -> Iterator[Lack]:
        """Alias, rotation, and that it is enabled."""
        kms = self.client("kms")
        if answer(lambda: kms.describe_key(KeyId=ALIAS), "NotFoundException") is None:
            yield "alias", lambda: kms.create_alias(AliasName=ALIAS, TargetKeyId=self._id)
        if kms.describe_key(KeyId=self._id)["KeyMetadata"]["KeyState"] == "Disabled":
            yield "enabled", lambda: kms.enable_key(KeyId=self._id)
        if not kms.get_key_rotation_status(KeyId=self._id)["KeyRotationEnabled"]:
            yield "rotation every year", lambda: kms.enable_key_rotation(KeyId=self._id)


@dataclass(kw_only=True)
class Bucket(Piece):
    """The bucket with the state of every stack.

    No Object Lock: Pulumi overwrites and deletes its files, and locks a stack by a file of its own under
    `.pulumi/locks`. Versions are what brings an older state back.
    """

    key: Key

    @property
    def name(self) -> str:
        """Its name."""
        return f"bucket {self.account.bucket}"

    def exists(self) -> bool:
        """Names are the world's: one that this account does not own is a mistake, or an attack.

        Raises:
            UserError: somebody else has it, or it is in another region.
        """
        s3 = self.client("s3")
        try:
            found = s3.head_bucket(Bucket=self.account.bucket, ExpectedBucketOwner=self.account.id)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in {"404", "NoSuchBucket"}:
                return False
            if code in {"403", "AccessDenied"}:
                msg = f"bucket {self.account.bucket} is not this account's, or may not be looked at"
                raise UserError(
                    msg,
                    [
                        "sign in as an administrator of the account, who may s3:ListBucket",
                        "if it is somebody else's: use another --region, which gives another name",
                    ],
                ) from error
            raise
        owner = found["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region", self.region)
        if owner != self.region:
            msg = f"bucket {self.account.bucket} is in {owner}, not in {self.region}"
            raise UserError(msg, [f"run with --region {owner}, or delete it if it is empty"])
        return True

    def create(self) -> None:
        """In the region of the state; S3 takes us-east-1 only by silence."""
        where = {} if self.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        self.client("s3").create_bucket(Bucket=self.account.bucket, ObjectOwnership="BucketOwnerEnforced", **where)

    def lacks(self) -> Iterator[Lack]:
        """What `_wanted` says and S3 does not."""
        s3 = self.client("s3")
        for one in self._wanted():
            found = answer(partial(getattr(s3, f"get_{one.subject}"), Bucket=self.account.bucket), "NoSuch", *UNSET)
            if not says(found, one.expected):
                yield (
                    one.what,
                    partial(
                        getattr(s3, f"put_{one.subject}"), Bucket=self.account.bucket, **(one.sent or one.expected)
                    ),
                )
        found = answer(lambda: s3.get_bucket_policy(Bucket=self.account.bucket), "NoSuch")
        wanted = bucket_policy(self.account)
        if found is None or json.loads(found["Policy"]) != wanted:
            yield "TLS only", lambda: s3.put_bucket_policy(Bucket=self.account.bucket, Policy=json.dumps(wanted))

    def _wanted(self) -> list[Setting]:
        encryption = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": self.key.arn}
        encrypted = {"Rules": [{"ApplyServerSideEncryptionByDefault": encryption, "BucketKeyEnabled": True}]}
        rules = [
            {
                "ID": "old-states",
                "Status": "Enabled",
                "Filter": {"Prefix": ""},
                "NoncurrentVersionExpiration": {"NoncurrentDays": OLD_STATE_DAYS},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
            }
        ]
        shut = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        owner = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        return [
            Setting(
                "no public access",
                "public_access_block",
                {"PublicAccessBlockConfiguration": dict.fromkeys(shut, True)},
            ),
            Setting("the owner owns every file", "bucket_ownership_controls", {"OwnershipControls": owner}),
            Setting(
                "versions",
                "bucket_versioning",
                {"Status": "Enabled"},
                {"VersioningConfiguration": {"Status": "Enabled"}},
            ),
            Setting("encryption with the key", "bucket_encryption", {"ServerSideEncryptionConfiguration": encrypted}),
            Setting(
                f"old versions go after {OLD_STATE_DAYS} days",
                "bucket_lifecycle_configuration",
                {"Rules": rules},
                {"LifecycleConfiguration": {"Rules": rules}},
            ),
        ]


def bucket_policy(account: Account) -> dict[str, Any]:
    """Nobody reads or writes the state without TLS."""
    bucket = f"arn:{account.partition}:s3:::{account.bucket}"
    return permissions.document(
        [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [bucket, f"{bucket}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ]
    )
