"""One process on an empty database and an empty Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from tests.app.auth.world import World, world
from tests.app.servers import APPLICATION, Postgres


@pytest.fixture(scope="session")
def auth_database(postgres: Postgres, migrated_template: str) -> Iterator[str]:
    """One database for all tests of authentication: copies would take most of the time."""
    with postgres.database(migrated_template) as name:
        yield name


@pytest.fixture
def application_url(postgres: Postgres, auth_database: str) -> str:
    """DSN of the database without accounts, as the pods' role."""
    with psycopg.connect(postgres.url(auth_database), autocommit=True) as connection:
        connection.execute("TRUNCATE auth_accounts, users CASCADE")
    return postgres.url(auth_database, APPLICATION)


@pytest.fixture
async def here(anyio_backend: str, application_url: str, redis_url: str) -> AsyncIterator[World]:
    """Authentication as a pod runs it, as the pods' database role."""
    async with world(application_url, redis_url) as made:
        yield made
