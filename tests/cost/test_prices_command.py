"""`headroom prices`: what it shows, writes and refuses."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from infra.cost import book, prices_command
from infra.cost import price_list as listing
from infra.errors import UserError
from tests.cost.listed import Answers, product

TODAY = date(2026, 11, 21)
CSV = """key,region,above,unit,usd,source,date,confirmed
lb/application/hour,eu-west-1,0,hour,0.0252,a page,2023-02-23,yes
lb/application/hour,us-east-1,0,hour,0.0220,"a page, recalled",,no
sentry/plan/team,global,,month,26.00,a page,2024-07-01,no
"""


@pytest.fixture
def command_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "prices.csv"
    file.write_text(CSV)
    monkeypatch.setattr(book, "FOLDER", tmp_path)
    api = Answers(product("LoadBalancerUsage", "0.0225", productFamily="Load Balancer-Application"))
    monkeypatch.setattr(listing, "client", lambda: api)
    monkeypatch.setattr(prices_command, "today", lambda: TODAY)
    return file


def run(*arguments: str) -> str:
    done = CliRunner().invoke(prices_command.command, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_the_command_shows_old_new_and_change_and_writes_nothing(command_on: Path) -> None:
    output = run("refresh")
    assert "lb/application/hour  us-east-1  0.0220   0.0225   +2.3%" in output
    assert "1 changed, 0 the same, 1 kept, 0 not looked up there" in output
    assert "not in the list of AWSELB" in output
    assert "nothing was written: that takes --write" in output
    assert command_on.read_text() == CSV


def test_the_command_writes_when_told_to(command_on: Path) -> None:
    assert "written: prices.csv" in run("refresh", "--write")
    assert "0.0225,AWS Price List API,2026-11-21,yes" in command_on.read_text()
    assert "written: nothing, the book says so already" in run("refresh", "--write")


def test_the_command_takes_one_region(command_on: Path) -> None:
    found = json.loads(run("refresh", "--region", "eu-west-1", "--json"))
    assert [(one["region"], one["found"]) for one in found["findings"]] == [("eu-west-1", "kept")]
    assert found["written"] == []


def test_a_region_without_prices_is_an_error_that_names_those_with(command_on: Path) -> None:
    with pytest.raises(UserError) as caught:
        run("refresh", "--region", "mars-1")
    assert caught.value.message == "the book has no prices of mars-1"
    assert caught.value.problems == ("it knows eu-west-1, us-east-1",)


def test_check_fails_over_prices_in_use_that_are_more_than_a_year_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices_command, "today", lambda: date(2040, 1, 1))
    done = CliRunner().invoke(prices_command.command, ["check", "10k"], catch_exceptions=False)
    assert done.exit_code == 1
    assert "over 365 days old:" in done.output
    whole = CliRunner().invoke(prices_command.command, ["check", "10k", "--json"], catch_exceptions=False)
    found = json.loads(whole.output)["10k"]
    assert found["ages"]["old"]["prices"] == len(found["old"]) > 20
    assert found["ages"]["current"]["prices"] == 0


def test_check_passes_while_no_price_in_use_is_that_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices_command, "today", lambda: date(2023, 6, 1))
    done = CliRunner().invoke(prices_command.command, ["check", "10k"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "no price in use is over 365 days old" in done.output
