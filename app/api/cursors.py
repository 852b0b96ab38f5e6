"""Where a long list goes on: after the row with this time and id. Nobody is to read or make one.

A cursor says nothing that the list has not said, and what it finds is decided by row-level security as ever: so it is
checked, and not signed.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from app.data.connection import Row
from app.ops.errors import AppError

DEFAULT_LIMIT, MAXIMUM_LIMIT = 20, 100
"""Rows of a page."""
DEEPEST_PAGE = 1_000
"""Of a list by number: the database reads and drops all rows before it."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = 200

Limit = Annotated[int, Query(ge=1, le=MAXIMUM_LIMIT, description="At most so many rows.")]
CursorText = Annotated[
    str | None, Query(max_length=_LONGEST, description="`meta.page.next_cursor` of the part before; none at first.")
]
PageNumber = Annotated[int, Query(ge=1, le=DEEPEST_PAGE, description="Counted from 1.")]


class Part(BaseModel):
    """Which part of a long list."""

    limit: Limit = DEFAULT_LIMIT
    cursor: CursorText = None

    @classmethod
    def of(cls, request: Request) -> Self:
        """As the framework would read it, in a tenth of the time: for what is asked for most.

        Raises:
            RequestValidationError: it does not fit.
        """
        try:
            return cls.model_validate(dict(request.query_params) if request.scope["query_string"] else {})
        except ValidationError as error:
            found = [{**one, "loc": ("query", *one["loc"])} for one in error.errors(include_input=False)]
            raise RequestValidationError(found) from None

    @classmethod
    def described(cls) -> dict[str, Any]:
        """What the framework would tell in OpenAPI, for a route that reads it by `of`."""
        fields = cls.model_json_schema()["properties"].items()
        at = {"in": "query", "required": False}
        return {
            "parameters": [
                {"name": name, **at, "schema": one, "description": one["description"]} for name, one in fields
            ]
        }


class InvalidCursorError(AppError):
    """It was made up, or belongs to another list."""

    def __init__(self) -> None:
        """Say what to do."""
        message = "This cursor does not belong to this list; begin again without one."
        super().__init__(HTTPStatus.BAD_REQUEST, "invalid_cursor", message)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a part: lists are ordered by time, and by id where times are equal."""

    at: datetime
    id: UUID

    def encode(self, name: str) -> str:
        """As text, for the list of this name."""
        micros = (self.at - _EPOCH) // timedelta(microseconds=1)
        return urlsafe_b64encode(f"{name}|{micros}|{self.id.hex}".encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, name: str, text: str) -> Self:
        """From text.

        Raises:
            InvalidCursorError: it is none of this list's.
        """
        try:
            raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)).decode("ascii")
            given, micros, identifier = raw.split("|")
            found = cls(_EPOCH + timedelta(microseconds=int(micros)), UUID(hex=identifier))
        except (ValueError, OverflowError, binascii.Error):
            raise InvalidCursorError from None
        # Only the spelling that we use: `int` and `UUID` would take others.
        if given != name or found.encode(name) != text:
            raise InvalidCursorError
        return found


def following(rows: Sequence[Row], limit: int, name: str) -> str | None:
    """Where the list of this name goes on after `limit` rows, newest first; None if there is no further one."""
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]
    return Cursor(last["created_at"], last["id"]).encode(name)
