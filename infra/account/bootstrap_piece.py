"""One thing that an account needs: it says what it lacks, and can complete itself."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import unquote

from botocore.exceptions import ClientError

from infra.account.permissions import Account
from infra.naming import PROJECT
from infra.verify.facts import Clients

TAGS: Final = {"ManagedBy": f"{PROJECT}-bootstrap", "DataClass": "confidential"}
"""Not the program's tag: what wears that may be deleted by an `up`."""

Lack = tuple[str, Callable[[], object]]
"""What is not as it should be, and what mends it."""


class Outcome(StrEnum):
    """What a run did with a piece, or would do."""

    KEPT = "as it should be"
    CREATED = "created"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Result:
    """One piece after a run.

    Attributes:
        name: what it is.
        outcome: what was done, or would be.
        lacked: what was missing.
    """

    name: str
    outcome: Outcome
    lacked: tuple[str, ...]


@dataclass(kw_only=True)
class Piece(ABC):
    """One thing in the account."""

    clients: Clients
    region: str
    account: Account

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is, by its name in AWS."""

    @abstractmethod
    def exists(self) -> bool:
        """Whether there is one.

        Raises:
            UserError: there is one, and it is somebody else's.
        """

    @abstractmethod
    def create(self) -> None:
        """Make it, with nothing set yet."""

    @abstractmethod
    def lacks(self) -> Iterator[Lack]:
        """What is not as it should be of one that exists, each with a function that mends it."""

    def settle(self, *, dry: bool) -> Result:
        """Bring it to what it should be, or only say what is missing."""
        there = self.exists()
        if not there and dry:
            return Result(self.name, Outcome.CREATED, ())
        if not there:
            self.create()
        lacked = []
        for what, mend in self.lacks():
            lacked.append(what)
            if not dry:
                mend()
        if not there:
            return Result(self.name, Outcome.CREATED, ())
        return Result(self.name, Outcome.COMPLETED if lacked else Outcome.KEPT, tuple(lacked))

    def client(self, service: str) -> Any:
        """boto3 in the region of the state."""
        return self.clients.get(service, self.region)


def answer(ask: Callable[[], Any], *absent: str) -> Any:
    """What AWS answers; None where its error code begins with one of `absent`."""
    try:
        return ask()
    except ClientError as error:
        if error.response["Error"]["Code"].startswith(absent):
            return None
        raise


def opened(document: Any) -> Any:
    """A policy as IAM gives it back: opened by boto3, or still a text."""
    return json.loads(unquote(document)) if isinstance(document, str) else document


def says(found: Any, wanted: Any) -> bool:
    """Whether an answer has everything that is wanted; it may have more."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(says(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(says, found, wanted))
    return bool(found == wanted)
