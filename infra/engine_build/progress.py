"""Run a long, quiet command so that a person sees it is alive and can interrupt it."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

PIPE_INTERVAL_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended: exit code (negative: signal; None: time limit) and its last lines of output."""

    code: int | None
    tail: tuple[str, ...]


def run(
    command: Sequence[str],
    *,
    label: str,
    cwd: Path,
    env: Mapping[str, str],
    limit_seconds: float,
    describe: Callable[[Sequence[str]], str],
) -> Finished:
    """Run `command` in a process group of its own, reporting to stderr.

    On a terminal one line is rewritten each second; in a pipe a line appears every 15 seconds.

    Args:
        command: program and arguments.
        label: what it does, for the person who waits.
        cwd: working directory.
        env: the whole environment.
        limit_seconds: after this long the process group is killed.
        describe: what the lines so far amount to, such as `512 packages compiled`.
    """
    started = time.monotonic()
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            code = _follow(process, lines, started, limit_seconds, lambda: f"{label}: {describe(lines)}".rstrip(": "))
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    return Finished(code, tuple(lines[-6:]))


def _follow(
    process: subprocess.Popen[str], lines: list[str], started: float, limit_seconds: float, status: Callable[[], str]
) -> int | None:
    """Collect output until the end or the limit; give the exit code, None at the limit."""
    arrived: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(process, arrived), daemon=True).start()
    terminal = sys.stderr.isatty()
    interval = 1 if terminal else PIPE_INTERVAL_SECONDS
    shown = started
    try:
        while True:
            try:
                line = arrived.get(timeout=0.2)
            except queue.Empty:
                line = ""
            if line is None:
                return process.wait()
            if line.strip():
                lines.append(line.rstrip())
            now = time.monotonic()
            if now - started > limit_seconds:
                return None
            if now - shown >= interval:
                shown = now
                text = f"    {status()} ({now - started:.0f} s)"
                click.echo(f"\r\033[K{text}" if terminal else text, nl=not terminal, err=True)
    finally:
        if terminal:
            click.echo("\r\033[K", nl=False, err=True)


def _read(process: subprocess.Popen[str], arrived: queue.Queue[str | None]) -> None:
    """Pass lines on; the last item is None."""
    if process.stdout is not None:
        for line in process.stdout:
            arrived.put(line)
    arrived.put(None)
