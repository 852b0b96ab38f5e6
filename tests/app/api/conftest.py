from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from app.settings import Settings
from tests.app.api.world import Api, api
from tests.app.environment import settings
from tests.app.servers import Postgres
from tests.app.wired import at


@pytest.fixture(scope="session")
def api_database(postgres: Postgres, migrated_template: str) -> Iterator[str]:
    """One database for all tests of the API: copies would take most of the time."""
    with postgres.database(migrated_template) as name:
        yield name


@pytest.fixture
def database(postgres: Postgres, api_database: str) -> str:
    """Name of the database, without rows."""
    with psycopg.connect(postgres.url(api_database), autocommit=True) as connection:
        connection.execute("TRUNCATE auth_accounts, users, newsletter_subscribers CASCADE")
    return api_database


@pytest.fixture
def given(tmp_path: Path, postgres: Postgres, database: str, redis_url: str) -> Settings:
    return settings(tmp_path, **at(postgres, database, redis_url))


@pytest.fixture
async def here(anyio_backend: str, given: Settings) -> AsyncIterator[Api]:
    """The API as a pod runs it."""
    async with api(given) as made:
        yield made


@pytest.fixture
def owner(postgres: Postgres, database: str) -> Iterator[psycopg.Connection]:
    """The owner's connection to the database, past row-level security."""
    with psycopg.connect(postgres.url(database), autocommit=True) as connection:
        yield connection
