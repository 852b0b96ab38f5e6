"""Which parts of the application a role serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, get_args

from fastapi import APIRouter

from app.admin import routes as admin
from app.api import routes as api
from app.auth import routes as auth
from app.limits.policies import ROUTES, Exemption, Policy
from app.privacy import routes as privacy
from app.realtime import routes as realtime
from app.settings import WITHOUT_SECRETS, Role
from app.uploads import routes as uploads
from app.webhooks import routes as webhooks

ROLES: tuple[Role, ...] = tuple(role for one in get_args(Role) for role in (get_args(one) or [one]))
"""All of them."""


class Part(NamedTuple):
    """Routes, and the policy of each."""

    router: APIRouter
    limits: Mapping[str, Policy | Exemption]


_EVERYTHING = "api"
_SOCKETS = frozenset({_EVERYTHING, "realtime"})


def has_sockets(role: Role) -> bool:
    """Whether a role holds sockets open."""
    return role in _SOCKETS


def parts(role: Role) -> list[Part]:
    """What a role serves beside the operations: the API all, a service its own."""
    if role in {WITHOUT_SECRETS, "worker"}:
        return []
    found: list[tuple[APIRouter, Mapping[str, Policy | Exemption], frozenset[str]]] = [
        (api.router(role), api.limits(role), frozenset({role})),
        (auth.router, auth.LIMITS, frozenset({"auth"})),
        (uploads.router(), uploads.LIMITS, frozenset({"video"})),
        (webhooks.router(), webhooks.LIMITS, frozenset()),
        (privacy.router(), privacy.LIMITS, frozenset()),
        (admin.router(), admin.LIMITS, frozenset()),
        (realtime.router(), realtime.LIMITS, _SOCKETS),
    ]
    return [Part(router, lines) for router, lines, roles in found if role == _EVERYTHING or role in roles]


def limits(role: Role) -> dict[str, Policy | Exemption]:
    """The policy of every route of a role."""
    found = dict(ROUTES)
    for part in parts(role):
        found |= part.limits
    return found
