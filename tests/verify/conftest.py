"""Moto servers with a right account in each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stacks import phase_1m, phase_10k
from stacks.phase import Phase
from tests.moto_server import moto_server
from tests.verify.account import Account
from tests.verify.account_edge import DOMAIN

SEVERAL_REGIONS: Phase = phase_1m.EFFICIENT.model_copy(
    update={
        "regions": ("us-east-1", "us-west-2"),
        "read_regions": ("eu-west-1",),
        "messaging": phase_10k.EFFICIENT.messaging,
        "search": None,
        "telemetry": phase_10k.EFFICIENT.telemetry,
        "edge": phase_10k.EFFICIENT.edge,
    }
)
"""Two full regions and one that reads: what 250k and 1m have between regions, in one account."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """One server for all accounts of a module: it has one memory anyway."""
    with moto_server() as url:
        yield url


@pytest.fixture(scope="module")
def account(endpoint: str) -> Account:
    """Phase 10k. Shared, because it takes two seconds to make: whoever changes it puts it right again."""
    return Account(endpoint, phase_10k.EFFICIENT, "10k", DOMAIN)


@pytest.fixture(scope="module")
def regions(endpoint: str) -> Account:
    """Several regions; shared likewise."""
    return Account(endpoint, SEVERAL_REGIONS, "several", f"several.{DOMAIN}")
