"""A project with a local cloud of its own, stacks in it that can be hurt, and what is measured of them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import boto3
import yaml

from infra.errors import UserError
from infra.growth.stateful import STATEFUL
from infra.local import cloud as local_cloud
from infra.local.cloud import PROJECT, Paths
from infra.local.faults import Faults
from infra.local.locks import lives
from infra.local.stack import LocalStack
from infra.recovery import aws, cloudflare
from infra.recovery.backend import LocalBackend
from infra.recovery.deployment import Deployment
from infra.recovery.lookup import Found, LocalLookup, Lookup
from infra.recovery.names import id_of_name
from infra.recovery.recover import unrecorded
from tools.fault_matrix.child import SHOP, stack

PATIENCE_SECONDS: Final = 240.0
POLL_SECONDS: Final = 0.05
SHOP_CHANGES: Final = 41
GROWN_CHANGES: Final = 26
"""From the shop's stage 1 to its stage 2."""
PRODUCT_CHANGES: Final = 381


@dataclass(frozen=True, slots=True)
class Ended:
    """How an `up` ended: its exit code, what it printed, and what is worth keeping of how it went."""

    code: int
    text: str
    note: str = ""

    @property
    def changes(self) -> dict[str, int]:
        """What it changed; only when it succeeded."""
        found: dict[str, int] = json.loads(self.text.splitlines()[-1])
        return {kind: count for kind, count in found.items() if kind != "unchanged"}


@dataclass(frozen=True, slots=True)
class Left:
    """What is wrong in the cloud.

    Attributes:
        orphans: objects in no state.
        duplicates: resources that have more than one object.
    """

    orphans: tuple[str, ...]
    duplicates: tuple[str, ...]


class Patient:
    """One stack that gets hurt."""

    def __init__(self, root: Path, name: str, what: str, changes: int) -> None:
        """Take a stack of the project at `root`, of which the next `up` makes so many `changes`."""
        self.root, self.name, self.what, self.changes = root, name, what, changes
        self.turn = 0
        self.local: LocalStack = stack(root, name, what)
        self.faults = Faults(Paths(root).faults)

    def configure(self, **keys: Any) -> None:
        """Write the stack file, or change keys of it."""
        path = self.root / f"Pulumi.{self.name}.yaml"
        content = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {"config": {}}
        content["config"].update({f"headroom:{key}": value for key, value in keys.items()})
        path.write_text(yaml.safe_dump(content), encoding="utf-8")

    def start(self) -> subprocess.Popen[str]:
        """Begin an `up` in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "tools.fault_matrix.child", str(self.root), self.name, self.what],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def up(self) -> Ended:
        """Bring it up in this process, which saves the start of another one."""
        try:
            return Ended(0, json.dumps(self.local.up().to_dict()["changes"]))
        except UserError as error:
            return Ended(error.exit_code, str(error))

    def strike(self, number: signal.Signals, after: int, *, engine: bool) -> Ended:
        """Send a signal when so many changes are made; to the engine, or to the command that runs it."""
        cloud = local_cloud.find(self.root)
        assert cloud is not None  # noqa: S101 - the world has started it
        lookup = LocalLookup(cloud)
        before = lookup.changes()
        process = self.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while process.poll() is None and time.monotonic() < deadline and lookup.changes() - before < max(after, 1):
            time.sleep(POLL_SECONDS)
        if process.poll() is None and (pids := self._working()):
            os.kill(pids[0] if engine else process.pid, number)
        ended = end(process)
        while self._working() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return ended

    def _working(self) -> list[int]:
        return [pid for pid in self.local.locks() if lives(pid)]

    def made(self) -> list[Found]:
        """What exists of it."""
        return self.backend().lookup.objects(self.local.project, self.name)

    def backend(self, *, tags_alone: bool = False) -> LocalBackend:
        """What recovery works with; with `tags_alone` it finds what AWS's own API would find."""
        backend = LocalBackend(self.local)
        if tags_alone:
            cloud = local_cloud.find(self.root)
            assert cloud is not None  # noqa: S101 - the world has started it
            backend.lookup = _Tags(backend.lookup, self.local.project, self.name, cloud.endpoint)
        return backend

    def state(self) -> Deployment:
        """The state, as it lies on the disk."""
        return Deployment({"deployment": {"resources": self.local.resources()}})

    def data(self) -> set[tuple[str, str, str]]:
        """What exists and holds data."""
        return {one.key for one in self.made() if one.type in STATEFUL}

    def left(self) -> Left:
        """What is wrong."""
        made = self.made()
        counts = Counter(one.urn for one in made)
        return Left(
            tuple(f"{one.urn} {one.id}" for one in unrecorded(made, self.state())),
            tuple(urn for urn, count in counts.items() if count > 1),
        )


class _Tags:
    """A lookup that is as blind as AWS for what carries no tag."""

    is_complete = False

    def __init__(self, lookup: Lookup, project: str, stack: str, endpoint: str) -> None:
        self._lookup, self._project, self._stack, self._endpoint = lookup, project, stack, endpoint

    def objects(self, project: str, stack: str) -> list[Found]:
        """See `Lookup`."""
        return [one for one in self._lookup.objects(project, stack) if one.by == "tag"]

    def id_of(self, type_: str, inputs: Mapping[str, Any]) -> str:
        """See `Lookup`: by what the id is made of; the cloud's own memory answers for Cloudflare's API."""
        known = id_of_name(type_, inputs) or aws.ask(type_, inputs, self._client)
        return known or (self._asked(inputs) if type_ in cloudflare.QUESTIONS else "")

    def _client(self, service: str, region: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self._endpoint,
            region_name=region,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - moto believes anybody
        )

    def _asked(self, inputs: Mapping[str, Any]) -> str:
        made = self._lookup.objects(self._project, self._stack)
        return next((one.id for one in made if inputs.items() <= one.properties.items()), "")


def end(process: subprocess.Popen[str]) -> Ended:
    """Wait for it."""
    text, _ = process.communicate(timeout=PATIENCE_SECONDS)
    return Ended(process.returncode, text)


@contextmanager
def world(root: Path) -> Iterator[Path]:
    """Make the project and start its local cloud."""
    shutil.copy(PROJECT / "Pulumi.yaml", root / "Pulumi.yaml")
    local_cloud.start(root)
    try:
        yield root
    finally:
        local_cloud.stop(root)


def shop(root: Path, name: str, stage: int = 1) -> Patient:
    """A stack of the small program, not yet up."""
    patient = Patient(root, name, SHOP, SHOP_CHANGES)
    patient.configure(stage=stage)
    return patient


def product(root: Path, name: str) -> Patient:
    """A stack like the one that ships for 10k, not yet up."""
    shutil.copy(PROJECT / "Pulumi.10k.yaml", root / f"Pulumi.{name}.yaml")
    patient = Patient(root, name, "10k", PRODUCT_CHANGES)
    # One domain serves one stack, and so does one zone.
    patient.configure(domain=f"{name}.example.com", cloudflareZoneId=sha256(name.encode()).hexdigest()[:32])
    return patient


def grown(root: Path, name: str) -> Patient:
    """The small program, up, and about to go to its second stage."""
    patient = shop(root, name)
    first = patient.up()
    if first.code:
        raise AssertionError(first.text)
    patient.configure(stage=2)
    patient.changes = GROWN_CHANGES
    return patient
