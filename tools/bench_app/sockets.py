"""What 10,000 idle WebSockets cost one process, and how fast this machine opens them.

`python -m tools.bench_app.sockets [--sockets N] [--in-flight N] [--idle-seconds N] [--json]` starts PostgreSQL, Redis
and one process of the realtime role (tests/app/realtime/process.py: the routes and their middleware), and opens sockets
from two further processes. Each socket is another user's, authenticated in its handshake, subscribed to its own channel
in Redis, and counts as open when it got `ready`.

Memory is the process' own share (PSS of /proc/PID/smaps_rollup) beyond that without a socket, divided by their number;
the kernel's is apart, and counts in a pod's cgroup too. Little's law ties three measured numbers together: handshakes
in flight = rate x time of one. Where it does not hold, something else was the limit. Server, stores and clients share
the machine, so the rate is of all of them; the server's CPU seconds are what to carry over.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import cast
from uuid import UUID

import psycopg
from rich.console import Console
from rich.table import Table

from app.auth.keys import KeyRing
from app.auth.tokens import Tokens
from app.realtime.frames import SUBPROTOCOL, WsMessage
from app.realtime.publisher import Publisher, user_topic
from tests.app.auth.world import SETTINGS, Keys
from tests.app.conftest import migrate
from tests.app.realtime.world import Node
from tests.app.servers import new_postgres, new_redis
from tests.app.stores import opened
from tools.bench_app.processes import cpu_seconds, memory_mib

CLIENTS = 2
SPARE_FILES = 1_000
MESSAGES, MESSAGES_A_SECOND = 1_000, 100
_NEW_SESSIONS = """WITH accounts AS (INSERT INTO auth_accounts (email, password_hash)
SELECT number || '@example.com', '' FROM generate_series(1, %s) number RETURNING user_id)
INSERT INTO auth_sessions (user_id, user_agent, second_factor, idle_seconds, expires_at)
SELECT user_id, '', false, 1800, now() + interval '1 day' FROM accounts RETURNING user_id, session_id"""
PING, TEXT = 0x89, 0x81
"""First bytes of the server's frames; a length under 126 is the second."""
EXTENDED = 126
"""Two more bytes have the length (RFC 6455, section 5.2)."""


@dataclass(frozen=True)
class Result:
    """One run.

    Attributes:
        sockets: that were open together.
        open_files: limit of each process.
        pss_kib: of the process, each socket.
        rate: sockets opened a second.
        median_ms: from connect until `ready`.
        p95_ms: as above.
        in_flight: handshakes at the same time, as the clients are told.
        in_flight_by_law: rate times mean time.
        connect_cpu_ms: of the server, each.
        idle_cpu_percent: of a core, with all of them open.
        delivered_in_50_ms_percent: of messages to single users, `MESSAGES_A_SECOND`, from publishing until the socket's
            buffer has it.
        topics: channels that the process hears.
    """

    sockets: int
    open_files: int
    pss_kib: float
    rate: float
    median_ms: float
    p95_ms: float
    in_flight: int
    in_flight_by_law: float
    connect_cpu_ms: float
    idle_cpu_percent: float
    delivered_in_50_ms_percent: float
    topics: int


class Tab(asyncio.Protocol):
    """The cheapest client that still answers pings."""

    def __init__(self, token: str) -> None:
        """Connect as the token's user."""
        self._request = (
            "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\nAuthorization: Bearer {token}\r\n\r\n"
        ).encode()
        self._received = b""
        self._is_open = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)
        self._request = b""

    def data_received(self, data: bytes) -> None:
        """Read the handshake's answer, then frames."""
        self._received += data
        if not self._is_open:
            head, end, rest = self._received.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head:
                self._fail(head.partition(b"\r\n")[0].decode())
                return
            self._is_open, self._received = True, rest
        for kind, payload in self._frames():
            if kind == TEXT:
                self.heard(payload)
            elif kind == PING:
                # A mask of zeros leaves the payload as it is.
                self._transport.write(bytes((0x8A, 0x80 | len(payload))) + bytes(4) + payload)

    def heard(self, payload: bytes) -> None:
        """A message of the server; the first one is `ready`."""
        del payload
        if not self.ready.done():
            self.ready.set_result(None)

    def tell(self, frame: Mapping[str, object]) -> None:
        """Send a message; a mask of zeros leaves it as it is."""
        payload = json.dumps(frame).encode()
        size = len(payload)
        length = bytes((0x80 | size,)) if size < EXTENDED else bytes((0x80 | EXTENDED,)) + size.to_bytes(2)
        self._transport.write(bytes((TEXT,)) + length + bytes(4) + payload)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody closes but at the end."""
        self._fail(str(exc or "closed"))

    def _fail(self, reason: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(reason))

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        while len(self._received) > 1:
            kind, length = self._received[:2]
            start = 2
            if length == EXTENDED:
                start, length = 4, int.from_bytes(self._received[2:4])
            if len(self._received) < start + length:
                return
            yield kind, self._received[start : start + length]
            self._received = self._received[start + length :]


def client(port: int, tokens: list[str], in_flight: int, pipe: Connection) -> None:
    """Open a socket for each token, tell how long each took, and hold them until the other side of the pipe says so."""

    async def run() -> None:
        loop, gate = asyncio.get_running_loop(), asyncio.Semaphore(in_flight)
        tabs: list[Tab] = []

        async def open_one(token: str) -> float:
            async with gate:
                begin = time.perf_counter()
                _, tab = await loop.create_connection(lambda: Tab(token), "127.0.0.1", port)
                await tab.ready
                tabs.append(tab)
                return time.perf_counter() - begin

        pipe.recv()
        pipe.send(await asyncio.gather(*map(open_one, tokens)))
        await asyncio.to_thread(pipe.recv)

    asyncio.run(run())


async def new_users(url: str, number: int) -> tuple[list[UUID], list[str]]:
    """Ids and access tokens of as many users with a session each."""
    tokens = Tokens(SETTINGS, await KeyRing.open(Keys().load))
    with psycopg.connect(url) as connection:
        sessions = connection.execute(_NEW_SESSIONS, (number,)).fetchall()
    return [user_id for user_id, _ in sessions], [
        tokens.issue_access(*one, second_factor=False, second_factor_due=False) for one in sessions
    ]


async def publish(url: str, users: list[UUID]) -> None:
    """Tell `MESSAGES` users something, one after the other."""
    async with opened(url, budget_seconds=5) as store:
        publisher, begin = Publisher(store), time.monotonic()
        for number, user_id in enumerate(users[:MESSAGES]):
            await publisher.publish(user_topic(user_id), WsMessage(type="bench", data={"text": "x" * 200}))
            await asyncio.sleep(max(0.0, begin + number / MESSAGES_A_SECOND - time.monotonic()))


def serving(stack: ExitStack, **options: int) -> tuple[str, str, Node]:
    """A process with sockets on servers of its own, until the stack closes: URLs of database and Redis, and itself."""
    postgres, redis = new_postgres(), new_redis()
    stack.callback(postgres.remove)
    stack.callback(redis.remove)
    database = postgres.create_database()
    migrate(postgres.url(database))
    node = Node(
        redis_url=redis.url,
        clustered=False,
        postgres_port=postgres.port,
        database=database,
        recheck_seconds=30,
        **options,
    )
    return postgres.url(database, "postgres"), redis.url, stack.enter_context(node)


def measure(sockets: int, in_flight: int, idle_seconds: float) -> Result:
    """Run once."""
    open_files = raise_limit()
    if open_files < sockets + SPARE_FILES:
        sys.exit(
            f"{sockets} sockets need {sockets + SPARE_FILES} open files, and the limit is {open_files}: ulimit -Hn"
        )
    with ExitStack() as stack:
        url, redis_url, node = serving(stack, capacity=sockets)
        process = node.process.pid
        users, tokens = asyncio.run(new_users(url, sockets))
        pipes = [
            stack.enter_context(Client(client, node.port, tokens[n::CLIENTS], in_flight // CLIENTS))
            for n in range(CLIENTS)
        ]
        time.sleep(2)
        memory, cpu, begin = memory_mib(process), cpu_seconds(process), time.time()
        for pipe in pipes:
            pipe.send("go")
        times = [one for pipe in pipes for one in pipe.recv()]
        seconds = time.time() - begin
        connect_cpu = cpu_seconds(process) - cpu
        time.sleep(2)
        idle_cpu, begin = cpu_seconds(process), time.time()
        time.sleep(idle_seconds)
        idle_cpu = (cpu_seconds(process) - idle_cpu) / (time.time() - begin)
        asyncio.run(publish(redis_url, users))
        time.sleep(2)
        result = Result(
            sockets=int(node.metric("ws_connections")),
            open_files=open_files,
            pss_kib=1_024 * (memory_mib(process) - memory) / sockets,
            rate=sockets / seconds,
            median_ms=1_000 * statistics.median(times),
            p95_ms=1_000 * statistics.quantiles(times, n=20)[-1],
            in_flight=in_flight,
            in_flight_by_law=sockets / seconds * statistics.fmean(times),
            connect_cpu_ms=1_000 * connect_cpu / sockets,
            idle_cpu_percent=100 * idle_cpu,
            delivered_in_50_ms_percent=100
            * node.metric("ws_delivery_seconds_bucket", 'le="0.05"')
            / node.metric("ws_delivery_seconds_count"),
            topics=int(node.metric("ws_topics")),
        )
        for pipe in pipes:
            pipe.send("stop")
    return result


class Client:
    """A process of clients, as a context manager that gives its pipe."""

    def __init__(self, run: Callable[..., None], *arguments: object) -> None:
        """Prepare to call `run` with the arguments and the other end of the pipe."""
        context = get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=run, args=(*arguments, other), daemon=True)

    def __enter__(self) -> Connection:
        """Start."""
        self._process.start()
        return self._pipe

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._process.terminate()
        self._process.join()


def raise_limit() -> int:
    """Allow this process and its children as many open files as the system lets it; how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def table(result: Result) -> Table:
    """For eyes."""
    found = Table(title=f"{result.sockets:,} idle WebSockets, one process", show_header=False)
    rows = {
        "Memory of the process, a socket": f"{result.pss_kib:.1f} KiB",
        "CPU of the process to open one": f"{result.connect_cpu_ms:.2f} ms",
        "CPU of the process with all of them idle": f"{result.idle_cpu_percent:.1f} % of a core",
        "Messages to single users within 50 ms": f"{result.delivered_in_50_ms_percent:.1f} %",
        "Opened": f"{result.rate:,.0f} a second",
        "Time to open one, median and p95": f"{result.median_ms:.0f} and {result.p95_ms:.0f} ms",
        "In flight, as told and by Little's law": f"{result.in_flight} and {result.in_flight_by_law:.1f}",
        "Channels heard by the process": f"{result.topics:,}",
        "Limit of open files": f"{result.open_files:,}",
    }
    for name, value in rows.items():
        found.add_row(name, value)
    return found


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sockets", type=int, default=10_000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--idle-seconds", type=float, default=30.0, help="to measure idle CPU; pings come every 25 s")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    result = measure(given.sockets, given.in_flight, given.idle_seconds)
    if given.json:
        sys.stdout.write(json.dumps(asdict(result), indent=2) + "\n")
    else:
        Console().print(table(result))


if __name__ == "__main__":
    main()
