"""How long a message to a room takes to all of its sockets, by their number: `python -m tools.bench_app.fan_out`.

One process of the realtime role (tests/app/realtime/process.py) holds all sockets, of two further processes. They are
one user's, whose number of sockets has no limit here: rooms are conversations, so a product's have a few sockets, not
thousands. Every room has the first N sockets in it. Another socket says something in a room, by the same frame as a
page; a message's time runs from before that frame is sent, over the database and Redis, until each client read it. What
the clients' own CPU adds is in it, since server, stores and clients share the machine.

Meanwhile somebody else asks the process over HTTP: the longest wait shows what the message costs everybody who is not
in the room.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import repeat
from multiprocessing.connection import Connection
from uuid import UUID, uuid4

import psycopg
import uvloop
from rich.console import Console
from rich.table import Table

from tools.bench_app.load import Request, open_loop, percentile
from tools.bench_app.sockets import CLIENTS, PING, SPARE_FILES, Client, Tab, new_users, raise_limit, serving

SIZES = (20, 100, 500, 1_000, 2_000, 5_000, 10_000)
ROUNDS = 5
AIM_MS = 50.0
JOINING = 32
"""At the same time, of each client."""
ROUND_SECONDS = 1.2
"""Between two messages: a user may store 60 a minute."""
BODY = "x" * 200
OTHERS = 100
"""Requests a second of somebody else."""
_ROOM = "INSERT INTO conversations (id, user_id, channel) VALUES (%s, %s, 'chat')"


@dataclass(frozen=True)
class Result:
    """One size of room; medians of the rounds.

    Attributes:
        sockets: in the room.
        p50_ms: from before a message is sent until half of them have it.
        p95_ms: as above.
        max_ms: until all have it.
        within_aim_percent: of the sockets, those that have it within `AIM_MS`.
        others_ms: the longest wait of a request that has nothing to do with it.
    """

    sockets: int
    p50_ms: float
    p95_ms: float
    max_ms: float
    within_aim_percent: float
    others_ms: float


class Member(Tab):
    """A socket in rooms. Once there, it only notes what it reads, and when."""

    def __init__(self, token: str) -> None:
        """Connect as the token's user."""
        super().__init__(token)
        self._joined: dict[str, asyncio.Future[None]] = {}
        self._is_noting = False
        self.notes: list[tuple[float, bytes]] = []

    async def join(self, rooms: Sequence[UUID]) -> None:
        """Enter rooms, and note from then on."""
        for room in rooms:
            self._joined[str(room)] = asyncio.get_running_loop().create_future()
            self.tell({"type": "join", "ref": str(room), "data": {"room": str(room)}})
            await self._joined[str(room)]
        self._is_noting = True

    def data_received(self, data: bytes) -> None:
        """Note it; pings have to be answered all the same, and no text has their first byte."""
        if self._is_noting:
            self.notes.append((time.perf_counter(), data))
        if not self._is_noting or PING in data:
            super().data_received(data)

    def heard(self, payload: bytes) -> None:
        """That it joined, or that somebody else did."""
        super().heard(payload)
        message = json.loads(payload)
        if message["type"] == "joined":
            self._joined[message["ref"]].set_result(None)


def members(port: int, tokens: list[str], first: int, rooms: dict[int, UUID], pipe: Connection) -> None:
    """Open a socket for each token, join, and tell when each message came whenever the other side of the pipe asks."""

    async def run() -> None:
        loop, gate = asyncio.get_running_loop(), asyncio.Semaphore(JOINING)

        async def open_one(number: int, token: str) -> Member:
            async with gate:
                _, member = await loop.create_connection(lambda: Member(token), "127.0.0.1", port)
                await member.ready
                # Of every second socket each: clients have an equal share of every room.
                await member.join([room for size, room in rooms.items() if first + CLIENTS * number < size])
                return member

        opened = await asyncio.gather(*(open_one(*one) for one in enumerate(tokens)))
        pipe.send("open")
        while await asyncio.to_thread(pipe.recv) != "stop":
            pipe.send([note for member in opened for note in member.notes])
            for member in opened:
                member.notes.clear()

    uvloop.run(run())


async def say(port: int, token: str, rooms: dict[int, UUID], pipes: Sequence[Connection]) -> list[Result]:
    """A message to each room, in rounds."""
    _, sender = await asyncio.get_running_loop().create_connection(lambda: Tab(token), "127.0.0.1", port)
    await sender.ready
    measured: dict[int, list[Result]] = defaultdict(list)
    for _ in range(ROUNDS):
        for size, room in rooms.items():
            others = asyncio.create_task(
                open_loop(port, repeat(_OTHER), rate=OTHERS, seconds=ROUND_SECONDS, seed=size), name="others"
            )
            await asyncio.sleep(ROUND_SECONDS / 4)
            begin, message = time.perf_counter(), uuid4()
            sender.tell({"type": "send", "data": {"room": str(room), "id": str(message), "body": BODY}})
            asked = (await others).latencies[_OTHER.name]
            times = [1_000 * (at - begin) for at in await asyncio.to_thread(_arrivals, pipes, message)]
            if len(times) != size:
                sys.exit(f"of {size} sockets {len(times)} got the message")
            measured[size].append(_result(times, max(asked)))
    return [_median(one) for one in measured.values()]


_OTHER = Request("other", b"GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n")


def _arrivals(pipes: Sequence[Connection], message: UUID) -> Iterator[float]:
    wanted = str(message).encode()
    for pipe in pipes:
        pipe.send("tell")
    return (at for pipe in pipes for at, data in pipe.recv() if wanted in data)


def _result(times: Sequence[float], others_ms: float) -> Result:
    within = sum(one <= AIM_MS for one in times)
    return Result(
        sockets=len(times),
        p50_ms=percentile(times, 50),
        p95_ms=percentile(times, 95),
        max_ms=max(times),
        within_aim_percent=100 * within / len(times),
        others_ms=others_ms,
    )


def _median(rounds: Sequence[Result]) -> Result:
    columns = zip(*(asdict(one).values() for one in rounds), strict=True)
    return Result(*(statistics.median(column) for column in columns))


def measure(sockets: int) -> list[Result]:
    """Run once, with rooms of up to so many."""
    open_files = raise_limit()
    if open_files < sockets + SPARE_FILES:
        sys.exit(f"{sockets} sockets need {sockets + SPARE_FILES} open files, and the limit is {open_files}")
    rooms = {size: uuid4() for size in (*(one for one in SIZES if one < sockets), sockets)}
    with ExitStack() as stack:
        room_for = sockets + 1
        url, _, node = serving(stack, capacity=room_for, per_user=room_for)
        (user,), (token,) = asyncio.run(new_users(url, 1))
        with psycopg.connect(url) as connection:
            connection.execute("INSERT INTO users (id, email) VALUES (%s, 'all@example.com')", (user,))
            connection.cursor().executemany(_ROOM, [(room, user) for room in rooms.values()])
        pipes = [
            stack.enter_context(Client(members, node.port, [token] * len(range(n, sockets, CLIENTS)), n, rooms))
            for n in range(CLIENTS)
        ]
        for pipe in pipes:
            pipe.recv()
        results = asyncio.run(say(node.port, token, rooms, pipes))
        for pipe in pipes:
            pipe.send("stop")
    return results


def table(results: Sequence[Result]) -> Table:
    """For eyes."""
    found = Table("sockets", "p50 ms", "p95 ms", "all ms", f"within {AIM_MS:.0f} ms", "others wait ms", box=None)
    for one in results:
        numbers = (one.p50_ms, one.p95_ms, one.max_ms)
        shown = (*(f"{number:.1f}" for number in numbers), f"{one.within_aim_percent:.1f} %")
        found.add_row(f"{one.sockets:,}", *shown, f"{one.others_ms:.1f}")
    return found


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sockets", type=int, default=max(SIZES), help="of the largest room")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    results = measure(given.sockets)
    if given.json:
        sys.stdout.write(json.dumps([asdict(one) for one in results], indent=2) + "\n")
    else:
        Console().print(table(results))


if __name__ == "__main__":
    main()
