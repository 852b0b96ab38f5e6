"""Processes that serve sockets, people with conversations, and tabs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import UUID, uuid4

import psycopg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from app.auth.cookies import ACCESS
from app.auth.service import Auth, Client
from app.realtime.frames import SUBPROTOCOL
from tests.app.auth.world import PASSWORD, World
from tests.app.servers import free_port, wait_until

ROOT = Path(__file__).parents[3]
Message = dict[str, Any]
SECONDS = 15.0
"""What takes longer never comes, however busy the machine is."""


class Node:
    """A pod: one process on a port."""

    def __init__(self, **given: Any) -> None:
        self.port = free_port()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 as long as the process
        command = [sys.executable, "-m", "tests.app.realtime.process", json.dumps({"port": self.port, **given})]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=self._log)
        try:
            wait_until(self._answers, "the node does not answer")
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        """Started already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Gone at once."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        # Shown where a test failed.
        sys.stderr.write(self.log)
        self._log.close()

    def stop(self) -> None:
        """As Kubernetes does."""
        self.process.send_signal(signal.SIGTERM)

    @property
    def log(self) -> str:
        """What it wrote."""
        self._log.seek(0)
        return self._log.read().decode()

    def metric(self, name: str, label: str = "") -> float:
        """Sum of a metric's series, or of those with a label's value."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith((f"{name} ", f"{name}{{")) and label in line
        )

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            self.metric("ws_connections")
        except OSError:
            return False
        return True


@dataclass(frozen=True)
class Person:
    """A user with a session and a conversation."""

    user_id: UUID
    session_id: UUID
    token: str
    room: UUID


class People:
    """Makes users, in the database of all nodes."""

    def __init__(self, world: World, owner_url: str) -> None:
        self.auth: Auth = world.auth
        self._owner_url = owner_url

    async def new(self) -> Person:
        """Somebody who is logged in."""
        email = f"{uuid4().hex}@example.com"
        await self.auth.register(email, PASSWORD)
        session = await self.auth.log_in(email, PASSWORD, Client(address="192.0.2.1", user_agent="x"), remember=False)
        assert not hasattr(session, "remember")
        room = uuid4()
        self.execute("INSERT INTO users (id, email) VALUES (%s, %s)", session.user_id, email)
        self.execute("INSERT INTO conversations (id, user_id, channel) VALUES (%s, %s, 'chat')", room, session.user_id)
        return Person(session.user_id, session.session_id, self.auth.access_token(session), room)

    def execute(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Behind the application's back, as a superuser: row-level security hides nothing."""
        with psycopg.connect(self._owner_url, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []


class Tab:
    """A page of a user."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, kind: str, ref: str | None = None, **data: Any) -> None:
        frame = {"type": kind, "ref": ref, "data": data} if data else {"type": kind, "ref": ref}
        await self.connection.send(json.dumps(frame, default=str))

    async def next(self, seconds: float = SECONDS) -> Message:
        """The next message, whatever it is."""
        async with asyncio.timeout(seconds):
            found: Message = json.loads(await self.connection.recv())
            return found

    async def until(self, kind: str, seconds: float = SECONDS) -> Message:
        """The next message of a type; others are skipped."""
        async with asyncio.timeout(seconds):
            while (message := await self.next(seconds))["type"] != kind:
                continue
            return message

    async def ask(self, kind: str, **data: Any) -> Message:
        """The answer to a message."""
        ref = uuid4().hex
        await self.send(kind, ref, **data)
        async with asyncio.timeout(SECONDS):
            while (message := await self.next()).get("ref") != ref:
                continue
            return message

    async def say(self, room: UUID, body: str) -> UUID:
        """Send a message; its id, once it is stored."""
        message_id = uuid4()
        answer = await self.ask("send", room=room, id=message_id, body=body)
        assert answer["type"] == "sent", answer
        return message_id

    async def copies(self) -> list[str]:
        """Ids of the message that comes, and of those that follow at once."""
        return [(await self.until("message"))["id"], *(message["id"] for message in await self.all("message"))]

    async def all(self, kind: str, seconds: float = 0.5) -> list[Message]:
        """Every message of a type, until there is silence for so long."""
        found = []
        with contextlib.suppress(TimeoutError):
            while True:
                message = await self.next(seconds)
                if message["type"] == kind:
                    found.append(message)
        return found

    async def end(self, seconds: float = SECONDS) -> tuple[int, str]:
        """Code and reason of the close; what comes before is skipped."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.next(seconds)
        protocol = self.connection.protocol
        assert protocol.close_code is not None
        return protocol.close_code, protocol.close_reason or ""


@contextlib.asynccontextmanager
async def tab(
    node: Node, person: Person | None, *, by: str = "header", origin: str | None = None, **options: Any
) -> AsyncIterator[Tab]:
    """A connected page, authenticated `by` header, cookie or first message, and past `ready`; None: not at all."""
    headers = {}
    if person is not None and by != "message":
        headers = {
            "header": {"Authorization": f"Bearer {person.token}"},
            "cookie": {"Cookie": f"{ACCESS}={person.token}"},
        }[by]
    async with connect(
        f"ws://127.0.0.1:{node.port}/ws",
        subprotocols=options.pop("subprotocols", [SUBPROTOCOL]),
        additional_headers=headers,
        origin=None if origin is None else Origin(origin),
        compression=None,
        ping_interval=None,
        **options,
    ) as connection:
        made = Tab(connection)
        if person is not None:
            if by == "message":
                await made.send("auth", token=person.token)
            assert (await made.next())["type"] == "ready"
        yield made
