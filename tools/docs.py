"""Write the generated parts of the documentation: `python tools/docs.py`. A test holds them current.

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from infra import render, stack_file
from infra.config import KEYS, SECRETS, Settings, key_info
from infra.local.aws.catalogue import table as local_cloud_table
from infra.plan import make_plan
from stacks.phases import phase_table

ROOT = Path(__file__).parents[1]
PART = re.compile(r"(<!-- generated: (?P<name>[a-z0-9-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def key_table() -> str:
    """Every key of a stack file: what it takes and what it does."""
    rows = ["| key | takes | what it is |", "| --- | --- | --- |"]
    for key, name in KEYS.items():
        field = Settings.model_fields[name]
        need = "**required**" if field.is_required() else ""
        about = " ".join((field.description or "").split())
        rows.append(f"| `{key}` {need} | {key_info(key).allowed} | {about} |")
    rows += [f"| `{key}` | secret | {_SECRETS[key]} |" for key in SECRETS]
    return "\n".join(rows)


_SECRETS = {
    "sentryDsn": "Where pods send errors; any service that speaks Sentry's protocol.",
    "pagerdutyUrl": "Integration URL that the `page` topic calls.",
}


def picture() -> str:
    """The 10k stack's components, from its plan."""
    plan = make_plan(stack_file.read(ROOT / "Pulumi.10k.yaml"))
    return f"```mermaid\n{render.mermaid(plan)}\n```"


PARTS: Mapping[str, Callable[[], str]] = {
    "keys": key_table,
    "local-cloud": local_cloud_table,
    "phases": phase_table,
    "picture-10k": picture,
}


def current(text: str) -> str:
    """`text` with every generated part written anew."""
    return PART.sub(lambda part: f"{part[1]}\n{PARTS[part['name']]().strip()}\n\n{part[3]}", text)


def pages() -> list[Path]:
    """Pages that have generated parts."""
    return [page for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")] if PART.search(page.read_text())]


def main() -> None:
    """Write all pages."""
    for page in pages():
        page.write_text(current(page.read_text()))


if __name__ == "__main__":
    main()
