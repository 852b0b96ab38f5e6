"""Clients that answer some operations themselves: what the local cloud lacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.verify.facts import Clients


class Overlay:
    """A client of moto's, with answers of its own for some operations."""

    def __init__(self, client: Any, answers: Mapping[str, Any]) -> None:
        """Keep both."""
        self._client, self._answers = client, answers

    def __getattr__(self, operation: str) -> Any:
        """The canned answer, where there is one; a function is asked with moto's client."""
        if operation not in self._answers:
            return getattr(self._client, operation)
        answer = self._answers[operation]
        return lambda **arguments: answer(self._client, arguments) if callable(answer) else answer

    def get_paginator(self, operation: str) -> Any:
        """Canned answers have one page."""
        if operation not in self._answers:
            return self._client.get_paginator(operation)
        return _OnePage(self._answers[operation])


class _OnePage:
    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def paginate(self, **arguments: Any) -> list[Any]:
        return [self._answer(None, arguments) if callable(self._answer) else self._answer]


class Overlaid(Clients):
    """Clients with canned answers by service."""

    def __init__(self, endpoint: str, answers: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep the answers."""
        super().__init__(endpoint)
        self._answers = answers

    def get(self, service: str, region: str) -> Any:
        """The client, under its answers."""
        return Overlay(super().get(service, region), self._answers.get(service, {}))
