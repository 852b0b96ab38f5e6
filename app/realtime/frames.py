"""What goes over a socket: JSON texts with `type` and `data`, under the subprotocol `headroom.v1`.

A client sends `auth`, `join`, `leave`, `send` and `ping`; `ref` is any text of its own, which the answer repeats. The
server's messages are `WsMessage`s:

- `ready`, after authentication; `pong`; `error` with a code for programs and a message for people;
- `joined` and `left`; `present`, when a user comes or goes;
- `message`, with the message's id: a resumed or repeated one has the same id, so clients drop what they have;
- `sent`, once the database has the client's message;
- `gap`: messages may have been missed in `topic`; after `after_ms` join again with the last id;
- `reconnect`: the server stops; connect again after `after_ms`. The close code that follows is 1012.

Whatever else the product tells a user comes under its own type.

On any close clients connect again, after a random time that doubles up to a minute: but not on 4401 (log in or refresh
first), 4429 or 1008.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

SUBPROTOCOL = "headroom.v1"
MAX_FRAME_BYTES = 16_384
MAX_BODY_CHARACTERS = 4_000
"""Of a message: at four bytes each they fit into a frame."""


class CloseCode(IntEnum):
    """Why the server closes; from 4000 on they are ours (RFC 6455, section 7.4.2)."""

    BINARY = 1003
    ABNORMAL = 1006
    POLICY = 1008
    TOO_BIG = 1009
    INTERNAL = 1011
    RESTART = 1012
    TRY_AGAIN_LATER = 1013
    UNAUTHENTICATED = 4401
    TOO_MANY = 4429


def _storable(text: str) -> str:
    if "\0" in text:
        msg = "must have no NUL"
        raise ValueError(msg)
    return text


class _Frame(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class AuthData(_Frame):
    """An access token, the first or the next one."""

    token: Annotated[str, Field(max_length=2_048, repr=False)]


class JoinData(_Frame):
    """A room, and the last message of it that the client has."""

    room: UUID
    after: UUID | None = None


class LeaveData(_Frame):
    """A room."""

    room: UUID


class SendData(_Frame):
    """A message. The client makes the id, and uses it again when it tries again."""

    room: UUID
    id: UUID
    body: Annotated[str, Field(min_length=1, max_length=MAX_BODY_CHARACTERS), AfterValidator(_storable)]


class _Request(_Frame):
    ref: Annotated[str, Field(max_length=64)] | None = None


class AuthFrame(_Request):
    """The first message of a socket without a credential in its handshake; later, to stay beyond the token's end."""

    type: Literal["auth"]
    data: AuthData


class JoinFrame(_Request):
    """Hear a room."""

    type: Literal["join"]
    data: JoinData


class LeaveFrame(_Request):
    """Hear it no more."""

    type: Literal["leave"]
    data: LeaveData


class SendFrame(_Request):
    """Say something in a room."""

    type: Literal["send"]
    data: SendData


class PingFrame(_Request):
    """Whether anybody is there; pages cannot send a ping of the protocol."""

    type: Literal["ping"]


ClientFrame = AuthFrame | JoinFrame | LeaveFrame | SendFrame | PingFrame
CLIENT_FRAME: TypeAdapter[ClientFrame] = TypeAdapter(Annotated[ClientFrame, Field(discriminator="type")])


class WsMessage(BaseModel):
    """A message to clients.

    Attributes:
        type: what it is about, such as `lead.created`.
        data: what it says; it goes to browsers as it is.
        id: the same one is the same message.
        ref: of the client's message that this answers.
    """

    model_config = ConfigDict(frozen=True)

    type: Annotated[str, Field(pattern=r"^[a-z][a-z_.]{0,39}$")]
    data: dict[str, Any] = Field(default_factory=dict)
    id: UUID = Field(default_factory=uuid4)
    ref: str | None = None

    def text(self) -> str:
        """As it is sent."""
        return self.model_dump_json(exclude_none=True)


def error(code: str, message: str, ref: str | None = None, **more: Any) -> str:
    """A refusal, as it is sent; it quotes nothing."""
    return WsMessage(type="error", data={"code": code, "message": message, **more}, ref=ref).text()
