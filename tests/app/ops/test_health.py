from __future__ import annotations

import asyncio
import os
import signal
import threading
from types import FrameType

import pytest

from app.ops import health
from app.ops.drain import Drain
from app.ops.health import Check, Readiness


class Dependency:
    """Is there or not, as the test says."""

    def __init__(self, *, up: bool = True) -> None:
        self.up = up
        self.asked = 0
        self.third = asyncio.Event()

    async def __call__(self) -> None:
        self.asked += 1
        if self.asked == 3:
            self.third.set()
        if not self.up:
            raise ConnectionError


@pytest.mark.anyio
async def test_a_process_is_ready_once_all_that_it_requires_was_there() -> None:
    database, cache = Dependency(up=False), Dependency(up=False)
    readiness = Readiness(
        Drain(), [Check(name="database", run=database, required=True), Check(name="cache", run=cache)]
    )
    assert readiness.report() == {"status": "starting", "checks": {"database": "unknown", "cache": "unknown"}}
    await readiness.check()
    assert not readiness.ready
    assert readiness.report() == {"status": "starting", "checks": {"database": "unavailable", "cache": "unavailable"}}
    database.up = True
    await readiness.check()
    assert readiness.ready
    assert readiness.report() == {"status": "ready", "checks": {"database": "available", "cache": "unavailable"}}


@pytest.mark.anyio
async def test_a_dependency_that_goes_away_takes_no_pod_out() -> None:
    database = Dependency()
    readiness = Readiness(Drain(), [Check(name="database", run=database, required=True)])
    await readiness.check()
    database.up = False
    await readiness.check()
    assert readiness.ready
    assert readiness.report()["checks"] == {"database": "unavailable"}
    assert health.available.series["database",] == [0.0]


@pytest.mark.anyio
async def test_a_check_that_hangs_is_given_up_and_delays_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "TIMEOUT_SECONDS", 0.05)
    cache = Dependency()

    async def hang() -> None:
        await asyncio.sleep(3600)

    readiness = Readiness(Drain(), [Check(name="database", run=hang), Check(name="cache", run=cache)])
    await readiness.check()
    assert readiness.report()["checks"] == {"database": "unavailable", "cache": "available"}


@pytest.mark.anyio
async def test_asking_asks_no_dependency(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "INTERVAL_SECONDS", 0.01)
    database = Dependency()
    readiness = Readiness(Drain(), [Check(name="database", run=database)])
    for _ in range(100):
        readiness.report()
    assert database.asked == 0
    async with readiness.watching():
        async with asyncio.timeout(5):
            await database.third.wait()
    asked = database.asked
    await asyncio.sleep(0.05)
    assert database.asked == asked


@pytest.mark.anyio
async def test_a_process_that_drains_is_not_ready() -> None:
    drain = Drain()
    readiness = Readiness(drain)
    assert readiness.ready
    drain.start()
    assert not readiness.ready
    assert readiness.report()["status"] == "draining"


def test_sigterm_starts_the_drain_before_the_servers_own_handler() -> None:
    drain, seen = Drain(), []

    def server(number: int, frame: FrameType | None) -> None:
        seen.append(("server", drain.started))

    drain.on_start(lambda: seen.append(("listener", drain.started)))
    before = signal.signal(signal.SIGTERM, server)
    try:
        with drain.on_sigterm():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is server
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [("listener", True), ("server", True), ("server", True)]


def test_a_thread_of_a_test_leaves_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def enter() -> None:
        with Drain().on_sigterm():
            seen.append(signal.getsignal(signal.SIGTERM))

    seen: list[object] = []
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before]
