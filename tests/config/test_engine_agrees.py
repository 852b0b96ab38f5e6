"""The real engine reads stack files as `infra.stack_file` does, and carries out the commands of messages."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from infra import engine, stack_file
from infra.config import GROUPS, KEYS, LISTS, ROOT, Settings
from tests.config.bad import BAD, GOOD, Bad
from tests.config.conftest import Stack

Pulumi = Callable[[str], str]
PROJECT = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "Pulumi.yaml", folder)
    (folder / "state").mkdir()
    return folder


@pytest.fixture(scope="module")
def pulumi(folder: Path) -> Pulumi:
    """Runs commands in the project, where there is a stack `prod`."""
    executable = engine.find().path
    environment = {
        **os.environ,
        "PULUMI_BACKEND_URL": f"file://{folder}/state",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }

    def run(commands: str) -> str:
        return "".join(run_one(command) for command in commands.split(" && "))

    def run_one(command: str) -> str:
        words = [str(executable), *shlex.split(command)[1:]]
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    run("pulumi stack init prod")
    return run


def write(folder: Path, text: str) -> Path:
    """Put a configuration into the stack file, and keep the salt of its secrets."""
    path = folder / "Pulumi.prod.yaml"
    salt = [line for line in path.read_text().splitlines() if line.startswith("encryptionsalt:")]
    path.write_text("\n".join([text, *salt]))
    return path


def written(raw: dict[str, str]) -> str:
    """A configuration as YAML, lists and groups as such."""
    config = {
        key: json.loads(text) if key.removeprefix("headroom:") in (*LISTS, *GROUPS) and text[:1] in "[{" else text
        for key, text in raw.items()
    }
    return yaml.safe_dump({"config": config})


def seen(pulumi: Pulumi) -> dict[str, str]:
    """The configuration as the engine hands it on, without what the project adds."""
    found = json.loads(pulumi("pulumi config --json --stack prod"))
    return {key: one["value"] for key, one in found.items() if key not in ("headroom:sizing", "headroom:networkCidr")}


def canonical(raw: dict[str, str]) -> dict[str, object]:
    return {key: json.loads(text) if text[:1] in ("[", "{") else text for key, text in raw.items()}


@pytest.mark.parametrize("name", ["10k", "50k", "250k", "1m"])
def test_it_reads_the_stacks_that_ship(pulumi: Pulumi, folder: Path, name: str) -> None:
    shipped = ROOT / f"Pulumi.{name}.yaml"

    write(folder, shipped.read_text())

    assert canonical(seen(pulumi)) == canonical(stack_file.read(shipped).raw)


def test_it_reads_unusual_values_the_same_way(pulumi: Pulumi, folder: Path) -> None:
    path = write(
        folder,
        "config:\n"
        "  phase: 10k\n  headroom:a: 0012\n  headroom:b: yes\n  headroom:d: true\n  headroom:e: 0o17\n"
        "  headroom:f: [1, true, x, 1.5]\n  headroom:g: {a: off, b: 0017, c: ~, d: '7'}\n  headroom:h: '0012'\n",
    )

    assert canonical(seen(pulumi)) == canonical(stack_file.read(path).raw)


def test_the_project_declares_every_key_that_must_be_set() -> None:
    declared = {key.removeprefix("headroom:"): one for key, one in PROJECT["config"].items()}
    usual = Settings.parse(GOOD, stack="prod")

    assert PROJECT["name"] == "headroom"
    assert {key for key, one in declared.items() if "default" not in one} == {
        key for key, name in KEYS.items() if Settings.model_fields[name].is_required()
    }
    for key, one in declared.items():
        assert one["type"] == ("array" if key in LISTS else "string")
        assert one["description"]
        if "default" in one:
            assert getattr(usual, KEYS[key]) == one["default"]


COMMANDS = [
    "a required key is missing",
    "a required list is missing",
    "a key is misspelt",
    "a list is given as text",
    "a list is too long",
    "an item of a list is wrong",
    "the region is missing",
    "the overrides are text",
    "the overrides are nested too deep",
    "an override is below its bound",
    "an override is of the wrong type",
    "an override is misspelt",
    "a new group is incomplete",
    "the home region is the one that reads",
    "a read region has no replica",
    "IOPS are set where there are none to set",
    "an assumption is misspelt",
    "two assumptions are wrong",
]


@pytest.mark.parametrize("bad", [bad for bad in BAD if bad.sentence in COMMANDS], ids=lambda bad: bad.sentence)
def test_it_carries_out_the_commands_of_messages(pulumi: Pulumi, folder: Path, bad: Bad) -> None:
    stack = Stack(raw={key: value for key, value in {**GOOD, **bad.changes}.items() if value is not None})
    path = write(folder, written(stack.raw))

    for problem in stack.problems():
        pulumi(problem.mend)
        stack.run(problem.mend)

    assert stack.problems() == []
    assert canonical(stack_file.read(path).raw) == canonical(stack.raw)


def test_every_kind_of_command_was_tried() -> None:
    assert {bad.sentence for bad in BAD} >= set(COMMANDS)


def test_a_secret_arrives_encrypted(pulumi: Pulumi, folder: Path) -> None:
    path = write(folder, written(dict(GOOD)))

    pulumi("pulumi config set --secret headroom:sentryDsn https://planted-77.example.com --stack prod")

    assert stack_file.read(path).encrypted == {"headroom:sentryDsn"}
    assert Settings.from_file(path).secret_keys == ("sentryDsn",)
    assert "planted" not in path.read_text()
