"""A moto server with a right account in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from stacks.phase_10k import EFFICIENT
from tests.verify.account import Account


@pytest.fixture(scope="session")
def account() -> Iterator[Account]:
    """Shared, because it takes two seconds to make: whoever changes it puts it right again."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield Account(f"http://{host}:{port}", EFFICIENT)
    finally:
        server.stop()
