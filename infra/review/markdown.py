"""Markdown of a comment: text that cannot break out of its place, and blocks cut before GitHub refuses them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

LIMIT: Final = 65_536
"""GitHub takes no longer comment ("Body is too long (maximum is 65536 characters)").

Bytes are counted here, which are never fewer than characters.
"""
LONGEST: Final = 300
"""Characters of one value or sentence; a program can name things as it likes."""
SPACE: Final = "\u200b"
"""Breaks what GitHub would make a mention or a reference of, and notify people for."""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that belong together; of each block as many are shown as there is room for.

    Attributes:
        name: what the rows are, in the line that tells how many were cut.
        top: before the rows.
        rows: what may be cut, from the end.
        bottom: after the rows.
    """

    name: str
    top: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    bottom: tuple[str, ...] = ()


def plain(text: str) -> str:
    """A sentence from elsewhere, as text: no markup, no mention, no reference."""
    short = html.escape(_one_line(text), quote=False)
    return re.sub(r"([@#])", rf"\1{SPACE}", re.sub(r"([\\`*_\[\]|~])", r"\\\1", short))


def code(text: str) -> str:
    """A value from elsewhere, as code."""
    return f"`{_one_line(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`" if text else ""


def table(header: Sequence[str], aligned: str) -> tuple[str, str]:
    """The first two lines of a table; `aligned` has l or r for each column."""
    rules = {"l": "---", "r": "---:"}
    return row(header), row([rules[one] for one in aligned])


def row(cells: Iterable[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def folded(name: str, summary: str, rows: Sequence[str], top: Sequence[str] = ()) -> Block:
    """Rows behind a line to click on."""
    return Block(name, (f"<details><summary>{summary}</summary>", "", *top), tuple(rows), ("", "</details>", ""))


def fitted(blocks: Sequence[Block], limit: int = LIMIT) -> str:
    """All blocks as one text below the limit; earlier ones come first, and what is cut is counted."""
    reserve = 200 + 100 * len(blocks)  # for the lines that tell of cuts
    lines: list[str] = []
    left = limit - reserve
    dropped = 0
    for block in blocks:
        frame = _size((*block.top, *block.bottom))
        if frame > left:
            dropped += 1
            continue
        left -= frame
        shown = 0
        for one in block.rows:
            if _size([one]) > left:
                break
            left -= _size([one])
            shown += 1
        lines += [*block.top, *block.rows[:shown]]
        if cut := len(block.rows) - shown:
            lines += ["", f"(Cut, as GitHub takes no longer comment: {cut:,} {block.name}. The JSON has them all.)"]
        lines += block.bottom
    if dropped:
        lines += ["", f"(Cut, as GitHub takes no longer comment: {dropped:,} sections. The JSON has them all.)"]
    return "\n".join(lines).rstrip("\n") + "\n"


def _size(lines: Iterable[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def _one_line(text: str) -> str:
    short = " ".join(text.split())
    return short if len(short) <= LONGEST else f"{short[:LONGEST]}..."
