"""What the local cloud asks of one AWS resource type, and what it gives it.

A `Kind` knows how one Pulumi type is created, read, changed and deleted. Inputs and outputs are plain values under
the Pulumi SDK's camelCase names.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import boto3
import botocore.config

from infra.errors import UserError

Values = dict[str, Any]
"""Properties of a resource by their camelCase names."""

ACCOUNT_ID = "123456789012"
"""The one account of the local cloud: moto's default."""

PARTITION = "aws"
SUFFIX_LENGTH = 7
"""Hex digits that Pulumi appends to a logical name when it names the object."""


class KindError(UserError):
    """A wish that AWS would refuse, refused here because moto would not."""


class _Clients:
    """boto3 clients: slow to make (50 to 100 ms each), safe to share between threads."""

    def __init__(self) -> None:
        # A session is not thread-safe while it makes a client, so one lock covers that.
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str, str], Any] = {}

    @cached_property
    def _session(self) -> Any:
        return boto3.session.Session(aws_access_key_id="local", aws_secret_access_key="local")  # noqa: S106 - moto asks for some

    def get(self, endpoint: str, service: str, region: str) -> Any:
        """The client of one service in one region."""
        key = (endpoint, service, region)
        with self._lock:
            if key not in self._clients:
                client = self._session.client(
                    service,
                    endpoint_url=endpoint,
                    region_name=region,
                    config=botocore.config.Config(
                        # moto answers at once: a retry would only hide its errors and slow them down.
                        retries={"total_max_attempts": 1},
                        max_pool_connections=32,
                        s3={"addressing_style": "path"},
                    ),
                )
                client.meta.events.register("after-call", _without_retries)
                self._clients[key] = client
            return self._clients[key]


def _without_retries(parsed: Values, **_: Any) -> None:
    """Keep `(reached max retries: 0)` out of every error."""
    parsed["ResponseMetadata"].pop("MaxAttemptsReached", None)


_CLIENTS = _Clients()


@dataclass(frozen=True, slots=True)
class Context:
    """Where a resource lives.

    Attributes:
        endpoint: URL of the moto server.
        region: the resource's `region` input, or else the provider's.
        name: the resource's logical name, from which objects without a physical name get theirs.
    """

    endpoint: str
    region: str
    name: str

    def client(self, service: str) -> Any:
        """The boto3 client of `service` in this region."""
        return _CLIENTS.get(self.endpoint, service, self.region)

    def autoname(self, limit: int, prefix: str | None = None) -> str:
        """A physical name in Pulumi's shape: the logical name and seven hex digits, or `prefix` and digits.

        The digits are random: a replacement exists beside what it replaces.
        """
        digest = secrets.token_hex(SUFFIX_LENGTH)[:SUFFIX_LENGTH]
        start = prefix or f"{self.name}-"
        return f"{start[: limit - SUFFIX_LENGTH]}{digest}"

    def arn(self, service: str, resource: str, *, region: str | None = None) -> str:
        """ARN of a resource in this account; `region=""` for a global service."""
        return f"arn:{PARTITION}:{service}:{self.region if region is None else region}:{ACCOUNT_ID}:{resource}"


class Kind(Protocol):
    """One AWS resource type of the local cloud."""

    @property
    def computed(self) -> tuple[str, ...]:
        """Outputs that nobody knows before the object exists."""

    @property
    def real(self) -> bool:
        """Whether moto implements it; if not, this process remembers it."""

    def create(self, ctx: Context, inputs: Values) -> tuple[str, Values]:
        """Make the object; its id and outputs."""

    def read(self, ctx: Context, id: str, outputs: Values) -> Values | None:  # noqa: A002 - Pulumi's word
        """The object's outputs as they are now; None when it is gone."""

    def update(self, ctx: Context, id: str, outputs: Values, old: Values, new: Values) -> Values:  # noqa: A002
        """Change the object from the inputs `old` to `new`; its new outputs."""

    def delete(self, ctx: Context, id: str, outputs: Values) -> None:  # noqa: A002
        """Delete the object; one that is gone already is fine."""


class Incomplete(KindError):  # noqa: N818 - what it says of the object; its cause is the error
    """The object exists, but a later step of its creation failed.

    Attributes:
        id: id of what was made, so that it can be deleted.
        outputs: what is known of it.
    """

    def __init__(self, message: str, id: str, outputs: Values) -> None:  # noqa: A002
        """Carry what the engine has to remember."""
        super().__init__(message)
        self.id = id
        self.outputs = outputs
