"""Each side plans itself, in a process of its own; commits are planned once."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from infra.review import planning
from infra.review.planning import Broken, Planned, plan_sides, stacks_of
from infra.review.trees import Tree

ERRORS = """
class UserError(Exception):
    pass
"""
STACK_FILE = """
from dataclasses import dataclass
from pathlib import Path

@dataclass
class StackFile:
    stack: str
    raw: dict
    encrypted: frozenset

def path_of(stack, root):
    return root / f"Pulumi.{stack}.yaml"

def read(path):
    name = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
    return StackFile(name, {"text": path.read_text()}, frozenset())
"""
CONFIG = """
from types import SimpleNamespace

class Settings:
    @classmethod
    def parse(cls, raw, *, stack, encrypted=()):
        return SimpleNamespace(spec=SimpleNamespace(model_dump=lambda **_: {"name": raw["text"]}))
"""
PLAN = """
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from infra.errors import UserError

def make_plan(stored):
    text = stored.raw["text"]
    if text == "refused":
        raise UserError("stack has 1 problem: owner is missing")
    if text == "wrong":
        raise ValueError("nothing fits")
    if text == "crash":
        print("out of memory", file=sys.stderr)
        sys.stderr.flush()
        os._exit(9)
    if text == "slow":
        time.sleep(60)
    counter = Path(__file__).parent.parent / "count"
    with counter.open("a") as plans:  # two processes write at once
        plans.write(".")
    one = SimpleNamespace(
        urn="urn:pulumi:x::headroom::aws:fake/thing:Thing::WHO", type="aws:fake/thing:Thing",
        name=f"{stored.stack} WHO", parent=None, inputs={"path": f"{os.getcwd()}/code.zip"},
        options={}, dependencies=[],
    )
    return SimpleNamespace(phase=text, resources=[one])
"""


def tree(folder: Path, stacks: dict[str, str], who: str = "a", content: str | None = None) -> Tree:
    """A tree whose program is as small as one can be, and signs its plans."""
    infra = folder / "infra"
    infra.mkdir(parents=True)
    parts = {"__init__": "", "errors": ERRORS, "stack_file": STACK_FILE, "config": CONFIG, "plan": PLAN}
    for name, text in parts.items():
        (infra / f"{name}.py").write_text(text.replace("WHO", who), encoding="utf-8")
    for name, text in stacks.items():
        (folder / f"Pulumi.{name}.yaml").write_text(text, encoding="utf-8")
    return Tree(folder, content, content)


def plans(one: Tree) -> int:
    """How many plans the tree's program has made."""
    count = one.path / "count"
    return len(count.read_text(encoding="utf-8")) if count.exists() else 0


def test_the_phases_own_stacks_come_first_in_their_order(tmp_path: Path) -> None:
    for name in ("prod", "1m", "50k", "10k", "beta"):
        (tmp_path / f"Pulumi.{name}.yaml").touch()
    (tmp_path / "Pulumi.yaml").touch()

    assert stacks_of(tmp_path) == ["10k", "50k", "1m", "beta", "prod"]


def test_each_side_runs_its_own_code(tmp_path: Path) -> None:
    trees = [tree(tmp_path / who, {"prod": "x"}, who=who) for who in ("old", "new")]

    before, after = plan_sides(trees, tmp_path / "cache")

    names = [
        found.resources[0].name for found in (before.stacks["prod"], after.stacks["prod"]) if isinstance(found, Planned)
    ]
    assert names == ["prod old", "prod new"]


def test_the_ladder_plans_the_phases_own_stacks_as_one_stack(tmp_path: Path) -> None:
    (found,) = plan_sides([tree(tmp_path / "a", {"10k": "p", "50k": "q", "prod": "r"})], tmp_path / "cache")

    assert list(found.stacks) == ["10k", "50k", "prod"]
    steps = [(one.stack, one.resources[0].name) for one in found.ladder if isinstance(one, Planned)]
    assert steps == [("10k", "10k a"), ("50k", "10k a")]
    assert plans(found.tree) == 4


def test_paths_into_the_tree_are_no_difference(tmp_path: Path) -> None:
    (found,) = plan_sides([tree(tmp_path / "a", {"prod": "x"})], tmp_path / "cache")

    one = found.stacks["prod"]
    assert isinstance(one, Planned)
    assert one.resources[0].inputs == {"path": "code.zip"}
    assert one.resources[0].property_dependencies == {}


def test_what_a_program_says_of_a_mistake_is_kept_and_the_others_are_planned(tmp_path: Path) -> None:
    stacks = {"a": "refused", "b": "wrong", "c": "fine"}

    (found,) = plan_sides([tree(tmp_path / "a", stacks)], tmp_path / "cache")

    assert found.stacks["a"] == Broken("a", "stack has 1 problem: owner is missing")
    broken = found.stacks["b"]
    assert isinstance(broken, Broken)
    assert broken.why.startswith("ValueError: nothing fits (plan.py:")
    assert isinstance(found.stacks["c"], Planned)


def test_a_program_that_ends_its_process_is_told_by_its_last_word(tmp_path: Path) -> None:
    trees = [tree(tmp_path / "a", {"prod": "crash"}), tree(tmp_path / "b", {"prod": "x"})]

    before, after = plan_sides(trees, tmp_path / "cache")

    assert before.stacks["prod"] == Broken("prod", "its program ended with code 9: out of memory")
    assert isinstance(after.stacks["prod"], Planned)


def test_a_tree_without_a_program_is_told(tmp_path: Path) -> None:
    empty = Tree(tmp_path, None, None)
    (tmp_path / "Pulumi.prod.yaml").touch()

    (found,) = plan_sides([empty], tmp_path / "cache")

    broken = found.stacks["prod"]
    assert isinstance(broken, Broken)
    assert broken.why == "ModuleNotFoundError: No module named 'infra'"


def test_a_commit_is_planned_once_and_the_working_tree_each_time(tmp_path: Path) -> None:
    base, head = tree(tmp_path / "a", {"prod": "x"}, content="1"), tree(tmp_path / "b", {"prod": "x"})

    first = plan_sides([base, head], tmp_path / "cache")
    second = plan_sides([base, head], tmp_path / "cache")

    assert (plans(base), plans(head)) == (1, 2)
    assert first == second


def test_a_failure_is_tried_again(tmp_path: Path) -> None:
    one = tree(tmp_path / "a", {"prod": "wrong"}, content="1")
    plan_sides([one], tmp_path / "cache")
    (one.path / "Pulumi.prod.yaml").write_text("x", encoding="utf-8")

    (found,) = plan_sides([one], tmp_path / "cache")

    assert isinstance(found.stacks["prod"], Planned)


def test_what_is_kept_and_cannot_be_read_is_made_again(tmp_path: Path) -> None:
    one = tree(tmp_path / "a", {"prod": "x"}, content="1")
    plan_sides([one], tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_text("{", encoding="utf-8")

    plan_sides([one], tmp_path / "cache")

    assert plans(one) == 2


def test_only_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "KEPT", 2)

    for content in "1234":
        plan_sides([tree(tmp_path / content, {"prod": "x"}, content=content)], tmp_path / "cache")

    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_no_process_outlives_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    waited: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)  # type: ignore[call-overload]
            started.append(self)

        def wait(self, timeout: float | None = None) -> int:
            if not waited:
                waited.append(self)
                raise KeyboardInterrupt
            return super().wait(timeout)

    monkeypatch.setattr("infra.review.planning.subprocess.Popen", Interrupted)
    begun = time.monotonic()

    with pytest.raises(KeyboardInterrupt):
        plan_sides([tree(tmp_path / "a", {"prod": "slow"}), tree(tmp_path / "b", {"prod": "slow"})], tmp_path / "cache")

    assert len(started) == 2
    assert all(process.poll() is not None for process in started)
    assert time.monotonic() - begun < 30
