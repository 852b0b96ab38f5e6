"""How a provider fails: one line that names resource and cause, and what the engine keeps of what is half made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import grpc
from botocore.exceptions import BotoCoreError, ClientError
from pulumi.runtime.proto import provider_pb2, status_pb2

from infra.errors import UserError
from infra.local.values import redact, secret_strings

FAILURES: Final = (
    BotoCoreError,
    ClientError,
    UserError,
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    TypeError,
    ValueError,
)
"""What a kind may fail with: an API's refusal, a wrong input, or a mistake in the kind itself."""


def message(subject: str, operation: str, cause: str, values: Sequence[Any]) -> str:
    """Tell it in one line, with the secrets of `values` closed."""
    return redact(" ".join(f"{subject}: {operation} failed: {cause}".split()), secret_strings(*values))


def _cause(error: Exception) -> str:
    stated = isinstance(error, BotoCoreError | ClientError | UserError)
    return str(error) if stated else f"{type(error).__name__}: {error}"


@contextmanager
def reported(context: Any, subject: str, operation: str, *values: Any) -> Iterator[None]:
    """Turn a failure into one line that names resource, operation and cause, without any secret of `values`."""
    try:
        yield
    except FAILURES as error:
        context.abort(grpc.StatusCode.UNKNOWN, message(subject, operation, _cause(error), values))


def crash(context: Any) -> NoReturn:
    """End the call as the engine sees it when the plugin's process is gone."""
    context.abort(grpc.StatusCode.UNAVAILABLE, "error reading from server: EOF")
    raise AssertionError  # `abort` does not return.


def init_failed(context: Any, message: str, **made: Any) -> None:
    """Fail in the way that makes the engine keep what was `made`: its id, properties and inputs."""
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message)
    status.details.add().Pack(provider_pb2.ErrorResourceInitFailed(reasons=[message], **made))
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, message)
