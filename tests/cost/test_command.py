"""`headroom cost`: what it prints, its JSON, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from infra import config, stack_file
from infra.cost import bands, phases
from infra.cost import command as module
from infra.cost.command import command
from infra.cost.model import Estimate, Line, State
from infra.errors import UserError
from infra.plan import Plan
from infra.stack_file import StackFile
from stacks.phase import PhaseName
from tests.cost.conftest import ROOT, planned
from tests.cost.made import line, unknown

COSTS: list[Line] = []
"""What anything costs in these tests."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the one stack `prod`; its plan is that of the shipped 10k, and costs 700 USD."""
    values = {**stack_file.read(ROOT / "Pulumi.10k.yaml").raw, "headroom:alertEmails": ["oncall@example.com"]}
    (tmp_path / "Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": values}), encoding="utf-8")
    monkeypatch.setattr(config, "ROOT", tmp_path)

    def plan(stored: StackFile) -> Plan:
        return Plan(stored.stack, "10k", list(planned("10k")), {})

    monkeypatch.setattr("infra.cost.source.make_plan", plan)
    monkeypatch.setattr(bands, "estimate", lambda *_: Estimate(tuple(COSTS)))
    COSTS[:] = [line("rds/instance/db.r6g.large/multi-az", "700")]
    return tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(command, args)


def test_a_stack_in_its_band_is_fine(project: Path) -> None:
    result = run("prod")

    assert result.exit_code == 0, result.output
    assert "prod, phase 10k, expected usage: 700.00 USD a month" in result.output
    assert "100.00 USD below its top" in result.output
    assert "commitments" not in result.output


@pytest.mark.parametrize(
    "lines",
    [
        [line(monthly="599")],
        [line(monthly="801")],
        [line(monthly="700"), unknown(State.UNPRICED, "no price of a new thing")],
    ],
)
def test_outside_of_the_band_or_with_an_unknown_price_the_exit_code_is_1(project: Path, lines: list[Line]) -> None:
    COSTS[:] = lines

    assert run("prod").exit_code == run("prod", "--json").exit_code == run("prod", "--level", "low").exit_code == 1


def test_json_is_all_that_is_printed(project: Path) -> None:
    facts = json.loads(run("prod", "--json", "--level", "high").output)

    assert (facts["stack"], facts["level"], facts["monthly_usd"], facts["inside"]) == ("prod", "high", 700, True)
    assert "commitments" not in facts


def test_commitments_come_beside_and_leave_the_total_alone(project: Path) -> None:
    shown = run("prod", "--commitments", "--coverage", "50").output
    facts = json.loads(run("prod", "--commitments", "--json").output)

    assert "reserved, 1 year, no upfront" in shown
    assert "covered is 50 % of what a quiet month uses" in shown
    assert facts["monthly_usd"] == facts["commitments"]["on_demand_usd"] == 700
    assert facts["commitments"]["coverage_percent"] == 100
    assert facts["commitments"]["one_year_usd"] < 700


def test_a_file_is_priced_with_and_without_a_stack(project: Path) -> None:
    urn = "urn:pulumi:prod::headroom::pulumi:pulumi:Stack::headroom-prod"
    root = {"urn": urn, "type": "pulumi:pulumi:Stack", "outputs": {"phase": "50k"}}
    path = project / "state.json"
    path.write_text(json.dumps({"deployment": {"resources": [root]}}), encoding="utf-8")

    alone = json.loads(run("--from", str(path), "--json").output)
    with_stack = json.loads(run("prod", "--from", str(path), "--json").output)

    assert (alone["phase"], alone["band_usd"]) == ("50k", [1_500, 2_000])
    assert (with_stack["phase"], with_stack["band_usd"]) == ("10k", [600, 800])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "name a stack"),
        (("none",), "no stack none"),
        (("prod", "--all"), "goes with --json only"),
        (("--all", "--level", "low"), "goes with --json only"),
        (("--all", "--coverage", "0"), "goes with --json only"),
        (("prod", "--coverage", "50"), "about --commitments"),
        (("prod", "--from", "none.json"), "cannot be read"),
    ],
)
def test_what_a_user_can_mend_is_told(project: Path, args: tuple[str, ...], message: str) -> None:
    found = run(*args).exception

    assert isinstance(found, UserError)
    assert message in str(found)
    assert found.exit_code == 2


def test_a_wrong_setting_is_told_before_anything_is_planned(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = project / "Pulumi.prod.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "  headroom:usage: {dailyShare: 3}\n", encoding="utf-8")
    monkeypatch.setattr("infra.cost.source.make_plan", None)

    found = run("prod").exception

    assert isinstance(found, UserError)
    assert "headroom:usage.dailyShare = 3 must be a number from 0 to 1" in str(found)


def test_the_command_imports_no_sdk_to_say_what_it_takes() -> None:
    assert "pulumi" not in vars(module)
    assert run("--help").exit_code == 0


@pytest.fixture(scope="module")
def compared() -> dict[str, Any]:
    """The stacks that ship, as other processes priced them."""
    found: dict[str, Any] = json.loads(json.dumps(phases.compare(ROOT)))
    return found


def test_all_phases_have_their_figures_as_numbers(compared: dict[str, Any]) -> None:
    assert list(compared) == ["phases", "lines"]
    assert list(compared["phases"]) == list(PhaseName)
    for one in compared["phases"].values():
        assert one["low_usd"] <= one["expected_usd"] <= one["high_usd"]
        low, high = one["band_usd"]
        assert one["headroom_usd"] == pytest.approx(high - one["expected_usd"])
        assert one["inside"] == (low <= one["expected_usd"] <= high and one["unpriced"] == 0)
        assert 0 <= one["unconfirmed_share"] <= 1
        assert one["blueprint_usd"] > 0


def test_the_lines_of_a_phase_are_its_total(compared: dict[str, Any]) -> None:
    for name, one in compared["phases"].items():
        own = [line["monthly_usd"] for line in compared["lines"] if line["phase"] == name]
        assert sum(usd for usd in own if usd is not None) == pytest.approx(one["expected_usd"], abs=0.01)
    assert {"urn", "component", "state", "monthly_usd"} <= compared["lines"][0].keys()


def test_the_table_has_a_column_a_phase(monkeypatch: pytest.MonkeyPatch, compared: dict[str, Any]) -> None:
    monkeypatch.setattr(phases, "compare", lambda _: compared)
    inside = all(one["inside"] for one in compared["phases"].values())

    result = run("--all")

    assert result.exit_code == (0 if inside else 1)
    header, *rows = result.output.splitlines()
    assert header.split() == ["USD", "a", "month", "10k", "50k", "250k", "1m"]
    assert next(row for row in rows if row.startswith("budget band")).split()[2:5] == ["600", "to", "800"]
    assert f"{compared['phases']['1m']['expected_usd']:,.2f}" in result.output
    assert json.loads(run("--all", "--json").output) == compared


def test_an_unknown_price_is_in_the_table(compared: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {name: {**one, "unpriced": 3, "inside": False} for name, one in compared["phases"].items()}
    monkeypatch.setattr(phases, "compare", lambda _: {"phases": broken, "lines": []})

    result = run("--all")

    assert result.exit_code == 1
    assert result.output.count("3 UNPRICED") == 4


def test_every_stack_that_cannot_be_planned_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not every stack can be planned") as caught:
        phases.compare(tmp_path)

    assert len(caught.value.problems) == 8
    assert all("no stack" in problem for problem in caught.value.problems)
