"""`headroom recover` and `headroom sweep` as people and machines see them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from infra.errors import UserError
from infra.recovery import command
from infra.recovery.backend import AccountBackend, wanted
from tests.recovery.fake import Fake, entry, there

RULE = "aws:cloudwatch/eventRule:EventRule"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    found = Fake(cloud=(there("rule", "r", RULE),))
    monkeypatch.setattr(command, "_backend", lambda *_, **__: found)
    return found


def run(*args: str) -> Result:
    return CliRunner().invoke(command.recover if args[0] == "recover" else command.sweep, args[1:])


def test_recover_shows_what_it_did_and_what_comes_next(fake: Fake) -> None:
    fake.pend("creating", entry("rule", type_=RULE))

    done = run("recover", "s", "--local")

    assert done.exit_code == 0
    assert f"{RULE} rule" in done.output
    assert "creating" in done.output
    assert "recover s: 1 recorded" in done.output
    assert "headroom up s --local" in done.output


def test_an_arn_is_shown_as_it_is(fake: Fake) -> None:
    fake.cloud = [there("key", "arn:aws:secretsmanager:us-east-1:123456789012:secret:[a]", RULE)]
    assert "123456789012:secret:[a]" in run("recover", "s").output


def test_recover_says_when_there_is_nothing_to_do(fake: Fake) -> None:
    fake.cloud = []
    assert "state and cloud agree" in run("recover", "s").output


def test_recover_sends_what_it_cannot_record_to_the_sweep_and_fails(fake: Fake) -> None:
    done = run("recover", "s", "--local")

    assert done.exit_code == 1
    assert "headroom sweep s --local --delete" in done.output


def test_recover_for_machines(fake: Fake) -> None:
    found = json.loads(run("recover", "s", "--dry-run", "--json").output)

    assert (found["stack"], found["dryRun"], found["whole"]) == ("s", True, False)
    assert [(one["id"], one["outcome"]) for one in found["findings"]] == [("r", "left: wanted by nobody")]


def test_sweep_fails_while_anything_is_left(fake: Fake) -> None:
    assert run("sweep", "s").exit_code == 1
    assert run("sweep", "s", "--delete").exit_code == 0
    assert "0 objects in no state" in run("sweep", "s").output


def test_sweep_says_how_data_goes(fake: Fake) -> None:
    fake.cloud = [there("mail", "m")]

    done = run("sweep", "s", "--delete", "--local")

    assert (done.exit_code, "messages that nobody has handled yet" in done.output) == (1, True)
    assert "headroom sweep s --local --delete --data" in done.output


def test_sweep_for_machines(fake: Fake) -> None:
    found = json.loads(run("sweep", "s", "--json").output)
    assert [(one["id"], one["deleted"], one["holds"]) for one in found["orphans"]] == [("r", False, "")]


def test_data_without_delete_is_refused(fake: Fake) -> None:
    with pytest.raises(UserError, match="give both"):
        CliRunner().invoke(command.sweep, ["s", "--data"], catch_exceptions=False)


def test_only_creations_of_a_plan_are_wanted(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    plans = {"a": {"goal": {"type": "t"}, "steps": ["create"]}, "b": {"goal": {"type": "t"}, "steps": ["same"]}}
    path.write_text(json.dumps({"resourcePlans": plans}))
    assert wanted(path) == {"a": {"type": "t"}}


def test_a_locked_account_says_whose_decision_the_lock_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tmp_path / "pulumi"
    engine.write_text('#!/bin/sh\necho "error: the stack is currently locked by 1 lock(s)" >&2\nexit 255\n')
    engine.chmod(0o755)
    monkeypatch.setattr("infra.recovery.backend.find", lambda: _Engine(engine))
    with pytest.raises(UserError, match=r"currently locked[^$]*pulumi cancel -s prod"):
        AccountBackend("prod", tmp_path, []).run("stack", "import")


class _Engine:
    def __init__(self, path: Path) -> None:
        self.path = path
