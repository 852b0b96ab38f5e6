"""The nightly job, on a database with rows that are over and rows that are not."""

from __future__ import annotations

from uuid import uuid4

import psycopg
from pydantic import SecretStr
from structlog.testing import capture_logs

from app.data.upkeep import look_after
from app.settings import UpkeepSettings
from components.upkeep_watch import EVENT
from tests.app.servers import OWNER, Postgres

ROWS = """
INSERT INTO users (id, email) VALUES (%(user)s, 'ada@example.com');
INSERT INTO idempotency_keys (user_id, endpoint, key, fingerprint, expires_at) VALUES
    (%(user)s, 'posts', 'over', '', now() - interval '1 second'),
    (%(user)s, 'posts', 'not over', '', now() + interval '1 hour');
INSERT INTO auth_accounts (user_id, email, password_hash) VALUES (%(user)s, 'ada@example.com', 'none');
INSERT INTO auth_sessions (session_id, user_id, user_agent, second_factor, idle_seconds, expires_at) VALUES
    (%(over)s, %(user)s, '', false, 60, now() - interval '8 days'),
    (%(asked)s, %(user)s, '', false, 60, now() - interval '6 days');
INSERT INTO auth_refresh_tokens (token_hash, session_id, generation, expires_at) VALUES
    (sha256('1'), %(asked)s, 0, now() - interval '1 second'),
    (sha256('2'), %(asked)s, 1, now() + interval '1 hour');
"""


def settings(postgres: Postgres, *databases: str) -> UpkeepSettings:
    return UpkeepSettings.model_construct(
        service_role="upkeep",
        secrets_dir=postgres.directory,
        database_writer_host="127.0.0.1",
        database_port=postgres.port,
        database_user=OWNER,
        database_names=databases,
        database_tls="disable",
        database_ca_file=None,
        database_password=SecretStr("unused"),
    )


def test_what_is_over_goes_and_everything_else_stays(postgres: Postgres, database: str) -> None:
    ids = {name: uuid4() for name in ("user", "over", "asked")}
    with psycopg.connect(postgres.url(database), cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(ROWS, ids)
        connection.execute("DROP TABLE analytics.analytics_events_" + next_month(connection))

    with capture_logs() as lines:
        (first,), (second,) = look_after(settings(postgres, database)), look_after(settings(postgres, database))

    # What the stacks' alarm waits for.
    assert [(one["event"], one["database"]) for one in lines] == [(EVENT, database)] * 2
    assert (first.expired, second.expired) == (3, 0)
    assert [name.startswith("analytics_events_") for name in first.partitions.created] == [True]
    assert second.partitions.created == second.partitions.dropped == ()
    assert first.indexes.ok
    with psycopg.connect(postgres.url(database)) as connection:
        assert connection.execute("SELECT key FROM idempotency_keys").fetchall() == [("not over",)]
        assert connection.execute("SELECT session_id FROM auth_sessions").fetchall() == [(ids["asked"],)]
        assert connection.execute("SELECT generation FROM auth_refresh_tokens").fetchall() == [(1,)]


def next_month(connection: psycopg.Connection[tuple[str]]) -> str:
    row = connection.execute("SELECT to_char(now() + interval '1 month', 'YYYY_MM')").fetchone()
    assert row is not None
    return row[0]


def test_an_index_that_is_missing_is_told(postgres: Postgres, database: str) -> None:
    with psycopg.connect(postgres.url(database)) as connection:
        connection.execute("DROP INDEX posts_categories_idx")
    with capture_logs() as lines:
        (done,) = look_after(settings(postgres, database))
    assert lines == []
    assert not done.indexes.ok
    assert any("categories" in name for name in done.indexes.missing)
