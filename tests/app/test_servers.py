"""The servers that the other tests rely on."""

from __future__ import annotations

import os

import psycopg
import pytest
import redis
import redis.asyncio

from tests.app.servers import APPLICATION, OWNER, Postgres, Redis


def test_a_database_belongs_to_an_owner_who_is_no_superuser(postgres: Postgres, empty_database_url: str) -> None:
    query = "SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user"
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute(query).fetchone() == (OWNER, False)
    with psycopg.connect(postgres.url("postgres", APPLICATION)) as connection:
        assert connection.execute(query).fetchone() == (APPLICATION, False)


@pytest.mark.anyio
async def test_a_killed_redis_is_gone_and_comes_back_empty_on_its_port(redis_server: Redis) -> None:
    client = redis.asyncio.Redis.from_url(redis_server.url, socket_timeout=1, retry=None)
    async with client:
        await client.set("key", "value")
        redis_server.kill()
        with pytest.raises(redis.ConnectionError):
            await client.get("key")
        redis_server.start()
        assert await client.get("key") is None


@pytest.mark.anyio
async def test_a_cluster_spreads_keys_over_three_nodes(redis_cluster_urls: list[str]) -> None:
    client = redis.asyncio.RedisCluster.from_url(redis_cluster_urls[0])
    async with client:
        for number in range(50):
            await client.set(f"key:{number}", number)
    sizes = []
    for url in redis_cluster_urls:
        with redis.Redis.from_url(url) as node:
            sizes.append(node.dbsize())
    assert len(sizes) == 3
    assert all(sizes)


def test_the_servers_do_not_run_as_root(postgres: Postgres, shared_redis: Redis) -> None:
    for server in (postgres, shared_redis):
        assert server.process is not None
        with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:  # noqa: PTH123
            uids = next(line for line in status if line.startswith("Uid:")).split()[1:]
        assert "0" not in uids
        assert os.getuid() == 0 or str(os.getuid()) in uids
