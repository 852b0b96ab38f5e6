"""Redis gone, slow, back; access control and TLS as the stacks have them."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
import redis

from app.cache.answers import Tier
from app.cache.kinds import PROFILE
from app.cache.store import LOST, Access, Store, command
from app.cache.tiers import TieredCache
from app.limits.limiter import Limiter, Outcome
from app.limits.policies import STANDARD
from components.cache import ACCESS, USER_NAME
from tests.app.servers import Redis, binary, free_port, new_directory, new_redis_cluster
from tests.app.stores import Heard, caching, opened

pytestmark = pytest.mark.anyio


async def value() -> str:
    return "value"


async def until(condition: Callable[[], bool], seconds: float = 10) -> float:
    """Seconds until `condition()` holds."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds
        await asyncio.sleep(0.01)
    return time.monotonic() - begin


async def test_a_cache_that_starts_without_redis_works_and_finds_it_later(redis_server: Redis) -> None:
    redis_server.kill()
    async with caching(redis_server.url) as cache:
        assert (await cache.get(PROFILE, "1", value)).tier is Tier.LOADER
        assert (await cache.get(PROFILE, "1", value)).tier is Tier.MEMORY
        assert not await cache.invalidate(PROFILE, "1")
        redis_server.start()
        await until(lambda: cache._reader.is_up)
        await cache.get(PROFILE, "2", value)
    async with caching(redis_server.url) as other:
        assert (await other.get(PROFILE, "2", value)).tier is Tier.REDIS


async def test_without_redis_and_database_memory_answers(redis_server: Redis) -> None:
    async def down() -> str:
        raise ConnectionRefusedError

    now = time.time()
    async with opened(redis_server.url) as store:
        cache = TieredCache(store, store, clock=lambda: now)
        await cache.get(PROFILE, "1", value)
        redis_server.kill()
        now += PROFILE.fresh_seconds
        assert (await cache.get(PROFILE, "1", down)).tier is Tier.STALE


async def test_an_invalidation_that_redis_missed_is_told_when_it_is_back(redis_server: Redis) -> None:
    async with (
        caching(redis_server.url, listening=True) as one,
        caching(redis_server.url, listening=True) as other,
    ):
        await asyncio.sleep(0.3)
        assert redis_server.process is not None
        redis_server.process.send_signal(signal.SIGSTOP)
        assert not await one.invalidate(PROFILE, "1")
        redis_server.process.send_signal(signal.SIGCONT)
        await other.get(PROFILE, "1", value)
        one._settle()
        await until(lambda: not one._owed)
        await until(lambda: other._lru.get(PROFILE.key("1")) is None)


async def test_a_redis_that_hangs_costs_a_budget_a_few_times_and_mixes_up_no_replies(redis_server: Redis) -> None:
    heard = Heard()
    async with opened(redis_server.url, heard) as store:
        await store.run([command("SET", str(index), str(index)) for index in range(100)])
        assert redis_server.process is not None
        redis_server.process.send_signal(signal.SIGSTOP)
        begin = time.monotonic()
        for index in range(50):
            assert await store.run([command("GET", str(index))]) == [LOST]
        waited = time.monotonic() - begin
        redis_server.process.send_signal(signal.SIGCONT)
        await until(lambda: store.is_up)
        for index in range(100):
            assert await store.run([command("GET", str(index))]) == [str(index).encode()]
    print(f"50 calls of a Redis that hangs: {waited:.2f} s")  # noqa: T201 a measurement
    assert waited < 50 * 0.1 / 4


async def test_what_one_reply_refuses_the_others_have(redis_url: str) -> None:
    heard = Heard()
    async with opened(redis_url, heard) as store:
        replies = await store.run([command("SET", "a", "1"), command("LPUSH", "a", "1"), command("GET", "a")])
        assert replies[1:] == [LOST, b"1"]
        assert store.is_up
    assert heard.failures == {"reply ResponseError": 1}


@pytest.mark.parametrize("nodes", [0, 3])
async def test_a_node_killed_under_load_and_back_costs_no_error(nodes: int) -> None:
    servers = new_redis_cluster(nodes) if nodes else [_single()]
    heard = Heard()
    lookups, slowest, stopping = 0, 0.0, False

    async def read(cache: TieredCache, limiter: Limiter, reader: int) -> None:
        nonlocal lookups, slowest
        while not stopping:
            begin = time.monotonic()
            answer = await cache.get(PROFILE, f"{reader}-{lookups % 500}", value)
            assert answer.value == "value"
            checks = STANDARD.checks(None, f"10.0.{lookups % 250}.{reader}", "GET")
            assert (await limiter.check(checks, fails_closed=False)).outcome is Outcome.ALLOWED
            slowest = max(slowest, time.monotonic() - begin)
            lookups += 1
            await asyncio.sleep(0.005)

    try:
        async with opened(servers[0].url, heard, clustered=bool(nodes)) as store:
            cache, limiter = TieredCache(store, store, heard), Limiter(store)
            cache.start()
            readers = [asyncio.create_task(read(cache, limiter, reader)) for reader in range(8)]
            await asyncio.sleep(1)
            servers[-1].kill()
            down = await until(lambda: not store.is_up)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(servers[-1].start)
            up = await until(lambda: store.is_up, 20)
            stopping = True
            await asyncio.gather(*readers)
            await cache.close()
    finally:
        for server in servers:
            server.remove()
    assert lookups > 500
    found = f"noticed after {down:.2f} s, back {up:.2f} s after its start, slowest {slowest:.2f} s"
    print(f"{nodes or 1} nodes: {found}")  # noqa: T201 a measurement


def _single() -> Redis:
    server = Redis(free_port(), new_directory("redis"))
    server.start()
    return server


@pytest.mark.parametrize("clustered", [False, True])
async def test_the_stacks_user_may_do_all_that_cache_and_limiter_do(
    clustered: bool, redis_server: Redis, redis_cluster: list[Redis]
) -> None:
    servers = redis_cluster if clustered else [redis_server]
    for server in servers:
        with redis.Redis(port=server.port) as client:
            client.execute_command("ACL", "SETUSER", USER_NAME, "reset", *ACCESS.split(), ">secret")
    heard = Heard()
    access = Access(url=servers[0].url, clustered=clustered, user=USER_NAME, password="secret")
    store = Store(access, heard, budget_seconds=1)
    try:
        assert await store.open()
        cache = TieredCache(store, store, heard)
        cache.start()
        await asyncio.sleep(0.3)
        await cache.get(PROFILE, "1", value)
        assert await cache.invalidate(PROFILE, "1")
        verdict = await Limiter(store).check(STANDARD.checks(None, "10.0.0.1", "GET"), fails_closed=True)
        assert verdict.outcome is Outcome.ALLOWED
        await cache.close()
    finally:
        await store.close()
        for server in servers:
            with redis.Redis(port=server.port) as client:
                client.execute_command("ACL", "DELUSER", USER_NAME)
    assert not heard.failures


async def test_passwords_are_not_shown() -> None:
    assert "secret" not in repr(Access(url="rediss://host:6379", clustered=True, user="u", password="secret"))


@pytest.fixture
def tls_redis() -> Iterator[tuple[str, str]]:
    """A Redis that speaks TLS only: its URL, and the file with its certificate."""
    directory, port = new_directory("redis"), free_port()
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command_line = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key)]
    subprocess.run([*command_line, "-out", str(certificate), *names], check=True, capture_output=True)
    options = ["--tls-port", str(port), "--port", "0", "--tls-auth-clients", "no", "--save", ""]
    files = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-ca-cert-file", str(certificate)]
    server = subprocess.Popen([binary("redis-server"), *options, *files], stdout=subprocess.DEVNULL, cwd=directory)
    try:
        yield f"rediss://127.0.0.1:{port}", str(certificate)
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(directory)


async def test_it_speaks_tls_and_trusts_no_stranger(tls_redis: tuple[str, str]) -> None:
    url, certificate = tls_redis
    trusting = Store(Access(url=url, clustered=False, ca_file=certificate))
    await trusting.open()
    await until(lambda: trusting.is_up)
    assert await trusting.run([command("SET", "a", "1"), command("GET", "a")]) == [True, b"1"]
    await trusting.close()
    heard = Heard()
    wary = Store(Access(url=url, clustered=False), heard)
    assert not await wary.open()
    await wary.close()
    assert heard.failures == {"open ConnectionError": 1}
