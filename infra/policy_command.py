"""`headroom policy`: what the rules say of a stack, without engine, network or credentials."""

from __future__ import annotations

import gc
import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from infra.plan import Plan
    from infra.stack_file import StackFile
    from policies.evaluate import Verdict


@click.command()
@click.argument("stack", required=False)
@click.option("--rules", "only_rules", is_flag=True, help="List the rules themselves.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(stack: str | None, *, only_rules: bool, as_json: bool) -> None:
    """Judge STACK by the rules that the engine applies with `--policy-pack policies`.

    Exit code 1 when a binding rule is broken, or an exemption has ended or excuses nothing.
    """
    gc.disable()  # As in `headroom plan`: the process ends before anything would have to be collected.
    from infra import stack_file
    from infra.config import ROOT
    from infra.errors import UserError

    if only_rules:
        click.echo(json.dumps(rules(), indent=2) if as_json else "\n".join(_rule_lines()))
        return
    if stack is None:
        msg = "which stack? `headroom policy STACK`, or `headroom policy --rules` for the rules themselves"
        raise UserError(msg)
    found = judged(stack_file.read(stack_file.path_of(stack, ROOT)))
    if as_json:
        click.echo(json.dumps(to_dict(stack, found), indent=2))
    else:
        for line in lines(stack, found):
            click.echo(line)
    if not found.passed:
        raise click.exceptions.Exit(1)


def judged(stored: StackFile) -> Verdict:
    """What the rules say of a stack file's plan.

    Raises:
        infra.errors.UserError: the program refuses the configuration.
    """
    from infra.config import Environment, Settings
    from infra.plan import make_plan

    settings = Settings.parse(stored.raw, stack=stored.stack, encrypted=stored.encrypted)
    return verdict(make_plan(stored), settings.exempted, production=settings.environment is Environment.PRODUCTION)


def verdict(plan: Plan, exempted: Sequence[str], *, production: bool) -> Verdict:
    """What the rules say of a plan, with a stack's exemptions."""
    from datetime import UTC, datetime

    from policies.catalogue import RULES
    from policies.evaluate import Judge
    from policies.exemptions import parse
    from policies.planned import stack_of

    exemptions = [parse(text) for text in exempted]
    judge = Judge(RULES, exemptions, production=production, today=datetime.now(tz=UTC).date())
    return judge.stack(stack_of(plan, production=production))


def to_dict(stack: str, verdict: Verdict) -> dict[str, Any]:
    """For machines."""
    return {
        "stack": stack,
        "passed": verdict.passed,
        "checked": verdict.checked,
        "findings": [
            {
                "rule": one.rule.id,
                "severity": one.rule.severity.value,
                "mandatory": one.mandatory,
                "urn": one.urn,
                "message": one.message,
                "remedy": one.rule.remedy,
                "frameworks": list(one.rule.frameworks),
                "exempted": one.exemption and {"until": f"{one.exemption.expires}", "reason": one.exemption.reason},
            }
            for one in verdict.findings
        ],
        "undecided": [{"rule": one.rule.id, "urn": one.urn, "property": one.path} for one in verdict.undecided],
        "exemptions": list(verdict.stale),
    }


def lines(stack: str, verdict: Verdict) -> Iterator[str]:
    """For people: what refuses first, then advice, then what is excused."""
    for one in verdict.refused:
        yield click.style("refused   ", fg="red") + f"{one.text}  [{one.rule.severity.value}]"
    for one in verdict.findings:
        if not one.mandatory and one.exemption is None:
            yield click.style("advice    ", fg="yellow") + f"{one.text}  [{one.rule.severity.value}]"
    for one in verdict.findings:
        if one.exemption is not None:
            why = f"until {one.exemption.expires}: {one.exemption.reason}"
            yield click.style("exempted  ", fg="cyan") + f"{one.rule.id}: {one.name}: {one.message} ({why})"
    for text in verdict.stale:
        yield click.style("exemption ", fg="red") + text
    waiting = f", {len(verdict.undecided)} to be judged during the update" if verdict.undecided else ""
    word = "passes" if verdict.passed else "is refused"
    yield f"{stack} {word}: {verdict.checked:,} checks, {len(verdict.refused)} refused{waiting}"


def rules() -> list[dict[str, Any]]:
    """All rules, for machines and for the documentation."""
    from policies.catalogue import RULES

    return [
        {
            "id": one.id,
            "severity": one.severity.value,
            "level": one.level.value,
            "demands": one.demands,
            "remedy": one.remedy,
            "frameworks": list(one.frameworks),
            "types": list(one.types),
        }
        for one in RULES.values()
    ]


def _rule_lines() -> Iterator[str]:
    found = rules()
    width = max(len(one["id"]) for one in found)
    for one in found:
        yield f"{one['id']:<{width}}  {one['level']:<10}  {one['severity']:<8}  {one['demands']}"
    yield f"{len(found)} rules"
