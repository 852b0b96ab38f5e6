"""Which estimator prices which type, which types cost nothing by themselves, and what is bought elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from infra.cost.estimators import (
    compute,
    data,
    edge,
    network,
    observability,
    queues,
    search,
    security,
    storage,
    vendors,
)
from infra.cost.model import Estimator, Item
from infra.cost.usage import Usage

_MODULES: Final = (network, edge, data, storage, search, compute, observability, queues, security, vendors)
ESTIMATORS: Final[Mapping[str, Estimator]] = {
    token: estimator for module in _MODULES for token, estimator in module.ESTIMATORS.items()
}
FREE: Final[Mapping[str, str]] = {token: why for module in _MODULES for token, why in module.FREE.items()}
"""Types that cost nothing by themselves, with the reason."""
FREE_PREFIXES: Final[Mapping[str, str]] = {
    "aws:iam/": "IAM costs nothing",
    "random:": "made by Pulumi alone",
    "pulumi:": "made by Pulumi alone",
}
"""The same by the beginning of the type."""


def free(token: str) -> str | None:
    """Why a type costs nothing by itself; None for one that does cost."""
    if token in FREE:
        return FREE[token]
    return next((why for prefix, why in FREE_PREFIXES.items() if token.startswith(prefix)), None)


def bought(usage: Usage) -> Iterator[Item]:
    """What is paid for besides the resources: Cloudflare's plan, and other vendors'."""
    yield from vendors.bought(usage)
