"""A stack file read as the engine reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra import stack_file
from infra.config import Settings
from infra.errors import UserError


def read(tmp_path: Path, text: str) -> stack_file.StackFile:
    path = tmp_path / "Pulumi.prod.yaml"
    path.write_text(text, encoding="utf-8")
    return stack_file.read(path)


@pytest.mark.parametrize(
    ("written", "handed_on"),
    [
        ("10k", "10k"),
        ("'0012'", "0012"),
        ("0012", "10"),
        ("12", "12"),
        ("true", "true"),
        ("yes", "yes"),
        ("2026-01-31", "2026-01-31"),
        ("", ""),
        ("~", ""),
        ("[a, 1, true]", '["a", 1, true]'),
        (
            "{a: {b: 2026-01-31, c: 0o17, d: off, e: 1e3}}",
            '{"a": {"b": "2026-01-31", "c": 15, "d": "off", "e": 1000.0}}',
        ),
    ],
)
def test_a_value_is_handed_on_as_the_engine_does(tmp_path: Path, written: str, handed_on: str) -> None:
    assert read(tmp_path, f"config:\n  headroom:x: {written}\n").raw == {"headroom:x": handed_on}


def test_a_key_without_namespace_is_the_projects(tmp_path: Path) -> None:
    assert read(tmp_path, "config: {phase: 10k, 'aws:region': us-east-1}").raw == {
        "headroom:phase": "10k",
        "aws:region": "us-east-1",
    }


def test_secrets_stay_encrypted_and_one_inside_makes_the_group_secret(tmp_path: Path) -> None:
    stored = read(
        tmp_path,
        "config:\n  headroom:sentryDsn:\n    secure: v1:abc\n  headroom:overrides:\n    edge: {x: {secure: v1:def}}\n",
    )

    assert stored.encrypted == {"headroom:sentryDsn", "headroom:overrides"}
    assert set(stored.raw.values()) == {stack_file.ENCRYPTED}


@pytest.mark.parametrize("text", ["", "config:", "config: {}", "encryptionsalt: v1:x", "# nothing"])
def test_a_file_may_be_empty(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == stack_file.StackFile("prod", {}, frozenset())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config: [", r"^Pulumi.prod.yaml is no YAML: line 1, column \d+: "),
        ("config:\n\theadroom:phase: 10k", r"^Pulumi.prod.yaml is no YAML: line 2, column 1: found character"),
        ("config:\n  a: b: c", r"no YAML: line 2, column 7: mapping values are not allowed here"),
        ("config: [1]", r"^Pulumi.prod.yaml, line 1: config must be a mapping of keys to values$"),
        ("config: text", r"config must be a mapping"),
        ("- 1", r"^Pulumi.prod.yaml, line 1: the file must be a mapping"),
        ("config:\n  headroom:phase: 10k\n  headroom:phase: 50k", r"line 3: headroom:phase is there twice"),
        ("config:\n  phase: 10k\n  headroom:phase: 50k", r"line 3: headroom:phase is there twice"),
        ("config: {[1]: 2}", r"line 1: a key must be text"),
        ("config:\n  headroom:x: {[1]: 2}", r"line 2: no value that Pulumi can store: .*unhashable key"),
        ("config:\n  headroom:x: !foo 1", r"line 2: no value that Pulumi can store: .*!foo"),
        (
            "config:\n  headroom:x: !!python/object/apply:os.getcwd []",
            r"no value that Pulumi can store: .*python/object",
        ),
        ("config:\n  headroom:x: !!int abc", r"line 2: no value that Pulumi can store: invalid literal"),
        ("config:\n  headroom:x: !!set {a}", r"line 2: no value that Pulumi can store: .*set"),
        ("config:\n  headroom:x: &a [*a]", r"line 2: no value that Pulumi can store: "),
        ("config: " + "[" * 5_000, r"is no YAML: (line|nested too deep|maximum recursion)"),
        ("\x00", r"is no YAML: .*special characters"),
    ],
)
def test_a_wrong_file_is_told_with_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path, text)


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.prod.yaml"
    path.write_bytes(b"\xff\xfe\x00config")

    with pytest.raises(UserError, match=r"^Pulumi.prod.yaml cannot be read: "):
        stack_file.read(path)


def test_a_directory_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.prod.yaml").mkdir()

    with pytest.raises(UserError, match="cannot be read"):
        Settings.of("prod", tmp_path)


def test_lists_and_groups_arrive_as_json(tmp_path: Path) -> None:
    stored = read(
        tmp_path, "config:\n  headroom:overrides:\n    database:\n      storageGib: 50\n      multiAz: false\n"
    )

    assert json.loads(stored.raw["headroom:overrides"]) == {"database": {"storageGib": 50, "multiAz": False}}
