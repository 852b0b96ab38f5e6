"""Messages of a conversation: what sockets send and hear, for who has none."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID, uuid4

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, StringConstraints

from app.api.context import TheOwn
from app.api.cursors import DEFAULT_LIMIT, Cursor, CursorText, Limit, following
from app.api.envelope import (
    PERSONAL,
    WITH_BODY,
    Answer,
    Listed,
    answer,
    listed,
    refusals,
)
from app.api.fields import NO_NUL, Asked
from app.api.idempotency import Key, Outcome
from app.api.writing import NotFoundError, create
from app.data.connection import Writing
from app.limits.policies import STANDARD, Exemption, Policy
from app.realtime import rooms
from app.realtime.frames import MAX_BODY_CHARACTERS
from app.realtime.publisher import room_topic
from app.realtime.routes import MESSAGES

_PATH = "/conversations/{row_id}/messages"
_EXISTS = "SELECT EXISTS (SELECT FROM conversations WHERE id = $1 AND user_id = $2)"
_NEWEST = """SELECT id, conversation_id, direction, body, created_at FROM messages
WHERE conversation_id = $1 AND user_id = $2{} ORDER BY created_at DESC, id DESC LIMIT $3"""

LIMITS: dict[str, Policy | Exemption] = {
    f"GET /api/v1{_PATH}": STANDARD,
    # The same counter as the sockets': it does not matter by which way somebody sends.
    f"POST /api/v1{_PATH}": Policy(name="messages", rules=(MESSAGES,)),
}

router = APIRouter(tags=["conversations"], responses=PERSONAL)


class Message(BaseModel):
    """What was said; `in` is what came from the other side."""

    id: UUID
    conversation_id: UUID
    direction: Literal["in", "out"]
    body: str
    created_at: datetime


class NewMessage(Asked):
    """To be sent."""

    body: Annotated[str, StringConstraints(min_length=1, max_length=MAX_BODY_CHARACTERS), NO_NUL]


@router.get(_PATH, responses=refusals(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND))
async def list_messages(
    request: Request, own: TheOwn, row_id: UUID, limit: Limit = DEFAULT_LIMIT, cursor: CursorText = None
) -> Listed[Message]:
    """A part of a conversation, the newest first."""
    name = f"messages-{row_id.hex}"
    arguments: list[object] = [row_id, own.user_id, limit + 1]
    narrowed = ""
    if cursor is not None:
        start = Cursor.decode(name, cursor)
        arguments += [start.at, start.id]
        narrowed = " AND (created_at, id) < ($4, $5)"
    async with own.reading() as reading:
        if not await reading.fetchval(_EXISTS, row_id, own.user_id):
            raise NotFoundError
        rows = await reading.fetch(_NEWEST.format(narrowed), *arguments)
    found = [Message.model_validate(dict(row)) for row in rows[:limit]]
    return listed(request, found, limit, following(rows, limit, name))


@router.post(
    _PATH,
    status_code=HTTPStatus.CREATED,
    response_model=Answer[Message],
    responses={**WITH_BODY, **refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)},
)
async def send_message(request: Request, own: TheOwn, row_id: UUID, body: NewMessage, key: Key = None) -> Response:
    """Say something; whoever has the conversation open hears it."""

    async def effect(writing: Writing) -> Outcome:
        try:
            stored = await rooms.add(writing, row_id, uuid4(), body.body)
        except rooms.UnknownRoomError:
            raise NotFoundError from None
        made = Message.model_validate({**stored.message.data, "id": stored.message.id, "conversation_id": row_id})
        return Outcome(status=HTTPStatus.CREATED, body=answer(request, made).model_dump_json().encode())

    outcome = await create(request, own, key, body, effect)
    # A repetition too: the first one's process may have died before it told anybody. Clients know the id.
    made = Message.model_validate(orjson.loads(outcome.body)["data"])
    await own.here.publisher.publish(room_topic(row_id), rooms.as_heard({**made.model_dump(), "user_id": own.user_id}))
    if not outcome.is_replay:
        await own.here.count("send_message")
    return outcome.response()
