"""A request that is sent twice does its work once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import psycopg
import pytest

from app.api import idempotency
from tests.app.api.world import Api, Somebody

pytestmark = pytest.mark.anyio

LEAD = {"email": "lead@example.org"}
KEY = {"idempotency-key": "11f4b0a8-8f8f-4c1c-9f68-5f2b8f3a8a10"}


async def leads(user: Somebody) -> int:
    return len(await user.got("leads", limit=100))


async def test_the_second_time_gets_the_firsts_answer_and_does_nothing(here: Api) -> None:
    user = await here.user()

    first = await user.post("leads", json=LEAD, headers=KEY)
    # The order of fields and what is left at its default do not make it another request.
    second = await user.post("leads", json={"name": "", **LEAD}, headers=KEY)

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    for name in ("location", "etag", "content-type"):
        assert second.headers[name] == first.headers[name]
    assert ("idempotency-replayed" in first.headers, second.headers["idempotency-replayed"]) == (False, "true")
    assert await leads(user) == 1


async def test_without_a_key_each_request_is_a_new_one(here: Api) -> None:
    user = await here.user()

    for _ in range(2):
        assert (await user.post("leads", json=LEAD)).status_code == 201

    assert await leads(user) == 2


async def test_a_key_belongs_to_one_request_of_one_user_on_one_route(here: Api) -> None:
    user, other = await here.user(), await here.user()
    await user.post("leads", json=LEAD, headers=KEY)

    reused = await user.post("leads", json={**LEAD, "name": "Other"}, headers=KEY)
    elsewhere = await user.post("companies", json={"name": "A"}, headers=KEY)
    others = await other.post("leads", json=LEAD, headers=KEY)

    assert (reused.status_code, reused.json()["error"]["code"]) == (422, "idempotency_key_reused")
    assert (elsewhere.status_code, others.status_code) == (201, 201)
    assert others.json()["data"]["id"] not in {one["id"] for one in await user.got("leads")}
    assert await leads(user) == 1


async def test_of_many_at_once_one_does_the_work_and_the_others_get_its_answer_or_are_told_to_wait(here: Api) -> None:
    user = await here.user()

    answers = await asyncio.gather(*(user.post("leads", json=LEAD, headers=KEY) for _ in range(8)))

    made = [one for one in answers if one.status_code == 201]
    waiting = [one for one in answers if one.status_code != 201]
    assert {one.json()["data"]["id"] for one in made} == {(await user.got("leads"))[0]["id"]}
    assert [(one.status_code, one.json()["error"]["code"]) for one in waiting] == [(409, "request_in_flight")] * len(
        waiting
    )
    assert [one.headers.get("idempotency-replayed") for one in made].count(None) == 1
    assert await leads(user) == 1


async def test_who_holds_the_key_is_waited_for_and_leaves_nothing_behind_when_dead(
    here: Api, owner: psycopg.Connection
) -> None:
    """As if a process had died in its transaction: the lock goes with it."""
    user = await here.user()
    lock = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
    with owner.transaction(force_rollback=True):
        owner.execute(lock, (f"{user.user_id} POST /api/v1/leads {KEY['idempotency-key']}",))
        in_flight = await user.post("leads", json=LEAD, headers=KEY)

    after = await user.post("leads", json=LEAD, headers=KEY)

    assert (in_flight.status_code, in_flight.headers["retry-after"]) == (409, "1")
    assert after.status_code == 201
    assert await leads(user) == 1


async def test_a_refused_request_does_not_use_its_key_up(here: Api) -> None:
    user = await here.user()
    stranger = "4a4b6f3a-4b8e-4f0e-9a63-3c63a6d8f3ff"

    refused = await user.post("conversations", json={"channel": "chat", "lead_id": stranger}, headers=KEY)
    made = await user.post("conversations", json={"channel": "chat"}, headers=KEY)

    assert (refused.status_code, made.status_code) == (422, 201)


async def test_after_three_days_a_key_is_new_again_and_a_sweep_takes_it_away(
    here: Api, owner: psycopg.Connection
) -> None:
    user = await here.user()
    await user.post("leads", json=LEAD, headers=KEY)
    row = owner.execute("SELECT expires_at - created_at FROM idempotency_keys").fetchone()
    assert row == (timedelta(hours=72),)
    owner.execute("UPDATE idempotency_keys SET expires_at = now()")

    again = await user.post("leads", json={**LEAD, "name": "Another"}, headers=KEY)

    assert again.status_code == 201
    assert "idempotency-replayed" not in again.headers
    assert await leads(user) == 2
    owner.execute("UPDATE idempotency_keys SET expires_at = now() - interval '1 second'")
    assert owner.execute(idempotency.SWEEP.encode()).rowcount == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "caf\xe9"])
async def test_a_key_is_short_and_visible(here: Api, key: str) -> None:
    user = await here.user()

    answer = await user.post("leads", json=LEAD, headers={b"idempotency-key": key.encode("latin-1")})

    assert answer.status_code == 422
    assert await leads(user) == 0
