"""What users see while Redis or PostgreSQL is killed under load: the application's own processes, and real servers."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus

import httpx
import pytest

from app.settings import Settings, read
from tests.app.servers import free_port, new_directory
from tools.app.local import Local, running
from tools.app.servers import Server
from tools.bench_app import accounts
from tools.bench_app.accounts import World
from tools.bench_app.load import Request, Results, mixed, open_loop

PER_SECOND = 30
AWAY_SECONDS = 2.0
LOAD_SECONDS = 8.0
USERS = 10


@pytest.fixture(scope="module")
def local() -> Iterator[Local]:
    """The application as `make app` runs it, one process."""
    directory = new_directory("outages")
    try:
        with running(directory, free_port(), WEB_CONCURRENCY="1") as found:
            yield found
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def world(local: Local) -> World:
    """Users, and what they ask for."""
    settings = read(local.application.variables)
    assert isinstance(settings, Settings)
    return asyncio.run(accounts.create(local.application.url, settings.client_address_header, USERS))


def test_a_killed_redis_is_noticed_by_nobody_who_is_logged_in(
    local: Local, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("feed", "feed, further", "post", "search", "post, create", "health")
    refusals: list[httpx.Response] = []

    async def guess(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/api/v1/auth/login", json={"email": "a@example.com", "password": "a guess"})

    async def meanwhile(client: httpx.AsyncClient) -> None:
        # Whoever has yet to log in waits: guesses are counted, or not allowed.
        refusals.append(await guess(client))

    async def is_back(client: httpx.AsyncClient) -> bool:
        return (await guess(client)).status_code != HTTPStatus.SERVICE_UNAVAILABLE

    results, recovery = asyncio.run(outage(local, local.redis, world, names, meanwhile, is_back))
    assert set(results.statuses) <= {HTTPStatus.OK, HTTPStatus.CREATED}, dict(results.answers)
    assert [answer.status_code for answer in refusals] == [HTTPStatus.SERVICE_UNAVAILABLE]
    assert int(refusals[0].headers["retry-after"]) > 0
    report(capsys, "Redis", results, recovery)
    assert recovery < 10


def test_without_postgresql_what_is_cached_is_served_and_the_rest_is_told_to_come_back(
    local: Local, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("posts", "post", "health", "feed")
    further = next(world.requests("feed, further"))
    path = further.message.split()[1].decode()
    token = {"authorization": f"Bearer {world.tokens[0]}"}
    refusals: list[httpx.Response] = []

    async def meanwhile(client: httpx.AsyncClient) -> None:
        refusals.append(await client.get(path, headers=token))
        refusals.append(await client.post("/api/v1/posts", headers=token, json={"title": "A", "body": "B"}))

    async def is_back(client: httpx.AsyncClient) -> bool:
        return (await client.get(path, headers=token)).status_code == HTTPStatus.OK

    # Each post is read once before, as it would have been on any day.
    asyncio.run(warm(local, world))
    results, recovery = asyncio.run(outage(local, local.postgres, world, names, meanwhile, is_back))
    # Who was logged in stays so: nobody can be logged out without the database.
    assert set(results.answers) == {(name, HTTPStatus.OK) for name in names}, dict(results.answers)
    assert {answer.status_code for answer in refusals} == {HTTPStatus.SERVICE_UNAVAILABLE}
    for answer in refusals:
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["error"]["code"] in {"database_unavailable", "unavailable"}
    report(capsys, "PostgreSQL", results, recovery)
    assert recovery < 15


async def warm(local: Local, world: World) -> None:
    """Ask for everything once."""
    requests = [
        next(stream) for name in ("feed", "posts", "post") for stream in [world.requests(name)] for _ in world.slugs
    ]
    await open_loop(local.application.port, iter(requests), rate=PER_SECOND, seconds=LOAD_SECONDS, seed=0)


async def outage(
    local: Local,
    server: Server,
    world: World,
    names: tuple[str, ...],
    meanwhile: Callable[[httpx.AsyncClient], Awaitable[None]],
    is_back: Callable[[httpx.AsyncClient], Awaitable[bool]],
) -> tuple[Results, float]:
    """Kill a server under load, and start it again; what the load saw, and seconds from the start until `is_back`."""
    requests: Iterator[Request] = mixed([(1.0, world.requests(name)) for name in names], seed=1)
    async with httpx.AsyncClient(base_url=local.application.url, timeout=20) as client:
        load = asyncio.create_task(
            open_loop(local.application.port, requests, rate=PER_SECOND, seconds=LOAD_SECONDS, seed=1)
        )
        await asyncio.sleep(LOAD_SECONDS / 4)
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(AWAY_SECONDS / 2)
        await meanwhile(client)
        await asyncio.sleep(AWAY_SECONDS / 2)
        await asyncio.to_thread(server.start)
        began = time.monotonic()
        while not await is_back(client):  # noqa: ASYNC110 what is asked is another process
            await asyncio.sleep(0.05)
        recovery = time.monotonic() - began
        return await load, recovery


def report(capsys: pytest.CaptureFixture[str], name: str, results: Results, recovery: float) -> None:
    """Print it: a test's figures are of this machine and this moment."""
    slowest = max(value for values in results.latencies.values() for value in values)
    with capsys.disabled():
        print(  # noqa: T201
            f"\n{name} killed under {PER_SECOND} requests/s: {results.requests} answered, the slowest in"
            f" {slowest:.0f} ms; all is well {recovery:.2f} s after its start"
        )
