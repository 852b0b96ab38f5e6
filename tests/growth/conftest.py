"""Plans of the shipped configuration in any phase, each made once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from infra import stack_file
from infra.growth.steps import OVERRIDES_KEY, in_phase
from infra.plan import Options, PlannedResource, make_plan
from infra.stack_file import StackFile
from stacks.phase import PhaseName

ROOT = Path(__file__).parents[2]
PREFIX = "urn:pulumi:prod::headroom::"
FORWARD = tuple(combinations(PhaseName, 2))
each_phase = pytest.mark.parametrize("phase", list(PhaseName))
each_growth = pytest.mark.parametrize(("old", "new"), FORWARD)


def stored(overrides: Mapping[str, Any] | None = None) -> StackFile:
    """The shipped 10k stack as `prod`, with what the other phases need."""
    shipped = stack_file.read(ROOT / "Pulumi.10k.yaml")
    raw = {**shipped.raw, "headroom:cloudflareAccountId": "0" * 32}
    if overrides:
        raw[OVERRIDES_KEY] = json.dumps(overrides)
    return replace(shipped, stack="prod", raw=raw)


@cache
def planned(phase: PhaseName, overrides: str = "{}") -> tuple[PlannedResource, ...]:
    """The plan of a phase; `overrides` as JSON."""
    return tuple(make_plan(in_phase(stored(json.loads(overrides)), phase)).resources)


def made(
    token: str,
    name: str,
    inputs: Mapping[str, Any] | None = None,
    *,
    uses: Mapping[str, list[str]] | None = None,
    waits: tuple[str, ...] = (),
    parent: str = "",
    options: Options | None = None,
) -> PlannedResource:
    """A resource by hand; `uses` names for an input the URNs that its value comes from."""
    kind = f"{parent.split('::')[2]}${token}" if parent else token
    sources = {key: list(urns) for key, urns in (uses or {}).items()}
    depends = sorted({*waits, *(urn for urns in sources.values() for urn in urns)})
    urn = f"{PREFIX}{kind}::{name}"
    return PlannedResource(urn, token, name, parent or None, dict(inputs or {}), options or {}, depends, sources)
