"""Which Pulumi engine runs the stacks: the one that is installed, or else one that is fetched or built and kept.

The order: `HEADROOM_ENGINE`, `pulumi` on PATH, the kept one, the official installer, a build with Go.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra.engine_build import VERSION, UnavailableError
from infra.errors import UserError

if TYPE_CHECKING:
    from pulumi.automation import PulumiCommand

ENVIRONMENT_KEY = "HEADROOM_ENGINE"
INSTALL_PAGE = "https://www.pulumi.com/docs/install/"
PROJECT = Path(__file__).resolve().parent.parent


class Origin(StrEnum):
    """Where an engine came from."""

    ENVIRONMENT = ENVIRONMENT_KEY
    PATH = "PATH"
    OFFICIAL = "official installer"
    SOURCE = "built from source"


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answered.

    Attributes:
        path: the executable.
        version: such as `3.255.0`.
        origin: where it came from.
        passed_over: other engines that were found and not taken, with the reason.
    """

    path: Path
    version: str
    origin: Origin
    passed_over: tuple[str, ...] = ()

    @property
    def language_host(self) -> Path | None:
        """What lets `pulumi up` run this Python program; inline programs (`headroom ... --local`) need none."""
        found = shutil.which(
            "pulumi-language-python", path=f"{self.path.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        )
        return Path(found) if found else None

    def command(self) -> PulumiCommand:
        """The engine as the Automation API takes it (`LocalWorkspaceOptions(pulumi_command=...)`)."""
        from pulumi.automation import PulumiCommand
        from semver import VersionInfo

        # The constructor knows `ROOT/bin/pulumi` alone, and would ask for the version a second time.
        command = PulumiCommand.__new__(PulumiCommand)
        command.command = str(self.path)
        command.version = VersionInfo.parse(self.version)
        return command


def find(root: Path = PROJECT, environ: Mapping[str, str] = os.environ) -> Engine:
    """Find an engine; fetch or build one where there is none, telling about it on stderr.

    Args:
        root: the project, which holds `.headroom/`.
        environ: where `HEADROOM_ENGINE`, `PATH` and `XDG_CACHE_HOME` are read.

    Raises:
        UserError: there is none and none can be had; every way and its mend is named.
    """
    chosen = environ.get(ENVIRONMENT_KEY)
    if chosen:
        path = Path(chosen).expanduser().absolute()
        try:
            return Engine(path, _version(path), Origin.ENVIRONMENT)
        except UnavailableError as error:
            msg = f"{ENVIRONMENT_KEY} names an engine that cannot be used: {error}"
            raise UserError(msg, [f"unset {ENVIRONMENT_KEY}, or set it to a Pulumi {VERSION} or newer"]) from error

    passed_over: list[str] = []
    on_path = shutil.which("pulumi", path=environ.get("PATH", ""))
    if on_path:
        path = Path(on_path).absolute()
        try:
            return Engine(path, _version(path), Origin.PATH)
        except UnavailableError as error:
            passed_over.append(str(error))

    store = _store(root, environ)
    kept = _kept(store, passed_over)
    if kept:
        return kept
    with _alone(store):
        # Another process may have put one there while this one waited.
        return _kept(store, passed_over) or _obtain(store, passed_over)


def _version(path: Path) -> str:
    """Ask `path` for its version.

    Raises:
        UnavailableError: it does not run, or is older than `VERSION`.
    """
    environ = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        said = subprocess.run(
            [path, "version"], env=environ, check=True, capture_output=True, text=True, errors="replace", timeout=60
        ).stdout.strip()
    except subprocess.CalledProcessError as error:
        msg = f"{path} does not run (`pulumi version` ended with code {error.returncode})"
        raise UnavailableError(msg) from error
    except (OSError, subprocess.SubprocessError) as error:
        msg = f"{path} does not run ({getattr(error, 'strerror', None) or error})"
        raise UnavailableError(msg) from error
    match = re.fullmatch(r"v?((\d+)\.(\d+)\.(\d+)(?:[-+]\S*)?)", said)
    if match is None:
        msg = f"{path} does not say which version it is"
        raise UnavailableError(msg)
    if (int(match[2]), int(match[3]), int(match[4])) < tuple(map(int, VERSION.split("."))):
        msg = f"{path} is {match[1]}, too old: {VERSION} or newer is needed"
        raise UnavailableError(msg)
    return match[1]


def _store(root: Path, environ: Mapping[str, str]) -> Path:
    """Where engines are kept: in the project, or shared by all clones where the user has named a cache."""
    shared = environ.get("XDG_CACHE_HOME")
    base = Path(shared) / "headroom" if shared else root / ".headroom"
    return base.absolute() / "engine" / f"v{VERSION}"


def _home(store: Path, origin: Origin) -> Path:
    return store / ("official" if origin is Origin.OFFICIAL else "built")


def _kept(store: Path, passed_over: list[str]) -> Engine | None:
    """The engine in the store; one that does not run is told and replaced."""
    for origin in (Origin.OFFICIAL, Origin.SOURCE):
        path = _home(store, origin) / "bin" / "pulumi"
        if not path.exists():
            continue
        try:
            return Engine(path, _version(path), origin, tuple(passed_over))
        except UnavailableError as error:
            if str(error) not in passed_over:
                passed_over.append(str(error))
    return None


def _obtain(store: Path, passed_over: list[str]) -> Engine:
    """Fetch or build an engine into the store."""
    from infra.engine_build import installer, source

    for reason in passed_over:
        click.echo(f"    {reason}", err=True)
    ways: list[tuple[Origin, str, Callable[[Path], None]]] = [
        (Origin.OFFICIAL, f"installing the Pulumi engine {VERSION}", installer.install),
        (Origin.SOURCE, f"building the Pulumi engine {VERSION} with Go: 3 to 10 minutes, once", source.build),
    ]
    closed: list[str] = []
    for origin, announcement, way in ways:
        click.echo(f"==> {announcement}", err=True)
        home = _home(store, origin)
        staged = store / f"{home.name}.partial"
        shutil.rmtree(staged, ignore_errors=True)
        try:
            staged.mkdir()
            way(staged)
            version = _version(staged / "bin" / "pulumi")
            shutil.rmtree(home, ignore_errors=True)
            staged.rename(home)
        except UnavailableError as error:
            click.echo(f"    {error}", err=True)
            closed.append(f"{origin}: {error}")
            continue
        except OSError as error:
            msg = f"the engine cannot be kept in {store}: {error.strerror or error}"
            raise UserError(msg, ["free space there, or set XDG_CACHE_HOME to a directory on another disk"]) from error
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        return Engine(home / "bin" / "pulumi", version, origin, tuple(passed_over))
    msg = f"there is no Pulumi engine, and none can be had; any one of these mends it, simplest: {INSTALL_PAGE}"
    raise UserError(msg, [*(f"PATH: {reason}" for reason in passed_over or ["no `pulumi`"]), *closed])


@contextmanager
def _alone(store: Path) -> Iterator[None]:
    """Only one process at a time gets an engine; the others wait and then find it."""
    try:
        store.mkdir(parents=True, exist_ok=True)
        handle = (store / "lock").open("w")
    except OSError as error:
        msg = f"the engine cannot be kept in {store}: {error.strerror or error}"
        raise UserError(msg, ["set XDG_CACHE_HOME to a directory that can be written"]) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            click.echo("==> waiting for another process that is getting the engine", err=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@click.command("engine")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(*, as_json: bool) -> None:
    """Say which Pulumi engine runs the stacks, and get one where there is none."""
    engine = find()
    host = engine.language_host
    if as_json:
        click.echo(
            json.dumps(
                {
                    "path": str(engine.path),
                    "version": engine.version,
                    "origin": str(engine.origin),
                    "languageHost": str(host) if host else None,
                    "passedOver": list(engine.passed_over),
                },
                indent=2,
            )
        )
        return
    click.echo(f"Pulumi {engine.version} ({engine.origin}): {engine.path}")
    for reason in engine.passed_over:
        click.echo(f"  not taken: {reason}")
    if host is None:
        click.echo(
            "  without a Python language host: enough for `headroom up STACK --local`; "
            f"`pulumi up` needs the official installation ({INSTALL_PAGE})"
        )
