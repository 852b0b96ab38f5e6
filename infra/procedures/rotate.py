"""Secrets that the program generates, made anew; and the signing keys, which a function rotates.

A password is made anew by `pulumi up --replace` of its RandomPassword: everything that has it follows in the same
`up`. Where two sides would then disagree for minutes, and AWS lets one side accept two values, it is told to accept
both first: the load balancer's rules (the origin's header) and the cache's user, which may have two passwords
(https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Clusters.RBAC.html). PostgreSQL has one password a role.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from typing import Any, Final

from infra.naming import PROJECT, Names
from infra.procedures.ground import Ground, Values
from infra.procedures.steps import Call, Procedure, Step, Work

MARK: Final = "HeadroomRotation"
"""Tag of the secret during a rotation: the version that was in use when it began."""
CURRENT: Final = "AWSCURRENT"
PASSWORD: Final = "random:index/randomPassword:RandomPassword"  # noqa: S105 - a type
VERSION: Final = "aws:secretsmanager/secretVersion:SecretVersion"
RULE: Final = "aws:lb/listenerRule:ListenerRule"
USER: Final = "aws:elasticache/user:User"
_UP: Final = 1500
"""Seconds of an `up` that rolls all pods: two rollouts, 30 s a pooler and a drain of 330 s; an estimate."""


class Secret(StrEnum):
    """What can be rotated."""

    DATABASE = "database"
    APPLICATION = "application"
    CACHE = "cache"
    ORIGIN = "origin"
    SIGNING = "signing"


class Rotation:
    """Plans the rotation of one secret."""

    def __init__(self, ground: Ground, secret: Secret) -> None:
        """Choose the secret."""
        self._ground, self._secret = ground, secret
        self._home = ground.settings.spec.home_region
        self._regions = ground.settings.spec.regions

    def procedure(self) -> Procedure:
        """The steps."""
        plans: dict[Secret, Callable[[], tuple[Step, ...]]] = {
            Secret.DATABASE: self._at_once,
            Secret.APPLICATION: self._at_once,
            Secret.CACHE: self._by_both,
            Secret.ORIGIN: self._by_both,
            Secret.SIGNING: self._by_function,
        }
        return Procedure(
            name=f"rotate {self._secret}",
            stack=self._ground.shown,
            lost=(),
            steps=plans[self._secret](),
            after=(_CHECKS[self._secret],),
        )

    # At once.

    def _at_once(self) -> tuple[Step, ...]:
        """Each region's owner has a password of its own; the pods' role has one for all."""
        passwords = self._generators(self._regions if self._secret is Secret.DATABASE else (self._home,))
        return (
            Step(
                title="make the password anew, and give it to all who use it",
                seconds=_UP,
                work=lambda: [self._ground.up(replace=passwords, title=f"--replace the {self._secret} password")],
                outage=_OUTAGES.get(self._secret, ""),
            ),
        )

    def _generators(self, regions: Sequence[str]) -> list[str]:
        return self._ground.urns(PASSWORD, [f"{region}-secrets-{self._secret}" for region in regions])

    # By way of both.

    def _by_both(self) -> tuple[Step, ...]:
        new = self._generators([self._home])
        kept = self._ground.urns(VERSION, [f"{region}-secrets-{self._secret}" for region in self._regions])
        guards = self._guards()
        return (
            Step(
                title="mark the version in use",
                seconds=5,
                work=lambda: [self._call("TagResource", Tags=[{"Key": MARK, "Value": self._current()}])],
                is_done=lambda: self._former() is not None,
            ),
            Step(
                title="make the value anew, and store it: nobody uses it yet",
                seconds=60,
                work=lambda: [
                    self._ground.up(
                        replace=new, target=[*new, *kept], title="--replace and --target the value and its versions"
                    )
                ],
                is_done=lambda: self._former() not in {None, self._current()},
            ),
            Step(
                title="accept both values",
                seconds=60,
                work=lambda: self._accept([self._former(), self._current()]),
                has_ended=self._is_accepted,
            ),
            Step(
                title="give the new value to those who show it",
                seconds=_UP,
                work=lambda: [self._ground.up(exclude=guards, title="--exclude what accepts it")],
            ),
            Step(
                title="accept the new value alone",
                seconds=120,
                work=lambda: [*self._accept([self._current()]), self._ground.up(title="")],
                has_ended=self._is_accepted,
            ),
            Step(
                title="take the mark away",
                seconds=5,
                work=lambda: [self._call("UntagResource", TagKeys=[MARK])],
            ),
        )

    @property
    def _name(self) -> str:
        return Names(PROJECT, self._ground.name).of("secret", f"{self._home}-secrets-{self._secret}")

    def _described(self) -> Values:
        found: Values = self._ground.client("secretsmanager", self._home).describe_secret(SecretId=self._name)
        return found

    def _current(self) -> str:
        stages: dict[str, list[str]] = self._described()["VersionIdsToStages"]
        return next(version for version, labels in stages.items() if CURRENT in labels)

    def _former(self) -> str | None:
        """The version that pods and the edge still use, while a rotation is under way.

        Secrets Manager keeps it as AWSPREVIOUS, since nothing else makes a version meanwhile.
        """
        return next((tag["Value"] for tag in self._described().get("Tags", []) if tag["Key"] == MARK), None)

    def _call(self, operation: str, **parameters: Any) -> Call:
        return Call("secretsmanager", self._home, operation, {"SecretId": self._name, **parameters})

    def _values(self, versions: Sequence[str | None]) -> list[str]:
        client = self._ground.client("secretsmanager", self._home)
        return [
            str(client.get_secret_value(SecretId=self._name, VersionId=one)["SecretString"])
            for one in dict.fromkeys(versions)
            if one
        ]

    def _guards(self) -> list[str]:
        """URNs of what has to accept both: every rule that asks for the header, every region's cache user."""
        type_ = RULE if self._secret is Secret.ORIGIN else USER
        return [urn for urn, one in self._ground.entries().items() if one["type"] == type_]

    def _accept(self, versions: Sequence[str | None]) -> Sequence[Work]:
        entries = self._ground.entries()
        return [call for urn in self._guards() for call in self._accepting(entries[urn], versions)]

    def _accepting(self, guard: Values, versions: Sequence[str | None]) -> list[Work]:
        region = str(guard["outputs"]["region"])
        if self._secret is Secret.ORIGIN:
            conditions = partial(self._conditions, region, guard["id"], versions)
            return [Call("elbv2", region, "ModifyRule", {"RuleArn": guard["id"]}, {"Conditions": conditions})]
        if self._ground.is_local:
            return []  # Users are not in moto.
        return [
            Call(
                "elasticache",
                region,
                "ModifyUser",
                {"UserId": guard["id"]},
                {"Passwords": lambda: self._values(versions)},
            )
        ]

    def _conditions(self, region: str, arn: str, versions: Sequence[str | None]) -> list[Values]:
        """The rule's conditions with other values of the header."""
        rule = self._ground.client("elbv2", region).describe_rules(RuleArns=[arn])["Rules"][0]
        conditions = []
        for one in rule["Conditions"]:
            given = {key: value for key, value in one.items() if key == "Field" or key.endswith("Config")}
            if "HttpHeaderConfig" in one:
                given["HttpHeaderConfig"] = {**one["HttpHeaderConfig"], "Values": self._values(versions)}
            conditions.append(given)
        return conditions

    def _is_accepted(self) -> bool:
        """Rules hold at once; a user is `modifying` until every group has it."""
        if self._secret is Secret.ORIGIN or self._ground.is_local:
            return True
        entries = self._ground.entries()
        users = [entries[urn] for urn in self._guards()]
        return all(
            self._ground.client("elasticache", one["outputs"]["region"]).describe_users(UserId=one["id"])["Users"][0][
                "Status"
            ]
            == "active"
            for one in users
        )

    # By the function.

    def _by_function(self) -> tuple[Step, ...]:
        name = Names(PROJECT, self._ground.name).of("secret", f"{self._home}-secrets-signing")
        return (
            Step(
                title="let the function make a new signing key; the last one still verifies",
                seconds=30,
                work=lambda: [Call("secretsmanager", self._home, "RotateSecret", {"SecretId": name})],
            ),
        )


_OUTAGES: Final = {
    Secret.APPLICATION: "logins to the database, from the migration that sets the password until all pods have rolled"
}
_CHECKS: Final = {
    Secret.DATABASE: "the migration Jobs have run: `kubectl -n headroom get jobs`; only they use this password",
    Secret.APPLICATION: "no alarm of the poolers or of the API's errors, and `kubectl -n headroom get pods` all ready",
    Secret.CACHE: "`aws elasticache describe-users` says one password and `active`",
    Secret.ORIGIN: "`curl -sI https://origin.DOMAIN/health` answers 403, and the product's own address 200",
    Secret.SIGNING: "`aws secretsmanager describe-secret` has a new AWSCURRENT; tokens signed before still verify",
}
