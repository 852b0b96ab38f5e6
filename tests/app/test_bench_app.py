"""The instruments of `make bench-app`: what they measure is what they say."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.app.servers import wait_until
from tools.bench_app.accounts import World
from tools.bench_app.figures import Cost, Figures, Load, least, verdict
from tools.bench_app.load import Request, Results, closed_loop, mixed, open_loop, percentile
from tools.bench_app.operations import Mix
from tools.bench_app.processes import cpu_seconds, memory_mib, tree

ASK = Request("it", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")


class Answering(asyncio.Protocol):
    """One connection of a server whose every answer is the same, and which may stand still for once."""

    def __init__(self, answer: bytes, stall: list[float]) -> None:
        self._answer, self._stall = answer, stall

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        del data
        now = asyncio.get_running_loop().time()
        begin, end = self._stall
        asyncio.get_running_loop().call_later(max(0, end - now) if now > begin else 0, self._write)

    def _write(self) -> None:
        self._transport.write(self._answer)


@asynccontextmanager
async def serving(answer: bytes, *, stalls: bool = False) -> AsyncIterator[int]:
    """A server on a port; with `stalls` it stands still for half a second, after half a second."""
    loop = asyncio.get_running_loop()
    stall = [loop.time() + 0.5, loop.time() + 1.0] if stalls else [0.0, 0.0]
    server = await loop.create_server(lambda: Answering(answer, stall), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0.05)


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.mark.anyio
async def test_a_stall_is_seen_by_everybody_who_would_have_asked_meanwhile() -> None:
    requests = itertools.repeat(ASK)
    async with serving(OK, stalls=True) as port:
        opened = await open_loop(port, requests, rate=200, seconds=1.5, seed=1)
    async with serving(OK, stalls=True) as port:
        closed = await closed_loop(port, requests, connections=2, seconds=1.5)
    late_open = [value for value in opened.latencies["it"] if value > 100]
    late_closed = [value for value in closed.latencies["it"] if value > 100]
    assert len(late_open) > 40
    assert len(late_closed) <= 2
    assert opened.statuses.keys() == closed.statuses.keys() == {200}


@pytest.mark.anyio
async def test_the_open_loop_asks_as_often_as_told() -> None:
    async with serving(OK) as port:
        results = await open_loop(port, itertools.repeat(ASK), rate=300, seconds=2, seed=1)
    assert results.requests == pytest.approx(600, rel=0.15)


@pytest.mark.anyio
async def test_a_server_that_hangs_up_or_is_not_there_is_no_answer() -> None:
    async with serving(b"nonsense\r\n\r\n") as port:
        results = await closed_loop(port, itertools.repeat(ASK), connections=1, seconds=0.1)
    assert results.statuses.keys() == {0}
    results = await open_loop(port, itertools.repeat(ASK), rate=50, seconds=0.2, seed=1)
    assert results.statuses.keys() == {0}


def test_requests_are_mixed_as_told() -> None:
    found = mixed([(0.9, itertools.repeat(ASK)), (0.1, itertools.repeat(Request("other", b"")))], seed=1)
    names = [request.name for request in itertools.islice(found, 5_000)]
    assert names.count("other") / len(names) == pytest.approx(0.1, abs=0.02)


def test_a_percentile_is_the_value_that_so_many_percent_are_not_above() -> None:
    assert percentile(range(1, 101), 95) == 95
    assert percentile([3, 1, 2], 50) == 2
    assert percentile([7], 99) == 7


def test_cpu_and_memory_are_those_of_a_process_and_its_children() -> None:
    busy = "sum(range(10**7)); x = bytearray(30 * 2**20); input()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}], check=False)"
    process = subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE)
    try:
        wait_until(lambda: len(tree(process.pid)) == 2, "there is no child")
        wait_until(lambda: memory_mib(process.pid) > 35, "the child does not get to work")
        before = cpu_seconds(process.pid)
        assert before > 0.05
        time.sleep(0.3)
        assert cpu_seconds(process.pid) == pytest.approx(before, abs=0.05)
    finally:
        process.communicate(b"\n")
    assert tree(process.pid) == [process.pid]
    assert cpu_seconds(os.getpid()) > 0


def test_a_ratio_is_of_the_same_round() -> None:
    """Both cost twice as much in the second round, when the machine was slow: the ratio is the same."""
    costs = {"feed": [Cost(200, 1), Cost(400, 1)], "peer, feed": [Cost(100, 1), Cost(200, 1)]}
    ratio = Figures(costs, [], [], Mix({}, 0), 500).ratio("feed", "peer, feed")
    assert (ratio.least, ratio.median, ratio.most) == (2, 2, 2)
    assert verdict(ratio.median, 2.0) == "2 or less: met"
    assert verdict(2.1, 2.0) == "2 or less: missed"


def loaded(answers: dict[tuple[str, int], int], lookups: dict[tuple[str, str], int]) -> Load:
    """One round of the open loop."""
    return Load(Results(answers=Counter(answers)), server_cores=1, memory_mib=1, lookups=lookups)


def test_whatever_was_not_wanted_is_shown_by_what_was_asked_for() -> None:
    rounds = [loaded({("feed", 200): 90, ("login", 503): 2, ("feed", 0): 1}, {}), loaded({("login", 503): 1}, {})]
    figures = Figures({}, rounds, [], Mix({}, 0), 500)
    assert figures.answers == 94
    assert figures.failures == {"login: 503": 3, "feed: no answer": 1}


def test_a_lookup_is_a_hit_where_the_database_was_not_asked() -> None:
    lookups = {("post", "L1"): 60, ("post", "L2"): 20, ("post", "DB"): 20, ("privileges", "L1"): 100}
    hits = Figures({}, [loaded({}, {}), loaded({}, lookups)], [], Mix({}, 0), 500).hit_percents
    assert hits == {"all": pytest.approx(90), "post": pytest.approx(80), "privileges": 100}
    assert (least(hits["all"], 95), least(95, 95)) == ("95 or more: missed", "95 or more: met")


def test_who_logs_in_under_load_ends_nobodys_session_and_rounds_go_on_where_the_last_one_ended() -> None:
    world = World(["a", "b"], ["c@example.com", "d@example.com"], "x-address", "", ("", ""), [])
    first, second = next(world.requests("login")), next(world.requests("login"))
    assert b"c@example.com" in first.message
    assert b"d@example.com" in second.message
    assert b"authorization" not in first.message + second.message
    assert first.message.split(b"x-address: ")[1][:12] != second.message.split(b"x-address: ")[1][:12]
