"""The Automation API as the local cloud uses it: one signal stops the engine once, whoever sent it to whom."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from pulumi import automation
from pulumi.automation import CommandResult, LocalWorkspace, OnOutput, OutputMap, PulumiCommand, UpdateSummary
from pulumi.automation.errors import create_command_error
from rich.console import Console

STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, what a CI system or `kill` sends, and a closed terminal."""
Signals = list[signal.Signals]


class Command(PulumiCommand):
    """An engine that a terminal's Ctrl-C does not reach by itself.

    Ctrl-C goes to every process of the terminal, `kill` and most CI systems only to ours. The engine takes a second
    signal for "at once, whatever is half done", so it must get exactly one: ours.
    """

    def __init__(self, found: PulumiCommand) -> None:
        """Run the engine `found`, without asking for its version again."""
        vars(self).update(vars(found))
        self._process: subprocess.Popen[str] | None = None

    def interrupt(self) -> None:
        """Let the engine finish what is under way, write the state, and end."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput | None = None,
        on_error: OnOutput | None = None,
    ) -> CommandResult:
        """As the base class does, in a session of its own.

        Raises:
            pulumi.automation.CommandError: the engine failed.
        """
        env = {**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        env["PATH"] = os.pathsep.join([str(Path(self.command).parent), env.get("PATH", "")])
        out: list[str] = []
        err: list[str] = []
        with subprocess.Popen(
            [self.command, "--non-interactive", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=env,
            encoding="utf-8",
            start_new_session=True,
        ) as process:
            self._process = process
            readers = [_reader(process.stdout, on_output, out), _reader(process.stderr, on_error, err)]
            try:
                for reader in readers:
                    reader.join()
                code = process.wait()
            except BaseException:
                process.kill()
                raise
        result = CommandResult(stdout="\n".join(out), stderr="\n".join(err), code=code)
        if code:
            raise create_command_error(result)
        return result


class Workspace(LocalWorkspace):
    """The Automation API's workspace, without the engine processes (0.3 s each) for what the state file tells."""

    def select_stack(self, stack_name: str) -> None:
        """Select nothing: every command names its stack."""

    def stack_outputs(self, stack_name: str) -> OutputMap:
        """Give none: `LocalStack.outputs` reads the state, and never decrypts a secret."""
        return {}


class Stack(automation.Stack):
    """The Automation API's stack, whose history nobody reads."""

    def info(self, show_secrets: bool = False) -> UpdateSummary:  # noqa: FBT001, FBT002 - the SDK's signature
        """Stand in for the history's last entry; the events have said what happened."""
        return UpdateSummary("update", datetime.now(UTC), "", {}, {}, "succeeded")


def _reader(stream: IO[str] | None, told: OnOutput | None, lines: list[str]) -> threading.Thread:
    def read(source: IO[str]) -> None:
        for line in source:
            lines.append(line.rstrip())
            if told:
                told(lines[-1])

    thread = threading.Thread(target=read, args=(stream,))
    thread.start()
    return thread


def complaints(text: str) -> list[str]:
    """The engine's own complaints, for what fails before the first event."""
    lines = [line.strip() for line in text.splitlines()]
    stated = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return stated or [line for line in lines if line][-3:]


@contextmanager
def interruptible(command: PulumiCommand, console: Console, came: Signals) -> Iterator[None]:
    """Let the first signal end what runs and write the state, the second one kill; both are added to `came`."""

    def stop(number: int, _frame: Any) -> None:
        came.append(signal.Signals(number))
        if len(came) > 1:
            raise KeyboardInterrupt
        console.print("stopping after what is under way; once more leaves a half-done stack", highlight=False)
        if isinstance(command, Command):
            command.interrupt()

    before = {number: signal.signal(number, stop) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
