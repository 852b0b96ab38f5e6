"""A real Kubernetes API server for the tests: etcd and kube-apiserver, built with Go, and upstream's definitions.

`go.mod` beside this file pins both servers' sources by hash: kube-apiserver of the stacks' own Kubernetes version, and
the etcd that it names. Staging modules are replaced by their published versions, as nothing of the repository's own
`replace` counts for whoever depends on it. `crds/go.mod` pins the modules that carry custom resource definitions.

Everything is kept under `.headroom/cluster/`, in a directory that changes with the pins.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import click

from infra.engine_build.progress import run
from infra.errors import UserError

HERE: Final = Path(__file__).parent
PROJECT: Final = HERE.parents[1]
ETCD: Final = "go.etcd.io/etcd/server/v3"
API_SERVER: Final = "k8s.io/kubernetes/cmd/kube-apiserver"
DEFINITIONS: Final = {
    "istio": ("istio.io/api", "kubernetes/customresourcedefinitions.gen.yaml"),
    "node-pools": ("sigs.k8s.io/karpenter", "pkg/apis/crds/karpenter.sh_nodepools.yaml"),
}
"""Module and file of each set of custom resource definitions."""
BUILD_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a control plane is made of, on disk."""

    home: Path

    @property
    def etcd(self) -> Path:
        """The database's executable."""
        return self.home / "bin" / "etcd"

    @property
    def api_server(self) -> Path:
        """The API server's executable."""
        return self.home / "bin" / "kube-apiserver"

    def definitions(self, name: str) -> Path:
        """YAML documents of one of `DEFINITIONS`."""
        return self.home / "crds" / f"{name}.yaml"


def pinned(module: str, file: Path = HERE / "go.mod") -> str:
    """The version of `module` in a go.mod, such as `v1.35.4`."""
    match = re.search(rf"^\s*{re.escape(module)} (v\S+)", file.read_text(), re.MULTILINE)
    if match is None:
        msg = f"{file} does not name {module}"
        raise ValueError(msg)
    return match[1]


def cluster(root: Path = PROJECT) -> Cluster:
    """Give the kept one; build it where there is none, telling about it on stderr.

    Raises:
        UserError: Go is missing, or the build failed.
    """
    pins = b"".join((HERE / name).read_bytes() for name in ("go.mod", "go.sum", "crds/go.mod", "crds/go.sum"))
    version = pinned("k8s.io/kubernetes")
    home = root / ".headroom" / "cluster" / f"{version}-{sha256(pins).hexdigest()[:8]}"
    if not home.is_dir():
        home.parent.mkdir(parents=True, exist_ok=True)
        with (home.parent / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Another process may have built it while this one waited.
            if not home.is_dir():
                _build(home, version)
    return Cluster(home)


def _build(home: Path, version: str) -> None:
    """Build beside the goal and rename at the end, so that whatever is there is whole."""
    go = shutil.which("go")
    if go is None:
        msg = "Go is needed to build kube-apiserver for the tests"
        raise UserError(msg, ["https://go.dev/dl/"])
    click.echo(f"==> building kube-apiserver {version} and etcd with Go: 3 to 10 minutes, once", err=True)
    staged = home.with_name(f"{home.name}.partial")
    shutil.rmtree(staged, ignore_errors=True)
    (staged / "crds").mkdir(parents=True)
    # First, since it takes seconds: what fails should fail early.
    _fetch_definitions(go, staged / "crds")
    _, major, minor, _ = re.split(r"[v.]", version)
    names = "k8s.io/component-base/version"
    flags = f"-s -w -X {names}.gitVersion={version} -X {names}.gitMajor={major} -X {names}.gitMinor={minor}"
    finished = run(
        [
            go,
            "build",
            "-v",
            "-mod=readonly",
            "-trimpath",
            "-buildvcs=false",
            f"-ldflags={flags}",
            f"-o={staged / 'bin'}/",
            ETCD,
            API_SERVER,
        ],
        label="building",
        cwd=HERE,
        env={**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"},
        limit_seconds=BUILD_SECONDS,
        describe=lambda lines: f"{sum(not line.startswith('go: ') for line in lines)} packages compiled",
    )
    if finished.code != 0:
        msg = "kube-apiserver does not build"
        raise UserError(msg, finished.tail or [f"no end after {BUILD_SECONDS // 60} minutes"])
    # Go names the executable after the last part of the package's path.
    (staged / "bin" / "server").rename(staged / "bin" / "etcd")
    staged.rename(home)
    for other in home.parent.iterdir():
        if other.is_dir() and other != home:
            shutil.rmtree(other)  # of pins that nobody asks for any more


def _fetch_definitions(go: str, target: Path) -> None:
    """Take the files out of Go's module cache: go.sum has the modules' hashes, Go checks them."""
    modules = sorted({module for module, _ in DEFINITIONS.values()})
    directories = _download(go, modules)
    for name, (module, path) in DEFINITIONS.items():
        shutil.copyfile(directories[module] / path, target / f"{name}.yaml")


def _download(go: str, modules: Sequence[str]) -> dict[str, Path]:
    """Where each of `modules` lies in the module cache."""
    finished = subprocess.run(
        [go, "mod", "download", "-json", *modules],
        cwd=HERE / "crds",
        env={**os.environ, "GOWORK": "off"},
        check=False,
        capture_output=True,
        text=True,
    )
    found: dict[str, Path] = {}
    decoder, rest = json.JSONDecoder(), finished.stdout.strip()
    while rest:
        one, end = decoder.raw_decode(rest)
        rest = rest[end:].lstrip()
        if "Dir" in one:
            found[one["Path"]] = Path(one["Dir"])
    if finished.returncode or len(found) != len(modules):
        msg = "Go cannot fetch the custom resource definitions"
        raise UserError(msg, (finished.stderr or finished.stdout).splitlines()[-6:])
    return found


if __name__ == "__main__":
    try:
        print(cluster().home.relative_to(PROJECT))  # noqa: T201 a command
    except UserError as error:
        print(f"headroom: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
