"""Write the generated parts of the documentation: `make docs`. A test holds them current.

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

from infra import render, stack_file
from infra.config import KEYS, SECRETS, Settings, key_info
from infra.local.aws.catalogue import table as local_cloud_table
from infra.plan import Plan, make_plan
from stacks.phase import PhaseName
from stacks.phases import phase, phase_table
from tools import cost, growth, policies, promises, promises_1m, promises_10k, promises_50k, promises_250k
from tools.promises import Promise

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


PROMISES: Mapping[PhaseName, Sequence[Promise]] = {
    PhaseName.P10K: promises_10k.PROMISES,
    PhaseName.P50K: promises_50k.PROMISES,
    PhaseName.P250K: promises_250k.PROMISES,
    PhaseName.P1M: promises_1m.PROMISES,
}


@cache
def plan_of(name: PhaseName) -> Plan:
    """The plan of the stack that ships for a phase."""
    return make_plan(stack_file.read(ROOT / f"Pulumi.{name}.yaml"))


def picture(name: PhaseName) -> str:
    """A phase's components, from its plan; what the phase before does not have stands out."""
    names = list(PhaseName)
    before = names[names.index(name) - 1] if name != names[0] else None
    # Full regions are alike: home is drawn, and the others are a box each.
    others = phase(name).regions[1:]
    known = render.drawn_components(plan_of(before)) if before else None
    return f"```mermaid\n{render.mermaid(plan_of(name), known=known, brief=others)}\n```"


def promise_table(name: PhaseName) -> str:
    """What is promised in a phase, and what keeps it."""
    return promises.table(PROMISES[name], phase(name), plan_of(name))


def cost_table() -> str:
    """What the four stacks that ship cost."""
    return cost.phase_table([plan_of(name) for name in PhaseName])


PARTS: Mapping[str, Callable[[], str]] = {
    "cost": cost_table,
    "usage": cost.usage_table,
    "keys": key_table,
    "local-cloud": local_cloud_table,
    "phases": phase_table,
    "policies": policies.rule_table,
    "steps": growth.steps,
    "triggers": growth.triggers,
    **{f"picture-{name}": partial(picture, name) for name in PhaseName},
    **{f"promises-{name}": partial(promise_table, name) for name in PhaseName},
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
