"""TLS to Redis with one context a process: the client makes one for each connection, which reads all authorities anew.

That is 25 ms of CPU, in which the loop does nothing else; after a failover a process makes dozens of connections.
"""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import Any

from redis.asyncio import Redis, RedisCluster, SSLConnection


@lru_cache(maxsize=4)
def context(ca_file: str | None) -> ssl.SSLContext:
    """Trusts the system's authorities, and those of `ca_file`."""
    made = ssl.create_default_context()
    if ca_file is not None:
        made.load_verify_locations(ca_file)
    return made


class TlsConnection(SSLConnection):
    """A connection with the shared context."""

    def __init__(self, **options: Any) -> None:
        """Take the client's options; of those about TLS, only `ssl_ca_certs` counts."""
        super().__init__(**options)
        self.ssl_context.context = context(self.ssl_context.ca_certs)


def share(client: Redis | RedisCluster) -> None:
    """Let a client that speaks TLS use the shared context; it has not connected yet."""
    if isinstance(client, Redis):
        pool = client.connection_pool
        if issubclass(pool.connection_class, SSLConnection):
            pool.connection_class = TlsConnection
        return
    if issubclass(client.connection_kwargs["connection_class"], SSLConnection):
        client.connection_kwargs["connection_class"] = TlsConnection
        for node in client.startup_nodes:
            node.connection_class = TlsConnection
