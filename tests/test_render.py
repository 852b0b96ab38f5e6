"""A plan for eyes."""

from pathlib import Path

import pytest
from rich.console import Console

from infra import render, stack_file
from infra.plan import Plan, PlannedResource, make_plan

ROOT = Path(__file__).parents[1]


def component(name: str, parent: str | None = None, kind: str = "data:Database") -> PlannedResource:
    return PlannedResource(name, f"headroom:{kind}", name, parent, {}, {}, [])


def resource(name: str, parent: str, *dependencies: str) -> PlannedResource:
    return PlannedResource(name, "aws:sqs/queue:Queue", name, parent, {}, {}, list(dependencies))


@pytest.fixture
def plan() -> Plan:
    """C uses b and a, b uses a."""
    return Plan(
        "10k",
        "10k",
        [
            component("home", kind="region:Region"),
            component("home-a", "home"),
            component("home-b", "home"),
            component("home-c", "home"),
            resource("a1", "home-a"),
            resource("a2", "home-a"),
            resource("b1", "home-b", "a1"),
            resource("c1", "home-c", "b1", "a2"),
        ],
        {},
    )


def test_the_picture_leaves_out_what_follows_from_other_arrows(plan: Plan) -> None:
    arrows = [line.strip() for line in render.mermaid(plan).splitlines() if "-->" in line]
    assert arrows == ["home_b --> home_a", "home_c --> home_b"]


def test_the_picture_names_components_once_and_counts(plan: Plan) -> None:
    text = render.mermaid(plan)
    assert 'home_a["a<br/>2 resources"]' in text
    assert 'home_b["b<br/>1 resource"]' in text


def test_the_tree_counts_what_each_component_holds(plan: Plan) -> None:
    console = Console(record=True, width=100, force_terminal=False)
    console.print(render.tree(plan))
    text = console.export_text()
    assert "4 resources in 4 components" in text
    assert "sqs.Queue 2" in text


def test_the_tree_of_the_shipped_stack_adds_up() -> None:
    plan = make_plan(stack_file.read(ROOT / "Pulumi.10k.yaml"))
    console = Console(record=True, width=100, force_terminal=False)
    console.print(render.tree(plan))
    total = sum(not one.is_component for one in plan.resources)
    assert f"{total} resources" in console.export_text()


def test_what_an_earlier_picture_lacks_stands_out(plan: Plan) -> None:
    text = render.mermaid(plan, known={"home", "home-a", "home-b"})
    assert text.splitlines()[-1].strip() == "class home_c new"
    assert "class " not in render.mermaid(plan, known=render.drawn_components(plan)).splitlines()[-1]


def test_a_region_in_brief_is_one_box_that_keeps_its_arrows(plan: Plan) -> None:
    plan.resources.extend(
        [
            component("away", kind="region:Region"),
            component("away-a", "away"),
            component("away-b", "away"),
            resource("x1", "away-a", "c1"),
            resource("x2", "away-b", "x1"),
            resource("c2", "home-c", "x2"),
            resource("loose", "home", "x2"),
        ]
    )
    text = render.mermaid(plan, brief=("away",))
    assert 'away["away<br/>2 resources"]' in text
    assert "away_a" not in text
    # Each uses the other, which only boxes of several components can: neither arrow follows from the other one.
    assert "away --> home_c" in text
    assert "home_c --> away" in text
    assert "loose" not in text
