"""What authentication is told by its surroundings, and what it decides itself."""

from __future__ import annotations

from dataclasses import dataclass, field

MINIMUM_KEY_BYTES = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthSettings:
    """Of one deployment. The four without a default come from the stack.

    Attributes:
        issuer: `iss` of access tokens, such as `https://example.com`.
        audience: `aud` of access tokens.
        allowed_origins: sites besides the API's own host whose pages may send cookies, such as `https://example.com`.
        second_factor_key: at least 32 bytes, the same in every region and for ever: TOTP secrets and the hashes of
            backup codes are derived from it, so that a copy of the database alone passes no second factor.
        access_seconds: life of an access token, and so of a revocation in Redis.
        idle_seconds: a session that is not remembered ends after this time without a refresh.
        session_seconds: such a session ends at the latest after this time.
        remembered_seconds: a remembered session ends after this time, used or not.
        refresh_grace_seconds: how long the token before the current one is a retry and not a theft.
        max_sessions: devices a user is logged in on; one more ends the oldest.
        challenge_seconds: time from the password to the second factor.
        argon2_memory_kib: of a hash. With 19 MiB and two passes, OWASP's minimum
            (https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html), a hash takes 18-23 ms
            of CPU on an EPYC core; argon2-cffi's default takes 158-195 ms, more than a login may.
        argon2_passes: of a hash.
        concurrent_hashes: in this process. Each holds a core and `argon2_memory_kib`, and a pod has more processes than
            cores: a second hash here would only make the first one, and every other request, wait.
        waiting_hashes: further ones that may queue; beyond, logins get 503 at once instead of a time-out later.
    """

    issuer: str
    audience: str
    allowed_origins: frozenset[str]
    second_factor_key: bytes = field(repr=False)
    access_seconds: int = 15 * 60
    idle_seconds: int = 30 * 60
    session_seconds: int = 24 * 3600
    remembered_seconds: int = 30 * 24 * 3600
    refresh_grace_seconds: int = 5
    max_sessions: int = 5
    challenge_seconds: int = 5 * 60
    argon2_memory_kib: int = 19 * 1024
    argon2_passes: int = 2
    concurrent_hashes: int = 1
    waiting_hashes: int = 50

    def __post_init__(self) -> None:
        """Refuse a key that could be guessed.

        Raises:
            ValueError: without the key in it.
        """
        if len(self.second_factor_key) < MINIMUM_KEY_BYTES:
            msg = f"second_factor_key has {len(self.second_factor_key)} bytes, and needs {MINIMUM_KEY_BYTES}"
            raise ValueError(msg)
