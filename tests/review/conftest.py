"""Small sides of a review: servers with a price, on two trees with a price book each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest

from infra.cost.estimate import estimate
from infra.cost.estimators import catalogue
from infra.cost.model import Charge, Item, NeedsUsage, Scene
from infra.plan import PlannedResource
from infra.review import pricing
from infra.review.planning import Broken, Planned, Side
from infra.review.trees import Tree
from stacks.phase import PhaseName, Sizing
from stacks.phases import PHASES
from tests.growth.conftest import made

SERVER = "aws:fake/server:Server"
METER = "aws:fake/meter:Meter"
NEW = "aws:fake/novelty:Novelty"
QUEUE = "aws:sqs/queue:Queue"
PRICES = {"server/small": "0.10", "server/large": "0.30"}


def server(name: str = "web", size: str = "small", **inputs: object) -> PlannedResource:
    """Something that costs 73 USD a month, or 219 when it is large."""
    return made(SERVER, name, {"size": size, **inputs})


def stack(
    name: str, resources: Sequence[PlannedResource], phase: PhaseName = PhaseName.P10K, usage: Mapping[str, object] = {}
) -> Planned:
    """A planned stack."""
    sizes = PHASES[phase][Sizing.EFFICIENT].model_dump(mode="json", by_alias=True)
    return Planned(name, phase.value, sizes, usage, resources)


def side(
    tree: Path, stacks: Sequence[Planned | Broken], ladder: Sequence[Planned | Broken] = (), commit: str | None = None
) -> Side:
    """One side of a review."""
    return Side(Tree(tree, commit, commit), {one.stack: one for one in stacks}, tuple(ladder))


def tree(path: Path, prices: Mapping[str, str]) -> Path:
    """A tree with a price book."""
    folder = path / pricing.PRICES
    folder.mkdir(parents=True)
    rows = [f"{key},global,0,hour,{usd},a page,2026-11-01,yes" for key, usd in prices.items()]
    text = "\n".join(["key,region,above,unit,usd,source,date,confirmed", *rows])
    (folder / "all.csv").write_text(text + "\n", encoding="utf-8")
    return path


def _server(resource: PlannedResource, _: Scene) -> Iterator[Item]:
    yield Charge(component="hours", key=f"server/{resource.inputs['size']}", quantity=730)


def _meter(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Follows what the others are: an hour a month for each server."""
    yield Charge(component="servers", key="server/small", quantity=scene.count(SERVER) * 100)
    if resource.inputs.get("calls"):
        yield NeedsUsage(component="calls", what="calls a month")


@pytest.fixture(autouse=True)
def own_estimators(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices of the test's own types alone."""
    monkeypatch.setattr(pricing, "estimate", partial(estimate, estimators={SERVER: _server, METER: _meter}))
    monkeypatch.setattr(catalogue, "bought", lambda _: iter(()))


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """Base and head, with the same prices."""
    return tree(tmp_path / "base", PRICES), tree(tmp_path / "head", PRICES)
