"""What the real engine prints of a stack costs what its plan costs, to the cent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi import automation

from infra import engine, stack_file
from infra.cost.bands import Standing, stand
from infra.cost.report import line_dict
from infra.cost.source import of_file, of_plan
from infra.errors import UserError
from infra.local import cloud as local_cloud
from infra.local.stack import LocalStack

ROOT = Path(__file__).parents[2]
CHANGE = {"database": {"instanceClass": "db.m7g.large"}, "network": {"natGateways": 3}}


@dataclass
class Printer:
    """How previews are printed, and what they printed."""

    options: Sequence[str] = ("--json",)
    printed: list[str] = field(default_factory=list)


class Engine(automation.PulumiCommand):
    """The engine that is found here, whose previews are printed as JSON and kept."""

    def __init__(self, printer: Printer) -> None:
        vars(self).update(vars(engine.find().command()))
        self._printer = printer

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: automation.OnOutput | None = None,
        on_error: automation.OnOutput | None = None,
    ) -> automation.CommandResult:
        if "preview" not in args:
            return super().run(args, cwd, additional_env, on_output, on_error)
        done = super().run([*args, *self._printer.options], cwd, additional_env, on_output, on_error)
        self._printer.printed.append(done.stdout)
        return done


@dataclass
class World:
    """The 10k stack, what the engine printed of it, and its plans."""

    first: Path
    state: Path
    terse: Path
    changed: Path
    plan: Standing
    changed_plan: Standing


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("priced")
    for name in ("Pulumi.yaml", "Pulumi.10k.yaml"):
        shutil.copy(ROOT / name, root / name)
    local_cloud.start(root)
    printer = Printer()
    stack = LocalStack("10k", root=root, engine=lambda: Engine(printer))
    settings = root / "Pulumi.10k.yaml"

    def previewed(name: str) -> Path:
        stack.preview()
        path = root / f"{name}.json"
        path.write_text(printer.printed[-1], encoding="utf-8")
        return path

    def planned() -> Standing:
        return stand(of_plan(stack_file.read(settings)))

    first, plan = previewed("first"), planned()
    stack.up()
    state = root / "state.json"
    state.write_text(json.dumps({"version": 3, "deployment": {"resources": stack.resources()}}), encoding="utf-8")
    content = yaml.safe_load(settings.read_text(encoding="utf-8"))
    content["config"]["headroom:overrides"] = CHANGE
    settings.write_text(yaml.safe_dump(content), encoding="utf-8")
    terse = previewed("terse")
    printer.options = ("--json", "--show-sames")
    changed = previewed("changed")
    yield World(first, state, terse, changed, plan, planned())
    local_cloud.stop(root)


def totals(standing: Standing) -> dict[str, Any]:
    return {str(level): estimate.monthly_usd for level, estimate in standing.estimates.items()}


def test_the_preview_of_a_new_stack_costs_what_the_plan_costs(world: World) -> None:
    source = of_file(world.first)

    assert source.phase == world.plan.source.phase
    assert totals(stand(source)) == totals(world.plan)


def test_what_stands_costs_what_the_plan_costs(world: World) -> None:
    assert totals(stand(of_file(world.state))) == totals(world.plan)


def test_the_preview_of_a_change_costs_what_the_changed_plan_costs(world: World) -> None:
    own = stack_file.read(world.changed.parent / "Pulumi.10k.yaml")

    found = totals(stand(of_file(world.changed, own)))

    assert found == totals(world.changed_plan)
    assert found["expected"] > world.plan.expected.monthly_usd


def test_the_lines_are_those_of_the_plan(world: World) -> None:
    from_engine = {(line.urn, line.component): line for line in stand(of_file(world.state)).expected.lines}
    from_plan = {(line.urn, line.component): line for line in world.plan.expected.lines}

    assert from_engine == from_plan


def test_a_preview_without_what_stays_is_refused(world: World) -> None:
    with pytest.raises(UserError, match="--show-sames"):
        of_file(world.terse)


def test_no_secret_is_in_what_is_shown(world: World) -> None:
    text = world.state.read_text(encoding="utf-8")
    closed = {part.split('"')[0] for part in text.split('"ciphertext": "')[1:]}
    lines = json.dumps([line_dict("10k", line) for line in stand(of_file(world.state)).expected.lines])
    inputs = str([one.inputs for one in of_file(world.state).resources])

    assert len(closed) > 5
    assert not any(one in lines or one in inputs for one in closed)
