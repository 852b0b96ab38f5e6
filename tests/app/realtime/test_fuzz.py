"""Whatever a client sends, it gets an answer or a close, and the process writes no traceback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import struct
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from websockets.exceptions import ConnectionClosed

from app.realtime.frames import CLIENT_FRAME
from tests.app.realtime.world import Node, People, tab
from tests.app.servers import wait_until

pytestmark = pytest.mark.anyio

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FRAMES = st.fixed_dictionaries(
    {"type": st.sampled_from(["auth", "join", "leave", "send", "ping", "x"]) | VALUES},
    optional={
        "ref": VALUES,
        "data": st.dictionaries(st.sampled_from(["room", "after", "id", "body", "token"]), VALUES, max_size=4),
    },
)


@given(st.binary(max_size=200) | FRAMES.map(lambda frame: json.dumps(frame).encode()))
@settings(max_examples=500)
def test_a_text_is_a_frame_or_is_refused(text: bytes) -> None:
    frame = None
    with contextlib.suppress(ValidationError):
        frame = CLIENT_FRAME.validate_json(text)
    assert frame is None or frame.type in {"auth", "join", "leave", "send", "ping"}


async def test_strange_messages_are_answered(node: Node, people: People) -> None:
    person = await people.new()
    rng = random.Random(7)  # noqa: S311 the same in each run
    room, nothing = str(person.room), str(uuid4())
    strange: list[Any] = [
        {"type": "send", "data": {"room": room, "id": nothing, "body": "\0"}},
        {"type": "send", "data": {"room": room, "id": nothing, "body": ""}},
        {"type": "send", "data": {"room": room, "id": nothing, "body": "'; DROP TABLE messages; --"}},
        {"type": "send", "data": {"room": room, "id": str(uuid4()), "body": "\U0001f600" * 3_000}},
        {"type": "send", "data": {"room": room, "id": "x", "body": "x"}},
        {"type": "join", "data": {"room": room, "after": room}},
        {"type": "join", "data": {"room": "../" * 50}},
        {"type": "leave", "data": {"room": nothing}},
        {"type": "auth", "data": {"token": "a.b.c"}},
        {"type": "auth", "data": {"token": "\u2603" * 2_000}},
        {"type": ["ping"]}, [], None, 1, "x", {"type": "ping", "ref": "x" * 65},
    ]  # fmt: skip
    texts = [json.dumps(one, ensure_ascii=False) for one in strange] + [
        "[" * 5_000,
        '{"type":"ping","ref":"\\ud800"}',
        "",
        "NaN",
    ]
    texts += ["".join(chr(rng.randrange(1, 0xD7FF)) for _ in range(rng.randrange(200))) for _ in range(20)]
    async with tab(node, person) as page:
        for text in texts:
            await page.connection.send(text)
            assert (await page.next())["type"] in {"error", "sent", "joined", "left", "present", "pong"}
    assert people.execute("SELECT count(*) FROM messages WHERE conversation_id = %s", person.room) == [(2,)]
    assert not {"Traceback", "socket_failed", "sweep_failed"} & set(node.log.replace('"', " ").split())


async def test_clients_that_vanish_in_the_handshake_are_no_errors(node: Node, people: People) -> None:
    person = await people.new()
    for token in [person.token, "x"] * 20:
        with socket.create_connection(("127.0.0.1", node.port), timeout=5) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(_handshake(token))
        await asyncio.sleep(0.01)
    async with tab(node, person) as page:
        assert (await page.ask("ping"))["type"] == "pong"
    wait_until(lambda: node.metric("ws_connections") == 0, "sockets are left")
    assert "error" not in node.log


async def test_broken_frames_end_their_socket_only(node: Node, people: People) -> None:
    person = await people.new()
    rng = random.Random(7)  # noqa: S311 the same in each run
    async with tab(node, person) as page:
        for _ in range(100):
            await asyncio.to_thread(_raw, node.port, person.token, rng.randbytes(rng.randrange(1, 300)))
        # Valid frames with invalid contents: text that is no UTF-8, a close without a reason, an endless fragment.
        for frame in (
            b"\x81\x82\0\0\0\0\xff\xfe",
            b"\x88\x81\0\0\0\0\x03",
            b"\x01\x81\0\0\0\0x" + b"\x00\x81\0\0\0\0x" * 99,
        ):
            await asyncio.to_thread(_raw, node.port, person.token, frame)
        with contextlib.suppress(ConnectionClosed):
            assert (await page.ask("ping"))["type"] == "pong"
    wait_until(lambda: node.metric("ws_connections") == 0, "sockets are left")
    assert not {"Traceback", "socket_failed", "sweep_failed"} & set(node.log.replace('"', " ").split())


def _raw(port: int, token: str, data: bytes) -> None:
    """A handshake, then bytes that need not be frames."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(_handshake(token))
        assert b" 101 " in connection.recv(4_096)
        with contextlib.suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4_096):
                continue


def _handshake(token: str) -> bytes:
    request = (
        f"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: headroom.v1\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    )
    return request.encode()
