"""The documentation's table of what the local cloud really has: `python -m infra.local.aws.catalogue` writes it."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

from infra.local.aws import KINDS

DOCUMENT = Path(__file__).parents[3] / "docs" / "local-cloud.md"
START, END = "<!-- types: generated -->", "<!-- types: end -->"


def table() -> str:
    """One row a service: the types that moto implements, and those that are only remembered."""
    rows = ["| service | in moto | in memory only |", "|---|---|---|"]
    parts = sorted((token.split(":")[1].split("/")[0], token.split(":")[2], KINDS[token].real) for token in KINDS)
    for service, types in groupby(parts, key=lambda part: part[0]):
        names: dict[bool, list[str]] = {True: [], False: []}
        for _, name, real in types:
            names[real].append(name)
        rows.append(f"| {service} | {', '.join(names[True])} | {', '.join(names[False])} |")
    return "\n".join(rows)


def renewed(text: str) -> str:
    """The document with its table as it should be."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{table()}\n{END}{after}"


def main() -> int:
    """Write the table into the document."""
    DOCUMENT.write_text(renewed(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
