"""What the local cloud really has, for the documentation."""

from __future__ import annotations

from itertools import groupby

from infra.local.aws import KINDS


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
