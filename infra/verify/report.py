"""A verification for eyes and for machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from infra.verify.facts import Verdict
from infra.verify.run import Finding


def to_dict(stack: str, phase: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """Every finding, and how many there are of each verdict."""
    counts = Counter(finding.fact.verdict for finding in findings)
    return {
        "stack": stack,
        "phase": phase,
        "holds": counts[Verdict.HOLDS],
        "differs": counts[Verdict.DIFFERS],
        "unchecked": counts[Verdict.UNCHECKED],
        "findings": [
            {
                "region": finding.region,
                "area": finding.area,
                "subject": finding.subject,
                "what": finding.fact.what,
                "expected": finding.fact.expected,
                "actual": finding.fact.actual,
                "verdict": str(finding.fact.verdict),
            }
            for finding in findings
        ],
    }


def render(stack: str, phase: str, findings: Sequence[Finding]) -> RenderableType:
    """Counts by region and area, then what differs, then what cannot be seen, then one closing line."""
    differing = [finding for finding in findings if finding.fact.verdict is Verdict.DIFFERS]
    unseen = [finding for finding in findings if finding.fact.verdict is Verdict.UNCHECKED]
    parts: list[RenderableType] = [_areas(findings)]
    if unseen:
        parts += [Text(), Text("Not checked here:"), _unseen(unseen)]
    if differing:
        parts += [Text(), Text(f"Differs from phase {phase}:", style="bold red"), _differing(differing)]
    holding = len(findings) - len(differing) - len(unseen)
    closing = f"{stack}: {holding} facts hold, {len(differing)} differ, {len(unseen)} not checked here"
    parts += [Text(), Text(closing, style="bold red" if differing else "bold green")]
    return Group(*parts)


def _areas(findings: Sequence[Finding]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("region")
    table.add_column("area")
    for verdict in Verdict:
        table.add_column(str(verdict), justify="right")
    shown = None
    for region, area in dict.fromkeys((finding.region, finding.area) for finding in findings):
        counts = Counter(
            finding.fact.verdict for finding in findings if (finding.region, finding.area) == (region, area)
        )
        cells = [str(counts[verdict] or "") for verdict in Verdict]
        style = "red" if counts[Verdict.DIFFERS] else ""
        table.add_row("" if region == shown else region or "everywhere", area, *cells, style=style)
        shown = region
    return table


def _differing(findings: Sequence[Finding]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("object", "what", "expected", "found"):
        table.add_column(title, overflow="fold")
    for finding in findings:
        table.add_row(
            Text(f"{finding.region} {finding.area} {finding.subject}".strip()),
            Text(finding.fact.what),
            Text(finding.fact.expected),
            Text(finding.fact.actual),
        )
    return table


def _unseen(findings: Sequence[Finding]) -> Table:
    """One line a reason, since the same one mostly holds for several facts."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for reason in dict.fromkeys(finding.fact.actual for finding in findings):
        facts = dict.fromkeys(
            f"{finding.area}: {finding.fact.what}" for finding in findings if finding.fact.actual == reason
        )
        table.add_row(Text(f"  {', '.join(facts)}"), Text(f"({reason})"))
    return table
