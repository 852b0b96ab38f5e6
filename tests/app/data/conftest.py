"""Databases with rows, and the application's way to them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import psycopg
import pytest

from app.data.database import Access, Database
from app.data.pools import Endpoint, Limits
from app.data.seed import seed
from app.data.shards import Shards
from app.settings import ShardMap
from tests.app.servers import APPLICATION, Postgres

Opener = Callable[..., AbstractAsyncContextManager[Database]]


def shard_map(database: str, *, moving: list[dict[str, Any]] | None = None) -> ShardMap:
    """One shard with everything."""
    one = {"id": 0, "database": database, "primary": "us-east-1-db-0", "region": "us-east-1", "slots": [(0, 255)]}
    return ShardMap.model_validate({"slots": 256, "hash": "sha256-first-byte", "shards": [one], "moving": moving or []})


def endpoint(port: int) -> Endpoint:
    return Endpoint(host="127.0.0.1", port=port, user=APPLICATION, password=None)


@pytest.fixture
def open_database(postgres: Postgres, database: str) -> Opener:
    """A `Database` on the test's own database, with other limits or places if need be."""

    @contextlib.asynccontextmanager
    async def _open(
        *,
        connections: int = 4,
        wait_seconds: float = 5,
        idle_seconds: float = 30,
        recycle_seconds: float = 300,
        shards: ShardMap | None = None,
        writer: Endpoint | None = None,
        reader: Endpoint | None = None,
    ) -> AsyncIterator[Database]:
        here = endpoint(postgres.port)
        limits = Limits(
            connections=connections,
            wait_seconds=wait_seconds,
            idle_seconds=idle_seconds,
            recycle_seconds=recycle_seconds,
        )
        access = Access(writer=writer or here, reader=reader or here, limits=limits, name="headroom-test")
        async with Database(access, Shards(shards or shard_map(database))) as opened:
            yield opened

    return _open


@pytest.fixture(scope="session")
def seeded_template(postgres: Postgres, migrated_template: str) -> str:
    """Name of a database with the seed's rows, to be copied or only read."""
    name = postgres.create_database(migrated_template)
    with psycopg.connect(postgres.url(name), autocommit=True) as connection:
        seed(connection)
    return name


@pytest.fixture(scope="session")
def seeded(postgres: Postgres, seeded_template: str) -> Iterator[psycopg.Connection]:
    """The owner's connection to a database with the seed's rows; for reading."""
    with psycopg.connect(postgres.url(seeded_template), autocommit=True) as connection:
        yield connection
