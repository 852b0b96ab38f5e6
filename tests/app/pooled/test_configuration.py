"""The pooler that the tests ask is the one that the stacks run."""

from __future__ import annotations

from components.component import Site
from tests.components import conftest
from tests.components.test_pooler import Record, build, configuration
from tools.app.pgbouncer import OLDEST, pgbouncer, version
from tools.app.servers import POOLER

recorded, site = conftest.recorded, conftest.site

ELSEWHERE = {
    "listen_addr",
    "listen_port",
    "auth_file",
    "max_client_conn",
    "default_pool_size",
    "max_db_connections",
    "server_tls_sslmode",
    "server_tls_ca_file",
    "server_tls_protocols",
    "dns_max_ttl",
    "tcp_keepalive",
    "tcp_keepidle",
    "tcp_keepintvl",
    "tcp_keepcnt",
    "stats_period",
}
"""What depends on the network, or on the phase."""


def test_the_pooler_of_the_tests_has_the_settings_of_the_stacks(recorded: Record, site: Site) -> None:
    stacks = configuration(recorded(lambda: build(site)), "writer")["pgbouncer"]
    ours = {key: str(value) for key, value in POOLER.items() if key not in ELSEWHERE}
    assert ours == {key: value for key, value in stacks.items() if key not in ELSEWHERE}
    assert POOLER.keys() <= stacks.keys()


def test_the_pooler_is_new_enough_for_prepared_statements() -> None:
    assert version(pgbouncer()) >= OLDEST
