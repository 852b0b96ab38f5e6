"""A moto server, and the prerequisites that most types need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.local.aws.memory import MEMORY
from infra.local.aws.moto_setup import prepare_moto
from tests.local.aws.scene import Scene
from tests.moto_server import moto_server


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    prepare_moto()
    with moto_server() as url:
        yield url
        MEMORY.clear(url)


@pytest.fixture(scope="module")
def scene(endpoint: str) -> Scene:
    return Scene(endpoint)
