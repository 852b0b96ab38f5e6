"""The keys that sign: as the stack's secret has them, several valid at once, read anew while the process runs."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import structlog

MINIMUM_KEY_BYTES = 32
RELOAD_SECONDS = 300
"""A new key signs within this time of its rotation; before, the one that it replaced does, and both verify."""
UNKNOWN_KEY_SECONDS = 10
"""A token with an unknown key id makes the keys be read, but no more often: anybody can invent an id."""
LOAD_SECONDS = 2
"""Longer, and the store counts as gone."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """One version of the secret: `{"active": KID, "keys": {KID: BASE64, ...}}`.

    Before its first rotation it has one key, `initial`; later two, the active one and the one before it, whose tokens
    still hold. A key signs for one purpose only: each purpose gets a key derived from it.
    """

    active: str
    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> SigningKeys:
        """Read the secret's value.

        Raises:
            ValueError: what is wrong with it, without any of it.
        """
        try:
            value = json.loads(text)
            keys = {str(kid): base64.b64decode(key, validate=True) for kid, key in value["keys"].items()}
            active = str(value["active"])
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
            msg = 'the signing keys are not {"active": ID, "keys": {ID: BASE64, ...}}'
            raise ValueError(msg) from None
        if active not in keys:
            msg = "the active signing key is not among the keys"
            raise ValueError(msg)
        if any(len(key) < MINIMUM_KEY_BYTES for key in keys.values()):
            msg = f"a signing key has less than {MINIMUM_KEY_BYTES} bytes"
            raise ValueError(msg)
        return cls(active, keys)

    def derived(self, kid: str, purpose: str) -> bytes | None:
        """The key of an id for a purpose, 32 bytes; None for an unknown id."""
        key = self.keys.get(kid)
        return None if key is None else _derive(key, purpose)

    def signing(self, purpose: str) -> tuple[str, bytes]:
        """Id and derived key to sign with."""
        return self.active, _derive(self.keys[self.active], purpose)


class KeyRing:
    """The newest keys that could be read. A store that fails later costs nothing: the keys at hand stay."""

    def __init__(
        self, load: Callable[[], Awaitable[str]], keys: SigningKeys, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Use `open`."""
        self._load, self._clock = load, clock
        self._keys = keys
        self._tried = clock()
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, load: Callable[[], Awaitable[str]], clock: Callable[[], float] = time.monotonic) -> KeyRing:
        """Read the keys for the first time.

        Args:
            load: gives the secret's value.
            clock: seconds.

        Raises:
            ValueError: the value is none.
            Exception: whatever `load` raises: without keys a process does not start.
        """
        return cls(load, SigningKeys.parse(await load()), clock)

    @property
    def current(self) -> SigningKeys:
        """What is known now."""
        return self._keys

    async def find(self, kid: str, purpose: str) -> bytes | None:
        """The derived key of an id, which another process may have begun to use a moment ago."""
        if kid in self._keys.keys:
            self._reload(RELOAD_SECONDS)
        elif (reading := self._reload(UNKNOWN_KEY_SECONDS)) is not None:
            await asyncio.wait([reading], timeout=LOAD_SECONDS)
        return self._keys.derived(kid, purpose)

    def signing(self, purpose: str) -> tuple[str, bytes]:
        """Id and derived key to sign with."""
        self._reload(RELOAD_SECONDS)
        return self._keys.signing(purpose)

    def _reload(self, after_seconds: float) -> asyncio.Task[None] | None:
        """Read once for all who ask, beside the requests; None if it is not time yet."""
        if self._reading is not None and not self._reading.done():
            return self._reading
        if self._clock() - self._tried < after_seconds:
            return None
        self._tried = self._clock()
        self._reading = asyncio.create_task(self._read())
        return self._reading

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                self._keys = SigningKeys.parse(await self._load())
        except Exception as error:  # noqa: BLE001 whatever the store raises, the keys at hand are good
            _log.warning("signing_keys_not_read", error_type=type(error).__name__)


@lru_cache(maxsize=64)
def _derive(key: bytes, purpose: str) -> bytes:
    """Kept, since every request asks: a few keys, each for a few purposes."""
    return hmac.digest(key, f"headroom/{purpose}".encode(), hashlib.sha256)
