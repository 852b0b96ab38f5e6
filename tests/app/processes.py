"""What tests run in processes of their own; plain functions of a module, since they are started anew (spawn)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from app.cache.kinds import PROFILE
from app.limits.limiter import Limiter, Outcome
from app.limits.policies import Check
from app.limits.rules import Rule, user
from tests.app.servers import wait_until
from tests.app.stores import caching, opened


def together(function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Results of `function`, each call in a process of its own, all at the same time."""
    with ProcessPoolExecutor(len(arguments), mp_context=get_context("spawn")) as pool:
        return [future.result(60) for future in [pool.submit(function, *one) for one in arguments]]


def take(url: str, clustered: bool, requests: int, limit: int) -> int:
    """Make requests of one user as fast as 20 at a time can; how many were allowed."""

    async def ask() -> int:
        rule = Rule("together", limit, 10**8, "user")  # three years: no window ends meanwhile
        async with opened(url, clustered=clustered, budget_seconds=5) as store:
            limiter = Limiter(store)
            allowed = 0
            for _ in range(0, requests, 20):
                checks = [Check(user("one"), [rule])]
                verdicts = await asyncio.gather(*(limiter.check(checks, fails_closed=True) for _ in range(20)))
                allowed += sum(verdict.outcome is Outcome.ALLOWED for verdict in verdicts)
            return allowed

    return asyncio.run(ask())


def count_loads(url: str, clustered: bool, barrier: str, number: int) -> int:
    """Read one key once all `number` processes are ready; how often this process loaded it."""

    async def read() -> int:
        loads = 0

        async def load() -> str:
            nonlocal loads
            loads += 1
            await asyncio.sleep(0.02)
            return "value"

        async with caching(url, clustered=clustered, budget_seconds=5) as cache:
            await asyncio.to_thread(meet, barrier, number)
            await asyncio.gather(*(cache.get(PROFILE, "hot", load) for _ in range(50)))
        return loads

    return asyncio.run(read())


def hear_invalidation(url: str, clustered: bool, barrier: str, number: int) -> list[Any]:
    """Of two tabs' processes: the value before and after the first of them invalidates, and what each heard."""

    async def listen() -> list[Any]:
        version = 1
        heard: list[str] = []

        async def load() -> int:
            return version

        async with caching(url, clustered=clustered, listening=True, budget_seconds=5) as cache:

            def hear(keys: Sequence[str]) -> None:
                heard.extend(keys)
                cache._forget(keys)

            cache._broadcast._on_keys = hear
            await asyncio.sleep(0.5)
            before = await cache.get(PROFILE, "shared", load)
            mine = await asyncio.to_thread(meet, barrier, number)
            version = 2
            if mine == 0:
                await asyncio.sleep(0.2)
                await cache.invalidate(PROFILE, "shared")
            await asyncio.sleep(1)
            after = await cache.get(PROFILE, "shared", load)
        return [before.value, after.value, heard]

    return asyncio.run(listen())


def meet(directory: str, number: int) -> int:
    """Wait for the others; this one's place among them."""
    for place in range(number):
        try:
            Path(directory, str(place)).touch(exist_ok=False)
        except FileExistsError:
            continue
        wait_until(lambda: len(list(Path(directory).iterdir())) == number, "the others do not come")
        return place
    msg = "there is one process too many"
    raise RuntimeError(msg)
