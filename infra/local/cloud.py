"""The local cloud as seen from outside: start, find, stop and empty the process that is the cloud.

Everything lives under `.headroom/` of the project: `cloud.json` (who runs, where it listens), `cloud.log`,
`cloud.port` (moto's port, kept so that an AWS CLI command in one's shell history stays right), and
`cloud.lock`, which the process holds locked for as long as it lives: a pid alone may be somebody else's by now.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from infra.errors import UserError

PROJECT: Final = Path(__file__).resolve().parents[2]
HOME: Final = ".headroom"
START_SECONDS: Final = 90.0
STOP_SECONDS: Final = 15.0
POLL_SECONDS: Final = 0.05
LOG_LINES: Final = 5
ALREADY_RUNNING: Final = 3
"""Exit code of a second daemon: the first one holds the lock."""
LOOPBACK: Final = "127.0.0.1,localhost,::1"

_children: Final[dict[int, subprocess.Popen[bytes]]] = {}
"""Clouds that this process started: to be reaped when it also stops them."""


@atexit.register
def _let_go() -> None:
    """A cloud outlives the command on purpose; Python would warn that somebody forgot it."""
    for process in _children.values():
        if process.poll() is None:
            process.returncode = 0


@dataclass(frozen=True, slots=True)
class Cloud:
    """A running local cloud.

    Attributes:
        id: new for each life of the process; what a stack's state belongs to.
        pid: the process.
        endpoint: URL of moto, the AWS API.
        ports: port of each provider's gRPC server, by package.
        started: when, ISO 8601 in UTC.
    """

    id: str
    pid: int
    endpoint: str
    ports: dict[str, int]
    started: str

    @property
    def debug_providers(self) -> str:
        """The value of `PULUMI_DEBUG_PROVIDERS` that attaches the engine to these providers."""
        return ",".join(f"{package}:{port}" for package, port in sorted(self.ports.items()))


@dataclass(frozen=True, slots=True)
class Paths:
    """Where things are under a project root."""

    root: Path

    @property
    def home(self) -> Path:
        """The folder that git ignores."""
        return self.root / HOME

    @property
    def info(self) -> Path:
        """Who runs."""
        return self.home / "cloud.json"

    @property
    def lock(self) -> Path:
        """Locked by the living process."""
        return self.home / "cloud.lock"

    @property
    def log(self) -> Path:
        """What the process printed."""
        return self.home / "cloud.log"

    @property
    def faults(self) -> Path:
        """What is to fail (`infra.local.faults`)."""
        return self.home / "faults.json"

    @property
    def port(self) -> Path:
        """Moto's port, kept from the first start on."""
        return self.home / "cloud.port"

    @property
    def state(self) -> Path:
        """The file backend of local stacks."""
        return self.home / "state"

    @property
    def work(self) -> Path:
        """Generated project folders of local stacks."""
        return self.home / "work"

    def owner(self, stack: str) -> Path:
        """The file that names the cloud that a stack's state belongs to."""
        return self.state / f"{stack}.cloud"


def find(root: Path = PROJECT) -> Cloud | None:
    """The running cloud of this project, or None."""
    paths = Paths(root)
    with _lock(paths.lock) as free:
        if free:
            return None
    try:
        return Cloud(**json.loads(paths.info.read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None  # It has the lock, and is still starting.


def endpoint(root: Path = PROJECT) -> str:
    """URL of the running cloud's AWS API.

    Raises:
        UserError: when none runs.
    """
    cloud = find(root)
    if cloud is None:
        msg = "the local cloud is not running: start it with `headroom local start`"
        raise UserError(msg)
    return cloud.endpoint


def start(root: Path = PROJECT) -> tuple[Cloud, bool]:
    """Start the cloud and wait until it answers; the cloud, and whether this call started it.

    Raises:
        UserError: with the end of its log, when it does not come up.
    """
    running = find(root)
    if running is not None:
        return running, False
    paths = Paths(root)
    paths.home.mkdir(parents=True, exist_ok=True)
    with paths.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.local.daemon", str(root)],
            cwd=PROJECT,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in the shell is for the command, not for the cloud.
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        cloud = find(root)
        if cloud is not None and cloud.pid == process.pid:
            _children[process.pid] = process
            return cloud, True
        if cloud is not None:  # Another start was first; ours must not take over when that one stops.
            process.terminate()
            process.wait()
            return cloud, False
        if process.poll() not in {None, ALREADY_RUNNING}:
            break
        time.sleep(POLL_SECONDS)
    else:
        process.terminate()
    lines = paths.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
    ended = process.poll()
    how = "took too long" if ended is None else f"ended with exit code {ended}"
    msg = f"the local cloud did not start ({how}); the end of {paths.log}:"
    raise UserError(msg, lines)


def stop(root: Path = PROJECT) -> Cloud | None:
    """Stop the cloud and wait until it is gone; the cloud that was stopped, or None when none ran."""
    cloud = find(root)
    if cloud is None:
        Paths(root).info.unlink(missing_ok=True)
        return None
    os.kill(cloud.pid, signal.SIGTERM)
    if not _gone(root, STOP_SECONDS):
        os.kill(cloud.pid, signal.SIGKILL)
        _gone(root, STOP_SECONDS)
    child = _children.pop(cloud.pid, None)
    if child is not None:
        child.wait()
    Paths(root).info.unlink(missing_ok=True)
    return cloud


def reset(root: Path = PROJECT) -> tuple[Cloud | None, list[str]]:
    """Empty the cloud and forget the local stacks; the new cloud (when one ran), and the forgotten stacks."""
    paths = Paths(root)
    forgotten = stacks(root)
    stopped = stop(root)
    for folder in (paths.state, paths.work):
        shutil.rmtree(folder, ignore_errors=True)
    return (start(root)[0] if stopped else None), sorted(forgotten)


def stacks(root: Path = PROJECT) -> dict[str, str]:
    """Local stacks that have a state, each with the id of the cloud that its objects are in."""
    owners = Paths(root).state.glob("*.cloud")
    return {path.stem: path.read_text(encoding="utf-8").strip() for path in sorted(owners)}


def lost(root: Path, cloud: Cloud | None) -> list[str]:
    """Local stacks whose cloud is gone: their state describes objects that exist no more."""
    return [stack for stack, owner in stacks(root).items() if cloud is None or owner != cloud.id]


def write(paths: Paths, cloud: Cloud) -> None:
    """Publish who runs, whole or not at all."""
    draft = paths.info.with_suffix(".new")
    draft.write_text(json.dumps(asdict(cloud), indent=1), encoding="utf-8")
    draft.replace(paths.info)


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Try to take the lock for a moment; False when the cloud has it."""
    if not path.exists():
        yield True
        return
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _gone(root: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with _lock(Paths(root).lock) as free:
            if free:
                return True
        time.sleep(POLL_SECONDS)
    return False


def _environment() -> dict[str, str]:
    """The shell's environment without what would lead boto3 elsewhere: profiles, endpoints, proxies."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, "NO_PROXY": LOOPBACK, "no_proxy": LOOPBACK, "PYTHONUNBUFFERED": "1"}
