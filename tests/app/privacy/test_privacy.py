from __future__ import annotations

import datetime as dt
import gzip
import json
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from app.privacy.erasure import GRACE_DAYS
from app.privacy.exports import KEPT_DAYS, NOT_COPIED, TABLES
from app.settings import Settings
from app.uploads.storage import key_of
from app.worker.jobs import Job
from tests.app.api.engine import ROLE, serving
from tests.app.api.world import PASSWORD, Somebody
from tests.app.rows import insert
from tests.app.uploads.test_uploads import IMAGE, put
from tests.app.uploads.world import World, stored, world

SECRET_WORDS = "whispered-words"
"""In every text that the user wrote."""
STAYS = {"audit_log", "consents", "erasures"}
"""Tables in which the user's id stays, and nothing else of the user."""
COLUMNS: LiteralString = """SELECT c.table_schema || '.' || c.table_name, c.column_name
    FROM information_schema.columns c
    JOIN pg_class p ON p.oid = format('%I.%I', c.table_schema, c.table_name)::regclass
    WHERE c.table_schema IN ('public', 'analytics') AND p.relkind IN ('r', 'p', 'm') AND NOT p.relispartition"""


async def wealthy(there: World) -> Somebody:
    """A user with a row in every table that has users' rows."""
    user = await there.user()
    email = f"{SECRET_WORDS}-{user.user_id}@example.com"
    for table, key in (("users", "id"), ("auth_accounts", "user_id")):
        query = sql.SQL("UPDATE {} SET email = %s WHERE {} = %s").format(sql.Identifier(table), sql.Identifier(key))
        there.owner.execute(query, (email, user.user_id))
    text, other = SECRET_WORDS, uuid4()
    rows: list[tuple[str, dict[str, Any]]] = [
        ("profiles", {"id": user.user_id, "display_name": text}),
        ("subscriptions", {"tier": 1, "status": "active"}),
        ("posts", {"slug": f"{text}-{other}", "title": text, "body": text}),
        ("leads", {"id": other, "email": text, "name": text}),
        ("campaigns", {"id": other, "name": text}),
        ("campaign_statistics", {"id": other}),
        ("consents", {"purpose": "newsletter", "text_version": "1", "given": True, "source": "account"}),
        ("conversations", {"id": other, "channel": "email", "subject": text, "lead_id": other}),
        ("messages", {"conversation_id": other, "direction": "in", "body": text}),
        ("companies", {"id": other, "name": text}),
        ("contacts", {"company_id": other, "name": text}),
        ("deals", {"company_id": other}),
        ("videos", {"title": text, "object_key": text}),
        ("video_views", {"video_id": other}),
        ("video_views", {"video_id": other, "user_id": other, "viewer_id": user.user_id}),
        ("analytics.analytics_events", {"event_type": "opened", "properties": json.dumps({"text": text})}),
        ("idempotency_keys", {"endpoint": "/", "key": text, "fingerprint": b"", "expires_at": "2030-01-01"}),
        ("jobs", {"kind": text}),
        ("mail_sends", {"key": text, "state": "sent"}),
        ("mail_senders", {}),
        ("mail_unsubscribes", {"recipient": b"r" * 32}),
        ("webhook_endpoints", {"id": other, "url": f"https://{text}.example.com"}),
        ("webhook_deliveries", {"endpoint_id": other, "event_type": "e", "payload": json.dumps({"text": text})}),
        ("newsletter_subscribers", {"email": email}),
    ]
    for table, values in rows:
        full = values if table in {"profiles", "newsletter_subscribers"} else {"user_id": user.user_id, **values}
        insert(there.owner, table, full)
    return user


def columns(owner: psycopg.Connection) -> list[tuple[str, str]]:
    """Table and column of everything that has rows."""
    return [(table.removeprefix("public."), column) for table, column in owner.execute(COLUMNS).fetchall()]


def found(owner: psycopg.Connection, text: str) -> set[str]:
    """Tables with a text in any column of any row."""
    query = sql.SQL("SELECT true FROM {} WHERE strpos({}::text, %s) > 0 LIMIT 1")
    return {
        table
        for table, column in columns(owner)
        if owner.execute(query.format(sql.Identifier(*table.split(".")), sql.Identifier(column)), (text,)).fetchone()
    }


def test_every_table_with_users_rows_is_copied_or_there_is_a_reason_not_to(owner: psycopg.Connection) -> None:
    tables = {table for table, column in columns(owner) if column == "user_id"}

    assert tables | {"users", "profiles"} == set(TABLES) | set(NOT_COPIED)


@pytest.mark.anyio
async def test_a_copy_has_all_that_is_the_users_and_nothing_of_others(there: World) -> None:
    user, stranger = await wealthy(there), await there.user()
    there.owner.execute("INSERT INTO leads (user_id, email) VALUES (%s, 'theirs')", (stranger.user_id,))
    answer = await user.post("privacy/exports")
    assert answer.status_code == 202
    export = answer.json()["data"]["id"]
    assert (await user.post("privacy/exports")).json()["data"]["id"] == export  # One at a time.
    assert (await user.got(f"privacy/exports/{export}"))["url"] is None
    (job,) = there.asked("export")
    await there.handle(job)
    await there.handle(job)

    shown = await user.got(f"privacy/exports/{export}")
    assert shown["status"] == "done"
    assert "X-Amz-Signature" in shown["url"]
    content = stored(f"exports/{user.user_id}/{export}.jsonl.gz")
    assert content is not None
    lines = [json.loads(line) for line in gzip.decompress(content).splitlines()]
    assert {line["table"] for line in lines} == set(TABLES) - {"uploads"}
    assert str(stranger.user_id) not in json.dumps(lines)
    assert len(there.asked("email")) == 1
    assert there.actions(user.user_id) == ["export.requested", "export.done"]
    assert (await stranger.get(f"privacy/exports/{export}")).status_code == 404


@pytest.mark.anyio
async def test_a_copy_is_there_for_a_week(there: World) -> None:
    user = await there.user()
    export = (await user.post("privacy/exports")).json()["data"]["id"]
    await there.do("export")
    ((due, now),) = there.owner.execute("SELECT due_at, now() FROM outbox WHERE topic = 'export-expiry'").fetchall()
    assert abs(due - now - dt.timedelta(days=KEPT_DAYS)) < dt.timedelta(minutes=1)
    await there.do("export-expiry")

    assert stored(f"exports/{user.user_id}/{export}.jsonl.gz") is None
    past = json.dumps({"key": "k", "expires_at": "2020-01-01T00:00:00+00:00"})
    there.owner.execute("UPDATE jobs SET result = %s", (past,))
    assert (await user.got(f"privacy/exports/{export}"))["url"] is None


async def ask_for_erasure(user: Somebody) -> None:
    answer = await user.post("privacy/erasure", json={"password": PASSWORD})
    assert answer.status_code == 202, answer.text


@pytest.mark.anyio
async def test_an_erased_user_is_in_no_column_of_any_table(there: World) -> None:
    user, stranger = await wealthy(there), await there.user()
    upload = (await user.made("uploads", **IMAGE))["id"]
    key = key_of("image", user.user_id, UUID(upload))
    put(key)
    # The rows are where the test looks for them.
    assert len(found(there.owner, SECRET_WORDS)) > 12
    before = found(there.owner, str(user.user_id))
    assert set(TABLES) - {"audit_log"} <= before
    await ask_for_erasure(user)
    (job,) = there.asked("erasure")
    there.owner.execute("UPDATE erasures SET due_at = now()")
    there.owner.execute("DELETE FROM outbox WHERE topic = 'erasure'")
    await there.handle(job)
    await there.handle(job)

    assert found(there.owner, SECRET_WORDS) == set()
    assert found(there.owner, str(user.user_id)) == STAYS
    assert stored(key) is None
    assert there.actions(user.user_id) == ["erasure.requested", "erasure.done"]
    assert there.owner.execute("SELECT DISTINCT details::text FROM audit_log").fetchall() == [("{}",)]
    # The stranger's are there.
    assert (await stranger.get("auth/me")).status_code == 200
    assert there.owner.execute("SELECT count(*) FROM video_views WHERE viewer_id IS NULL").fetchone() == (1,)


@pytest.mark.anyio
async def test_an_erased_user_is_not_in_the_search_engine_either(given: Settings, owner: psycopg.Connection) -> None:
    async with serving() as engine:
        engines = given.model_copy(update={"search_endpoint": engine.url, "search_role_arn": ROLE})
        async with world(engines, owner) as there:
            user, stranger = await there.user(), await there.user()
            for somebody in (user, stranger):
                await somebody.made("posts", title=SECRET_WORDS, body="Text")
                await somebody.made("leads", email="lead@example.com", name=SECRET_WORDS)
            assert await there.do("search-index") == 4
            before = {index: len(documents) for index, documents in engine.indexes.items()}
            await ask_for_erasure(user)
            (job,) = there.asked("erasure")
            owner.execute("UPDATE erasures SET due_at = now()")
            await there.handle(job)

    assert before == {"headroom-posts": 2, "headroom-leads": 2, "headroom-companies": 0, "headroom-contacts": 0}
    after = {index: len(documents) for index, documents in engine.indexes.items()}
    assert after == {**before, "headroom-posts": 1, "headroom-leads": 1}
    assert str(user.user_id) not in str(engine.indexes)


@pytest.mark.anyio
async def test_an_erasure_that_broke_off_is_finished(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    user = await wealthy(there)
    await ask_for_erasure(user)
    (job,) = there.asked("erasure")
    there.owner.execute("UPDATE erasures SET due_at = now()")

    async def fail(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr("app.privacy.erasure.Erasure._close", fail)
        with pytest.raises(ConnectionError):
            await there.handle(job)
    await there.handle(job)

    assert found(there.owner, SECRET_WORDS) == set()
    assert there.actions(user.user_id) == ["erasure.requested", "erasure.done"]


@pytest.mark.anyio
async def test_asking_for_erasure_ends_every_session_and_nothing_else_yet(there: World) -> None:
    user = await there.user()
    await ask_for_erasure(user)

    assert (await user.get("auth/me")).status_code == 401
    (job,) = there.asked("erasure")
    await there.handle(job)  # Too early.
    assert there.owner.execute("SELECT count(*) FROM users WHERE id = %s", (user.user_id,)).fetchone() == (1,)
    ((due, now),) = there.owner.execute("SELECT due_at, now() FROM erasures").fetchall()
    assert abs(due - now - dt.timedelta(days=GRACE_DAYS)) < dt.timedelta(minutes=1)
    assert [one.payload["template"] for one in there.asked("email")] == ["erasure-scheduled"]


@pytest.mark.anyio
async def test_who_logs_in_again_may_keep_the_account(there: World) -> None:
    user = await there.user()
    ((email,),) = there.owner.execute("SELECT email FROM users").fetchall()
    await ask_for_erasure(user)
    login = {"email": email, "password": PASSWORD, "delivery": "body"}
    token = (await user.post("auth/login", json=login, headers={"authorization": ""})).json()["access_token"]
    user.headers["authorization"] = f"Bearer {token}"

    assert (await user.got("privacy/erasure"))["due_at"] is not None
    assert (await user.delete("privacy/erasure")).status_code == 200
    assert (await user.delete("privacy/erasure")).status_code == 404
    await there.do("erasure")
    assert (await user.got("privacy/erasure"))["due_at"] is None
    assert (await user.get("auth/me")).status_code == 200
    assert there.actions(user.user_id) == ["erasure.requested", "erasure.cancelled"]


@pytest.mark.anyio
async def test_an_erasure_needs_the_password(there: World) -> None:
    user = await there.user()

    answer = await user.post("privacy/erasure", json={"password": "another password"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "wrong_password")
    assert there.asked("erasure") == []


@pytest.mark.anyio
async def test_a_second_request_repairs_the_first_and_adds_nothing(there: World) -> None:
    """As after an outage between the two databases."""
    user = await there.user()
    due = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    there.owner.execute("INSERT INTO erasures (user_id, due_at) VALUES (%s, %s)", (user.user_id, due))
    await ask_for_erasure(user)

    (job,) = there.asked("erasure")
    assert isinstance(job, Job)
    assert there.owner.execute("SELECT due_at FROM outbox WHERE topic = 'erasure'").fetchone() == (due,)


@pytest.mark.anyio
async def test_nobody_changes_the_audit_log(there: World) -> None:
    user = await there.user()
    await user.post("privacy/exports")

    for statement in ("UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log"):
        for transaction in (there.database.system_writer(user.user_id), there.database.writer(user.user_id)):
            with pytest.raises(Exception, match="permission denied"):
                async with transaction as connection:
                    await connection.execute(statement)
    assert there.actions(user.user_id) == ["export.requested"]
