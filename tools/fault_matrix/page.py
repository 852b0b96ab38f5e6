"""The matrix as a table, and its place in docs/recovery.md."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from tools.fault_matrix.scenarios import Run

PAGE: Final = Path(__file__).parents[2] / "docs" / "recovery.md"
PART: Final = re.compile(r"(<!-- measured: fault-matrix -->\n).*?(<!-- end -->)", re.DOTALL)
"""Not one of the parts that `make docs` writes: it takes an hour to measure."""


def table(rows: Mapping[tuple[str, str], Sequence[Run]]) -> Iterator[str]:
    """A line for each row that had runs."""
    yield "| fault | stack | runs | by itself | recovered | orphans | duplicates | data replaced | seconds |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|---:|"
    for (name, what), runs in rows.items():
        seconds = [one.seconds for one in runs]
        cells = [
            name,
            what,
            len(runs),
            sum(one.alone for one in runs),
            sum(one.whole for one in runs),
            sum(one.orphans for one in runs),
            sum(one.duplicates for one in runs),
            sum(one.replaced for one in runs),
            f"{statistics.median(seconds):.0f} ({max(seconds):.0f})",
        ]
        yield f"| {' | '.join(map(str, cells))} |"


def write(rows: Mapping[tuple[str, str], Sequence[Run]], day: date) -> None:
    """Put the table into the page."""
    text = "\n".join(["", f"Measured on {day.isoformat()}.", "", *table(rows), ""])
    PAGE.write_text(PART.sub(lambda part: f"{part[1]}{text}\n{part[2]}", PAGE.read_text(encoding="utf-8")))
