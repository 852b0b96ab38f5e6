"""The commands that the procedures and the runbooks name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs/procedures").glob("*.md"), *(ROOT / "docs/runbooks").glob("*.md")])
INLINE = re.compile(r"`([^`\n]+)`")
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
GROUPS = {"config", "stack", "state"}
"""Commands of Pulumi that have commands."""
PART = re.compile(r"&&|\|\||[|;]")


def commands(page: Path, program: str) -> Iterator[list[str]]:
    """Every call of `program` on a page, in words."""
    text = page.read_text()
    lines = [line for block in BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    for line in [*lines, *INLINE.findall(BLOCK.sub("", text))]:
        for part in PART.split(line):
            words = part.split("#")[0].split()
            if words[:1] == [program] and len(words) > 1:
                yield words[1:]


def flags(words: list[str]) -> list[str]:
    """The options among the words, without their values."""
    return [word.split("=")[0] for word in words if word.startswith("-") and word.strip("-")]


def pulumi_commands() -> set[str]:
    """Pulumi's commands with all flags that any page gives them: `stack export --file`."""
    found: dict[str, set[str]] = {}
    for page in PAGES:
        for words in commands(page, "pulumi"):
            name = " ".join(words[: 2 if words[0] in GROUPS else 1])
            found.setdefault(name, set()).update(flags(words))
    return {" ".join([name, *sorted(given)]) for name, given in found.items()}
