"""The benchmark compares like with like. How fast anything is, no test says."""

import gc
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from infra.errors import UserError
from infra.growth.guard import judge
from infra.local import stack as local_stack
from tools.bench import __main__ as bench
from tools.bench import parts
from tools.bench.times import Ratio, Times


@pytest.fixture
def times() -> Times:
    """A thousand resources take 1 s of start-up and 2 ms each, a hundred of them 4 ms each."""
    seconds = {f"{what} {stack}": 1.0 for what in bench.ROWS for stack in ("small", "large")}
    for way in ("ours", "stock"):
        seconds |= {f"{way} small": 1.4, f"{way} large": 3.0}
    seconds |= {"stock large": 12.0, "plan large": 3.0, "inside small": 0.5, "guard small to large": 0.3}
    return Times(3, {"small": 100, "large": 1_000}, seconds)


def value(times: Times, name: str) -> Ratio:
    (found,) = (ratio for ratio in times.ratios() if ratio.name == name)
    return found


def test_growth_is_compared_by_resource(times: Times) -> None:
    assert value(times, "plan, whole process, a resource, large / small").value == pytest.approx(0.3)
    assert value(times, "preview, ours, a resource, large / small").value == pytest.approx(3 / 14)


def test_what_does_not_grow_can_be_taken_off(times: Times) -> None:
    assert value(times, "preview without start-up, ours, a resource, large / small").value == pytest.approx(0.5)


def test_a_ratio_says_whether_its_aim_is_met(times: Times) -> None:
    assert value(times, "plan / floor, small").verdict == "1.3 or less: met"
    assert value(times, "plan / floor, large").verdict == "1.3 or less: missed"
    assert value(times, "preview, stock / ours, large").verdict == "4.0 or more: met"
    assert value(times, "preview, stock / ours, small").verdict == "4.0 or more: missed"


def test_the_guard_stands_beside_its_two_plans(times: Times) -> None:
    found = value(times, "guard small to large / its two plans in-process")
    assert found.value == pytest.approx(0.2)
    assert not found.verdict


def test_one_stack_is_compared_with_nothing_but_itself(times: Times) -> None:
    alone = Times(1, {"small": 100}, times.seconds)
    assert [ratio.name for ratio in alone.ratios()] == ["plan / floor, small", "preview, stock / ours, small"]


def test_the_table_shows_every_measurement_and_every_ratio(times: Times) -> None:
    console = Console(width=200, file=io.StringIO(), record=True)
    bench.show(times, console)
    shown = console.export_text()
    rows = [*bench.ROWS.values(), "guard small to large", *(ratio.name for ratio in times.ratios())]
    assert [row for row in rows if row not in shown] == []


def test_a_stack_that_is_not_there_is_told_before_anything_runs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="no stack 11k"):
        bench.measure(["10k", "11k"], 1)
    assert not capsys.readouterr().err


class _Recorded:
    """Stands for a local stack; notes whether its run is collected."""

    collected: bool

    def __init__(self, *_: object, **__: object) -> None:
        self.seconds = 1.0

    def preview(self) -> "_Recorded":
        with vars(local_stack)["uncollected"]():
            type(self).collected = gc.isenabled()
        return self


@pytest.fixture
def _recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_stack, "LocalStack", _Recorded)


@pytest.fixture
def _collector() -> Iterator[None]:
    """Turn the collector on: a command that ran in this process has left it off."""
    was_on = gc.isenabled()
    gc.enable()
    yield
    if not was_on:
        gc.disable()


@pytest.mark.usefixtures("_recorded", "_collector")
def test_the_stock_way_is_the_one_with_the_collector_on(tmp_path: Path) -> None:
    assert parts.preview("ours", "10k", str(tmp_path)) == {"ours 10k": 1.0}
    assert not _Recorded.collected
    assert parts.preview("stock", "10k", str(tmp_path)) == {"stock 10k": 1.0}
    assert _Recorded.collected


def test_a_plan_part_measures_each_plan_and_the_guard_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    judged = []
    monkeypatch.setattr("infra.growth.guard.judge", lambda *sets: judged.append(judge(*sets)))
    monkeypatch.setattr(gc, "disable", lambda: None)
    assert set(parts.plan("10k", "50k")) == {"inside 10k", "inside 50k", "guard 10k to 50k"}
    assert judged[0].operations
    assert not judged[0].blocked, "the two plans are of one stack"


def test_the_floor_registers_what_it_is_given(tmp_path: Path) -> None:
    listed = tmp_path / "resources.json"
    listed.write_text(json.dumps([["aws:lambda/function:Function", "f", {"role": "r"}], ["random:index:X", "x", {}]]))
    assert bench.part("floor", str(listed)) == {}
    listed.write_text(json.dumps([["aws:lambda/function:Nothing", "f", {}]]))
    with pytest.raises(SystemExit, match="Nothing"):
        bench.part("floor", str(listed))
