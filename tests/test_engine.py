"""Which engine is taken, and how one is had where there is none. Programs are real: small shell scripts."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from infra import engine
from infra.engine import Engine, Origin, find
from infra.engine_build import VERSION, UnavailableError, installer, progress, source
from infra.errors import UserError

NEWEST = "9.9.9"


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def pulumi(path: Path, version: str = VERSION) -> Path:
    return script(path, f'[ "$1" = version ] && echo v{version}')


GO = """
echo "$*" >> {log}
case "$1" in
version) echo "go version go{version} linux/amd64" ;;
env) echo {toolchain} ;;
build)
    sleep {seconds}
    echo "go: downloading example.com/module v1.0.0"
    echo "example.com/module"
    {build}
    for argument; do case "$argument" in -o=*) target="${{argument#-o=}}" ;; esac; done
    printf '#!/bin/sh\\necho v{built}\\n' > "$target"
    chmod 755 "$target" ;;
esac
"""


class Machine:
    """A machine with a PATH of its own, no network, and a project without an engine."""

    def __init__(self, root: Path) -> None:
        """Keep the places."""
        self.root = root
        self.bin = root / "bin"
        self.store = root / "project" / ".headroom" / "engine" / f"v{VERSION}"
        # The shell's own tools, for the scripts.
        self.path = f"{self.bin}:/usr/bin:/bin"

    def go(
        self,
        version: str = "1.99.0",
        *,
        toolchain: str = "auto",
        build: str = "true",
        built: str = VERSION,
        seconds: float = 0,
    ) -> Path:
        log = self.root / "go.log"
        names = {"version": version, "toolchain": toolchain, "build": build, "built": built, "seconds": seconds}
        script(self.bin / "go", GO.format(log=log, **names))
        return log

    def find(self, **environ: str) -> Engine:
        return find(self.root / "project", {"PATH": self.path, **environ})

    def kept(self, kind: str) -> Path:
        return self.store / kind / "bin" / "pulumi"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", made.path)
    monkeypatch.setattr(installer, "INSTALLER_URL", "http://127.0.0.1:1/install.sh")
    return made


def test_the_one_on_path_is_taken(machine: Machine) -> None:
    path = pulumi(machine.bin / "pulumi", NEWEST)
    assert machine.find() == Engine(path, NEWEST, Origin.PATH)


def test_the_one_that_the_environment_names_goes_before_path(machine: Machine) -> None:
    pulumi(machine.bin / "pulumi")
    chosen = pulumi(machine.root / "elsewhere" / "my-pulumi", NEWEST)
    assert machine.find(HEADROOM_ENGINE=str(chosen)) == Engine(chosen, NEWEST, Origin.ENVIRONMENT)


def test_a_wrong_choice_in_the_environment_is_told_and_not_replaced(machine: Machine) -> None:
    pulumi(machine.bin / "pulumi")
    with pytest.raises(UserError, match=r"HEADROOM_ENGINE names an engine .*No such file") as raised:
        machine.find(HEADROOM_ENGINE=str(machine.root / "none"))
    assert "unset HEADROOM_ENGINE" in raised.value.problems[0]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("echo v3.254.9", "is 3.254.9, too old: 3.255.0 or newer is needed"),
        ("echo v2.999.0", "is 2.999.0, too old"),
        ("exit 3", "does not run (`pulumi version` ended with code 3)"),
        ("echo hello", "does not say which version it is"),
    ],
)
def test_an_engine_on_path_that_cannot_serve_is_passed_over_with_its_reason(
    machine: Machine, body: str, reason: str
) -> None:
    script(machine.bin / "pulumi", body)
    kept = pulumi(machine.kept("built"))
    found = machine.find()
    assert (found.path, found.origin) == (kept, Origin.SOURCE)
    assert len(found.passed_over) == 1
    assert reason in found.passed_over[0]


def test_a_file_that_is_no_program_is_passed_over(machine: Machine) -> None:
    machine.bin.mkdir()
    (machine.bin / "pulumi").write_bytes(b"\x7fELF not really")
    (machine.bin / "pulumi").chmod(0o755)
    pulumi(machine.kept("official"))
    assert "does not run" in machine.find().passed_over[0]


def test_the_official_one_goes_before_the_built_one(machine: Machine) -> None:
    pulumi(machine.kept("built"))
    official = pulumi(machine.kept("official"))
    assert machine.find() == Engine(official, VERSION, Origin.OFFICIAL)


def test_where_the_user_has_a_cache_all_clones_share_the_engine(machine: Machine) -> None:
    machine.go()
    shared = machine.root / "cache"
    found = machine.find(XDG_CACHE_HOME=str(shared))
    assert found.path == shared / "headroom" / "engine" / f"v{VERSION}" / "built" / "bin" / "pulumi"
    assert not machine.store.exists()


def test_without_an_engine_one_is_built_and_kept(machine: Machine, capfd: pytest.CaptureFixture[str]) -> None:
    log = machine.go()
    found = machine.find()
    assert found == Engine(machine.kept("built"), VERSION, Origin.SOURCE)
    said = capfd.readouterr().err
    assert "127.0.0.1:1/install.sh does not answer" in said
    assert "building the Pulumi engine" in said

    log.unlink()
    assert machine.find() == found
    assert not log.exists(), "the second time nothing is built"
    assert sorted(entry.name for entry in machine.store.iterdir()) == ["built", "lock"]


def test_the_build_takes_pinned_sources_and_needs_no_c_compiler(machine: Machine) -> None:
    log = machine.go(build=f'echo "CGO_ENABLED=$CGO_ENABLED GOWORK=$GOWORK" >> {machine.root / "go.log"}')
    machine.find()
    said = log.read_text()
    assert "-mod=readonly" in said
    assert source.PACKAGE in said
    assert f"version.Version=v{VERSION}" in said
    assert "CGO_ENABLED=0 GOWORK=off" in said


def test_a_kept_engine_that_is_broken_is_replaced(machine: Machine) -> None:
    script(machine.kept("built"), "exit 1")
    machine.go()
    found = machine.find()
    assert found.version == VERSION
    assert "does not run" in found.passed_over[0]


def test_two_at_once_build_once(machine: Machine) -> None:
    log = machine.go(seconds=0.5)
    found: list[Engine] = []
    threads = [threading.Thread(target=lambda: found.append(machine.find())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [engine.path for engine in found] == [machine.kept("built")] * 3
    assert len(re.findall("^build", log.read_text(), re.MULTILINE)) == 1


def test_without_any_way_every_way_is_named_with_its_mend(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(UserError, match="there is no Pulumi engine") as raised:
        machine.find()
    said = str(raised.value)
    assert engine.INSTALL_PAGE in said
    assert "PATH: no `pulumi`" in said
    assert "official installer: http://127.0.0.1:1/install.sh does not answer" in said
    assert "built from source: Go is not on PATH; 1.25.11 or newer is needed" in said


@pytest.mark.parametrize(
    ("version", "toolchain", "reason"),
    [
        ("1.18.10", "", "go1.18.10, too old: 1.25.11 or newer is needed"),
        ("1.20", "auto", "go1.20, too old"),
        ("1.22.2", "local", "GOTOOLCHAIN=local keeps it from fetching 1.25.11"),
    ],
)
def test_a_go_that_is_too_old_is_named_with_its_mend(
    machine: Machine, version: str, toolchain: str, reason: str
) -> None:
    machine.go(version, toolchain=toolchain)
    with pytest.raises(UserError) as raised:
        machine.find()
    assert reason in raised.value.problems[-1]
    assert "https://go.dev/dl/" in raised.value.problems[-1]


@pytest.mark.parametrize("version", ["1.25.11", "1.26rc1", "2.0", "1.22.2"])
def test_a_go_that_is_new_enough_or_can_fetch_one_builds(machine: Machine, version: str) -> None:
    machine.go(version)
    assert machine.find().origin is Origin.SOURCE


@pytest.mark.parametrize(
    ("build", "built", "reason"),
    [
        ("echo 'write /tmp/x: no space left on device'; exit 1", VERSION, "the disk is full: the build takes 3 GiB"),
        ("echo 'main.go:1: no such thing'; exit 1", VERSION, "the build failed: "),
        ("exit 7", VERSION, "example.com/module"),
        ("true", "3.1.0", "is 3.1.0, too old"),
    ],
)
def test_a_build_that_fails_says_why_and_leaves_nothing(machine: Machine, build: str, built: str, reason: str) -> None:
    machine.go(build=build, built=built)
    with pytest.raises(UserError) as raised:
        machine.find()
    assert reason in raised.value.problems[-1]
    assert [entry.name for entry in machine.store.iterdir()] == ["lock"]


def test_a_store_that_cannot_be_written_is_told(machine: Machine) -> None:
    machine.go()
    (machine.root / "project").mkdir()
    (machine.root / "project" / ".headroom").write_text("in the way")
    with pytest.raises(UserError, match="cannot be kept in") as raised:
        machine.find()
    assert "XDG_CACHE_HOME" in raised.value.problems[0]


def test_the_installer_that_hangs_is_stopped(tmp_path: Path) -> None:
    started = time.monotonic()
    finished = progress.run(
        ["/bin/sh", "-c", "sleep 60 & echo $! ; wait"],
        label="waiting",
        cwd=tmp_path,
        env=os.environ,
        limit_seconds=0.5,
        describe=lambda _: "",
    )
    assert finished.code is None
    assert time.monotonic() - started < 10
    child = Path(f"/proc/{finished.tail[0]}/stat")
    deadline = time.monotonic() + 5
    while child.exists() and " Z " not in child.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not child.exists() or " Z " in child.read_text(), "what the command started lives on"


def test_who_waits_sees_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "PIPE_INTERVAL_SECONDS", 0.3)
    progress.run(
        ["/bin/sh", "-c", "echo one; echo two; sleep 1"],
        label="building",
        cwd=tmp_path,
        env=os.environ,
        limit_seconds=60,
        describe=lambda lines: f"{len(lines)} packages",
    )
    assert re.search(r"^    building: 2 packages \(\d s\)$", capfd.readouterr().err, re.MULTILINE)


def test_the_installer_that_fails_says_its_last_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = tmp_path / "install.sh"
    page.write_text("")
    monkeypatch.setattr(installer, "INSTALLER_URL", page.as_uri())
    monkeypatch.setattr(installer, "_INSTALL", "raise SystemExit('error: no such release')")
    with pytest.raises(UnavailableError, match="the official installer failed: error: no such release"):
        installer.install(tmp_path / "target")


def test_the_pins_are_of_the_version_that_is_named() -> None:
    pins = source.MODULE_DIRECTORY
    assert f"github.com/pulumi/pulumi/pkg/v3 v{VERSION} //" in (pins / "go.mod").read_text()
    assert f"github.com/pulumi/pulumi/pkg/v3 v{VERSION} h1:" in (pins / "go.sum").read_text()


def test_the_command_says_which_one_and_where_from(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pulumi(machine.root / "elsewhere" / "pulumi", NEWEST)
    monkeypatch.setenv("HEADROOM_ENGINE", str(path))
    said = CliRunner().invoke(engine.command, [], catch_exceptions=False).output
    assert said.startswith(f"Pulumi {NEWEST} (HEADROOM_ENGINE): {path}\n")
    assert "without a Python language host" in said

    host = script(path.with_name("pulumi-language-python"), "true")
    answer = json.loads(CliRunner().invoke(engine.command, ["--json"], catch_exceptions=False).output)
    assert answer == {
        "path": str(path),
        "version": NEWEST,
        "origin": "HEADROOM_ENGINE",
        "languageHost": str(host),
        "passedOver": [],
    }
    assert "language host" not in CliRunner().invoke(engine.command, [], catch_exceptions=False).output


def test_the_real_engine_answers_through_the_automation_api(tmp_path: Path) -> None:
    found = find()
    command = found.command()
    assert str(command.version) == found.version
    answer = command.run(["version"], str(tmp_path), {"PULUMI_SKIP_UPDATE_CHECK": "true"})
    assert answer.stdout.strip() == f"v{found.version}"
