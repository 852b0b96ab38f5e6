"""The engine built with Go from its public module, every source pinned by go.sum."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from infra.engine_build import VERSION, UnavailableError
from infra.engine_build.progress import run

MODULE_DIRECTORY = Path(__file__).parent
PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
FIRST_GO_THAT_FETCHES_ANOTHER = (1, 21, 0)
"""From 1.21 on, Go downloads the version that go.mod asks for, unless GOTOOLCHAIN=local. https://go.dev/doc/toolchain"""
BUILD_SECONDS = 3600
DISK_GIB = 3
"""Module cache, build cache and the binary together, measured on Linux."""

_DOWNLOAD = "https://go.dev/dl/"


def build(target: Path) -> None:
    """Build the engine to `target`/bin/pulumi.

    The binary holds the engine alone: no language hosts.

    Raises:
        UnavailableError: Go is missing, too old, or the build failed.
    """
    go = _go()
    (target / "bin").mkdir(parents=True, exist_ok=True)
    finished = run(
        [
            go,
            "build",
            "-v",
            "-mod=readonly",
            "-trimpath",
            "-buildvcs=false",
            f"-ldflags=-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{VERSION}",
            f"-o={target / 'bin' / 'pulumi'}",
            PACKAGE,
        ],
        label="building",
        cwd=MODULE_DIRECTORY,
        # Without cgo no C compiler is needed; the official builds do the same. A workspace around this directory
        # would change what is built.
        env={**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"},
        limit_seconds=BUILD_SECONDS,
        describe=_describe,
    )
    if finished.code != 0:
        raise UnavailableError(_failure(finished.code, finished.tail))


def required_go() -> tuple[int, int, int]:
    """The Go version that go.mod asks for."""
    match = re.search(r"^go (\d+)\.(\d+)\.(\d+)$", (MODULE_DIRECTORY / "go.mod").read_text(), re.MULTILINE)
    if match is None:
        msg = "go.mod states no full Go version"
        raise ValueError(msg)
    return int(match[1]), int(match[2]), int(match[3])


def _go() -> str:
    """Path of a Go that can build the engine."""
    required = required_go()
    wanted = ".".join(map(str, required))
    go = shutil.which("go")
    if go is None:
        msg = f"Go is not on PATH; {wanted} or newer is needed ({_DOWNLOAD})"
        raise UnavailableError(msg)
    try:
        # The root directory has no go.mod that could ask for a different version.
        version = _output([go, "version"])
        toolchain = _output([go, "env", "GOTOOLCHAIN"])
    except (OSError, subprocess.SubprocessError) as error:
        msg = f"{go} does not run ({error}); Go {wanted} or newer is needed ({_DOWNLOAD})"
        raise UnavailableError(msg) from error
    match = re.search(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?", version)
    if match is None:
        msg = f"{go} does not say which version it is ({version!r}); Go {wanted} or newer is needed ({_DOWNLOAD})"
        raise UnavailableError(msg)
    found = int(match[1]), int(match[2]), int(match[3] or 0)
    if found >= required:
        return go
    if found < FIRST_GO_THAT_FETCHES_ANOTHER:
        msg = f"{go} is {match[0]}, too old: {wanted} or newer is needed ({_DOWNLOAD})"
        raise UnavailableError(msg)
    if toolchain == "local":
        msg = (
            f"{go} is {match[0]}, and GOTOOLCHAIN=local keeps it from fetching {wanted}: "
            f"install that ({_DOWNLOAD}), or set GOTOOLCHAIN=auto"
        )
        raise UnavailableError(msg)
    return go


def _output(command: Sequence[str]) -> str:
    return subprocess.run(command, cwd="/", check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def _describe(lines: Sequence[str]) -> str:
    downloaded = sum(line.startswith("go: downloading ") for line in lines)
    compiled = sum(not line.startswith("go: ") for line in lines)
    return f"{downloaded} modules fetched, {compiled} packages compiled"


def _failure(code: int | None, tail: Sequence[str]) -> str:
    if any("no space left on device" in line for line in tail):
        return f"the disk is full: the build takes {DISK_GIB} GiB, most in Go's caches (`go env GOCACHE GOMODCACHE`)"
    if code is None:
        return f"the build did not finish in {BUILD_SECONDS // 60} minutes"
    said = " | ".join(tail[-3:]) or f"exit code {code}"
    return f"the build failed: {said}"
