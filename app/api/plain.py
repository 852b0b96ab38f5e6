"""Routes for what is asked for most: the endpoint takes the request and gives the response, and that is all."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response


class Plain(APIRoute):
    """Described like any other, but nothing is solved, checked or encoded for it: that takes a quarter of a request.

    Raises:
        TypeError: when made for an endpoint that wants more than the request, which it would not get.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint itself (https://fastapi.tiangolo.com/how-to/custom-request-and-route/)."""
        wanted = self.dependant
        if self.body_field or wanted.dependencies or wanted.path_params or wanted.query_params or wanted.header_params:
            msg = f"{self.name} is a plain route: it takes the request, and reads all else from it"
            raise TypeError(msg)
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint
