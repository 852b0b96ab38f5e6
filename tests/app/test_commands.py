"""What operators do in a pod: each command as a process of its own, on real servers."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from app.webhooks.signatures import printable, provider_secret
from tests.app.api.engine import ROLE
from tests.app.environment import command as run_command
from tests.app.environment import environment
from tests.app.servers import Postgres, free_port
from tests.app.wired import at

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def command(tmp_path: Path, postgres: Postgres, database: str, redis_url: str) -> Command:
    """`python -m app` with arguments, in the environment of a worker's pod."""

    def run(*arguments: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
        given = environment(tmp_path, **{"SERVICE_ROLE": "worker", **at(postgres, database, redis_url), **changes})
        return run_command(given, *arguments)

    return run


def test_an_administrator_is_made_and_unmade_and_both_are_noted(command: Command, database_url: str) -> None:
    user = uuid4()
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO auth_accounts (user_id, email, password_hash) VALUES (%s, 'ada@example.com', 'none')", (user,)
        )
        account = "SELECT administrator, second_factor_required FROM auth_accounts"

        made, again = (command("administrator", "add", " Ada@Example.com") for _ in range(2))
        assert made.stdout.startswith(f"{user} is an administrator\n"), made.stderr
        assert "no second factor yet" in made.stdout
        assert again.stdout.startswith(f"{user} is an administrator already\n")
        assert owner.execute(account).fetchone() == (True, True)
        owner.execute("INSERT INTO auth_totp (user_id, seed, confirmed_at) VALUES (%s, %s, now())", (user, b"s" * 20))

        unmade = command("administrator", "remove", "ada@example.com")
        assert unmade.stdout == f"{user} is no administrator\n"
        assert owner.execute(account).fetchone() == (False, True)
        lines = owner.execute("SELECT user_id, action, subject, details FROM audit_log ORDER BY created_at").fetchall()
        assert lines == [(user, f"administrator.{what}", "", {}) for what in ("added", "removed")]

        owner.execute("UPDATE auth_accounts SET disabled_at = now()")
        for email in ("ada@example.com", "nobody@example.com", "no address"):
            refused = command("administrator", "add", email)
            assert (refused.returncode, refused.stdout) == (1, "")
            assert refused.stderr == (
                "error: there is no account with this address; whoever shall have it registers first\n"
            )
        assert owner.execute("SELECT count(*) FROM audit_log").fetchone() == (2,)


def test_a_provider_s_secret_is_told_and_made_anew(command: Command, tmp_path: Path, database_url: str) -> None:
    first, same = (command("webhook-secret", "payment") for _ in range(2))
    key = (tmp_path / "second_factor_key").read_bytes()
    assert first.stdout == same.stdout == printable(provider_secret(key, "payment", 1)) + "\n"
    second = command("webhook-secret", "payment", "--rotate")
    third = command("webhook-secret", "payment", "--rotate", "--overlap-hours", "0")
    assert second.stdout == printable(provider_secret(key, "payment", 2)) + "\n"
    assert (
        third.stdout
        == command("webhook-secret", "payment").stdout
        == printable(provider_secret(key, "payment", 3)) + "\n"
    )
    assert second.stderr == ""
    with psycopg.connect(database_url) as owner:
        row = owner.execute(
            "SELECT provider, secret_version, previous_until <= now() FROM webhook_providers"
        ).fetchall()
    assert row == [("payment", 3, True)]
    unheard = command("webhook-secret", "payment", "--rotate", CACHE_WRITER_URL=f"redis://127.0.0.1:{free_port()}")
    assert "warning: Redis does not answer" in unheard.stderr
    for wrong in ("-1", "169", "a"):
        refused = command("webhook-secret", "payment", "--rotate", "--overlap-hours", wrong)
        assert (refused.returncode, "must be 0 to 168" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"DATABASE_WRITER_HOST": "127.0.0.1", "DATABASE_PORT": "1"}, 1, "the database does not answer"),
        ({"SERVICE_ROLE": "images"}, 1, "run this in a pod that serves users or does jobs"),
        ({"DOMAIN": None}, 2, "- DOMAIN is not set"),
    ],
)
def test_what_does_not_work_is_one_clear_message(
    command: Command, changes: dict[str, str | None], code: int, said: str
) -> None:
    refused = command("administrator", "add", "ada@example.com", **changes)
    assert (refused.returncode, refused.stdout) == (code, "")
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "ada@" not in refused.stderr


def test_a_search_engine_is_only_filled_anew_where_there_is_one(command: Command) -> None:
    assert command("refill-search").stderr == "error: this stack has no search engine\n"
    away = command("refill-search", SEARCH_ENDPOINT=f"http://127.0.0.1:{free_port()}", SEARCH_ROLE_ARN=ROLE)
    assert away.returncode == 1
    assert re.fullmatch(r"error: the search engine does not answer: \w+\n", away.stderr)
