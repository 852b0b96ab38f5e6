"""A stack on the local cloud, run by the real engine through the Automation API with an inline program."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import pulumi
import yaml
from pulumi import automation
from pulumi.automation._stack import StackInitMode
from rich.console import Console

from infra.errors import UserError
from infra.local import cloud as local_cloud
from infra.local import loops
from infra.local.cloud import PROJECT, Cloud, Paths
from infra.local.command import Command, Signals, Stack, Workspace, complaints, interruptible
from infra.local.locks import holders, lives
from infra.local.progress import NO_RESOURCE, Progress
from infra.uncollected import uncollected

Program = Callable[[], Awaitable[Mapping[str, Any] | None]]
SECRET_SHOWN: Final = "[secret]"  # noqa: S105 - what stands in place of one
LIFTED: Final = "development"
"""The environment in which nothing is protected."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an operation did.

    Attributes:
        operation: up, preview, refresh or destroy.
        progress: the counts, by component.
        outputs: the stack's outputs; secret ones read `[secret]`.
        seconds: wall time.
    """

    operation: str
    progress: Progress
    outputs: dict[str, Any]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "operation": self.operation,
            "changes": dict(self.progress.totals()),
            "components": {name: dict(counter) for name, counter in sorted(self.progress.counts.items())},
            "outputs": self.outputs,
            "seconds": round(self.seconds, 1),
        }


class OperationError(UserError):
    """The engine ran, and something in the stack failed."""

    exit_code: ClassVar[int] = 1


class LocalStack:
    """One stack of the project at `root`, on the local cloud."""

    def __init__(
        self,
        name: str,
        *,
        root: Path = PROJECT,
        program: Program | None = None,
        engine: Callable[[], automation.PulumiCommand] | None = None,
        console: Console | None = None,
        checkpoints: bool = False,
        policies: Path | None = None,
    ) -> None:
        """Choose the stack; tests bring a program and an engine of their own.

        With `checkpoints` the engine writes the state at every step, as it does against real AWS. `policies` is the
        folder of a policy pack that judges what `up` and `preview` register.
        """
        self.name = name
        self.paths = Paths(root)
        self.folder = self.paths.work / name
        self.console = console or Console(quiet=True)
        self._program = program or _platform
        self._loops: list[asyncio.AbstractEventLoop] = []
        self._engine = engine or _engine
        self._checkpoints = checkpoints
        self._policies = policies

    def up(self) -> Outcome:
        """Create or update the stack; starts the cloud where none runs."""
        config = self._source_config()
        cloud = self._cloud(start=True)
        self._refuse_neighbour(config.get("headroom:domain"))
        self._prepare(config)
        self.paths.owner(self.name).write_text(cloud.id, encoding="utf-8")
        outcome = self._run("up", cloud)
        shutil.copy(self._work_file, self._deployed_file)
        return outcome

    def preview(self, plan: Path | None = None) -> Outcome:
        """Say what `up` would do; with `plan`, in that file too (`pulumi preview --save-plan`)."""
        config = self._source_config()
        cloud = self._cloud(start=True)
        self._prepare(config)
        return self._run("preview", cloud, **({"plan": str(plan)} if plan else {}))

    def refresh(self) -> Outcome:
        """Compare the state with the cloud, and write down what is there."""
        return self._run("refresh", self._deployed("refresh"))

    def destroy(self) -> Outcome:
        """Delete everything, and forget the stack; protection is lifted first where the stack has any."""
        cloud = self._deployed("destroy")
        if any(r.get("protect") or r.get("retainOnDelete") for r in self.resources()):
            self.console.print(
                f"stack {self.name} is protected: an update in the environment {LIFTED} lifts that first, here only",
                highlight=False,
            )
            self._prepare({**self.deployed_config(), "headroom:environment": LIFTED})
            self._run("up", cloud)
        outcome = self._run("destroy", cloud)
        self._automation(cloud).workspace.remove_stack(self.name)
        self.paths.owner(self.name).unlink(missing_ok=True)
        shutil.rmtree(self.folder)
        return outcome

    def engine(self, *args: str) -> str:
        """Run one of the engine's commands that needs no program; its standard output.

        Raises:
            OperationError: it failed.
        """
        workspace = self._automation(self._deployed("look at")).workspace
        try:
            return workspace.pulumi_command.run(
                [*args, "--stack", self.name], str(self.folder), workspace.env_vars
            ).stdout
        except automation.errors.CommandError as error:
            msg = f"`{args[0]}` of stack {self.name} failed"
            raise OperationError(msg, complaints(str(error)) + self._killed()) from None

    def outputs(self) -> dict[str, Any]:
        """Outputs of the last `up`; empty when there was none.

        Raises:
            UserError: when the cloud that they speak of is gone.
        """
        self._refuse_lost(local_cloud.find(self.paths.root))
        return next((_shown(r.get("outputs", {})) for r in self.resources() if r["type"] == "pulumi:pulumi:Stack"), {})

    # The cloud that the stack is on.

    def _cloud(self, *, start: bool) -> Cloud:
        cloud = local_cloud.find(self.paths.root)
        self._refuse_lost(cloud)
        if cloud is None and start:
            self.console.print("starting the local cloud ...", highlight=False)
            cloud, _ = local_cloud.start(self.paths.root)
        if cloud is None:
            msg = "the local cloud is not running"
            raise UserError(msg, ["start it: `headroom local start`"])
        return cloud

    def _refuse_lost(self, cloud: Cloud | None) -> None:
        if self.name in local_cloud.lost(self.paths.root, cloud):
            msg = f"the local cloud that held stack {self.name} is gone, while the stack's state is still here"
            mend = f"forget the state: `headroom local reset`; then build anew: `headroom up {self.name} --local`"
            raise UserError(msg, [mend])

    def _refuse_neighbour(self, domain: str | None) -> None:
        """Two stacks on one domain would write the same DNS records, here as with the real vendors."""
        for other in sorted(local_cloud.stacks(self.paths.root)):
            theirs = LocalStack(other, root=self.paths.root).deployed_config().get("headroom:domain")
            if domain and other != self.name and theirs == domain:
                msg = f"stack {other} is up on {domain}, and one domain serves one stack"
                mends = [
                    f"take it down: `headroom destroy {other} --local`",
                    "or give this one a headroom:domain of its own",
                ]
                raise UserError(msg, mends)

    def _deployed(self, operation: str) -> Cloud:
        if self.name not in local_cloud.stacks(self.paths.root):
            msg = f"nothing to {operation}: stack {self.name} is not on the local cloud"
            raise UserError(msg, [f"bring it up: `headroom up {self.name} --local`"])
        return self._cloud(start=False)

    # The generated project folder: the project's own files are never written to.

    def _source_config(self) -> dict[str, Any]:
        """The stack file's configuration; what is encrypted for another backend is left out, with a word about it."""
        path = self.paths.root / f"Pulumi.{self.name}.yaml"
        if not path.exists():
            have = sorted(p.name.split(".")[1] for p in self.paths.root.glob("Pulumi.*.yaml"))
            msg = f"there is no stack {self.name}: {path.name} does not exist"
            raise UserError(msg, [f"stacks here: {', '.join(have) or 'none'}"])
        try:
            config = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("config") or {}
        except (yaml.YAMLError, AttributeError) as error:
            msg = f"{path.name} is not a stack file: {' '.join(str(error).split())}"
            raise UserError(msg) from error
        hidden = sorted(key for key, value in config.items() if isinstance(value, dict) and "secure" in value)
        if hidden:
            self.console.print(f"left out here, as only your own backend can decrypt it: {', '.join(hidden)}")
        return {key: value for key, value in config.items() if key not in hidden}

    @property
    def _work_file(self) -> Path:
        return self.folder / f"Pulumi.{self.name}.yaml"

    @property
    def _deployed_file(self) -> Path:
        """The work file as it was when an `up` last succeeded."""
        return self.folder / "deployed.yaml"

    def deployed_config(self) -> dict[str, Any]:
        """What the stack was built with: the present stack file may be wrong, or about another phase."""
        path = self._deployed_file if self._deployed_file.exists() else self._work_file
        return dict((yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("config") or {})

    def _prepare(self, config: Mapping[str, Any]) -> None:
        self.paths.state.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        project = {"name": self.project, "runtime": "python", "main": str(self.paths.root)}
        (self.folder / "Pulumi.yaml").write_text(yaml.safe_dump(project), encoding="utf-8")
        path = self._work_file
        kept = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}
        path.write_text(yaml.safe_dump({**kept, "config": dict(config)}), encoding="utf-8")

    @property
    def project(self) -> str:
        """Pulumi's project, whose name is in every URN."""
        path = self.paths.root / "Pulumi.yaml"
        return str(yaml.safe_load(path.read_text(encoding="utf-8"))["name"])

    @property
    def checkpoint(self) -> Path:
        """The state, as the engine keeps it."""
        return self.paths.state / ".pulumi" / "stacks" / self.project / f"{self.name}.json"

    def _passphrase(self) -> str:
        path = self.paths.home / "passphrase"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(24), encoding="utf-8")
        return path.read_text(encoding="utf-8")

    # The engine.

    def _automation(self, cloud: Cloud) -> automation.Stack:
        async def program() -> None:
            self._loops.append(asyncio.get_running_loop())
            try:
                exports = await self._program()
            except UserError as error:  # The SDK prints a RunError as it is, and anything else with a traceback.
                raise pulumi.RunError(str(error)) from None
            for name, value in (exports or {}).items():  # `pulumi.run` does this; an inline program is on its own.
                pulumi.export(name, value)

        environment = {
            "PULUMI_BACKEND_URL": self.paths.state.resolve().as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": self._passphrase(),
            "PULUMI_DEBUG_PROVIDERS": cloud.debug_providers,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_LOG_ROTATION_MAX_TOTAL_MB": "20",  # the engine logs 2 MB an operation, and would keep 500
            # One write of the state at the end instead of one a step: without these, the 10k stack comes up in
            # 19 s instead of 7. What is lost when the engine is killed can be built again from nothing.
            **({} if self._checkpoints else {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}),
            "NO_PROXY": local_cloud.LOOPBACK,
            "no_proxy": local_cloud.LOOPBACK,
        }
        if self._policies is not None:
            environment["PATH"] = f"{self._analyzer()}{os.pathsep}{os.environ.get('PATH', '')}"
        workspace = Workspace(
            work_dir=str(self.folder),
            pulumi_home=str(self.paths.home / "pulumi"),
            pulumi_command=self._engine(),
            env_vars=environment,
            secrets_provider="passphrase",
            program=program,
        )
        if self.checkpoint.exists():
            return Stack(self.name, workspace, StackInitMode.SELECT)
        return Stack(self.name, workspace, StackInitMode.CREATE)

    def _run(self, operation: str, cloud: Cloud, **more: str) -> Outcome:
        self._refuse_locked()
        began = time.monotonic()
        expected = sum(not r["type"].startswith(NO_RESOURCE) for r in self.resources())
        progress = Progress(f"{operation} {self.name}", self.console, expected)
        stack = self._automation(cloud)
        call: Callable[..., Any] = getattr(stack, operation)
        came: Signals = []
        # When the engine gives up first, the SDK's language server has nobody to answer, and logs a traceback.
        logging.getLogger("grpc._server").setLevel(logging.CRITICAL)
        try:
            with interruptible(stack.workspace.pulumi_command, self.console, came), progress, uncollected():
                packs = self._packs(operation)
                call(on_event=progress.on_event, color="never", suppress_outputs=True, **packs, **more)
        except automation.errors.CommandError as error:
            if came:
                msg = f"`{operation}` of stack {self.name} was stopped by {came[0].name}; what was made is in the state"
                raise OperationError(msg, [f"go on: `headroom {operation} {self.name} --local`"]) from None
            if self.locks():
                msg = f"the engine died under `{operation}` of stack {self.name}"
                raise OperationError(msg, [f"first: `headroom recover {self.name} --local`"]) from None
            msg = f"`{operation}` of stack {self.name} failed"
            raise OperationError(msg, progress.errors or complaints(str(error))) from None
        finally:
            loops.close(self._loops)
            self._loops.clear()
        outputs = self.outputs() if operation == "up" else {}
        return Outcome(operation, progress, outputs, time.monotonic() - began)

    def _packs(self, operation: str) -> dict[str, list[str]]:
        judged = self._policies is not None and operation in {"up", "preview"}
        return {"policy_packs": [str(self._policies)]} if judged else {}

    def _analyzer(self) -> Path:
        """Folder of what the engine starts a policy pack in Python with; the official distribution brings its own."""
        folder = self.paths.home / "bin"
        program = folder / "pulumi-analyzer-policy-python"
        folder.mkdir(parents=True, exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -u -m pulumi.policy "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        return folder

    def refuse_working(self) -> None:
        """Refuse to go on while another command works on the stack.

        Raises:
            UserError: one does.
        """
        alive = [pid for pid in self.locks() if lives(pid)]
        if alive:
            msg = f"another command is working on stack {self.name} (process {alive[0]})"
            raise UserError(msg, ["wait until it is done"])

    def _killed(self) -> list[str]:
        """The mend where a killed command has left its lock: what it was writing may be cut off."""
        return [f"bring state and cloud together: `headroom recover {self.name} --local`"] if self.locks() else []

    def _refuse_locked(self) -> None:
        self.refuse_working()
        if locks := self.locks():
            msg = f"an earlier command on stack {self.name} was killed (process {locks[0]})"
            reset = "or empty the local cloud and forget the stack: `headroom local reset`"
            raise UserError(msg, [*self._killed(), reset])

    def locks(self) -> list[int]:
        """Processes that work on the stack, or did when they were killed."""
        return holders(self.paths.state / ".pulumi" / "locks" / "organization" / self.project / self.name)

    def resources(self) -> list[dict[str, Any]]:
        """The resources of the state; none before the first `up`.

        Raises:
            UserError: the state cannot be read, as when the disk was full.
        """
        if not self.checkpoint.exists():
            return []
        try:
            latest = json.loads(self.checkpoint.read_text(encoding="utf-8"))["checkpoint"].get("latest") or {}
        except (ValueError, KeyError):
            msg = f"the state of stack {self.name} is broken: {self.checkpoint}"
            raise UserError(msg, [f"go back to the copy before it: `headroom recover {self.name} --local`"]) from None
        return list(latest.get("resources") or [])


def outputs(root: Path, name: str) -> dict[str, Any]:
    """Outputs of the stack `name` on the local cloud of the project at `root`."""
    return LocalStack(name, root=root).outputs()


async def _platform() -> None:
    from stacks.platform import program

    await program()


def _engine() -> automation.PulumiCommand:
    from infra.engine import find

    return Command(find().command())


def _shown(value: Any) -> Any:
    """A value of the state; an encrypted one reads `[secret]`."""
    from infra.local.values import SIGNATURE

    match value:
        case dict() if SIGNATURE in value:
            return SECRET_SHOWN
        case dict():
            return {key: _shown(item) for key, item in value.items()}
        case list():
            return [_shown(item) for item in value]
        case _:
            return value
