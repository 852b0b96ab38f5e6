"""Finds the policy of a request, and the routes that have none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from app.limits.policies import Exemption, Policy

WEBSOCKET = "WEBSOCKET"
_ANY, _REST = "{}", "{:path}"


class RouteTable:
    """Policies by method and path template, such as `GET /api/v1/users/{user_id}`."""

    def __init__(self, table: Mapping[str, Policy | Exemption]) -> None:
        """Read the table."""
        self._table = table
        self._tree: dict[str | None, Any] = {}
        for line, policy in table.items():
            method, path = line.split(" ", 1)
            node = self._tree
            for part in _parts(path):
                node = node.setdefault(part, {})
            node.setdefault(None, {})[method] = policy

    def find(self, method: str, path: str) -> Policy | Exemption | None:
        """What holds for a request; None where no line fits. HEAD is GET's."""
        node = _walk(self._tree, path.strip("/").split("/"))
        found: Policy | Exemption | None = node.get("GET" if method == "HEAD" else method)
        return found

    def uncovered(self, routes: Sequence[BaseRoute]) -> list[str]:
        """Routes without a line."""
        return sorted(line for line in _lines(routes) if line not in self._table)

    def unused(self, routes: Sequence[BaseRoute]) -> list[str]:
        """Lines without a route."""
        return sorted(set(self._table) - set(_lines(routes)))


def _parts(path: str) -> list[str]:
    """Of a template: a parameter is `{}`, one that takes the rest of the path `{:path}`."""
    return [
        part if not part.startswith("{") else _REST if part.endswith(":path}") else _ANY
        for part in path.strip("/").split("/")
    ]


def _walk(node: dict[Any, Any], parts: list[str]) -> dict[str, Policy | Exemption]:
    """Methods of the path that fits best: a literal part before a parameter, a parameter before the rest."""
    if not parts:
        found: dict[str, Policy | Exemption] = node.get(None, {})
        return found
    for key in (parts[0], _ANY):
        below = _walk(node[key], parts[1:]) if key in node else {}
        if below:
            return below
    rest: dict[str, Policy | Exemption] = node.get(_REST, {}).get(None, {})
    return rest


def _lines(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[str]:
    """FastAPI keeps included routers as they are; their routes with full paths are its `RouteContext`s."""
    for context in iter_route_contexts(routes):
        route, path = context.original_route, f"{prefix}{context.path or ''}"
        if isinstance(route, Route):
            yield from (f"{method} {path}" for method in (context.methods or {"GET"}) - {"HEAD"})
        elif isinstance(route, WebSocketRoute):
            yield f"{WEBSOCKET} {path}"
        elif isinstance(route, Mount):
            yield from _lines(route.routes, path)
        else:
            # A kind of route that is not known here must not pass as covered.
            yield f"? {path or type(route).__name__}"
