"""`headroom verify`: where outputs come from, what is printed, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from infra.errors import UserError
from infra.verify import run
from infra.verify.command import command
from infra.verify.facts import Scope
from tests.verify.account import Account


@pytest.fixture
def local(account: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    """The account stands for the local cloud that holds stack 10k."""
    monkeypatch.setattr("infra.local.stack.outputs", lambda *_: account.outputs)
    monkeypatch.setattr("infra.local.cloud.endpoint", lambda *_: account.endpoint)
    return account


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), catch_exceptions=False)


def engine(path: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(f'#!/bin/sh\nif [ "$1" = version ]; then echo v9.9.9; exit; fi\n{body}\n')
    path.chmod(0o755)
    monkeypatch.setenv("HEADROOM_ENGINE", str(path))


def test_a_right_stack_ends_with_how_many_facts_hold(local: Account) -> None:
    result = invoke("10k", "--local")
    assert result.exit_code == 0
    assert result.output.splitlines()[-1].endswith("facts hold, 0 differ, 10 not checked here")
    assert "eviction policy" in result.output


def test_a_difference_is_shown_and_fails_the_command(local: Account) -> None:
    local.home.put_alarm("headroom-10k-latency", [])
    try:
        result = invoke("10k", "--local")
    finally:
        local.home.put_alarm("headroom-10k-latency", [local.home.outputs["pageTopicArn"]])
    assert result.exit_code == 1
    assert "Differs from phase 10k:" in result.output
    assert "that tell nobody" in result.output
    assert "1 differ" in result.output.splitlines()[-1]


def test_machines_read_every_fact(local: Account) -> None:
    answer = json.loads(invoke("10k", "--local", "--json").output)
    assert (answer["stack"], answer["phase"], answer["differs"]) == ("10k", "10k", 0)
    assert answer["holds"] + answer["unchecked"] == len(answer["findings"])
    assert set(answer["findings"][0]) == {"region", "area", "subject", "what", "expected", "actual", "verdict"}
    assert {finding["verdict"] for finding in answer["findings"]} == {"holds", "not checked here"}


def test_a_stack_that_is_not_deployed_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.local.stack.outputs", lambda *_: {})
    with pytest.raises(UserError, match="stack 10k has no outputs") as raised:
        invoke("10k", "--local")
    assert raised.value.problems == ("run `headroom up 10k --local`",)


def test_without_local_the_engine_gives_the_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Scope] = []

    def verify(scope: Scope) -> list[Any]:
        seen.append(scope)
        return []

    monkeypatch.setattr(run, "verify", verify)
    engine(tmp_path / "pulumi", """echo "$*" > "$0.log"; echo '{"homeRegion": "us-east-1"}'""", monkeypatch)
    assert invoke("10k").exit_code == 0
    assert (tmp_path / "pulumi.log").read_text() == "stack output --json --non-interactive --stack 10k\n"
    assert (seen[0].outputs, seen[0].local, seen[0].protected) == ({"homeRegion": "us-east-1"}, False, True)


def test_what_the_engine_refuses_is_told_with_a_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine(tmp_path / "pulumi", "echo \"error: no stack named '10k' found\" >&2; exit 255", monkeypatch)
    with pytest.raises(UserError, match="cannot be read: no stack named '10k' found") as raised:
        invoke("10k")
    assert "headroom verify 10k --local" in raised.value.problems[1]
