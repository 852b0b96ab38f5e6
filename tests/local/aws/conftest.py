"""One moto server, as its memory is one for the process, and the prerequisites that most types need."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from infra.local.aws.memory import MEMORY
from infra.local.aws.moto_setup import prepare_moto
from tests.local.aws.scene import Scene


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    prepare_moto()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    yield url
    MEMORY.clear(url)
    server.stop()


@pytest.fixture(scope="session")
def scene(endpoint: str) -> Scene:
    return Scene(endpoint)
