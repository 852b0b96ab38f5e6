"""Fixtures of the application's tests: real servers, an event loop, databases with the schema.

`@pytest.mark.anyio` makes a test a coroutine (on asyncio); `run` is `asyncio.run` for those that are none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
import pytest
import structlog

from tests.app.servers import (
    APPLICATION,
    PgBouncer,
    Postgres,
    Redis,
    new_pgbouncer,
    new_postgres,
    new_redis,
    new_redis_cluster,
)

MIGRATIONS = Path(__file__).parents[2] / "app/data/migrations"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """One event loop, asyncio's."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    """No logs to the terminal: the library's own way prints every frame with its variables, which takes seconds."""
    structlog.configure(
        processors=[structlog.processors.KeyValueRenderer()], logger_factory=structlog.ReturnLoggerFactory()
    )


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Run a coroutine in a loop of its own."""
    return asyncio.run


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL with the roles `headroom_owner` and `headroom_app`; `url(database, user)` are its DSNs."""
    server = new_postgres()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
def pgbouncer(postgres: Postgres) -> Iterator[PgBouncer]:
    """The pooler before `postgres`, for every database in it, with `kill()` and `start()`; four server connections."""
    server = new_pgbouncer(postgres, default_pool_size=4, max_db_connections=4)
    try:
        yield server
    finally:
        server.remove()


def migrate(url: str, revision: str = "head") -> None:
    """Bring the database at `url` (libpq's form) to a revision: env.py reads `attributes["url"]`."""
    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    alembic.command.upgrade(config, revision)


@pytest.fixture(scope="session")
def migrated_template(postgres: Postgres) -> str:
    """Name of a database with the newest schema and no rows, to be copied."""
    name = postgres.create_database()
    migrate(postgres.url(name))
    return name


@pytest.fixture
def database(postgres: Postgres, migrated_template: str) -> Iterator[str]:
    """Name of a database of the test's own with the newest schema."""
    with postgres.database(migrated_template) as name:
        yield name


@pytest.fixture
def database_url(postgres: Postgres, database: str) -> str:
    """DSN of `database` as its owner, who row-level security binds only where it is forced."""
    return postgres.url(database)


@pytest.fixture
def application_url(postgres: Postgres, database: str) -> str:
    """DSN of `database` as the pods' role."""
    return postgres.url(database, APPLICATION)


@pytest.fixture
def empty_database_url(postgres: Postgres) -> Iterator[str]:
    """DSN of a database without a schema, as its owner."""
    with postgres.database() as name:
        yield postgres.url(name)


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[Redis]:
    """A Redis that no test may kill; for that, `redis_server`."""
    server = new_redis()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
def redis_url(shared_redis: Redis) -> str:
    """URL of an empty Redis."""
    shared_redis.flush()
    return shared_redis.url


@pytest.fixture
def redis_server() -> Iterator[Redis]:
    """A Redis of the test's own, with `kill()` and `start()`."""
    server = new_redis()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[list[Redis]]:
    """Three primaries that share the slots."""
    servers = new_redis_cluster()
    try:
        yield servers
    finally:
        for server in servers:
            server.remove()


@pytest.fixture
def redis_cluster_urls(redis_cluster: list[Redis]) -> list[str]:
    """URLs of an empty cluster's three nodes."""
    for server in redis_cluster:
        server.flush()
    return [server.url for server in redis_cluster]
