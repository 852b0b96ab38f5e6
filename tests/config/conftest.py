"""A configuration to change, and what a shell would do with the commands of a message."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from typing import Any

import pytest

from infra.config import Settings
from infra.problems import ConfigError, Problem
from tests.config.bad import GOOD


@dataclass
class Stack:
    """A stack's configuration that commands change, as `pulumi config` would."""

    raw: dict[str, str] = field(default_factory=lambda: dict(GOOD))
    encrypted: set[str] = field(default_factory=set)

    def problems(self) -> list[Problem]:
        """What `Settings.parse` finds wrong."""
        try:
            Settings.parse(self.raw, stack="prod", encrypted=self.encrypted)
        except ConfigError as error:
            return list(error.found)
        return []

    def run(self, commands: str) -> None:
        """`pulumi config set` and `rm`, with the options that messages use."""
        for command in commands.split(" && "):
            self._run(command)

    def _run(self, command: str) -> None:
        words = shlex.split(command)
        assert words[:2] == ["pulumi", "config"]
        assert words[-2:] == ["--stack", "prod"]
        options = {word for word in words[3:-2] if word.startswith("--")}
        key, *values = [word for word in words[3:-2] if word not in options]
        assert options <= {"--path", "--secret"}
        assert (words[2], len(values)) in {("set", 1), ("rm", 0)} or "--secret" in options
        name, *path = _steps(key) if "--path" in options else [key]
        if words[2] == "rm":
            self._remove(name, path)
        elif "--secret" in options:
            self.raw[name] = "[secret]"
            self.encrypted.add(name)
        else:
            self._set(name, path, values[0])

    def _set(self, name: str, path: list[str | int], value: str) -> None:
        self.encrypted.discard(name)
        if not path:
            self.raw[name] = value
            return
        empty: Any = [] if isinstance(path[0], int) else {}
        tree = _load(self.raw.get(name, ""), empty)
        here = tree
        for step, following in zip(path, [*path[1:], None], strict=True):
            new: Any = _typed(value) if following is None else [] if isinstance(following, int) else {}
            if following is None and isinstance(here, dict) and isinstance(here.get(step), str):
                new = value  # text stays text
            if isinstance(step, int) and step == len(here):
                here.append(new)
            elif following is None or not isinstance(here, list | dict) or not _inside(here, step):
                here[step] = new
            here = here[step]
        self.raw[name] = json.dumps(tree)

    def _remove(self, name: str, path: list[str | int]) -> None:
        if not path:
            del self.raw[name]
            self.encrypted.discard(name)
            return
        tree = here = json.loads(self.raw[name])
        for step in path[:-1]:
            here = here[step]
        del here[path[-1]]
        self.raw[name] = json.dumps(tree)


def _steps(key: str) -> list[Any]:
    namespace, _, path = key.partition(":")
    found = re.findall(r'\.?([A-Za-z0-9_-]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]', path)
    name, *rest = [int(index) if index else plain or json.loads(f'"{quoted}"') for plain, index, quoted in found]
    return [f"{namespace}:{name}", *rest]


def _load(text: str, empty: Any) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return empty
    return value if isinstance(value, type(empty)) else empty


def _inside(tree: Any, step: Any) -> bool:
    return step < len(tree) if isinstance(tree, list) else step in tree and isinstance(tree[step], list | dict)


def _typed(text: str) -> Any:
    """The engine stores these as what they are, and all other values as text."""
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"-?\d+", text) else text


@pytest.fixture
def stack() -> Stack:
    return Stack()
