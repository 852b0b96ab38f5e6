"""What authentication refuses, as the client reads it. No message tells what a stranger should not learn."""

from __future__ import annotations

from http import HTTPStatus

from app.ops.errors import AppError


class AuthError(AppError):
    """A refusal. Subclasses say which, by class attributes."""

    status = HTTPStatus.UNAUTHORIZED
    code = "unauthorized"
    message = "Log in first."

    def __init__(self, *, retry_after_seconds: int | None = None) -> None:
        """Add how long the client should wait."""
        headers = {} if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}
        if self.status is HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        super().__init__(self.status, self.code, self.message, headers)


class NotAuthenticatedError(AuthError):
    """There is no credential, or none that holds: missing, expired, forged and revoked look alike."""


class InvalidCredentialsError(AuthError):
    """Unknown account, disabled account and wrong password look alike."""

    code = "invalid_credentials"
    message = "E-mail address or password is wrong."


class InvalidCodeError(AuthError):
    """A one-time or backup code is wrong, was used before, or nobody asked for it.

    No 401, on which clients refresh and try again.
    """

    status = HTTPStatus.FORBIDDEN
    code = "invalid_code"
    message = "The code is wrong or was used before. Wait for the next one."


class WrongPasswordError(AuthError):
    """Who is logged in gave another password."""

    status = HTTPStatus.FORBIDDEN
    code = "wrong_password"
    message = "The password is wrong."


class RefreshConflictError(AuthError):
    """Another request refreshed with the same token a moment ago, and its answer has the new one."""

    status = HTTPStatus.CONFLICT
    code = "refresh_conflict"
    message = "This session was refreshed a moment ago. Use the tokens of that answer."


class CrossSiteError(AuthError):
    """The browser sent cookies, but not on behalf of a page of ours."""

    status = HTTPStatus.FORBIDDEN
    code = "cross_site_request"
    message = "This request must come from the product's own pages, with the header X-CSRF-Token."


class SecondFactorDueError(AuthError):
    """The account may do nothing else before it has a second factor."""

    status = HTTPStatus.FORBIDDEN
    code = "second_factor_required"
    message = "This account needs a second factor: set one up, then refresh the session."


class SecondFactorStateError(AuthError):
    """There is a second factor already, or none, or this account may not go without."""

    status = HTTPStatus.CONFLICT
    code = "second_factor_state"
    message = "The second factor cannot be changed this way now."


class TierRequiredError(AuthError):
    """The feature belongs to a paid plan: clients show theirs."""

    status = HTTPStatus.PAYMENT_REQUIRED
    code = "tier_required"
    message = "This needs a higher plan."


class UnknownSessionError(AuthError):
    """The user has no such session. Those of others look the same."""

    status = HTTPStatus.NOT_FOUND
    code = "unknown_session"
    message = "There is no such session."


class TooManyAttemptsError(AuthError):
    """Guessing."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too_many_attempts"
    message = "Too many attempts. Try again later."


class AuthUnavailableError(AuthError):
    """Nothing is decided without the stores that decide it: never open by default."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "unavailable"
    message = "Logging in is not possible for a moment. Try again."
