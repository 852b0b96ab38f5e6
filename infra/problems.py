"""How a wrong setting is told: key, value, what is allowed, and the command that mends it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from infra.errors import UserError
from infra.naming import PROJECT

NAMESPACE = PROJECT
"""Pulumi's own: a key without a namespace belongs to the project."""
_LONGEST_VALUE = 80
HIDDEN = "(hidden)"
"""Shown in place of anything that is a secret, or might be one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong with a stack's configuration.

    Attributes:
        key: full key with its path, such as `headroom:alertEmails[0]`.
        value: as it was given, or `HIDDEN`; None where nothing was given.
        allowed: what is wrong, or what is allowed.
        mend: shell command that makes it right.
    """

    key: str
    value: object
    allowed: str
    mend: str

    def __str__(self) -> str:
        """Two lines: the finding, the command."""
        shown = "" if self.value is None else f" = {shown_value(self.value)}"
        return f"{_printable(self.key)}{shown} {_printable(self.allowed)}\n      {_printable(self.mend)}"


class ConfigError(UserError):
    """A stack's configuration that does not hold; `found` has every problem, `problems` their text."""

    def __init__(self, stack: str, found: Sequence[Problem]) -> None:
        """Name the stack and count."""
        self.found = tuple(found)
        count = f"{len(self.found)} problem{'s' if len(self.found) > 1 else ''}"
        super().__init__(f"stack {stack} has {count} in its configuration", [str(one) for one in self.found])


def shown_value(value: object) -> str:
    """A value as a message shows it: quoted, on one line, and short."""
    text = value if value is HIDDEN else repr(value)
    return str(text) if len(str(text)) <= _LONGEST_VALUE else f"{str(text)[: _LONGEST_VALUE - 3]}..."


def _printable(text: str) -> str:
    """With escapes for what would end a line, move the cursor, or be no character at all."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def set_command(key: str, value: str | float, stack: str, *, secret: bool = False) -> str:
    """`pulumi config set`, quoted for a shell; a key with a path below it gets `--path`."""
    name = key.partition(":")[2]
    words = ["pulumi", "config", "set"]
    if "." in name or "[" in name:
        words.append("--path")
    if secret:
        words.append("--secret")
    # true and false as JSON has them: Pulumi stores these two, and whole numbers, as what they are.
    text = value if isinstance(value, str) else json.dumps(value)
    return shlex.join([*words, key, *([] if secret else [text]), "--stack", stack])


def remove_command(key: str, stack: str, *, is_name: bool = False) -> str:
    """`pulumi config rm`, quoted for a shell; with `is_name` a period or a bracket is a part of the key's own name."""
    name = key.partition(":")[2]
    path = ["--path"] if not is_name and ("." in name or "[" in name) else []
    return shlex.join(["pulumi", "config", "rm", *path, key, "--stack", stack])
