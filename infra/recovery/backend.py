"""The engine's commands that recovery needs, for a stack on the local cloud and for one in an account."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from infra.engine import find
from infra.errors import UserError
from infra.local import cloud as local_cloud
from infra.local.command import complaints
from infra.local.stack import LocalStack, OperationError
from infra.naming import PROJECT
from infra.recovery.deployment import Deployment
from infra.recovery.lookup import AwsLookup, LocalLookup, Lookup

Values = dict[str, Any]
YES: Final = ("--yes", "--skip-preview", "--color", "never")


class Backend(Protocol):
    """A stack and the engine over it."""

    stack: str
    project: str
    lookup: Lookup

    def prepare(self, *, dry_run: bool) -> list[str]:
        """Make the state readable and free; what had to be done, one sentence each.

        Raises:
            UserError: somebody works on the stack.
        """

    def run(self, *args: str) -> str:
        """Run a command of the engine on the stack; its standard output.

        Raises:
            UserError: it failed.
        """

    def goals(self) -> dict[str, Values]:
        """What the program wants and the state does not have, by URN, as the engine plans it.

        Raises:
            UserError: the program fails.
        """


def export(backend: Backend) -> Deployment:
    """Read the state."""
    return Deployment(json.loads(backend.run("stack", "export")))


def load(backend: Backend, deployment: Deployment) -> None:
    """Replace the state."""
    with tempfile.TemporaryDirectory(prefix="headroom-") as folder:
        path = Path(folder) / "state.json"
        path.write_text(json.dumps(deployment.content), encoding="utf-8")
        backend.run("stack", "import", "--file", str(path))


def refresh(backend: Backend, urns: Sequence[str]) -> None:
    """Read what is recorded under `urns`; what does not exist leaves the state."""
    backend.run("refresh", *YES, *_targets(urns))


def destroy(backend: Backend, urns: Sequence[str]) -> None:
    """Delete what is recorded under `urns`."""
    backend.run("destroy", *YES, "--continue-on-error", *_targets(urns))


def _targets(urns: Sequence[str]) -> list[str]:
    return [part for urn in urns for part in ("--target", urn)]


def wanted(path: Path) -> dict[str, Values]:
    """The creations of a file of `pulumi preview --save-plan`, and what they stand in, by URN."""
    plans = json.loads(path.read_text(encoding="utf-8")).get("resourcePlans", {})
    return {urn: one["goal"] for urn, one in plans.items() if one.get("goal") and "create" in one.get("steps", [])}


class LocalBackend:
    """A stack on the local cloud."""

    def __init__(self, stack: LocalStack) -> None:
        """Take the stack.

        Raises:
            UserError: it is on no local cloud, or that cloud is gone.
        """
        cloud = local_cloud.find(stack.paths.root)
        if stack.name not in local_cloud.stacks(stack.paths.root):
            msg = f"nothing to look at: stack {stack.name} is not on the local cloud"
            raise UserError(msg, [f"bring it up: `headroom up {stack.name} --local`"])
        if cloud is None or stack.name in local_cloud.lost(stack.paths.root, cloud):
            msg = f"there is nothing to look at: the local cloud that held stack {stack.name} is gone"
            raise UserError(msg, ["forget the state: `headroom local reset`"])
        self.local, self.stack, self.project = stack, stack.name, stack.project
        self.lookup: Lookup = LocalLookup(cloud)

    def prepare(self, *, dry_run: bool) -> list[str]:
        """See `Backend`."""
        self.local.refuse_working()
        done = []
        try:
            self.local.resources()
        except UserError as error:
            copy = _copy(self.local)
            what = f"the state's newest copy ({copy.name})" if copy else "an empty state, as there is no copy,"
            if dry_run:
                raise UserError(error.message, [f"without --dry-run {what} takes its place"]) from None
            if copy:
                shutil.copy(copy, self.local.checkpoint)
            else:
                self.local.checkpoint.unlink()
            done.append(f"put {what} in place of the broken one")
        for path in _broken_notes(self.local):
            done.append(f"removed the file backend's empty note {path.name}")
            if not dry_run:
                path.unlink()
        if self.local.locks():
            done.append("released the lock that a killed command left")
            if not dry_run:
                self.run("cancel", "--yes")
        return done

    def run(self, *args: str) -> str:
        """See `Backend`."""
        return self.local.engine(*args)

    def goals(self) -> dict[str, Values]:
        """See `Backend`."""
        with tempfile.TemporaryDirectory(prefix="headroom-") as folder:
            path = Path(folder) / "plan.json"
            self.local.preview(path)
            return wanted(path)


def _broken_notes(stack: LocalStack) -> list[Path]:
    """Notes that the file backend keeps beside each file, where a kill has cut them off.

    The engine then says `failed to load checkpoint: EOF` of a state that is whole; without the note it reads it.
    Sidecar files with the suffix `.attrs`: https://pkg.go.dev/gocloud.dev/blob/fileblob. Seen after a SIGKILL.
    """
    found = []
    for path in sorted(stack.checkpoint.parent.glob(f"{stack.name}.json*.attrs")):
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            found.append(path)
    return found


def _copy(stack: LocalStack) -> Path | None:
    """The newest state that can be read: the engine keeps a copy of the last write and of each operation's end."""
    state = stack.checkpoint
    folder = stack.paths.state / ".pulumi" / "backups" / stack.project / stack.name
    for copy in (state.with_suffix(".json.bak"), *sorted(folder.glob("*.json"), reverse=True)):
        try:
            json.loads(copy.read_text(encoding="utf-8"))["checkpoint"]
        except (OSError, ValueError, KeyError):
            continue
        return copy
    return None


class AccountBackend:
    """A stack in an AWS account, by the `pulumi` on this machine. Never run against a real account."""

    def __init__(self, stack: str, root: Path, regions: Sequence[str], environ: Mapping[str, str] = os.environ) -> None:
        """Work in the project at `root`, with the backend and the credentials that the shell has chosen."""
        self.stack, self.project = stack, PROJECT
        self.lookup: Lookup = AwsLookup(regions)
        self._root, self._environ = root, {**environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}

    def prepare(self, *, dry_run: bool) -> list[str]:  # noqa: ARG002 - what it does needs no dry run
        """Do nothing: nobody but a person knows whether the holder of a remote lock still works."""
        return []

    def run(self, *args: str) -> str:
        """See `Backend`."""
        command = [str(find().path), "--non-interactive", *args, "--stack", self.stack]
        done = subprocess.run(command, cwd=self._root, env=self._environ, check=False, capture_output=True, text=True)
        if done.returncode:
            problems = complaints(f"{done.stderr}\n{done.stdout}")
            if "locked" in done.stderr:
                problems.append(f"when nobody works on it: `pulumi cancel -s {self.stack}`, then this command again")
            said = " ".join(part for part in args[:2] if not part.startswith("-"))
            msg = f"`pulumi {said}` of stack {self.stack} failed"
            raise OperationError(msg, problems)
        return done.stdout

    def goals(self) -> dict[str, Values]:
        """See `Backend`."""
        with tempfile.TemporaryDirectory(prefix="headroom-") as folder:
            path = Path(folder) / "plan.json"
            self.run("preview", "--save-plan", str(path))
            return wanted(path)
