"""Rooms are conversations: row-level security says who may be in one, and the database keeps what is said."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from app.data.connection import Row, Writing
from app.data.database import Database
from app.realtime.frames import WsMessage

REPLAYED = 200
"""Messages that a client gets when it joins again; for older ones it asks the API."""
OVERLAP_SECONDS = 10
"""`created_at` is when a transaction began, and one that began earlier may commit later: by as long as a transaction
lasts, whose statements have 5 s each. So a replay begins before the client's last message; ids show the repetition."""

_IS_MEMBER = "SELECT EXISTS (SELECT FROM conversations WHERE id = $1)"
_AFTER = """SELECT m.id, m.conversation_id, m.user_id, m.direction, m.body, m.created_at FROM messages m
WHERE m.conversation_id = $1 AND m.id <> $2 AND m.created_at >= (SELECT last.created_at - make_interval(secs => $3)
FROM messages last WHERE last.id = $2 AND last.conversation_id = $1) ORDER BY m.created_at, m.id LIMIT $4"""
_HAS = "SELECT EXISTS (SELECT FROM messages WHERE id = $2 AND conversation_id = $1)"
_ADD = """INSERT INTO messages (id, user_id, conversation_id, direction, body)
SELECT $2, c.user_id, c.id, 'out', $3 FROM conversations c WHERE c.id = $1
ON CONFLICT (id) DO NOTHING RETURNING id, conversation_id, user_id, direction, body, created_at"""
_STORED = """SELECT id, conversation_id, user_id, direction, body, created_at FROM messages
WHERE id = $2 AND conversation_id = $1"""


class UnknownRoomError(Exception):
    """There is no such conversation, or it is not the user's: they look the same."""


class Replay(NamedTuple):
    """Messages that a client may have missed.

    Attributes:
        messages: oldest first.
        is_complete: False if there are more, or if the client's last message is not known.
    """

    messages: list[WsMessage]
    is_complete: bool


class Stored(NamedTuple):
    """A message of the database; `is_new` unless it was there already."""

    message: WsMessage
    is_new: bool


async def check_member(database: Database, user_id: UUID, room: UUID) -> None:
    """Make sure that a user may be in a room.

    Raises:
        UnknownRoomError: no.
        UnavailableError: see `Database.reader`.
    """
    async with database.reader(user_id) as connection:
        if await connection.fetchval(_IS_MEMBER, room):
            return
    # A replica may be late, and the conversation new.
    async with database.writer(user_id) as connection:
        if not await connection.fetchval(_IS_MEMBER, room):
            raise UnknownRoomError


async def missed(database: Database, user_id: UUID, room: UUID, last: UUID) -> Replay:
    """What was said since shortly before the client's last message.

    Of the primary: a replica may lack what was published before the client's subscription held.

    Raises:
        UnavailableError: see `Database.writer`.
    """
    async with database.writer(user_id) as connection:
        rows = await connection.fetch(_AFTER, room, last, float(OVERLAP_SECONDS), REPLAYED + 1)
        is_known = bool(rows) or await connection.fetchval(_HAS, room, last)
    return Replay([as_heard(row) for row in rows[:REPLAYED]], is_known and len(rows) <= REPLAYED)


async def store(database: Database, user_id: UUID, room: UUID, message_id: UUID, body: str) -> Stored:
    """Keep a message; one with the same id only once.

    Raises:
        UnknownRoomError: there is no such room, or the id is another message's.
        UnavailableError: see `Database.writer`; nothing was stored.
        UncertainError: nobody knows; the same id may be tried again.
    """
    async with database.writer(user_id) as connection:
        return await add(connection, room, message_id, body)


async def add(connection: Writing, room: UUID, message_id: UUID, body: str) -> Stored:
    """As `store`, in a transaction of the user; publish it once that is committed.

    Raises:
        UnknownRoomError: there is no such room, or the id is another message's.
    """
    row = await connection.fetchrow(_ADD, room, message_id, body)
    found = row or await connection.fetchrow(_STORED, room, message_id)
    if found is None:
        raise UnknownRoomError
    return Stored(as_heard(found), is_new=row is not None)


def as_heard(row: Row) -> WsMessage:
    """A row of `messages`, as sockets get it."""
    data: dict[str, Any] = {
        "room": str(row["conversation_id"]),
        "user_id": str(row["user_id"]),
        "direction": row["direction"],
        "body": row["body"],
        "created_at": row["created_at"].isoformat(),
    }
    return WsMessage(type="message", data=data, id=row["id"])
