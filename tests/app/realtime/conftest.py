"""Nodes on one database, and on one Redis or on a cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from tests.app.auth.world import world
from tests.app.realtime.world import Node, People
from tests.app.servers import APPLICATION, Postgres, Redis

NewNode = Callable[..., Node]


@pytest.fixture(scope="session")
def sockets_database(postgres: Postgres, migrated_template: str) -> Iterator[str]:
    """One database for all tests; each makes users of its own."""
    with postgres.database(migrated_template) as name:
        yield name


@pytest.fixture
async def people(
    anyio_backend: str, postgres: Postgres, sockets_database: str, redis_url: str
) -> AsyncIterator[People]:
    """Makes users; their sessions are looked up in `redis_url`."""
    async with world(postgres.url(sockets_database, APPLICATION), redis_url) as made:
        yield People(made, postgres.url(sockets_database, "postgres"))


@pytest.fixture
def new_node(postgres: Postgres, sockets_database: str, redis_url: str) -> Iterator[NewNode]:
    """Start nodes, with other settings if need be; gone after the test."""
    nodes: list[Node] = []

    def make(**changes: Any) -> Node:
        given = {"redis_url": redis_url, "clustered": False, "postgres_port": postgres.port}
        nodes.append(Node(**{**given, "database": sockets_database, **changes}))
        return nodes[-1]

    yield make
    for node in nodes:
        node.__exit__()


@pytest.fixture(scope="module")
def node(postgres: Postgres, sockets_database: str, shared_redis: Redis) -> Iterator[Node]:
    """A node that no test may stop."""
    with Node(
        redis_url=shared_redis.url,
        clustered=False,
        postgres_port=postgres.port,
        database=sockets_database,
        recheck_seconds=4,
    ) as made:
        yield made
