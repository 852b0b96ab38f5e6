from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest

from app.settings import Settings
from tests.app.api.conftest import api_database, database, given, owner
from tests.app.uploads.world import World, world
from tests.app.worker.conftest import aws_url

__all__ = ["api_database", "aws_url", "database", "given", "owner"]


@pytest.fixture
async def there(anyio_backend: str, aws_url: str, given: Settings, owner: psycopg.Connection) -> AsyncIterator[World]:
    """The API and a worker."""
    assert aws_url
    async with world(given, owner) as made:
        yield made
