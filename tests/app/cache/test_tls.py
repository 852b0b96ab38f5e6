"""TLS to Redis: verified, and by one context however many connections there are."""

from __future__ import annotations

import ssl

from redis.asyncio import Redis, RedisCluster

from app.cache.store import Access, Store
from app.cache.tls import TlsConnection, context, share


def test_all_connections_of_a_process_share_a_context_that_verifies() -> None:
    first, second = (TlsConnection(host=host).ssl_context.get() for host in ("one.example", "two.example"))
    assert first is second is context(None)
    assert first.verify_mode is ssl.CERT_REQUIRED
    assert first.check_hostname


def test_clients_of_both_kinds_make_such_connections_and_only_where_the_url_says_tls() -> None:
    single, cluster = Redis.from_url("rediss://redis.example"), RedisCluster.from_url("rediss://redis.example")
    plain = Redis.from_url("redis://redis.example")
    for client in (single, cluster, plain):
        share(client)
    assert single.connection_pool.connection_class is TlsConnection
    assert cluster.connection_kwargs["connection_class"] is TlsConnection
    assert {node.connection_class for node in cluster.startup_nodes} == {TlsConnection}
    assert cluster.nodes_manager.connection_kwargs["connection_class"] is TlsConnection
    assert not issubclass(plain.connection_pool.connection_class, TlsConnection)


def test_a_store_shares_it() -> None:
    store = Store(Access(url="rediss://redis.example", clustered=True))
    assert isinstance(store._client, RedisCluster)
    assert store._client.connection_kwargs["connection_class"] is TlsConnection
