"""What a client of one process sees."""

from __future__ import annotations

import json
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from uuid import uuid4

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from app.limits.routes import RouteTable
from app.realtime.frames import MAX_FRAME_BYTES, WsMessage
from app.realtime.hub import CAPACITY, SOCKETS_PER_USER
from app.realtime.publisher import Publisher, user_topic
from app.realtime.routes import LIMITS, router
from app.realtime.server import PING_SECONDS
from app.realtime.sockets import QUEUED_MESSAGES
from components.load_balancer import IDLE_TIMEOUT_SECONDS
from stacks.phase import SOCKETS_PER_POD
from tests.app.auth.world import SETTINGS
from tests.app.realtime.world import Node, People, tab
from tests.app.servers import wait_until
from tests.app.stores import opened

pytestmark = pytest.mark.anyio
OWN = "https://www.example.com"


@pytest.mark.parametrize("by", ["header", "message"])
async def test_a_token_opens_a_socket(node: Node, people: People, by: str) -> None:
    person = await people.new()
    async with tab(node, person, by=by) as page:
        assert page.connection.subprotocol == "headroom.v1"
        assert (await page.ask("ping"))["type"] == "pong"


async def test_a_cookie_opens_one_for_pages_of_ours_only(node: Node, people: People) -> None:
    person = await people.new()
    async with tab(node, person, by="cookie", origin=OWN) as page:
        assert (await page.ask("ping"))["type"] == "pong"
    for origin in ("https://evil.example", None):
        with pytest.raises(InvalidStatus) as refused:
            async with tab(node, person, by="cookie", origin=origin):
                pass
        assert refused.value.response.status_code == 403


async def test_a_foreign_page_is_refused_without_a_cookie_too(node: Node) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with tab(node, None, origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("headers", "subprotocols", "status", "code"),
    [
        ({"Authorization": "Bearer x"}, [Subprotocol("headroom.v1")], 401, "unauthorized"),
        ({}, [Subprotocol("headroom.v2")], 400, "unknown_subprotocol"),
        ({}, None, 400, "unknown_subprotocol"),
    ],
)
async def test_a_refused_handshake_says_why(
    node: Node, headers: dict[str, str], subprotocols: list[Subprotocol] | None, status: int, code: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws://127.0.0.1:{node.port}/ws", additional_headers=headers, subprotocols=subprotocols):
            pass
    response = refused.value.response
    assert response.status_code == status
    assert json.loads(response.body)["error"]["code"] == code


async def test_without_a_token_a_socket_is_closed_after_a_while(node: Node) -> None:
    async with tab(node, None) as page:
        assert await page.end() == (4401, "not_authenticated")


@pytest.mark.parametrize("first", ['{"type":"ping"}', "x", '{"type":"auth","data":{"token":"x"}}'])
async def test_anything_but_a_good_token_at_first_closes_it(node: Node, first: str) -> None:
    async with tab(node, None) as page:
        await page.connection.send(first)
        assert await page.end() == (4401, "not_authenticated")


async def test_two_tabs_get_one_copy_each(node: Node, people: People) -> None:
    person = await people.new()
    async with tab(node, person) as one, tab(node, person) as other:
        await one.ask("join", room=person.room)
        assert (await other.ask("join", room=person.room))["data"]["users"] == [str(person.user_id)]
        message_id = uuid4()
        await one.send("send", room=person.room, id=message_id, body="hello")
        for page in (one, other):
            assert await page.copies() == [str(message_id)]
        async with opened(people.auth.revocations._store._access.url) as store:
            assert await Publisher(store).publish(user_topic(person.user_id), WsMessage(type="lead.created"))
        for page in (one, other):
            await page.until("lead.created")
            assert await page.all("lead.created") == []
    assert people.execute("SELECT body FROM messages WHERE id = %s", message_id) == [("hello",)]


async def test_nobody_joins_or_writes_to_a_strangers_room(node: Node, people: People) -> None:
    person, stranger = await people.new(), await people.new()
    async with tab(node, person) as page, tab(node, stranger) as other:
        await page.ask("join", room=person.room)
        for room in (person.room, uuid4()):
            assert (await other.ask("join", room=room))["data"]["code"] == "unknown_room"
            refused = await other.ask("send", room=room, id=uuid4(), body="hello")
            assert refused["data"]["code"] == "unknown_room"
        assert await page.all("message") == []


async def test_a_message_that_is_sent_again_is_stored_once(node: Node, people: People) -> None:
    person = await people.new()
    message_id = uuid4()
    async with tab(node, person) as page:
        answers = [await page.ask("send", room=person.room, id=message_id, body="once") for _ in range(2)]
        assert [answer["data"]["is_new"] for answer in answers] == [True, False]
        other = uuid4()
        people.execute("INSERT INTO conversations (id, user_id, channel) VALUES (%s, %s, 'x')", other, person.user_id)
        taken = await page.ask("send", room=other, id=message_id, body="twice")
        assert taken["data"]["code"] == "unknown_room"
    assert people.execute("SELECT count(*) FROM messages WHERE id = %s", message_id) == [(1,)]


async def test_who_comes_back_gets_what_was_said_meanwhile(node: Node, people: People) -> None:
    person = await people.new()
    async with tab(node, person) as page:
        await page.ask("join", room=person.room)
        first = await page.say(person.room, "first")
    async with tab(node, person) as writer:
        said = [await writer.say(person.room, f"{number}") for number in range(3)]
    async with tab(node, person) as page:
        await page.send("join", "again", room=person.room, after=first)
        missed = [(await page.until("message"))["id"] for _ in range(3)]
        assert missed == [str(one) for one in said]
        joined = await page.until("joined")
        assert joined["data"]["is_complete"]
    async with tab(node, person) as page:
        assert not (await page.ask("join", room=person.room, after=uuid4()))["data"]["is_complete"]


async def test_a_session_that_ends_closes_its_sockets_and_no_others(node: Node, people: People) -> None:
    person, other = await people.new(), await people.new()
    async with tab(node, person) as page, tab(node, other) as spared:
        await people.auth.sessions.end(person.user_id, person.session_id, "logged_out")
        assert await page.end() == (4401, "session_ended")
        assert (await spared.ask("ping"))["type"] == "pong"
    with pytest.raises(InvalidStatus):
        async with tab(node, person):
            pass


async def test_who_is_told_closes_them_at_once(node: Node, people: People) -> None:
    person = await people.new()
    async with tab(node, person) as page, opened(people.auth.revocations._store._access.url) as store:
        await Publisher(store).sessions_ended([person.session_id])
        assert await page.end(2) == (4401, "session_ended")


async def test_a_socket_ends_with_its_token_unless_it_gets_the_next(node: Node, people: People) -> None:
    person = await people.new()
    tokens = people.auth.tokens
    short = tokens._sign(
        "access", person.user_id, {"sid": str(person.session_id), "mfa": False, "mfa_due": False}, seconds=-2
    )
    # Its leeway of 5 s is left.
    async with tab(node, replace(person, token=short)) as page, tab(node, replace(person, token=short)) as renewed:
        assert (await renewed.ask("auth", token=person.token))["type"] == "ready"
        assert await page.end() == (4401, "token_expired")
        assert (await renewed.ask("ping"))["type"] == "pong"
        bad = await renewed.ask("auth", token="x")
        assert bad["data"]["code"] == "unauthorized"
        stranger = await people.new()
        await renewed.send("auth", token=stranger.token)
        assert await renewed.end() == (4401, "other_user")


async def test_too_large_too_many_and_binary_end_a_socket(node: Node, people: People) -> None:
    person = await people.new()
    async with tab(node, person) as page:
        await page.connection.send("x" * (MAX_FRAME_BYTES + 1))
        assert (await page.end())[0] == 1009
    async with tab(node, person) as page:
        await page.connection.send(b"{}")
        assert await page.end() == (1003, "binary")
    async with tab(node, person) as page:
        for _ in range(60):
            await page.connection.send('{"type":"ping"}')
        assert await page.end() == (1008, "too_many_messages")


async def test_a_user_has_so_many_sockets_and_a_process_so_many(node: Node, people: People) -> None:
    person = await people.new()
    async with AsyncExitStack() as stack:
        for _ in range(SOCKETS_PER_USER):
            await stack.enter_async_context(tab(node, person))
        async with tab(node, None) as page:
            await page.send("auth", token=person.token)
            assert await page.end() == (4429, "too_many_sockets")
        for _ in range(100 - SOCKETS_PER_USER):
            await stack.enter_async_context(tab(node, None))
        with pytest.raises(InvalidStatus) as refused:
            async with tab(node, None):
                pass
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"]
    wait_until(lambda: node.metric("ws_connections") == 0, "sockets are left")


async def test_a_reader_who_does_not_read_is_closed_and_slows_nobody(node: Node, people: People) -> None:
    person = await people.new()
    async with (
        tab(node, person) as page,
        tab(node, person, max_queue=1, write_limit=1) as slow,
        opened(people.auth.revocations._store._access.url, budget_seconds=2) as store,
    ):
        slow.connection.transport.pause_reading()
        publisher, sent, slowest = Publisher(store), 0, 0.0
        while not node.metric("ws_closed_total", "slow_reader"):
            for _ in range(50):
                begin = time.monotonic()
                await publisher.publish(user_topic(person.user_id), WsMessage(type="big", data={"x": "x" * 15_000}))
                await page.until("big")
                sent += 1
                slowest = max(slowest, time.monotonic() - begin)
            assert sent < 5_000
        figures = (
            f"{sent} messages of 15 kB before the slow one was closed, {slowest * 1000:.0f} ms at most for the other"
        )
        print(figures)  # noqa: T201 a measurement
        assert sent >= QUEUED_MESSAGES
        assert slowest < 1
        assert (await page.ask("ping"))["type"] == "pong"
        slow.connection.transport.abort()
    wait_until(lambda: node.metric("ws_connections") == 0, "sockets are left")
    assert node.metric("ws_queued_messages") == 0
    assert node.metric("ws_dropped_messages_total") > 0


def test_limits_cover_the_routes_and_sizes_are_those_of_the_stacks() -> None:
    assert RouteTable(LIMITS).uncovered(router().routes) == []
    assert CAPACITY == SOCKETS_PER_POD
    assert PING_SECONDS * 2 <= IDLE_TIMEOUT_SECONDS
    assert SETTINGS.access_seconds > 60
