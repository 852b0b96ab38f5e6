"""The endpoint, and what a client may ask of it."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any, assert_never

import structlog
from fastapi import APIRouter
from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.auth.dependencies import authenticated, credential, current_user
from app.auth.errors import NotAuthenticatedError
from app.auth.service import Auth
from app.auth.tokens import AccessClaims
from app.data.database import Database
from app.data.errors import UnavailableError, UncertainError
from app.limits.limiter import Limiter, Outcome
from app.limits.policies import Check, Exemption, Policy
from app.limits.rules import Rule, user
from app.ops.errors import AppError, error_response
from app.realtime import measures, rooms
from app.realtime.frames import (
    CLIENT_FRAME,
    MAX_FRAME_BYTES,
    SUBPROTOCOL,
    AuthFrame,
    ClientFrame,
    CloseCode,
    JoinFrame,
    LeaveFrame,
    PingFrame,
    SendFrame,
    WsMessage,
    error,
)
from app.realtime.hub import Hub
from app.realtime.publisher import room_topic, user_topic
from app.realtime.server import quiet_refusals
from app.realtime.sockets import Ending, Socket, disconnecting

PATHS = ("/ws", "/api/v1/ws")
"""The load balancer sends the first to the realtime pods; the second is for whoever asks one process for everything."""
AUTH_SECONDS = 5.0
"""From the handshake to the first message with a token."""
ROOMS_PER_SOCKET = 50
RETRY_SECONDS = 5
HANDSHAKES = Policy(name="sockets", rules=(Rule("sockets", 60, 60, "user"),), counts_quota=False)
"""A browser with all its tabs connects again at once when a pod stops."""
MESSAGES = Rule("socket-messages", 60, 60, "user")
"""Each is a row of the database."""

_log = structlog.get_logger()

LIMITS: dict[str, Policy | Exemption] = {f"WEBSOCKET {path}": HANDSHAKES for path in PATHS}


def router() -> APIRouter:
    """The routes. Wants `hub`, `auth`, `database` and `limiter` in the state, and `Security` around it for origins."""
    quiet_refusals()
    made = APIRouter()
    for path in PATHS:
        made.add_websocket_route(path, connect)
    return made


async def connect(websocket: WebSocket) -> None:
    """From handshake to close."""
    try:
        await _connect(websocket, websocket.state.hub)
    except WebSocketDisconnect:
        return
    except Exception:  # noqa: BLE001 the server would log it with what it says
        _log.exception("socket_failed")
        with suppress(WebSocketDisconnect, RuntimeError):
            await websocket.close(CloseCode.INTERNAL, "internal_error")


async def _connect(websocket: WebSocket, hub: Hub) -> None:
    try:
        claims = await _handshake(websocket, hub)
    except AppError as refusal:
        measures.refused.add(1, refusal.code)
        answer = error_response(websocket.scope, refusal.status, refusal.code, refusal.message, headers=refusal.headers)
        with disconnecting():
            await websocket.send_denial_response(answer)
        return
    try:
        await _accepted(websocket, hub, claims)
    finally:
        hub.closed()


async def _handshake(websocket: WebSocket, hub: Hub) -> AccessClaims | None:
    """Who it is, by cookie or `Authorization`; None if the first message is to tell."""
    if SUBPROTOCOL not in websocket.scope["subprotocols"]:
        raise AppError(HTTPStatus.BAD_REQUEST, "unknown_subprotocol", f"Connect with the subprotocol {SUBPROTOCOL}.")
    claims = None
    if credential(websocket) is not None:
        claims = await current_user(await authenticated(websocket, websocket.state.auth))
    if not hub.open():
        raise AppError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "no_room",
            "Connect again; another process has room.",
            {"Retry-After": str(RETRY_SECONDS)},
        )
    return claims


async def _accepted(websocket: WebSocket, hub: Hub, claims: AccessClaims | None) -> None:
    with disconnecting():
        await websocket.accept(SUBPROTOCOL)
    claims = claims or await _first_message(websocket)
    if claims is None:
        measures.closed.add(1, "not_authenticated")
        await websocket.close(CloseCode.UNAUTHENTICATED, "not_authenticated")
        return
    socket = Socket(websocket, claims)
    if not hub.admit(socket):
        measures.closed.add(1, "too_many_sockets")
        await websocket.close(CloseCode.TOO_MANY, "too_many_sockets")
        return
    try:
        await _Conversation(websocket, socket, hub).run()
    except WebSocketDisconnect:
        pass
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if socket.ending is None or task is None:
            raise
        task.uncancel()
    finally:
        socket.leave_task()
        await hub.remove(socket)
    await socket.finish()


async def _first_message(websocket: WebSocket) -> AccessClaims | None:
    try:
        async with asyncio.timeout(AUTH_SECONDS):
            text = _text(await websocket.receive())
            frame = None if isinstance(text, Ending) else CLIENT_FRAME.validate_json(text)
        if isinstance(frame, AuthFrame):
            return await _verified(websocket.state.auth, frame.data.token)
    except (TimeoutError, ValidationError, AppError):
        pass
    return None


async def _verified(auth: Auth, token: str) -> AccessClaims:
    """Whose token it is; raises as `current_user` does."""
    claims = await auth.tokens.verify_access(token)
    if await auth.revocations.is_revoked(claims.session_id):
        raise NotAuthenticatedError
    return await current_user(claims)


def _text(message: Any) -> str | Ending:
    """The text of a message of the client, or why that ends the socket.

    Raises:
        WebSocketDisconnect: it was the last.
    """
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", CloseCode.RESTART))
    text: str | None = message.get("text")
    if text is None:
        return Ending(CloseCode.BINARY, "binary")
    # The server refuses larger ones before they are here; at the latest, this does.
    if len(text) > MAX_FRAME_BYTES or len(text.encode()) > MAX_FRAME_BYTES:
        return Ending(CloseCode.TOO_BIG, "too_big")
    return text


class _Conversation:
    """One authenticated socket, message by message; the next is read when the last one is answered."""

    __slots__ = ("_hub", "_socket", "_websocket")

    def __init__(self, websocket: WebSocket, socket: Socket, hub: Hub) -> None:
        self._websocket, self._socket, self._hub = websocket, socket, hub

    async def run(self) -> None:
        """Until it ends: by `Socket.end`, which cancels, or by `WebSocketDisconnect`."""
        is_live = await self._hub.enter(self._socket, user_topic(self._socket.user_id))
        await self._ready(None, is_live=is_live)
        while True:
            text = _text(await self._websocket.receive())
            if isinstance(text, Ending):
                self._socket.end(*text)
            elif not self._socket.may_send():
                self._socket.end(CloseCode.POLICY, "too_many_messages")
            else:
                await self._hear(text)
            # Where the socket was ended, this raises; nothing else might wait.
            await asyncio.sleep(0)

    async def _hear(self, text: str) -> None:
        try:
            frame = CLIENT_FRAME.validate_json(text)
        except ValidationError:
            measures.received.add(1, "invalid")
            await self._socket.reply(error("invalid_message", "The message does not fit."))
            return
        measures.received.add(1, frame.type)
        try:
            await self._answer(frame)
        except rooms.UnknownRoomError:
            await self._socket.reply(error("unknown_room", "There is no such conversation.", frame.ref))
        except UncertainError:
            message = "It may be stored or not: send it again with the same id."
            await self._socket.reply(error("outcome_unknown", message, frame.ref))
        except UnavailableError as failure:
            retry = failure.retry_after_seconds
            await self._socket.reply(error(failure.code, "Try again later.", frame.ref, retry_after_seconds=retry))

    async def _answer(self, frame: ClientFrame) -> None:
        match frame:
            case PingFrame():
                await self._reply("pong", frame.ref)
            case AuthFrame():
                await self._renew(frame)
            case JoinFrame():
                await self._join(frame)
            case LeaveFrame():
                await self._hub.part(self._socket, frame.data.room)
                await self._reply("left", frame.ref, room=str(frame.data.room))
            case SendFrame():
                await self._send(frame)
            case _:
                assert_never(frame)

    async def _renew(self, frame: AuthFrame) -> None:
        try:
            claims = await _verified(self._websocket.state.auth, frame.data.token)
        except AppError as refusal:
            # The old token still holds until its end.
            await self._socket.reply(error(refusal.code, refusal.message, frame.ref))
            return
        if claims.user_id != self._socket.user_id:
            self._socket.end(CloseCode.UNAUTHENTICATED, "other_user")
            return
        self._socket.claims, self._socket.checked_at = claims, time.monotonic()
        await self._ready(frame.ref, is_live=True)

    async def _ready(self, ref: str | None, *, is_live: bool) -> None:
        user_id, expires_at = self._socket.user_id, self._socket.claims.expires_at
        await self._reply("ready", ref, user_id=str(user_id), expires_at=expires_at, is_live=is_live)

    async def _join(self, frame: JoinFrame) -> None:
        room, last, user_id = frame.data.room, frame.data.after, self._socket.user_id
        database: Database = self._websocket.state.database
        if len(self._socket.rooms) >= ROOMS_PER_SOCKET and room not in self._socket.rooms:
            await self._socket.reply(error("too_many_rooms", "Leave another conversation first.", frame.ref))
            return
        await rooms.check_member(database, user_id, room)
        # First hear, then look back: what is said in between comes twice, and not never.
        is_live, users = await self._hub.join(self._socket, room)
        replay = rooms.Replay([], is_complete=True)
        if last is not None:
            replay = await rooms.missed(database, user_id, room, last)
            for message in replay.messages:
                await self._socket.reply(message.text())
        await self._reply(
            "joined", frame.ref, room=str(room), is_live=is_live, is_complete=replay.is_complete, users=users
        )

    async def _send(self, frame: SendFrame) -> None:
        data, user_id = frame.data, self._socket.user_id
        limiter: Limiter = self._websocket.state.limiter
        verdict = await limiter.check([Check(user(str(user_id)), [MESSAGES])], fails_closed=False)
        if verdict.outcome is not Outcome.ALLOWED:
            seconds = round(verdict.reset_seconds, 1)
            message = error("too_many_requests", "Slower.", frame.ref, retry_after_seconds=seconds)
            await self._socket.reply(message)
            return
        stored = await rooms.store(self._websocket.state.database, user_id, data.room, data.id, data.body)
        # Also what was stored before: its first publishing may have failed with the process that tried.
        await self._hub.publisher.publish(room_topic(data.room), stored.message)
        created_at = stored.message.data["created_at"]
        await self._reply("sent", frame.ref, id=str(data.id), created_at=created_at, is_new=stored.is_new)

    async def _reply(self, kind: str, ref: str | None, **data: Any) -> None:
        await self._socket.reply(WsMessage(type=kind, data=data, ref=ref).text())
