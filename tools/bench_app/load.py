"""A load generator on one event loop: closed loop to compare costs, open loop to see what users would.

In a closed loop a slow server is asked less, so its stalls hide. In the open one requests come as a Poisson process
whatever the server does, and latency counts from when a request should have been sent.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httptools

CONNECTIONS_AT_MOST = 256
"""Of the open loop. A request that waits for one of them is late, and counted as that."""
ANSWER_SECONDS = 15


class Request(NamedTuple):
    """What to send, and what it is called in the results."""

    name: str
    message: bytes


@dataclass(slots=True)
class Results:
    """Of one run.

    Attributes:
        seconds: it took.
        answers: how often each name got each status; 0 is no answer.
        latencies: milliseconds of each name.
        generator_seconds: CPU of this side.
    """

    seconds: float = 0.0
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    generator_seconds: float = 0.0

    @property
    def requests(self) -> int:
        """How many were answered, or not."""
        return self.answers.total()

    @property
    def statuses(self) -> Counter[int]:
        """How often each came."""
        found: Counter[int] = Counter()
        for (_, status), count in self.answers.items():
            found[status] += count
        return found

    def note(self, name: str, status: int, milliseconds: float) -> None:
        """One answer."""
        self.answers[name, status] += 1
        self.latencies[name].append(milliseconds)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent are not above (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, -(-len(ranked) * percent // 100).__int__() - 1)]


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection: a request at a time."""

    def __init__(self) -> None:
        """Not connected yet."""
        self._transport: Any = None
        self._parser: Any = None
        self._waiter: asyncio.Future[int] | None = None
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport, self.is_open = transport, True

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody answers any more."""
        del exc
        self.is_open = False
        self._settle(0)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def on_message_complete(self) -> None:
        """The parser has a whole answer."""
        if not self._parser.should_keep_alive():
            self.close()
        self._settle(self._parser.get_status_code())

    async def ask(self, message: bytes) -> int:
        """Send, and wait for the status; 0 without one."""
        if not self.is_open:
            return 0
        self._parser = httptools.HttpResponseParser(self)
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        try:
            return await asyncio.wait_for(self._waiter, ANSWER_SECONDS)
        except TimeoutError:
            self.close()
            return 0

    def close(self) -> None:
        """End it."""
        self.is_open = False
        if self._transport is not None:
            self._transport.close()

    def _settle(self, status: int) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(status)


async def connect(port: int) -> Connection:
    """A new connection to this machine; a closed one if nobody listens."""
    try:
        _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    except OSError:
        return Connection()
    return connection


async def closed_loop(port: int, requests: Iterator[Request], *, connections: int, seconds: float) -> Results:
    """Ask as fast as the server answers."""
    results = Results()
    begin, cpu = time.perf_counter(), time.process_time()

    async def client() -> None:
        connection = await connect(port)
        while (now := time.perf_counter()) < begin + seconds:
            request = next(requests)
            status = await connection.ask(request.message)
            results.note(request.name, status, (time.perf_counter() - now) * 1_000)
            if not connection.is_open:
                connection = await connect(port)
        connection.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    results.seconds = time.perf_counter() - begin
    results.generator_seconds = time.process_time() - cpu
    return results


async def open_loop(port: int, requests: Iterator[Request], *, rate: float, seconds: float, seed: int) -> Results:
    """Ask `rate` times a second on average, whatever the server does."""
    source = random.Random(seed)  # noqa: S311 the same arrivals in every run
    results = Results()
    idle: list[Connection] = []
    gate = asyncio.Semaphore(CONNECTIONS_AT_MOST)

    async def send(request: Request, intended: float) -> None:
        async with gate:
            while idle and not idle[-1].is_open:
                idle.pop()
            connection = idle.pop() if idle else await connect(port)
            status = await connection.ask(request.message)
            results.note(request.name, status, (time.perf_counter() - intended) * 1_000)
            idle.append(connection)

    begin, cpu = time.perf_counter(), time.process_time()
    intended = begin
    async with asyncio.TaskGroup() as tasks:
        for request in requests:
            intended += source.expovariate(rate)
            if intended > begin + seconds:
                break
            pause = intended - time.perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            tasks.create_task(send(request, intended))
    results.seconds = time.perf_counter() - begin
    results.generator_seconds = time.process_time() - cpu
    for connection in idle:
        connection.close()
    return results


def mixed(weights: Sequence[tuple[float, Iterator[Request]]], seed: int) -> Iterator[Request]:
    """Requests drawn by weight, for ever."""
    source = random.Random(seed)  # noqa: S311 the same requests in every run
    bounds = list(itertools.accumulate(weight for weight, _ in weights))
    streams = [stream for _, stream in weights]
    while True:
        [stream] = source.choices(streams, cum_weights=bounds)
        yield next(stream)
