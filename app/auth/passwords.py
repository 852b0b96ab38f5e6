"""Passwords and e-mail addresses: what is accepted, and argon2id without stopping the event loop."""

from __future__ import annotations

import asyncio
import re
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from secrets import token_urlsafe

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from app.auth.errors import AuthUnavailableError
from app.auth.settings import AuthSettings

MINIMUM_PASSWORD_LENGTH = 12
MAXIMUM_PASSWORD_LENGTH = 128
MINIMUM_DISTINCT_CHARACTERS = 5
MAXIMUM_EMAIL_LENGTH = 254
"""RFC 5321, 4.5.3.1.3: a path has 256 octets with its brackets."""

_EMAIL = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@"
    r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+"
)
"""What browsers accept in a field of type email (https://html.spec.whatwg.org/#valid-e-mail-address), with a dot."""


class WeakPasswordError(ValueError):
    """A password that is too easy to guess.

    Attributes:
        rule: which it breaks, as the error envelope names it: `password_length`, `password_too_few_characters` (that
            differ) or `password_has_email`.
    """

    def __init__(self, *, rule: str) -> None:
        """Keep the rule; the password is nowhere."""
        super().__init__(rule)
        self.rule = rule


def normalised_email(text: str) -> str:
    """The one form under which an address is kept and found: lower case, ASCII.

    Mail servers may tell `A@` from `a@`, and none that people use does.

    Raises:
        ValueError: it is no address; the text is not in the message.
    """
    email = text.strip().lower()
    if len(email) > MAXIMUM_EMAIL_LENGTH or not _EMAIL.fullmatch(email):
        msg = "this is no e-mail address that mail can be sent to"
        raise ValueError(msg)
    return email


def normalised_password(text: str) -> str:
    """One form for what different keyboards write (NIST SP 800-63B, 5.1.1.2: NFKC or NFKD)."""
    return unicodedata.normalize("NFKC", text)


def accepted_password(text: str, email: str) -> str:
    """The normalised password, if it is hard enough to guess.

    Length, and no rule about which characters: those make passwords worse (NIST SP 800-63B, 5.1.1.2). Lists of leaked
    passwords are not asked.

    Raises:
        WeakPasswordError: with what to change.
    """
    password = normalised_password(text)
    local = email.partition("@")[0]
    if not MINIMUM_PASSWORD_LENGTH <= len(password) <= MAXIMUM_PASSWORD_LENGTH:
        raise WeakPasswordError(rule="password_length")
    if len(set(password)) < MINIMUM_DISTINCT_CHARACTERS:
        raise WeakPasswordError(rule="password_too_few_characters")
    if len(local) >= MINIMUM_DISTINCT_CHARACTERS and local in password.lower():
        raise WeakPasswordError(rule="password_has_email")
    return password


class Hasher:
    """argon2id in threads of its own: it releases the GIL, so the loop goes on.

    As many threads as hashes may run at once: each takes a core for its time and its memory, and in a pod with a CPU
    limit more of them would only slow down every other request.
    """

    def __init__(self, settings: AuthSettings) -> None:
        """Start no thread yet; one hash is computed here."""
        self._argon2 = PasswordHasher(
            time_cost=settings.argon2_passes, memory_cost=settings.argon2_memory_kib, parallelism=1
        )
        self._threads = ThreadPoolExecutor(settings.concurrent_hashes, thread_name_prefix="argon2")
        self._most = settings.concurrent_hashes + settings.waiting_hashes
        self._now = 0
        # Before the first login, or the first one of an unknown user would take twice as long.
        self._nobody = self._argon2.hash(token_urlsafe())

    async def hash(self, password: str) -> str:
        """The encoded hash, parameters and salt in it.

        Raises:
            AuthUnavailableError: too many are waiting.
        """
        return await self._run(password)

    async def verify(self, encoded: str | None, password: str) -> bool:
        """Whether the password is right. Without a hash (an unknown user) it takes the same time and says no.

        Raises:
            AuthUnavailableError: too many are waiting.
        """
        if encoded is None:
            await self._run(password, self._nobody)
            return False
        return bool(await self._run(password, encoded))

    def is_outdated(self, encoded: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._argon2.check_needs_rehash(encoded)

    def close(self) -> None:
        """End the threads once their hashes are done."""
        self._threads.shutdown(wait=False)

    async def _run(self, password: str, encoded: str | None = None) -> str:
        """Hash, or verify: then empty if wrong."""
        if self._now >= self._most:
            raise AuthUnavailableError(retry_after_seconds=1)
        self._now += 1
        # A thread cannot be stopped: a client that goes away must not make room for a hash more.
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._work, password, encoded)
        future.add_done_callback(self._count_down)
        return await asyncio.shield(future)

    def _count_down(self, _future: asyncio.Future[str]) -> None:
        self._now -= 1

    def _work(self, password: str, encoded: str | None) -> str:
        if encoded is None:
            return self._argon2.hash(password)
        try:
            self._argon2.verify(encoded, password)
        except VerificationError:
            return ""
        return encoded
