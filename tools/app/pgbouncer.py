"""PgBouncer for the tests and for `make app`: the machine's own if it is new enough, otherwise built from source.

Prepared statements through a pooler in transaction mode take 1.21 (https://www.pgbouncer.org/changelog.html), and
Debian 12 has 1.18. So the source package of Debian 13 is built: apt fetches it from wherever this machine has its own
packages from, and checks Debian's signature; the upstream tarball is pinned by hash.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import click

from infra.engine_build.progress import run
from infra.errors import UserError

PROJECT: Final = Path(__file__).parents[2]
OLDEST: Final = (1, 24)
"""The first that has prepared statements on unless told otherwise."""
VERSION: Final = "1.24.1"
SUITE: Final = "trixie"
TARBALL: Final = f"pgbouncer_{VERSION}.orig.tar.gz"
TARBALL_SHA256: Final = "da72a3aba13072876d055a3e58dd4aba4a5de4ed6148e73033185245598fd3e0"
KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
NEEDS: Final = "apt-get install dpkg-dev gcc libc6-dev libevent-dev libssl-dev make pkg-config"
APT: Final = ("apt-get", "--quiet")
BUILD_SECONDS: Final = 900


def pgbouncer(root: Path = PROJECT) -> Path:
    """Path of a PgBouncer that is new enough; build it where there is none, telling about it on stderr.

    Raises:
        UserError: what a build needs is missing, or it failed.
    """
    installed = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if installed is not None and version(Path(installed)) >= OLDEST:
        return Path(installed)
    built = root / ".headroom" / "pgbouncer" / "bin" / "pgbouncer"
    if version(built) != _numbers(VERSION):
        built.parent.mkdir(parents=True, exist_ok=True)
        with (built.parents[1] / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Another process may have built it while this one waited.
            if version(built) != _numbers(VERSION):
                _build(built)
    return built


def version(binary: Path) -> tuple[int, ...]:
    """What a PgBouncer says that it is, such as (1, 24, 1); nothing for what does not run."""
    try:
        said = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ()
    found = re.match(r"PgBouncer ([\d.]+)", said)
    return _numbers(found[1]) if found else ()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _build(goal: Path) -> None:
    """Build in a temporary directory, and rename at the end, so that whatever is there is whole."""
    missing = [name for name in ("dpkg-source", "gcc", "make", "pkg-config") if shutil.which(name) is None]
    if missing:
        msg = f"PgBouncer {VERSION} is built from source, and {', '.join(missing)} is missing"
        raise UserError(msg, [NEEDS])
    click.echo(f"==> building PgBouncer {VERSION}: a minute, once", err=True)
    with tempfile.TemporaryDirectory(prefix="headroom-pgbouncer-") as name:
        directory = Path(name)
        source = _fetch(directory)
        # Names are looked up on this machine only, so without c-ares.
        _run(["./configure", "--without-cares", "--disable-debug"], source, NEEDS)
        _run(["make", "-j2", "pgbouncer"], source, NEEDS)
        staged = goal.with_name("pgbouncer.partial")
        shutil.copy2(source / "pgbouncer", staged)
        staged.rename(goal)


def _fetch(directory: Path) -> Path:
    """Fetch the source package with an apt that has lists and caches of its own; the unpacked directory.

    Raises:
        UserError: this is no Debian, or its archive does not have this version.
    """
    for part in ("lists/partial", "cache/archives/partial", "source"):
        (directory / part).mkdir(parents=True)
    sources = directory / "sources.list"
    signed = f"[signed-by={KEYRING}] " if KEYRING.is_file() else ""
    sources.write_text(f"deb-src {signed}{_archive()} {SUITE} main\n", encoding="utf-8")
    options = {
        "Dir::Etc::sourcelist": str(sources),
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": str(directory / "lists"),
        "Dir::Cache": str(directory / "cache"),
        "Acquire::Languages": "none",
        # As root it would fetch as another user, whom this directory is closed to.
        "APT::Sandbox::User": "root",
    }
    apt = [*APT, *(part for key, value in options.items() for part in ("-o", f"{key}={value}"))]
    target = directory / "source"
    mend = "for a new signing key of Debian's: apt-get install debian-archive-keyring"
    _run([*apt, "update"], target, mend)
    _run([*apt, "source", "pgbouncer"], target, mend)
    found = target / f"pgbouncer-{VERSION}"
    if not found.is_dir():
        msg = f"the archive has another version than PgBouncer {VERSION}"
        raise UserError(msg, [path.name for path in target.iterdir() if path.suffix == ".dsc"])
    if sha256((target / TARBALL).read_bytes()).hexdigest() != TARBALL_SHA256:
        msg = f"{TARBALL} is not the one that was pinned"
        raise UserError(msg)
    return found


def _archive() -> str:
    """Where this machine has Debian's packages from.

    Raises:
        UserError: it does not.
    """
    mend = f"PgBouncer {'.'.join(map(str, OLDEST))} or newer on PATH"
    try:
        codename = platform.freedesktop_os_release().get("VERSION_CODENAME")
        lines = subprocess.run(
            [*APT, "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        msg = "PgBouncer can be built on Debian only"
        raise UserError(msg, [mend]) from None
    for release, component, address in (line.split(maxsplit=2) for line in lines):
        if (release, component) == (codename, "main"):
            return address
    msg = f"apt has no source of {codename}'s main packages, where PgBouncer's source would be too"
    raise UserError(msg, [mend])


def _run(command: Sequence[str], directory: Path, mend: str) -> None:
    """Run one step of the build.

    Raises:
        UserError: it failed; with its last lines.
    """
    finished = run(
        command,
        label=Path(command[0]).name,
        cwd=directory,
        env={**os.environ, "LC_ALL": "C"},
        limit_seconds=BUILD_SECONDS,
        describe=lambda lines: lines[-1][:60] if lines else "",
    )
    if finished.code != 0:
        msg = f"PgBouncer: {Path(command[0]).name} failed"
        raise UserError(msg, [*finished.tail, mend])


if __name__ == "__main__":
    try:
        print(pgbouncer())  # noqa: T201 a command
    except UserError as error:
        print(f"headroom: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
