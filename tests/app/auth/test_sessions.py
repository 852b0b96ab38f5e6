"""Refresh tokens: once each, and what happens to a copied one."""

from __future__ import annotations

import asyncio

import pytest

from app.auth.cookies import REFRESH
from app.auth.sessions import SWEEP
from tests.app.auth.world import PREFIX, Client, World

pytestmark = pytest.mark.anyio


async def refresh(client: Client, token: str) -> tuple[int, str]:
    """Status, and the next token or the error's code."""
    answer = await client.request("POST", f"{PREFIX}/refresh", json={"refresh_token": token})
    body = answer.json()
    return answer.status_code, body["refresh_token"] if answer.is_success else body["error"]["code"]


async def app_of(here: World) -> tuple[Client, str]:
    """An app that is logged in, and its first refresh token."""
    await here.registered()
    app = here.client("App")
    return app, (await app.log_in(delivery="body")).json()["refresh_token"]


async def test_a_chain_of_refreshes_keeps_one_session(here: World) -> None:
    app, token = await app_of(here)
    for _ in range(4):
        status, token = await refresh(app, token)
        assert status == 200
    assert await here.execute("SELECT max(generation) FROM auth_sessions") == 4
    assert await here.execute("SELECT count(*) FROM auth_sessions") == 2


async def test_of_five_refreshes_at_once_one_succeeds_and_the_session_lives(here: World) -> None:
    app, token = await app_of(here)
    answers = await asyncio.gather(*(refresh(app, token) for _ in range(5)))
    assert sorted(status for status, _ in answers) == [200, 409, 409, 409, 409]
    assert {code for status, code in answers if status == 409} == {"refresh_conflict"}
    (new,) = [token for status, token in answers if status == 200]
    assert (await refresh(app, new))[0] == 200


async def test_a_used_token_ends_the_session_and_the_401_does_not_undo_that(here: World) -> None:
    app, first = await app_of(here)
    access = (await app.request("POST", f"{PREFIX}/refresh", json={"refresh_token": first})).json()
    await here.execute("UPDATE auth_refresh_tokens SET used_at = used_at - interval '6 seconds'")
    assert await refresh(app, first) == (401, "unauthorized")
    reasons = await here.execute("SELECT array_agg(revoked_reason) FROM auth_sessions WHERE revoked_at IS NOT NULL")
    assert reasons == ["token_used_twice"]
    assert await refresh(app, access["refresh_token"]) == (401, "unauthorized")
    me = await app.request("GET", f"{PREFIX}/me", headers={"authorization": f"Bearer {access['access_token']}"})
    assert me.status_code == 401


async def test_the_grace_is_for_the_token_before_the_current_one_only(here: World) -> None:
    app, first = await app_of(here)
    _, second = await refresh(app, first)
    _, third = await refresh(app, second)
    assert await refresh(app, second) == (409, "refresh_conflict")
    # All of this took less than the grace.
    assert await refresh(app, first) == (401, "unauthorized")
    assert await refresh(app, third) == (401, "unauthorized")


async def test_the_grace_does_not_bring_a_session_back_that_was_ended(here: World) -> None:
    client = await here.registered()
    app = here.client("App")
    tokens = (await app.log_in(delivery="body")).json()
    await refresh(app, tokens["refresh_token"])
    await client.post("/logout-everywhere")
    assert await refresh(app, tokens["refresh_token"]) == (401, "unauthorized")


async def test_reuse_ends_the_one_session_and_no_other(here: World) -> None:
    app, first = await app_of(here)
    other = here.client("Other")
    await other.log_in()
    _, second = await refresh(app, first)
    await refresh(app, second)
    await refresh(app, first)
    assert (await other.call("GET", "/me")).status_code == 200


@pytest.mark.parametrize("token", ["x", "A" * 43, "é"])
async def test_a_token_that_we_never_gave_ends_nothing(here: World, token: str) -> None:
    app, real = await app_of(here)
    assert await refresh(app, token) == (401, "unauthorized")
    assert (await refresh(app, real))[0] == 200


async def test_only_hashes_of_tokens_are_kept(here: World) -> None:
    _, token = await app_of(here)
    rows = await here.execute("SELECT string_agg(t::text, ' ') FROM auth_refresh_tokens t")
    assert token not in rows
    assert token.encode().hex() not in rows


async def test_a_session_ends_when_it_is_idle_or_old(here: World) -> None:
    app, token = await app_of(here)
    await here.execute("UPDATE auth_refresh_tokens SET expires_at = now()")
    assert await refresh(app, token) == (401, "unauthorized")
    token = (await app.log_in(delivery="body")).json()["refresh_token"]
    await here.execute("UPDATE auth_sessions SET expires_at = now() - interval '1 second'")
    assert await refresh(app, token) == (401, "unauthorized")


async def test_a_token_does_not_outlive_its_session(here: World) -> None:
    app, token = await app_of(here)
    await here.execute("UPDATE auth_sessions SET expires_at = now() + interval '100 seconds'")
    answer = await app.request("POST", f"{PREFIX}/refresh", json={"refresh_token": token})
    assert 90 < answer.json()["refresh_expires_in_seconds"] <= 100
    assert await here.execute(
        "SELECT bool_and(t.expires_at <= s.expires_at) FROM auth_refresh_tokens t "
        "JOIN auth_sessions s USING (session_id) WHERE t.generation = 1"
    )


async def test_a_browser_refreshes_by_its_cookie(here: World) -> None:
    client = await here.registered(remember=True)
    before = client.cookies[REFRESH]
    answer = await client.post("/refresh")
    assert answer.json() == {"second_factor_needed": False, "expires_in_seconds": 900}
    assert client.cookies[REFRESH] != before
    assert (await client.post("/logout")).status_code == 200


async def swept(here: World) -> int:
    async with here.database.system_writer() as connection:
        done = [await connection.execute(statement) for statement in SWEEP]
    return sum(int(tag.rpartition(" ")[2]) for tag in done)


async def test_the_sweep_deletes_what_is_over_and_nothing_else(here: World) -> None:
    app, token = await app_of(here)
    await refresh(app, token)
    assert await swept(here) == 0
    await here.execute("UPDATE auth_refresh_tokens SET expires_at = now() - interval '1 second' WHERE generation = 0")
    assert await swept(here) == 2
    await here.execute("UPDATE auth_sessions SET expires_at = now() - interval '8 days'")
    assert await swept(here) == 2
    assert await here.execute("SELECT count(*) FROM auth_refresh_tokens") == 0
