"""What is decided when a store is gone: never in favour of who asks."""

from __future__ import annotations

from uuid import UUID

import pytest

from app.auth.errors import AuthUnavailableError
from app.auth.revocation import COMPLETE_SECONDS
from tests.app.auth.world import Client, World, world
from tests.app.servers import Redis

pytestmark = pytest.mark.anyio


async def keys(here: World, pattern: str) -> list[str]:
    """Keys in Redis."""
    client = here.auth.revocations._store._client
    return sorted([key.decode() async for key in client.scan_iter(pattern)])


async def age_mark(here: World, mark: str, seconds: float) -> None:
    """As if so much time had passed."""
    client = here.auth.revocations._store._client
    value = await client.get(mark)
    assert value is not None
    await client.set(mark, float(value) - seconds, keepttl=True)


async def session_of(here: World, client: Client) -> UUID:
    """The session that a client's access token is of."""
    return (await here.auth.tokens.verify_access(client.cookies["__Host-access"])).session_id


async def forget_marks(here: World) -> None:
    """As if Redis had come back empty."""
    for key in await keys(here, "{revoked:*}:complete"):
        await here.auth.revocations._store._client.delete(key)


async def test_a_revocation_lives_in_redis_for_as_long_as_a_token(here: World) -> None:
    client = await here.registered()
    await client.post("/logout")
    (entry,) = [key for key in await keys(here, "{revoked:*}:*") if not key.endswith("complete")]
    assert 905 <= await here.auth.revocations._store._client.ttl(entry) <= 910


async def test_as_long_as_redis_is_whole_a_request_asks_the_database_nothing(here: World) -> None:
    client = await here.registered()
    await client.get("/plus")
    here.database.transactions = 0
    assert (await client.get("/plus")).status_code == 402
    assert here.database.transactions == 0


async def test_without_redis_the_database_decides_and_a_logout_still_counts(
    application_url: str, redis_server: Redis
) -> None:
    async with world(application_url, redis_server.url) as here:
        client, phone = await here.registered(), here.client("Phone")
        await phone.log_in()
        redis_server.kill()
        assert (await client.call("GET", "/me")).status_code == 200
        assert (await phone.post("/logout")).json() == {"ended": 1}
        assert (await phone.call("GET", "/me")).status_code == 401
        assert (await client.call("GET", "/me")).status_code == 200
        assert (await client.post("/refresh")).status_code == 200


async def test_without_redis_nobody_may_guess(application_url: str, redis_server: Redis) -> None:
    async with world(application_url, redis_server.url) as here:
        client = await here.registered()
        redis_server.kill()
        answer = await here.client().log_in()
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"] == "1"
        assert (await client.post("/second-factor", {"password": "x"})).status_code == 503


async def test_without_redis_and_database_the_answer_is_503_and_never_yes(
    application_url: str, redis_server: Redis
) -> None:
    async with world(application_url, redis_server.url) as here:
        client = await here.registered()
        redis_server.kill()
        here.database.is_down = True
        answer = await client.get("/plus")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")


async def test_a_redis_that_came_back_empty_is_filled_before_it_is_believed(
    application_url: str, redis_server: Redis
) -> None:
    async with world(application_url, redis_server.url) as here:
        client, phone = await here.registered(), here.client("Phone")
        await phone.log_in()
        token = phone.cookies["__Host-access"]
        await phone.post("/logout")
        redis_server.flush()
        answer = await phone.call("GET", "/me", authorization=f"Bearer {token}")
        assert answer.status_code == 401
        assert len([key for key in await keys(here, "{revoked:*}:*") if not key.endswith("complete")]) == 1
        assert (await client.call("GET", "/me")).status_code == 200


async def test_a_revocation_that_redis_lost_is_found_again_within_a_minute(here: World) -> None:
    await here.registered()
    phone = here.client("Phone")
    tokens = (await phone.log_in(delivery="body")).json()
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    assert (await phone.call("GET", "/me", **bearer)).status_code == 200
    # Ended where Redis was out of reach: only the database knows.
    await here.execute("UPDATE auth_sessions SET revoked_at = clock_timestamp(), revoked_reason = 'x'")
    (mark,) = await keys(here, "{revoked:*}:complete")
    await age_mark(here, mark, COMPLETE_SECONDS)
    assert (await phone.call("GET", "/me", **bearer)).status_code == 401
    # And from then on by Redis.
    here.database.transactions = 0
    assert (await phone.call("GET", "/me", **bearer)).status_code == 401
    assert here.database.transactions == 0


async def test_who_is_logged_in_stays_so_while_the_database_is_away(here: World) -> None:
    client = await here.registered()
    assert (await client.get("/plus")).status_code != 401
    (mark,) = await keys(here, "{revoked:*}:complete")
    await age_mark(here, mark, COMPLETE_SECONDS)
    here.database.is_down = True
    assert not await here.auth.revocations.is_revoked(await session_of(here, client))
    # A bucket of which nobody knows whether it is complete is not believed.
    await forget_marks(here)
    with pytest.raises(AuthUnavailableError):
        await here.auth.revocations.is_revoked(await session_of(here, client))


async def test_keys_of_a_bucket_share_a_slot_of_a_cluster(application_url: str, redis_cluster_urls: list[str]) -> None:
    async with world(application_url, redis_cluster_urls[0], clustered=True) as here:
        clients = [await here.registered(), *(here.client(address=f"192.0.2.{number}") for number in range(2, 6))]
        for client in clients[1:]:
            assert (await client.log_in()).status_code == 200
        assert [(await client.call("GET", "/me")).status_code for client in clients] == [200] * 5
        await clients[0].post("/logout-everywhere")
        assert [(await client.call("GET", "/me")).status_code for client in clients] == [401] * 5


async def test_guesses_are_counted_whatever_becomes_of_them(here: World) -> None:
    await here.registered()
    answers = [await here.client().post("/login", {"email": "ada@example.com", "password": "x"}) for _ in range(12)]
    # One went to the login that succeeded, and was forgotten.
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
    assert 0 < int(answers[-1].headers["retry-after"]) <= 900
    # From there not even the right one, from elsewhere it is.
    assert (await here.client().log_in()).status_code == 429
    assert (await here.client(address="198.51.100.7").log_in()).status_code == 200
    assert not [key for key in await keys(here, "attempts:*") if "ada" in key]


async def test_many_addresses_together_do_not_guess_on(here: World) -> None:
    await here.registered()
    body = {"email": "ada@example.com", "password": "x"}
    statuses = [
        (await here.client(address=f"192.0.2.{number}").post("/login", body)).status_code for number in range(2, 103)
    ]
    assert (statuses[:99], statuses[-2:]) == ([401] * 99, [429, 429])
