"""What a procedure stands on: the stack's settings and state, its databases in AWS, and the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

from infra.config import ROOT, Settings
from infra.errors import UserError
from infra.local.stack import LocalStack
from infra.procedures.steps import Engine
from infra.recovery.backend import AccountBackend, Backend, LocalBackend, export
from infra.verify.facts import Clients
from stacks.shards import Primary, primaries, primary_of

INSTANCE = "aws:rds/instance:Instance"
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """A database of the state.

    Attributes:
        urn: of the resource.
        id: as the provider knows it: RDS's resource id, which stays when the identifier changes.
        region: where it is.
        identifier: its name in RDS.
        inputs: what the program wants of it; secrets are encrypted there.
    """

    urn: str
    id: str
    region: str
    identifier: str
    inputs: Values

    def follows(self, identifier: str) -> bool:
        """Whether the program has it as a replica of `identifier`; one elsewhere names its source by ARN."""
        source = str(self.inputs.get("replicateSourceDb") or "")
        return source.rpartition(":")[2] == identifier


class Changer(Protocol):
    """Runs `up` on parts of a stack."""

    def up(self, *, replace: Sequence[str] = (), target: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        """Bring the stack up; see `pulumi up --help` for the three."""


class _LocalChanger(LocalStack):
    """The engine with the program in this process."""

    def change(self, **options: list[str]) -> None:
        """Run `up` with options of the Automation API."""
        cloud = self._deployed("up")
        self._prepare(self._source_config())
        self._run("up", cloud, **cast("Any", options))


class Ground:
    """One stack, on the local cloud or in an account."""

    def __init__(self, stack: str, *, is_local: bool, root: Path = ROOT) -> None:
        """Take the stack.

        Raises:
            UserError: there is no such stack, or its cloud is gone.
        """
        self.settings, self.is_local = Settings.of(stack, root), is_local
        self.name = self.settings.stack
        self.shown = f"{self.name} --local" if is_local else self.name
        self.clients = Clients()
        self._local: _LocalChanger | None = None
        if is_local:
            from infra.local.cloud import endpoint

            self._local = _LocalChanger(self.name, root=root)
            self.backend: Backend = LocalBackend(self._local)
            self.clients = Clients(endpoint(root))
        else:
            self.backend = AccountBackend(self.name, root, self.settings.spec.all_regions)

    def client(self, service: str, region: str) -> Any:
        """boto3's client."""
        return self.clients.get(service, region)

    @property
    def look_seconds(self) -> float:
        """Between two looks at a cloud where things take their time, or do not."""
        from infra.procedures.steps import LOOK_SECONDS

        return 0 if self.is_local else LOOK_SECONDS

    # The state.

    def entries(self) -> Mapping[str, Values]:
        """The state's living resources by URN."""
        return export(self.backend).living()

    def held(self) -> list[Held]:
        """The databases of the state.

        Raises:
            UserError: there are none: the stack was never brought up.
        """
        found = [
            Held(urn, str(one["id"]), str(one["outputs"]["region"]), str(one["inputs"]["identifier"]), one["inputs"])
            for urn, one in self.entries().items()
            if one["type"] == INSTANCE
        ]
        if not found:
            msg = f"the state of stack {self.name} holds no database"
            raise UserError(msg, ["choose the stack that was brought up: `pulumi stack ls`"])
        return found

    def primary(self, shard: int | None) -> Primary:
        """The primary of a logical shard.

        Raises:
            UserError: there is no such shard, or none was named and there are several primaries.
        """
        phase = self.settings.spec
        several = primaries(phase)
        if shard is None and len(several) > 1:
            msg = f"stack {self.name} has {len(several)} primaries: say which"
            raise UserError(
                msg, [f"--shard {one.shards[0]}: {one.name}, shards {_range(one.shards)}" for one in several]
            )
        if (shard or 0) >= phase.database.logical_shards:
            msg = f"stack {self.name} has no shard {shard}: its phase has {phase.database.logical_shards}, from 0"
            raise UserError(msg)
        return primary_of(phase, shard or 0)

    def find(self, primary: Primary) -> Held:
        """A primary of the state.

        Raises:
            UserError: the state does not have it.
        """
        for one in self.held():
            if one.urn.endswith(f"::{primary.name}-primary"):
                return one
        msg = f"the state of stack {self.name} does not hold {primary.name}"
        raise UserError(msg, ["is the stack file's phase the one that was brought up?"])

    def urns(self, type_: str, names: Sequence[str]) -> list[str]:
        """URNs of the state's resources of a type, by logical name."""
        return [urn for urn, one in self.entries().items() if one["type"] == type_ and urn.rpartition("::")[2] in names]

    # AWS.

    def instances(self, region: str) -> dict[str, Values]:
        """The databases that RDS has in a region, by identifier."""
        pages = self.client("rds", region).get_paginator("describe_db_instances").paginate()
        return {one["DBInstanceIdentifier"]: one for page in pages for one in page["DBInstances"]}

    def is_available(self, region: str, identifier: str) -> bool:
        """Whether it is there, with nothing left to change."""
        found = self.instances(region).get(identifier)
        return found is not None and found["DBInstanceStatus"] == "available" and not _pending(found)

    # The engine.

    def up(
        self, *, replace: Sequence[str] = (), target: Sequence[str] = (), exclude: Sequence[str] = (), title: str
    ) -> Engine:
        """A run of `up`; `title` stands for the URNs, which nobody reads."""
        flags = [
            part
            for flag, urns in (("--replace", replace), ("--target", target), ("--exclude", exclude))
            for urn in urns
            for part in (flag, urn)
        ]
        command = f"pulumi up -s {self.name}{f' ({title})' if title else ''}"
        if self._local is not None:
            options = {"replace": list(replace), "target": list(target), "exclude": list(exclude)}
            given = {key: urns for key, urns in options.items() if urns}
            return Engine(command, partial(self._local.change, **given))
        return Engine(command, partial(self._up_account, flags))

    def _up_account(self, flags: Sequence[str]) -> None:
        self.backend.run("up", "--yes", "--skip-preview", *flags)


def _range(shards: Sequence[int]) -> str:
    return str(shards[0]) if len(shards) == 1 else f"{shards[0]} to {shards[-1]}"


def _pending(instance: Values) -> bool:
    """Changes that RDS has accepted and not made; an empty structure, or one of empty values, is none."""
    return any(value not in (None, {}, []) for value in (instance.get("PendingModifiedValues") or {}).values())
