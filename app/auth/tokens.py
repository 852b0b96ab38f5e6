"""Access tokens, short-lived and verified without a store but for revocation; and the proof of a login's first step."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import jwt

from app.auth.errors import NotAuthenticatedError
from app.auth.keys import KeyRing
from app.auth.settings import AuthSettings

ALGORITHM = "HS256"
"""The only one: signer and verifier are the same program, and it costs half of what an asymmetric one does."""
MAXIMUM_TOKEN_LENGTH = 2048
"""Ours have under 500 characters; far longer ones are not worth parsing."""
REMEMBERED = 10_000
"""Tokens whose verification a process remembers, some 600 bytes each; the oldest goes first."""
LEEWAY_SECONDS = 5
"""Clocks of pods differ by less."""

_ACCESS = "access"
_CHALLENGE = "challenge"
_REQUIRED = ["iss", "aud", "sub", "jti", "typ", "iat", "exp"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessClaims:
    """What an access token says.

    Attributes:
        user_id: whom it stands for.
        session_id: the login that it came from; ending that ends the token.
        token_id: `jti`.
        second_factor: whether the login passed one.
        second_factor_due: the account must set one up before anything else.
        expires_at: seconds since 1970.
    """

    user_id: UUID
    session_id: UUID
    token_id: UUID
    second_factor: bool
    second_factor_due: bool
    expires_at: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Challenge:
    """Who gave the right password, and now owes the second factor; `remember` is what the login asked for."""

    user_id: UUID
    remember: bool


class _Verified(NamedTuple):
    """A token that held: by which key, and since when."""

    kid: str
    key: bytes
    issued_at: int
    claims: AccessClaims


class Tokens:
    """Signs and verifies. Every kind has a key of its own and says what it is, so none passes for another."""

    def __init__(self, settings: AuthSettings, ring: KeyRing, clock: Callable[[], float] = time.time) -> None:
        """Take `clock` as seconds since 1970."""
        self._settings, self._ring, self._clock = settings, ring, clock
        self._verified: dict[bytes, _Verified] = {}

    def issue_access(self, user_id: UUID, session_id: UUID, *, second_factor: bool, second_factor_due: bool) -> str:
        """A token for a session."""
        claims = {"sid": str(session_id), "mfa": second_factor, "mfa_due": second_factor_due}
        return self._sign(_ACCESS, user_id, claims, self._settings.access_seconds)

    def issue_challenge(self, challenge: Challenge) -> str:
        """A token for the second step of a login; alone it opens nothing."""
        claims = {"remember": challenge.remember}
        return self._sign(_CHALLENGE, challenge.user_id, claims, self._settings.challenge_seconds)

    async def verify_access(self, token: str) -> AccessClaims:
        """What a token says, if we signed it and its time is now. Revocation is asked elsewhere.

        A token that was verified is remembered, by its hash, until its time or its key's is over: PyJWT takes 0.2 ms,
        and every request asks twice.

        Raises:
            NotAuthenticatedError: anything is wrong with it; the cause only has the kind of error.
        """
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        known = self._verified.get(digest)
        if known is not None and await self._ring.find(known.kid, _ACCESS) == known.key:
            self._check_times(known.issued_at, known.claims.expires_at)
            return known.claims
        kid, key = await self._find_key(_ACCESS, token)
        claims = self._decode(_ACCESS, token, key)
        try:
            found = AccessClaims(
                user_id=UUID(claims["sub"]),
                session_id=UUID(claims["sid"]),
                token_id=UUID(claims["jti"]),
                second_factor=claims["mfa"] is True,
                second_factor_due=claims["mfa_due"] is not False,
                expires_at=claims["exp"],
            )
        except (KeyError, ValueError, AttributeError):
            raise NotAuthenticatedError from None
        while len(self._verified) >= REMEMBERED:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = _Verified(kid, key, claims["iat"], found)
        return found

    async def verify_challenge(self, token: str) -> Challenge:
        """Whose password was right.

        Raises:
            NotAuthenticatedError: anything is wrong with it.
        """
        _, key = await self._find_key(_CHALLENGE, token)
        claims = self._decode(_CHALLENGE, token, key)
        return Challenge(user_id=UUID(claims["sub"]), remember=claims.get("remember") is True)

    def _sign(self, kind: str, user_id: UUID, claims: Mapping[str, Any], seconds: int) -> str:
        now = int(self._clock())
        kid, key = self._ring.signing(kind)
        payload = {
            "iss": self._settings.issuer,
            "aud": self._settings.audience,
            "sub": str(user_id),
            "jti": str(uuid4()),
            "typ": kind,
            "iat": now,
            "exp": now + seconds,
            **claims,
        }
        return jwt.encode(payload, key, algorithm=ALGORITHM, headers={"kid": kid})

    def _decode(self, kind: str, token: str, key: bytes) -> dict[str, Any]:
        """PyJWT checks signature, algorithm, issuer and audience; the times are ours, by our clock."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=self._settings.issuer,
                audience=self._settings.audience,
                options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except (jwt.InvalidTokenError, ValueError):
            # The error's text may quote the token: it ends here.
            raise NotAuthenticatedError from None
        issued, expires = claims["iat"], claims["exp"]
        if not (type(issued) is int and type(expires) is int and claims["typ"] == kind):
            raise NotAuthenticatedError
        self._check_times(issued, expires)
        return claims

    def _check_times(self, issued: int, expires: int) -> None:
        if not issued - LEEWAY_SECONDS <= self._clock() < expires + LEEWAY_SECONDS:
            raise NotAuthenticatedError

    async def _find_key(self, kind: str, token: str) -> tuple[str, bytes]:
        """Id and derived key that a token says it was signed with."""
        if len(token) > MAXIMUM_TOKEN_LENGTH:
            raise NotAuthenticatedError
        try:
            kid: object = jwt.get_unverified_header(token).get("kid")
        except (jwt.InvalidTokenError, ValueError):
            raise NotAuthenticatedError from None
        if not isinstance(kid, str) or (key := await self._ring.find(kid, kind)) is None:
            raise NotAuthenticatedError
        return kid, key
