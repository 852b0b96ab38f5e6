"""A conversation's messages by the API, beside the sockets; and what came of a campaign."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import orjson
import psycopg
import pytest
import redis

from app.realtime.frames import MAX_BODY_CHARACTERS
from app.realtime.publisher import channel, link_of, room_topic
from app.settings import Role, Settings
from tests.app.api.world import Api, Somebody, api

pytestmark = pytest.mark.anyio


async def conversation(user: Somebody) -> str:
    made: str = (await user.made("conversations", channel="chat"))["id"]
    return f"conversations/{made}/messages"


async def test_a_conversation_is_read_back_the_newest_first(here: Api) -> None:
    user, other = await here.user(), await here.user()
    path = await conversation(user)
    sent = [await user.made(path, body=f"Word {number}") for number in range(5)]

    first = (await user.get(path, params={"limit": 3})).json()
    rest = (await user.get(path, params={"limit": 3, "cursor": first["meta"]["page"]["next_cursor"]})).json()
    assert first["data"] + rest["data"] == sent[::-1]
    assert rest["meta"]["page"]["next_cursor"] is None
    assert {one["direction"] for one in sent} == {"out"}
    elsewhere = await user.get(await conversation(user), params={"cursor": first["meta"]["page"]["next_cursor"]})
    assert elsewhere.status_code == 400

    nowhere = f"conversations/{uuid4()}/messages"
    for stranger, at in ((other, path), (user, nowhere)):
        assert (await stranger.get(at)).status_code == 404
        assert (await stranger.post(at, json={"body": "Hello"})).status_code == 404
    assert len(await user.got(path)) == 5


async def test_a_message_that_is_sent_again_with_its_key_is_one(here: Api) -> None:
    user = await here.user()
    path = await conversation(user)

    answers = [await user.post(path, json={"body": "Once"}, headers={"idempotency-key": "k"}) for _ in range(2)]

    assert [one.status_code for one in answers] == [201, 201]
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert await user.got(path) == [answers[0].json()["data"]]


@pytest.mark.parametrize("body", ["", "a\0", "a" * (MAX_BODY_CHARACTERS + 1)])
async def test_a_message_has_some_text_that_fits_into_a_frame(here: Api, body: str) -> None:
    user = await here.user()

    assert (await user.post(await conversation(user), json={"body": body})).status_code == 422


@contextmanager
def listening(url: str, room: UUID) -> Iterator[Any]:
    """What a process with sockets hears of a room."""
    topic = room_topic(room)
    connection: Any = redis.ConnectionPool.from_url(f"{url}?protocol=2").get_connection()
    connection.send_command("SSUBSCRIBE", channel(link_of(topic), topic))
    connection.read_response()
    try:
        yield connection
    finally:
        connection.disconnect()


@pytest.mark.parametrize("role", ["api", "conversations"])
async def test_whoever_has_the_conversation_open_hears_it_again_with_the_same_id(
    here: Api, given: Settings, redis_url: str, role: Role
) -> None:
    """The process that stored it may have died before it told anybody. The service of conversations has no sockets."""
    user = await here.user()
    path = await conversation(user)
    room = UUID(path.split("/")[1])
    async with api(given.model_copy(update={"service_role": role})) as other:
        sender = await other.anybody()
        sender.headers["authorization"] = user.headers["authorization"]
        with listening(redis_url, room) as heard:
            answers = [await sender.post(path, json={"body": "Hi"}, headers={"idempotency-key": "k"}) for _ in range(2)]
            told = [heard.read_response(timeout=5)[-1].partition(b"\n")[2] for _ in answers]

    made = answers[0].json()["data"]
    assert told[0] == told[1]
    message = orjson.loads(told[0])
    assert (message["type"], message["id"]) == ("message", made["id"])
    assert message["data"]["body"] == "Hi"
    assert message["data"]["room"] == str(room)


async def test_what_came_of_a_campaign_is_its_users_alone(here: Api, owner: psycopg.Connection) -> None:
    user, other = await here.user(), await here.user()
    quiet, busy = [(await user.made("campaigns", name=name))["id"] for name in ("Quiet", "Busy")]
    owner.execute(
        "INSERT INTO campaign_statistics (id, user_id, sent, bounced, complained, unsubscribed) "
        "VALUES (%s, %s, 50, 3, 1, 2)",
        (busy, user.user_id),
    )

    assert await user.got(f"campaigns/{busy}/statistics") == {
        "sent": 50,
        "bounced": 3,
        "complained": 1,
        "unsubscribed": 2,
    }
    assert set((await user.got(f"campaigns/{quiet}/statistics")).values()) == {0}
    assert (await other.get(f"campaigns/{busy}/statistics")).status_code == 404
    assert (await user.get(f"campaigns/{uuid4()}/statistics")).status_code == 404
    again = await user.get(f"campaigns/{busy}/statistics")
    assert again.headers["x-cache"] == "L1"
