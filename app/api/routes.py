"""All of the product's API, and the part of it that a service has pods of its own for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fastapi import APIRouter, FastAPI

from app.api import dashboard, messages, newsletter, openapi, post_routes, search_routes, statistics
from app.api.customers import RESOURCES
from app.api.envelope import COMMON
from app.api.resources import routes
from app.limits.policies import Exemption, Policy
from app.settings import Role

PREFIX = "/api/v1"


class _Piece(NamedTuple):
    """Routes, their limits, and the service that has them beside `api`."""

    router: APIRouter
    limits: Mapping[str, Policy | Exemption]
    service: str | None


SERVICES = {
    "leads": "leads",
    "companies": "companies",
    "contacts": "companies",
    "deals": "companies",
    "campaigns": "campaigns",
    "conversations": "conversations",
    "videos": "video",
    "subscriptions": "subscriptions",
}
"""The service of a table."""

_PIECES = (
    _Piece(post_routes.plain, {}, None),
    _Piece(post_routes.router, post_routes.LIMITS, None),
    *(_Piece(routes(one), one.limits, SERVICES[one.name]) for one in RESOURCES),
    _Piece(messages.router, messages.LIMITS, SERVICES["conversations"]),
    _Piece(statistics.router, statistics.LIMITS, SERVICES["campaigns"]),
    _Piece(dashboard.router, dashboard.LIMITS, "analytics"),
    _Piece(search_routes.router, search_routes.LIMITS, "search"),
    _Piece(newsletter.router, newsletter.LIMITS, None),
    _Piece(openapi.router, openapi.LIMITS, None),
)


def _of(role: Role) -> Iterator[_Piece]:
    return (piece for piece in _PIECES if role in {"api", piece.service})


def include(app: FastAPI, role: Role = "api") -> None:
    """Add the routes of a role; none for a role that has none here.

    Each router by itself: the framework walks through routers within routers several times for each request.
    """
    for piece in _of(role):
        app.include_router(
            piece.router, prefix=PREFIX, responses=COMMON, generate_unique_id_function=lambda route: route.name
        )


def limits(role: Role = "api") -> dict[str, Policy | Exemption]:
    """The policy of each of these routes."""
    return {line: policy for piece in _of(role) for line, policy in piece.limits.items()}


LIMITS = limits()
"""Of the whole API."""
