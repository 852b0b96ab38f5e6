from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from app.data.catalogue import Expected
from app.data.index_check import check
from app.data.migrations.protection import APPLICATION, SYSTEM
from app.data.seed import ROWS
from tests.app.servers import OWNER, Postgres

SET_UP = "SELECT set_config('app.user_id', %s, true), set_config('role', %s, true)"


@pytest.fixture(scope="module")
def application(postgres: Postgres, seeded_template: str) -> Iterator[psycopg.Connection]:
    """The pods' connection to the seeded rows."""
    with psycopg.connect(postgres.url(seeded_template, APPLICATION), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def somebody(seeded: psycopg.Connection) -> UUID:
    row = seeded.execute("SELECT user_id FROM leads GROUP BY 1 ORDER BY count(*) DESC LIMIT 1").fetchone()
    assert row is not None
    user: UUID = row[0]
    return user


def plan(connection: psycopg.Connection, query: str, args: tuple[Any, ...], user: UUID | None) -> str:
    """As the pods ask: with row-level security, as a user or as the system."""
    with connection.transaction():
        connection.execute(SET_UP, (str(user or ""), "none" if user else SYSTEM))
        rows = connection.execute(f"EXPLAIN {query}".encode(), args).fetchall()
    return "\n".join(line for (line,) in rows)


def test_the_seed_has_what_the_product_starts_with(seeded: psycopg.Connection) -> None:
    count = "SELECT count(*) FROM {}"
    counts = {table: seeded.execute(count.format(table).encode()).fetchone() for table in ROWS}

    assert counts == {table: (rows,) for table, rows in ROWS.items()}
    assert (ROWS["users"], sum(ROWS.values())) == (10_000, 100_000)


USERS_OWN = {
    "the newest leads": ("SELECT id FROM leads ORDER BY created_at DESC, id DESC LIMIT 20", "leads_user_id_created_at"),
    "leads by status": ("SELECT id FROM leads WHERE status = 'qualified' AND user_id = '{me}'", "leads_user_id_status"),
    "campaigns": ("SELECT id FROM campaigns ORDER BY created_at, id LIMIT 20", "campaigns_user_id_created_at"),
    "conversations": (
        "SELECT id FROM conversations ORDER BY created_at, id LIMIT 20",
        "conversations_user_id_created_at",
    ),
    "companies": ("SELECT id, name FROM companies", "companies_user_id"),
    "deals": ("SELECT id FROM deals WHERE status = 'open'", "deals_user_id_status"),
    "the newest deals": ("SELECT id FROM deals ORDER BY created_at DESC, id DESC LIMIT 20", "deals_user_id_created_at"),
    "the newest contacts": (
        "SELECT id FROM contacts ORDER BY created_at DESC, id DESC LIMIT 20",
        "contacts_user_id_created_at",
    ),
    "a conversation": (
        "SELECT id FROM messages WHERE conversation_id = '{me}' ORDER BY created_at DESC, id DESC LIMIT 20",
        "messages_conversation_id_created_at",
    ),
    "own profile": ("SELECT subscription_tier, subscription_expires_at FROM profiles", "profiles_"),
    "own events": (
        "SELECT event_type FROM analytics.analytics_events ORDER BY timestamp DESC LIMIT 20",
        "user_id_timestamp",
    ),
    "full text": ("SELECT id FROM posts WHERE search @@ to_tsquery('english', 'webinar & zebra')", "posts_search"),
    "a category": ("SELECT id FROM posts WHERE categories @> '{growth,sales,product}'", "posts_categories"),
    "trending": ("SELECT id, likes FROM posts ORDER BY likes DESC, id LIMIT 100", "posts_likes"),
    "the newest posts": ("SELECT id FROM posts ORDER BY published_at DESC, id LIMIT 20", "posts_published_at"),
    "a post": ("SELECT title FROM posts WHERE slug = 'post-7'", "posts_slug"),
}


@pytest.mark.parametrize("name", USERS_OWN)
def test_what_a_user_asks_for_is_found_by_index_under_row_level_security(
    application: psycopg.Connection, somebody: UUID, name: str
) -> None:
    query, index = USERS_OWN[name]

    found = plan(application, query.replace("{me}", str(somebody)), (), somebody)

    assert index in found
    assert [line for line in found.splitlines() if "Seq Scan" in line and "rows=1 " not in line] == []  # Future months.


SYSTEMS = {
    "a login": ("SELECT id FROM users WHERE email = 'user7@example.com'", "users_email"),
    "who was here last": ("SELECT id FROM users ORDER BY last_active_at DESC LIMIT 1000", "users_last_active_at"),
    "who is new": ("SELECT id FROM users ORDER BY created_at DESC LIMIT 20", "users_created_at"),
    "a tier": ("SELECT id FROM users WHERE tier = 4", "users_tier"),
    "a slot": ("SELECT id FROM users WHERE user_slot(id) = 7", "users_user_slot"),
    "who pays": ("SELECT count(*) FROM profiles WHERE subscription_tier = 'plus'", "profiles_subscription_tier"),
    "a subscription": ("SELECT tier FROM active_subscriptions WHERE user_id = '{me}'", "active_subscriptions_user_id"),
    "a lead by address": ("SELECT id FROM leads WHERE email = 'lead7@example.org'", "leads_email"),
    "recent leads": ("SELECT id FROM leads ORDER BY created_at DESC LIMIT 20", "leads_created_at"),
    "messages": ("SELECT id FROM messages WHERE conversation_id = '{me}' ORDER BY created_at", "messages_conversation"),
    "contacts": ("SELECT id FROM contacts WHERE company_id = '{me}'", "contacts_company_id"),
    "views": (
        "SELECT id FROM video_views WHERE video_id = '{me}' AND created_at > now() - interval '7 days'",
        "video_id",
    ),
    "a reader": ("SELECT status FROM newsletter_subscribers WHERE email = 'reader7@example.org'", "newsletter_"),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_jobs_ask_for_is_found_by_index(application: psycopg.Connection, somebody: UUID, name: str) -> None:
    query, index = SYSTEMS[name]

    found = plan(application, query.replace("{me}", str(somebody)), (), None)

    assert index in found
    assert [line for line in found.splitlines() if "Seq Scan" in line and "rows=1 " not in line] == []  # Future months.


@pytest.mark.parametrize("image", ["this one", "the one before"])
def test_what_is_due_is_found_among_all_that_waits(postgres: Postgres, database: str, image: str) -> None:
    add = """INSERT INTO outbox (user_id, topic, payload, due_at)
        SELECT id, 'export-expiry', '{}', now() + n % 500 * interval '1 day' FROM users, generate_series(1, 5000) n"""
    condition = "due_at <= now()" if image == "this one" else "published_at IS NULL AND due_at <= now()"
    query = f"SELECT id FROM outbox WHERE {condition} ORDER BY due_at, position LIMIT 100"  # noqa: S608 of this test
    with psycopg.connect(postgres.url(database), autocommit=True) as owner:
        owner.execute("INSERT INTO users (email) VALUES ('a@example.com')")
        owner.execute(add)
        owner.execute("ANALYZE outbox")
    with psycopg.connect(postgres.url(database, APPLICATION), autocommit=True) as connection:
        assert "Index Scan on outbox_due_idx" in plan(connection, query, (), None)


def test_privileges_are_answered_by_the_index_alone(application: psycopg.Connection, somebody: UUID) -> None:
    query = "SELECT subscription_tier, subscription_expires_at FROM profiles WHERE id = %s"

    assert "Index Only Scan using profiles_id_subscription_tier" in plan(application, query, (somebody,), somebody)


def test_events_of_a_week_are_read_from_their_partitions_only(application: psycopg.Connection, somebody: UUID) -> None:
    found = plan(application, "SELECT id FROM analytics.analytics_events WHERE timestamp >= now()", (), somebody)

    assert found.count("Scan") >= 1
    assert "Subplans Removed" in found


def test_every_expected_index_is_there(seeded: psycopg.Connection) -> None:
    report = check(seeded)

    assert report.missing == report.invalid == ()
    assert report.ok


def test_a_missing_and_an_unfinished_index_stop_a_release(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP INDEX leads_user_id_created_at_id_idx")
        connection.execute("ALTER TABLE users DROP CONSTRAINT users_email_key")
        connection.execute("CREATE INDEX users_email_idx ON users (email)")  # There, but not unique.
        connection.execute("INSERT INTO users (id, email) VALUES (gen_random_uuid(), 'a'), (gen_random_uuid(), 'b')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON users (tier)")
        report = check(connection)

    assert report.missing == (
        "unique btree on users (email)",
        "btree on leads (user_id, created_at)",
    )
    assert report.invalid == ("broken",)
    assert json.loads(json.dumps(report.as_json()))["ok"] is False


@pytest.mark.parametrize(
    "wanted",
    [
        Expected("users", ("email", "tier")),
        Expected("users", ("tier",), method="gin"),
        Expected("users", ("tier",), predicate="(tier > 0)"),
        Expected("analytics.analytics_events", ("user_id", '"timestamp"')),
    ],
)
def test_an_index_of_another_kind_does_not_count(seeded: psycopg.Connection, wanted: Expected) -> None:
    assert len(check(seeded, [wanted]).missing) == 1


def test_the_report_tells_what_is_unused_and_what_is_read_as_a_whole(postgres: Postgres, seeded_template: str) -> None:
    with psycopg.connect(postgres.url(seeded_template), autocommit=True) as connection:
        report = check(connection)

    assert "deals_stage_idx" in report.unused
    assert "users_email_key" not in report.unused
    assert report.used_percent is not None
    assert 0 <= report.used_percent <= 100


def test_bloat_is_found_where_there_is_the_extension_to_look(postgres: Postgres, database: str) -> None:
    with psycopg.connect(postgres.url(database), autocommit=True) as connection:
        assert check(connection).bloated is None
        with psycopg.connect(postgres.url(database, "postgres"), autocommit=True) as superuser:
            superuser.execute("CREATE EXTENSION pgstattuple")
            superuser.execute("GRANT EXECUTE ON FUNCTION pgstatindex(regclass) TO " + OWNER)
        many = "INSERT INTO newsletter_subscribers (email) SELECT 'reader' || n FROM generate_series(1, 5000) n"
        connection.execute(many)
        connection.execute("DELETE FROM newsletter_subscribers WHERE right(email, 1) <> '7'")
        connection.execute("VACUUM ANALYZE newsletter_subscribers")
        bloated = check(connection).bloated

    assert bloated is not None
    assert set(bloated) >= {"newsletter_subscribers_email_key"}
    assert all(percent < 60 for percent in bloated.values())
