"""The generated parts of the page on cost: what users are assumed to do, and what the four stacks cost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from infra.config import Settings
from infra.cost.bands import Standing, stand, unconfirmed_share
from infra.cost.report import plain, usd
from infra.cost.source import Source
from infra.cost.usage import Level, Profile, Usage
from infra.plan import Plan
from infra.usage_settings import NAMES
from stacks.phase import PhaseName
from stacks.phases import phase


def usage_table() -> str:
    """Every assumption: its value in each phase, what low and high make of it, and what it means."""
    profiles = [Usage(phase(name)).profile for name in PhaseName]
    quiet, busy = (Usage(phase(PhaseName.P10K), level).profile for level in (Level.LOW, Level.HIGH))
    rows = ["| assumption | expected | low, high | what it is |", "| --- | --- | --- | --- |"]
    for key, name in NAMES.items():
        values = [_shown(getattr(one, name)) for one in profiles]
        expected = values[0] if len(set(values)) == 1 else ", ".join(values)
        factors = [_factor(getattr(one, name), getattr(profiles[0], name)) for one in (quiet, busy)]
        spread = f"x {factors[0]}, x {factors[1]}" if set(factors) != {"1"} else ""
        about = " ".join((Profile.model_fields[name].description or "").split())
        rows.append(f"| `{key}` | {expected} | {spread} | {about} |")
    return "\n".join(rows)


def _shown(value: Any) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value)


def _factor(value: Any, expected: Any) -> str:
    return plain(value / expected) if isinstance(value, Decimal) and expected else "1"


def phase_table(plans: list[Plan]) -> str:
    """What each shipped stack costs, and where that stands."""
    found = []
    for plan in plans:
        settings = Settings.of(plan.stack)
        found.append(stand(Source(plan.stack, settings.spec, plan.resources, settings.usage)))
    head = " | ".join(f"`{one.source.stack}`" for one in found)
    rows = [f"| USD a month | {head} |", f"| --- |{' ---: |' * len(found)}"]
    for title, cells in _rows(found).items():
        rows.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _rows(found: list[Standing]) -> dict[str, list[str]]:
    return {
        **{f"{level} usage": [usd(one.estimates[level].monthly_usd) for one in found] for level in Level},
        "budget band": [f"{one.band.low:,} to {one.band.high:,}" for one in found],
        "expected in the band": [_verdict(one) for one in found],
        "from there to its top": [usd(one.headroom_usd) for one in found],
        "for 1,000 monthly users": [usd(one.usd_per_thousand_users) for one in found],
        "for a million API requests": [usd(one.usd_per_million_requests or Decimal(0)) for one in found],
        "on prices that nothing confirms": [f"{unconfirmed_share(one.expected):.0%}" for one in found],
    }


def _verdict(one: Standing) -> str:
    if one.expected.unpriced:
        return f"{len(one.expected.unpriced)} unpriced"
    return "yes" if one.is_inside else "**no**"
