"""`python -m app slots`: a process of its own, in the environment of a pod with some map."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from app import commands, slots
from app.data.slot_copy import SlotsError
from stacks.phase import PhaseName
from stacks.phases import phase
from stacks.shards import shard_map
from tests.app.data.moving import FROZEN, SECRET, SWITCHED, Two, two
from tests.app.environment import command as run_command
from tests.app.environment import environment, settings
from tests.app.servers import Postgres
from tests.app.wired import at

__all__ = ["two"]

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def command(tmp_path: Path, postgres: Postgres, redis_url: str, two: Two) -> Command:
    """`python -m app slots` in a worker's pod with the map of some entries."""

    def run(words: str, *entries: str) -> subprocess.CompletedProcess[str]:
        variables = {**at(postgres, two.names[0], redis_url), "SHARD_MAP": json.dumps(two.map(*entries))}
        given = environment(tmp_path, SERVICE_ROLE="worker", **variables)
        return run_command(given, "slots", *words.split())

    return run


def test_an_operator_moves_slots(command: Command, two: Two) -> None:
    emails = [row[0] for row in two.owners[0].execute("SELECT email FROM users").fetchall()]
    copied = command("copy 200-203", FROZEN)
    assert copied.returncode == 0, copied.stderr
    assert copied.stdout.splitlines()[0].split() == ["table", "shard", "0", "shard", "1"]
    assert ["video_views", "4", "4"] in [line.split() for line in copied.stdout.splitlines()]
    assert copied.stdout.endswith("both shards have the same; the slots may be switched: 200-203=1\n")
    assert "leads: 2 rows in " in copied.stderr
    two.owners[0].execute("UPDATE leads SET name = 'changed'")

    differs = command("compare 200-203", FROZEN)
    assert (differs.returncode, differs.stdout) == (1, "")
    assert differs.stderr.startswith("error: the shards do not have the same\n")
    assert ["leads", "2", "2", "differs"] in [line.split() for line in differs.stderr.splitlines()]
    refused = command("copy 200-203", FROZEN)
    assert refused.returncode == 1
    assert "Last activity on shard 0: 20" in refused.stderr
    part = command("copy 200-201", FROZEN)
    assert (part.returncode, part.stdout, len(part.stderr.splitlines())) == (1, "", 1)
    assert command("copy 200-203 --again", FROZEN).returncode == 0
    assert command("compare 200-203", FROZEN).returncode == 0

    shown = command("clean 200-203", SWITCHED)
    assert shown.stdout.endswith("nothing was deleted; --delete deletes these rows\n"), shown.stderr
    assert len(two.users(0)) == 3
    deleted = command("clean 200-203 --delete", SWITCHED)
    assert deleted.stdout.endswith("\ndeleted\n"), deleted.stderr
    assert "shard 0: slot 203 is clean" in deleted.stderr
    assert len(two.users(0)) == 1
    assert command("clean 200-203", SWITCHED).stdout == "only shard 1 has rows of 200-203\n"
    said = "".join(one.stdout + one.stderr for one in (copied, differs, refused, shown, deleted))
    assert not [text for text in (SECRET, *emails) if text in said]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("words", "entries", "said"),
    [
        ("copy 200-203", (), "the map of this pod does not move 200-203: freeze them first (200-203=FROM>TO:frozen)"),
        ("compare 200-203", (SWITCHED,), "the map of this pod does not move 200-203"),
        ("copy 200-201", (FROZEN,), "the map of this pod moves 200-203, not 200-201"),
        ("copy 200-205", (FROZEN, "204-205=0>1:frozen"), "moves 200-203, 204-205, not 200-205"),
        ("clean 200-203", (FROZEN,), "still moves some of 200-203; nothing is deleted before they are switched"),
        ("clean 199-203 --delete", (SWITCHED,), "199-203 are on shards 0, 1: name those of one at a time"),
    ],
)
async def test_what_the_map_does_not_allow_is_refused_before_any_shard_is_asked(
    tmp_path: Path, words: str, entries: tuple[str, ...], said: str
) -> None:
    given = commands._parser().parse_args(["slots", *words.split()])
    nowhere = settings(tmp_path, SHARD_MAP=json.dumps(shard_map(phase(PhaseName.P250K), entries)))

    with pytest.raises(SlotsError, match=re.escape(said)):
        await slots.run(given, nowhere)


@pytest.mark.parametrize("text", ["256", "9-3", "a", "1-", "", "-1", "1-2-3"])
def test_slots_that_there_are_not_are_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        commands.main(["slots", "copy", text])

    assert refused.value.code == 2
    assert "slots" in capsys.readouterr().err
