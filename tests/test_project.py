"""The project's own files: pins, checks, the ways in."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent


def read(name: str) -> str:
    return (ROOT / name).read_text()


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads(read("pyproject.toml"))


def pins() -> dict[str, list[str]]:
    """Each pin of the lock with its hashes."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in read("requirements.lock").splitlines():
        if match := re.match(r"([a-z0-9-]+)==\S+", line):
            name = match[1]
            found[name] = []
        elif match := re.match(r" +--hash=(sha256:[0-9a-f]{64})", line):
            found[name].append(match[1])
    return found


def test_every_pin_has_hashes() -> None:
    assert len(pins()) > 80
    assert [name for name, hashes in pins().items() if not hashes] == []


def test_the_lock_holds_no_address_and_no_option() -> None:
    text = read("requirements.lock")
    assert re.findall(r"https?:|file:|^-[^ ]*|^/.*| @ ", text, re.MULTILINE) == []


@pytest.mark.parametrize("name", ["requirements.in", "requirements-dev.in"])
def test_the_lock_holds_what_is_asked_for(name: str) -> None:
    wanted = re.findall(r"^([A-Za-z][A-Za-z0-9-]*)(?:\[[a-z0-9,]+\])?(?:==(\S+))?$", read(name), re.MULTILINE)
    assert len(wanted) > 5
    for package, version in wanted:
        assert package.lower() in pins()
        if version:
            assert f"\n{package}=={version} \\\n" in read("requirements.lock")


def test_every_lint_exception_has_its_reason() -> None:
    lint = read("pyproject.toml").partition("[tool.ruff.lint]")[2].partition("[tool.ruff.lint.pydocstyle]")[0]
    rules = [line for line in lint.splitlines() if re.match(r' +"[A-Z]+[0-9]*",', line)]
    assert len(rules) > 20
    reason = ""
    for line in rules:
        _, _, comment = line.partition("#")
        # A rule without a comment shares that of the line above.
        reason = comment.strip() or reason
        assert reason, line


def test_everything_is_type_checked(pyproject: dict[str, Any]) -> None:
    checked = set(pyproject["tool"]["mypy"]["files"])
    directories = {path.parent.relative_to(ROOT).parts[0] for path in ROOT.glob("[a-z]*/**/*.py")}
    assert directories <= checked
    assert pyproject["tool"]["mypy"]["strict"] is True


def test_no_check_is_switched_off_as_a_whole() -> None:
    blanket = re.compile(r"# type: ignore(?!\[)|# noqa(?!: [A-Z]+[0-9]+)|# mypy: ignore-errors|# ruff: noqa(?!: [A-Z])")
    sources = [path for path in ROOT.glob("[a-z]*/**/*.py") if path != Path(__file__)]
    assert len(sources) > 40
    assert [str(path) for path in sources if blanket.search(path.read_text())] == []


def test_the_command_is_there(pyproject: dict[str, Any]) -> None:
    module, _, name = pyproject["project"]["scripts"]["headroom"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_make_lists_every_target() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S607 make of the machine
    targets = set(re.findall(r"^\.PHONY: ([a-z]+)$", read("Makefile"), re.MULTILINE))
    assert {"up", "down", "test", "plan"} <= targets
    assert set(re.findall(r"^  make ([a-z]+) ", listed, re.MULTILINE)) == targets


def test_ci_runs_make_test() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)  # noqa: S607 bash of the machine
    assert read(".ci/run").splitlines()[-1] == "make test"


def test_hooks_run_what_is_installed() -> None:
    config = yaml.safe_load(read(".pre-commit-config.yaml"))
    assert {repository["repo"] for repository in config["repos"]} == {"local"}
    entries = [hook["entry"] for repository in config["repos"] for hook in repository["hooks"]]
    assert all(entry.startswith(".venv/bin/") for entry in entries)
    tools = {entry.split()[0].removeprefix(".venv/bin/") for entry in entries}
    assert tools <= set(pins())


def test_what_a_run_leaves_behind_is_not_committed() -> None:
    ignored = read(".gitignore").splitlines()
    assert {"/.venv/", "/.headroom/", "__pycache__/"} <= set(ignored)


def test_the_licence_is_complete() -> None:
    text = read("LICENSE")
    assert len(text.split()) > 1500
    assert "Copyright 2026 The Headroom Authors" in text


def test_how_to_contribute_fits_a_screen() -> None:
    assert len(read("CONTRIBUTING.md").splitlines()) <= 50
