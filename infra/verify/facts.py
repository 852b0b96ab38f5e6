"""The vocabulary of a verification: facts about objects, and what they are read from."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import boto3
from botocore.config import Config

from infra.naming import PROJECT, Names
from stacks.phase import Phase

GLOBAL_REGION = "us-east-1"
"""Where AWS keeps CloudFront, its web ACLs, Route 53, budgets, and their metrics."""


class Verdict(StrEnum):
    """What became of one fact."""

    HOLDS = "holds"
    DIFFERS = "differs"
    UNCHECKED = "not checked here"


@dataclass(frozen=True, slots=True)
class Fact:
    """One property of one object: what it should be and what it is."""

    what: str
    expected: str
    actual: str
    verdict: Verdict


def equal(what: str, expected: object, actual: object) -> Fact:
    """Hold when both are the same."""
    return holds(what, expected == actual, expected, actual)


def holds(what: str, condition: object, expected: object, actual: object) -> Fact:
    """Hold when `condition` is true; `expected` says it in words."""
    return Fact(what, _text(expected), _text(actual), Verdict.HOLDS if condition else Verdict.DIFFERS)


def unchecked(what: str, reason: str) -> Fact:
    """Neither hold nor differ: it cannot be seen here, for `reason`."""
    return Fact(what, "", reason, Verdict.UNCHECKED)


def _text(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value or "nothing"
    if isinstance(value, Iterable):
        return ", ".join(sorted(map(str, value))) or "nothing"
    return str(value)


@dataclass(frozen=True, slots=True)
class Probe:
    """One object, and how its facts are read; a fact read before an error counts."""

    area: str
    subject: str
    facts: Callable[[], Iterator[Fact]]


class OutputError(Exception):
    """The stack does not export what names an object."""

    def __init__(self, key: str) -> None:
        """Keep the output's name."""
        self.key = key
        super().__init__(key)


class Clients:
    """boto3 clients by service and region, made once and shared by all threads."""

    def __init__(self, endpoint: str | None = None) -> None:
        """With `endpoint` that server is asked, with credentials that open nothing else; otherwise AWS."""
        self._endpoint = endpoint
        self._session = (
            boto3.Session(aws_access_key_id="local", aws_secret_access_key="local")  # noqa: S106 - opens moto only
            if endpoint
            else boto3.Session()
        )
        self._config = Config(
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "max_attempts": 4},
            s3={"addressing_style": "path" if endpoint else "auto"},
        )
        self._made: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def get(self, service: str, region: str) -> Any:
        """The client; making one is not thread-safe in boto3, using one is."""
        with self._lock:
            if (service, region) not in self._made:
                self._made[service, region] = self._session.client(
                    service, region_name=region, endpoint_url=self._endpoint, config=self._config
                )
            return self._made[service, region]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """One stack, or one region of it: what it should be, and how to ask.

    Attributes:
        region: where the regional objects are; home for the stack as a whole.
        outputs: the stack's outputs, or those of the region alone; secret values are never read.
        phase: what the stack should be, overrides included.
        domain: the product's host name.
        protected: whether stateful objects must refuse deletion (any environment but development).
        clients: boto3.
        local: the account is the local cloud, which does not have everything.
        shared: the stack's outputs, where `outputs` is a region's.
    """

    region: str
    outputs: Mapping[str, Any]
    phase: Phase
    domain: str
    protected: bool
    clients: Clients = field(default_factory=Clients)
    local: bool = False
    shared: Mapping[str, Any] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """Whether the region has everything; a read region has replicas, and what they stand on."""
        return self.region in self.phase.regions

    @property
    def of_stack(self) -> Mapping[str, Any]:
        """The stack's outputs, whichever scope this is."""
        return self.shared or self.outputs

    def physical_name(self, kind: str, name: str) -> str:
        """The name that the program gives in AWS to what is called `name` in the plan.

        Raises:
            OutputError: the stack does not export its own name.
        """
        stack = self.of_stack.get("stack")
        if not isinstance(stack, str):
            key = "stack"
            raise OutputError(key)
        return Names(PROJECT, stack).of(kind, name)

    def within(self, region: str) -> Scope:
        """One region of the stack.

        Raises:
            OutputError: the stack exports nothing about it.
        """
        shared = self.of_stack
        regions = shared.get("regions")
        outputs = regions.get(region) if isinstance(regions, Mapping) else None
        if not isinstance(outputs, Mapping):
            key = f"regions.{region}"
            raise OutputError(key)
        return replace(self, region=region, outputs=outputs, shared=shared)

    def client(self, service: str) -> Any:
        """The region's client."""
        return self.clients.get(service, self.region)

    def global_client(self, service: str) -> Any:
        """The client of a service that AWS keeps in one region."""
        return self.clients.get(service, GLOBAL_REGION)

    def text(self, key: str) -> str:
        """A text output.

        Raises:
            OutputError: it is missing or something else.
        """
        value = self.outputs.get(key)
        if isinstance(value, str) and value:
            return value
        raise OutputError(key)

    def names(self, key: str) -> Mapping[str, str]:
        """An output that maps names to texts.

        Raises:
            OutputError: it is missing or something else.
        """
        value = self.outputs.get(key)
        if isinstance(value, Mapping) and all(isinstance(item, str) for item in value.values()):
            return value
        raise OutputError(key)

    def records(self, key: str) -> Sequence[Mapping[str, str]]:
        """An output that lists maps of names to texts.

        Raises:
            OutputError: it is missing or something else.
        """
        value = self.outputs.get(key)
        if isinstance(value, Sequence) and all(
            isinstance(item, Mapping) and all(isinstance(text, str) for text in item.values()) for item in value
        ):
            return value
        raise OutputError(key)

    def texts(self, key: str) -> Sequence[str]:
        """An output that lists texts.

        Raises:
            OutputError: it is missing or something else.
        """
        value = self.outputs.get(key)
        if isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(item, str) for item in value):
            return value
        raise OutputError(key)
