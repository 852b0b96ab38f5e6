"""Entity tags: an answer that has not changed is not sent again, and nobody overwrites what they have not seen.

https://www.rfc-editor.org/rfc/rfc9110#name-conditional-requests
"""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Header
from starlette.requests import Request
from starlette.responses import Response

from app.cache.envelope import encode
from app.ops.errors import AppError

_LONGEST = 2_000

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=_LONGEST, description="The `ETag` of what the change is made to; or `*`."),
]


class PreconditionRequiredError(AppError):
    """A change that does not say what it changes."""

    def __init__(self) -> None:
        """Say what to do."""
        message = "Send If-Match with the ETag of what you read, so that nobody's change is lost."
        super().__init__(HTTPStatus.PRECONDITION_REQUIRED, "if_match_required", message)


class ChangedMeanwhileError(AppError):
    """Somebody else was first."""

    def __init__(self) -> None:
        """Say what to do."""
        message = "It has changed since you read it: read it again, and change that."
        super().__init__(HTTPStatus.PRECONDITION_FAILED, "changed_meanwhile", message)


def of_version(version: int) -> str:
    """Of a row: strong, since every change makes a new version."""
    return f'"{version}"'


def of_content(content: Any) -> str:
    """Of a list, which has no version: weak, by what is in it."""
    return of_bytes(encode(content))


def of_bytes(content: bytes) -> str:
    """Of what is encoded already; weak as well."""
    return f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'


def expected_versions(if_match: str | None) -> list[int] | None:
    """Versions that may be changed; None for any.

    Raises:
        PreconditionRequiredError: the header is missing.
    """
    if if_match is None:
        raise PreconditionRequiredError
    tags = [tag.strip() for tag in if_match.split(",")]
    if tags == ["*"]:
        return None
    # A tag that is none of ours fits no version; a weak one never fits (RFC 9110, 13.1.1).
    inner = [tag[1:-1] for tag in tags if len(tag) > 2 and tag[0] == tag[-1] == '"']  # noqa: PLR2004 both quotes
    return [int(text) for text in inner if text.isascii() and text.isdecimal() and len(text) <= 9]  # noqa: PLR2004


def unchanged(request: Request, headers: dict[str, str]) -> Response | None:
    """304 if the client has this already; None if it has not.

    Args:
        request: may say what it has.
        headers: of the answer, with its `ETag`.
    """
    known = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    if known & {"*", headers["ETag"].removeprefix("W/")}:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return None
