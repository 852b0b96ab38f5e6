"""Who may do what: GitHub as a provider of identities, and the roles of the workflows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from infra.account.bootstrap_piece import TAGS, Lack, Piece, answer, opened
from infra.account.permissions import AUDIENCE, ISSUER

HOUR_SECONDS: Final = 60 * 60
POLICY_VERSIONS: Final = 5
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html"""


@dataclass(kw_only=True)
class Provider(Piece):
    """GitHub as one who says which job is asking. There is one an account: others' roles may trust it too."""

    @property
    def name(self) -> str:
        """Its issuer."""
        return f"OIDC provider {ISSUER}"

    @property
    def arn(self) -> str:
        """Its ARN, which the issuer gives."""
        return f"arn:{self.account.partition}:iam::{self.account.id}:oidc-provider/{ISSUER}"

    def exists(self) -> bool:
        """By its ARN."""
        known = self.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
        return any(one["Arn"] == self.arn for one in known)

    def create(self) -> None:
        """Without a thumbprint: AWS trusts GitHub's certificate by its own list."""
        self.client("iam").create_open_id_connect_provider(Url=f"https://{ISSUER}", ClientIDList=[AUDIENCE])

    def lacks(self) -> Iterator[Lack]:
        """The audience; those of others stay."""
        iam = self.client("iam")
        found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=self.arn)
        if AUDIENCE not in found["ClientIDList"]:
            yield (
                f"audience {AUDIENCE}",
                lambda: iam.add_client_id_to_open_id_connect_provider(
                    OpenIDConnectProviderArn=self.arn, ClientID=AUDIENCE
                ),
            )


@dataclass(kw_only=True)
class Policy(Piece):
    """A managed policy of the role that deploys."""

    policy_name: str
    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name."""
        return f"policy {self.policy_name}"

    @property
    def arn(self) -> str:
        """Its ARN."""
        return self.account.policy(self.policy_name)

    def exists(self) -> bool:
        """By its ARN."""
        return answer(lambda: self.client("iam").get_policy(PolicyArn=self.arn), "NoSuchEntity") is not None

    def create(self) -> None:
        """With the document at once."""
        self.client("iam").create_policy(
            PolicyName=self.policy_name,
            PolicyDocument=json.dumps(self.document),
            Tags=[{"Key": key, "Value": value} for key, value in TAGS.items()],
        )

    def lacks(self) -> Iterator[Lack]:
        """The document, as a new version; the oldest goes where there are too many."""
        iam = self.client("iam")
        current = iam.get_policy(PolicyArn=self.arn)["Policy"]["DefaultVersionId"]
        version = iam.get_policy_version(PolicyArn=self.arn, VersionId=current)["PolicyVersion"]
        if opened(version["Document"]) != self.document:
            yield "its statements", self._renew

    def _renew(self) -> None:
        iam = self.client("iam")
        versions = iam.list_policy_versions(PolicyArn=self.arn)["Versions"]
        if len(versions) >= POLICY_VERSIONS:
            oldest = min((one for one in versions if not one["IsDefaultVersion"]), key=lambda one: one["CreateDate"])
            iam.delete_policy_version(PolicyArn=self.arn, VersionId=oldest["VersionId"])
        iam.create_policy_version(PolicyArn=self.arn, PolicyDocument=json.dumps(self.document), SetAsDefault=True)


@dataclass(kw_only=True)
class Role(Piece):
    """A role that one kind of job takes on."""

    role_name: str
    note: str
    trust: Mapping[str, Any]
    inline: Mapping[str, Any] | None = None
    managed: Sequence[str] = field(default_factory=tuple)
    seconds: int = HOUR_SECONDS

    @property
    def name(self) -> str:
        """Its name."""
        return f"role {self.role_name}"

    def exists(self) -> bool:
        """By its name."""
        return self._found() is not None

    def create(self) -> None:
        """With whom it trusts at once, so that it is never open."""
        self.client("iam").create_role(
            RoleName=self.role_name,
            Description=self.note,
            AssumeRolePolicyDocument=json.dumps(self.trust),
            MaxSessionDuration=self.seconds,
            Tags=[{"Key": key, "Value": value} for key, value in TAGS.items()],
        )

    def lacks(self) -> Iterator[Lack]:
        """Trust first: nothing else matters while anybody could take the role on. Other policies are taken off."""
        iam, role = self.client("iam"), (self._found() or {})["Role"]
        if opened(role["AssumeRolePolicyDocument"]) != self.trust:
            yield (
                "whom it trusts",
                lambda: iam.update_assume_role_policy(RoleName=self.role_name, PolicyDocument=json.dumps(self.trust)),
            )
        if role["MaxSessionDuration"] != self.seconds:
            yield (
                f"sessions of {self.seconds // HOUR_SECONDS} h",
                lambda: iam.update_role(
                    RoleName=self.role_name, Description=self.note, MaxSessionDuration=self.seconds
                ),
            )
        attached = iam.list_attached_role_policies(RoleName=self.role_name)["AttachedPolicies"]
        has = {one["PolicyArn"] for one in attached}
        for arn in self.managed:
            if arn not in has:
                yield (
                    f"policy {arn.rpartition('/')[2]}",
                    partial(iam.attach_role_policy, RoleName=self.role_name, PolicyArn=arn),
                )
        for arn in sorted(has.difference(self.managed)):
            yield (
                f"nothing else, such as {arn}",
                partial(iam.detach_role_policy, RoleName=self.role_name, PolicyArn=arn),
            )
        yield from self._inline_lacks(iam)

    def _inline_lacks(self, iam: Any) -> Iterator[Lack]:
        names = iam.list_role_policies(RoleName=self.role_name)["PolicyNames"]
        own = self.role_name
        found = iam.get_role_policy(RoleName=own, PolicyName=own)["PolicyDocument"] if own in names else None
        if self.inline is not None and (found is None or opened(found) != self.inline):
            yield (
                "its statements",
                lambda: iam.put_role_policy(RoleName=own, PolicyName=own, PolicyDocument=json.dumps(self.inline)),
            )
        for name in sorted(set(names) - ({own} if self.inline is not None else set())):
            yield (
                f"nothing else, such as {name}",
                partial(iam.delete_role_policy, RoleName=self.role_name, PolicyName=name),
            )

    def _found(self) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = answer(
            lambda: self.client("iam").get_role(RoleName=self.role_name), "NoSuchEntity"
        )
        return found
