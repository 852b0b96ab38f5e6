"""Real servers for tests: own data, an ephemeral port, gone with the test run."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import redis

from tools.app.servers import (
    APPLICATION,
    OWNER,
    PgBouncer,
    Postgres,
    Redis,
    Server,
    as_user,
    binary,
    free_port,
    new_directory,
    wait_until,
)

__all__ = [
    "APPLICATION",
    "OWNER",
    "PgBouncer",
    "Postgres",
    "Redis",
    "as_user",
    "binary",
    "free_port",
    "new_directory",
    "new_pgbouncer",
    "new_postgres",
    "new_redis",
    "new_redis_cluster",
    "wait_until",
]


def free_cluster_port() -> int:
    """A port for a Redis cluster's node, whose bus listens 10,000 above."""
    while (port := free_port()) > 55_000:
        continue
    return port


def new_postgres(**settings: str) -> Postgres:
    """A running, empty cluster with the stack's roles; `remove` it."""
    server = Postgres(free_port(), new_directory("postgres"), settings=settings)
    with _removed_on_failure(server):
        server.initialise()
        server.start()
        server.create_roles()
    return server


def new_pgbouncer(postgres: Postgres, **settings: str | int) -> PgBouncer:
    """A running PgBouncer before `postgres`; `remove` it."""
    server = PgBouncer(free_port(), new_directory("pgbouncer"), postgres_port=postgres.port, settings=settings)
    with _removed_on_failure(server):
        server.configure()
        server.start()
    return server


def new_redis() -> Redis:
    """A running Redis; `remove` it."""
    server = Redis(free_port(), new_directory("redis"))
    with _removed_on_failure(server):
        server.start()
    return server


def new_redis_cluster(nodes: int = 3) -> list[Redis]:
    """Primaries that share the slots, without replicas; `remove` each."""
    servers = [Redis(free_cluster_port(), new_directory("redis"), clustered=True) for _ in range(nodes)]
    with _removed_on_failure(*servers):
        for server in servers:
            server.start()
        addresses = [f"127.0.0.1:{server.port}" for server in servers]
        command = [binary("redis-cli"), "--cluster", "create", *addresses, "--cluster-yes"]
        subprocess.run(command, check=True, capture_output=True)
        for server in servers:
            wait_until(partial(_knows_all, server.port, nodes), "the cluster does not form")
    return servers


@contextmanager
def _removed_on_failure(*servers: Server) -> Iterator[None]:
    """A server that does not start leaves neither a process nor a directory."""
    try:
        yield
    except BaseException:
        for server in servers:
            server.remove()
        raise


def _knows_all(port: int, nodes: int) -> bool:
    with redis.Redis(port=port, decode_responses=True) as client:
        state = client.execute_command("CLUSTER INFO")
        known = client.execute_command("CLUSTER NODES")
    text = str(state)
    return ("cluster_state:ok" in text or "'ok'" in text) and len(known) >= nodes
