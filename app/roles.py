"""Which parts of the application a role serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, get_args

from fastapi import APIRouter, FastAPI

from app.admin import routes as admin
from app.api import routes as api
from app.api.envelope import COMMON
from app.auth import routes as auth
from app.images import routes as images
from app.limits.policies import ROUTES, Exemption, Policy
from app.mail import routes as mail
from app.privacy import consent_routes as consents
from app.privacy import routes as privacy
from app.realtime import routes as realtime
from app.settings import WITHOUT_SECRETS, Role
from app.uploads import routes as uploads
from app.webhooks import routes as webhooks

ROLES: tuple[Role, ...] = tuple(role for one in get_args(Role) for role in (get_args(one) or [one]))
"""All of them."""


class _Part(NamedTuple):
    """Routes, the policy of each, and who has them beside the API."""

    router: APIRouter
    limits: Mapping[str, Policy | Exemption]
    roles: frozenset[str] = frozenset()


_EVERYTHING = "api"
_SOCKETS = frozenset({_EVERYTHING, "realtime"})


def has_sockets(role: Role) -> bool:
    """Whether a role holds sockets open."""
    return role in _SOCKETS


def include(app: FastAPI, role: Role) -> None:
    """Add what a role serves beside the operations: the API all, a service its own."""
    api.include(app, role)
    for part in _parts(role):
        app.include_router(part.router, responses=COMMON)


def limits(role: Role) -> dict[str, Policy | Exemption]:
    """The policy of every route of a role."""
    found = {**ROUTES, **api.limits(role)}
    for part in _parts(role):
        found |= part.limits
    return found


def _parts(role: Role) -> list[_Part]:
    if role == "worker":
        return []
    if role == WITHOUT_SECRETS:
        return [_Part(images.router(), images.LIMITS)]
    found = [
        _Part(auth.router, auth.LIMITS, frozenset({"auth"})),
        _Part(uploads.router(), uploads.LIMITS, frozenset({"video"})),
        _Part(webhooks.router(), webhooks.LIMITS),
        _Part(privacy.router(), privacy.LIMITS),
        _Part(consents.router(), consents.LIMITS),
        _Part(mail.router(), mail.LIMITS, frozenset({"email"})),
        _Part(admin.router(), admin.LIMITS),
        _Part(realtime.router(), realtime.LIMITS, _SOCKETS),
    ]
    return [part for part in found if role == _EVERYTHING or role in part.roles]
