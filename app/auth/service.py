"""Registering and logging in, from the parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import structlog

from app.auth.attempts import ACCOUNT, ACCOUNT_FROM_ADDRESS, PASSWORD_PROOF, Attempts, RedisAttempts
from app.auth.csrf import CsrfTokens
from app.auth.errors import InvalidCredentialsError, NotAuthenticatedError, WrongPasswordError
from app.auth.keys import KeyRing
from app.auth.passwords import Hasher, normalised_password
from app.auth.privileges import Plans
from app.auth.revocation import Revocations, Tell
from app.auth.second_factor import SecondFactor
from app.auth.sessions import Refreshed, Sessions
from app.auth.settings import AuthSettings
from app.auth.store import Account, Accounts, Connections
from app.auth.tokens import AccessClaims, Challenge, Tokens
from app.cache.store import Store

_log = structlog.get_logger()


class Users(Protocol):
    """The product's own table of users, which may be in another database."""

    async def ensure(self, user_id: UUID, email: str) -> None:
        """Make the user's row if there is none: at every login, as no transaction spans both databases."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """Where a request comes from: address and name of the browser, for counting guesses and for the list of devices."""

    address: str
    user_agent: str


class Auth:
    """What routes and dependencies use; one a process, in the lifespan's state as `auth`."""

    def __init__(
        self,
        settings: AuthSettings,
        ring: KeyRing,
        *,
        connections: Connections,
        store: Store,
        users: Users,
        plans: Plans,
        attempts: Attempts | None = None,
        tell: Tell | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            settings: of the deployment.
            ring: signing keys.
            connections: the database with the accounts.
            store: the Redis that evicts nothing.
            users: hears of users who log in.
            plans: what they paid for.
            attempts: counts guesses; `store` does if there is no other.
            tell: hears of sessions that ended.
        """
        self.settings, self.plans = settings, plans
        self.accounts = Accounts(connections)
        self.hasher = Hasher(settings)
        self.revocations = Revocations(settings, connections, store, tell)
        self.sessions = Sessions(settings, connections, self.revocations)
        self.attempts = attempts or RedisAttempts(store)
        self.second_factor = SecondFactor(settings, connections, self.attempts)
        self.tokens = Tokens(settings, ring)
        self.csrf = CsrfTokens(ring)
        self._users = users

    def close(self) -> None:
        """End the threads."""
        self.hasher.close()

    async def register(self, email: str, password: str) -> None:
        """Open an account. If there is one, nothing changes, and the caller cannot tell: same work, same answer."""
        user_id = await self.accounts.create(email, await self.hasher.hash(password))
        if user_id is not None:
            _log.info("account_opened", user_id=str(user_id))

    async def log_in(self, email: str, password: str, client: Client, *, remember: bool) -> Refreshed | Challenge:
        """A session, or what the second factor is owed for.

        Raises:
            InvalidCredentialsError: whatever is wrong.
            TooManyAttemptsError: too many guesses.
            AuthUnavailableError: nothing can be decided now.
        """
        subject = f"{email} {client.address}"
        await self.attempts.take(ACCOUNT_FROM_ADDRESS, subject)
        await self.attempts.take(ACCOUNT, email)
        account = await self.accounts.by_email(email)
        if not await self._is_password(account, password) or account is None or account.disabled:
            _log.info("login_refused", user_id=None if account is None else str(account.user_id))
            raise InvalidCredentialsError
        await self.attempts.forget(ACCOUNT_FROM_ADDRESS, subject)
        if account.second_factor:
            return Challenge(user_id=account.user_id, remember=remember)
        return await self._begin(account, client, second_factor=False, remember=remember)

    async def pass_second_factor(self, challenge: Challenge, code: str, client: Client) -> Refreshed:
        """A session for who gave the password before.

        Raises:
            InvalidCodeError: wrong or used.
            NotAuthenticatedError: the account is gone.
            TooManyAttemptsError: too many guesses.
            AuthUnavailableError: nothing can be decided now.
        """
        await self.second_factor.check(challenge.user_id, code)
        account = await self.accounts.by_user(challenge.user_id)
        if account is None or account.disabled:
            raise NotAuthenticatedError
        return await self._begin(account, client, second_factor=True, remember=challenge.remember)

    async def confirm_password(self, account: Account, password: str) -> None:
        """Make sure that it is the user who is at the browser.

        Raises:
            WrongPasswordError: it is another one.
            TooManyAttemptsError: too many guesses.
            AuthUnavailableError: nothing can be decided now.
        """
        await self.attempts.take(PASSWORD_PROOF, str(account.user_id))
        if not await self._is_password(account, password):
            raise WrongPasswordError
        await self.attempts.forget(PASSWORD_PROOF, str(account.user_id))

    async def account(self, claims: AccessClaims) -> Account:
        """The account of a token.

        Raises:
            NotAuthenticatedError: it is gone or disabled.
        """
        account = await self.accounts.by_user(claims.user_id)
        if account is None or account.disabled:
            raise NotAuthenticatedError
        return account

    def access_token(self, session: Refreshed) -> str:
        """The session's next access token."""
        return self.tokens.issue_access(
            session.user_id,
            session.session_id,
            second_factor=session.second_factor,
            second_factor_due=session.second_factor_due,
        )

    async def _is_password(self, account: Account | None, password: str) -> bool:
        """One hash is computed, whoever asks; one more when the parameters changed, which only the right one sees."""
        password = normalised_password(password)
        is_right = await self.hasher.verify(None if account is None else account.password_hash, password)
        if is_right and account is not None and self.hasher.is_outdated(account.password_hash):
            new = await self.hasher.hash(password)
            await self.accounts.replace_hash(account.user_id, account.password_hash, new)
        return is_right

    async def _begin(self, account: Account, client: Client, *, second_factor: bool, remember: bool) -> Refreshed:
        await self._users.ensure(account.user_id, account.email)
        session = await self.sessions.begin(
            account.user_id, client.user_agent, second_factor=second_factor, remember=remember
        )
        _log.info("logged_in", user_id=str(account.user_id), session_id=str(session.session_id))
        return session
