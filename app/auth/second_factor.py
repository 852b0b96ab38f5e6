"""The second factor: one-time codes of an app (TOTP, RFC 6238), each accepted once, and backup codes.

The database has a random seed per user, and the secret of the app is derived from it with the deployment's key. The
hashes of backup codes need that key too. So a copy of the database alone passes for nobody.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from secrets import choice, token_bytes
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import pyotp

from app.auth.attempts import SECOND_FACTOR, Attempts
from app.auth.errors import InvalidCodeError, SecondFactorStateError
from app.auth.settings import AuthSettings
from app.auth.store import Account, Connections

STEP_SECONDS = 30
BACKUP_CODES = 10

_SEED_BYTES = 20
_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Nothing that is read as something else; 32 characters, 5 bits each."""
_BACKUP_LENGTH = 12


class Enrolment(NamedTuple):
    """What the app is told, once: the secret as base32, and the same as a URI for a QR code."""

    secret: str
    uri: str

    def __repr__(self) -> str:
        """Without the secret."""
        return "Enrolment(...)"


class SecondFactor:
    """Sets up, checks and removes."""

    def __init__(
        self,
        settings: AuthSettings,
        connections: Connections,
        attempts: Attempts,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take `clock` as seconds since 1970, which the user's app counts too."""
        self._settings, self._connections, self._attempts, self._clock = settings, connections, attempts, clock

    async def enrol(self, account: Account) -> Enrolment:
        """A new secret, which counts once a code of it is confirmed. One that was never confirmed is replaced.

        Raises:
            SecondFactorStateError: there is one already.
        """
        seed = token_bytes(_SEED_BYTES)
        async with self._connections.system_writer() as connection:
            stored = await connection.fetchval(
                "INSERT INTO auth_totp (user_id, seed) VALUES ($1, $2) ON CONFLICT (user_id) DO UPDATE "
                "SET seed = excluded.seed WHERE auth_totp.confirmed_at IS NULL RETURNING seed",
                account.user_id,
                seed,
            )
        if stored is None:
            raise SecondFactorStateError
        totp = self._totp(account.user_id, seed)
        issuer = urlsplit(self._settings.issuer).hostname or self._settings.issuer
        return Enrolment(totp.secret, totp.provisioning_uri(name=account.email, issuer_name=issuer))

    async def confirm(self, user_id: UUID, code: str) -> list[str]:
        """Turn it on; the backup codes, which are kept nowhere.

        Raises:
            SecondFactorStateError: there is nothing to confirm.
            InvalidCodeError: the app shows another code.
            TooManyAttemptsError: too many guesses.
            AuthUnavailableError: they cannot be counted.
        """
        await self._attempts.take(SECOND_FACTOR, str(user_id))
        codes = ["".join(choice(_ALPHABET) for _ in range(_BACKUP_LENGTH)) for _ in range(BACKUP_CODES)]
        async with self._connections.system_writer() as connection:
            seed = await connection.fetchval(
                "SELECT seed FROM auth_totp WHERE user_id = $1 AND confirmed_at IS NULL FOR UPDATE", user_id
            )
            step = None if seed is None else self._find_step(user_id, seed, code)
            if step is not None:
                await connection.execute(
                    "UPDATE auth_totp SET confirmed_at = now(), last_step = $2 WHERE user_id = $1", user_id, step
                )
                await connection.execute(
                    "INSERT INTO auth_backup_codes (user_id, code_hash) SELECT $1, unnest($2::bytea[])",
                    user_id,
                    [self._backup_hash(user_id, one) for one in codes],
                )
        if seed is None:
            raise SecondFactorStateError
        if step is None:
            raise InvalidCodeError
        await self._attempts.forget(SECOND_FACTOR, str(user_id))
        return [f"{one[:4]}-{one[4:8]}-{one[8:]}" for one in codes]

    async def check(self, user_id: UUID, code: str) -> None:
        """Accept a one-time code or a backup code, and never again.

        Raises:
            InvalidCodeError: it is neither, or was used.
            TooManyAttemptsError: too many guesses.
            AuthUnavailableError: they cannot be counted.
        """
        await self._attempts.take(SECOND_FACTOR, str(user_id))
        plain = code.replace("-", "").replace(" ", "").upper()
        use = self._use_backup if len(plain) == _BACKUP_LENGTH else self._use_step
        accepted = await use(user_id, plain)
        if not accepted:
            raise InvalidCodeError
        await self._attempts.forget(SECOND_FACTOR, str(user_id))

    async def remove(self, account: Account) -> None:
        """Remove secret and backup codes.

        Raises:
            SecondFactorStateError: this account may not be without.
        """
        if account.second_factor_required:
            raise SecondFactorStateError
        async with self._connections.system_writer() as connection:
            await connection.execute("DELETE FROM auth_totp WHERE user_id = $1", account.user_id)

    async def _use_step(self, user_id: UUID, code: str) -> bool:
        """Steps only go up: of two requests with one code, one moves the step, and the other finds it moved."""
        async with self._connections.system_writer() as connection:
            seed = await connection.fetchval(
                "SELECT seed FROM auth_totp WHERE user_id = $1 AND confirmed_at IS NOT NULL", user_id
            )
            step = None if seed is None else self._find_step(user_id, seed, code)
            return step is not None and (
                await connection.fetchval(
                    "UPDATE auth_totp SET last_step = $2 WHERE user_id = $1 AND seed = $3 AND last_step < $2 "
                    "RETURNING true",
                    user_id,
                    step,
                    seed,
                )
                is True
            )

    async def _use_backup(self, user_id: UUID, code: str) -> bool:
        async with self._connections.system_writer() as connection:
            used = await connection.fetchval(
                "UPDATE auth_backup_codes SET used_at = now() WHERE user_id = $1 AND code_hash = $2 "
                "AND used_at IS NULL RETURNING true",
                user_id,
                self._backup_hash(user_id, code),
            )
        return used is True

    def _find_step(self, user_id: UUID, seed: bytes, code: str) -> int | None:
        """The step whose code it is: the present one, or one to either side for clocks that are off."""
        totp, now = self._totp(user_id, seed), int(self._clock()) // STEP_SECONDS
        steps = (now - 1, now, now + 1)
        return next((step for step in steps if pyotp.utils.strings_equal(totp.generate_otp(step), code)), None)

    def _totp(self, user_id: UUID, seed: bytes) -> pyotp.TOTP:
        """SHA-1 with 160 bits and six digits: what every app supports."""
        secret = hmac.new(self._settings.second_factor_key, b"totp" + user_id.bytes + seed, hashlib.sha256).digest()
        return pyotp.TOTP(base64.b32encode(secret[:_SEED_BYTES]).decode(), interval=STEP_SECONDS)

    def _backup_hash(self, user_id: UUID, code: str) -> bytes:
        """Keyed, so that 60 bits are enough."""
        return hmac.digest(self._settings.second_factor_key, b"backup" + user_id.bytes + code.encode(), hashlib.sha256)
