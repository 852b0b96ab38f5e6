"""What the routes take and give. What is unknown is refused, and secrets print as asterisks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from app.auth.passwords import MAXIMUM_PASSWORD_LENGTH, normalised_email
from app.auth.privileges import Tier

_LONGEST_TOKEN = 2048
_LONGEST_CODE = 20

Email = Annotated[str, Field(max_length=320), AfterValidator(normalised_email)]
Password = Annotated[SecretStr, Field(min_length=1, max_length=MAXIMUM_PASSWORD_LENGTH)]
Token = Annotated[SecretStr, Field(min_length=1, max_length=_LONGEST_TOKEN)]
Code = Annotated[SecretStr, Field(min_length=6, max_length=_LONGEST_CODE)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Registration(_Request):
    """A new account."""

    email: Email
    password: Password


class Login(_Request):
    """First step. `delivery` says where the tokens go: a browser has them in cookies, an app in the answer."""

    email: Email
    password: Password
    remember: bool = False
    delivery: Literal["cookie", "body"] = "cookie"


class SecondStep(_Request):
    """Second step, with the first one's challenge and a one-time or backup code."""

    challenge: Token
    code: Code
    delivery: Literal["cookie", "body"] = "cookie"


class Refresh(_Request):
    """An app's refresh; a browser sends nothing, its cookie has the token."""

    refresh_token: Token | None = None


class PasswordProof(_Request):
    """The user is at the keyboard."""

    password: Password


class CodeProof(_Request):
    """The user has the second factor."""

    code: Code


class Accepted(BaseModel):
    """Done, or nothing to do: the answer is the same."""

    accepted: Literal[True] = True


class LoggedIn(BaseModel):
    """A session, or the challenge of the second step. The tokens are only there for who asked for them in the body."""

    second_factor_needed: bool = False
    challenge: str | None = None
    expires_in_seconds: int
    access_token: str | None = None
    refresh_token: str | None = None
    refresh_expires_in_seconds: int | None = None


class SessionInfo(BaseModel):
    """A device that is logged in."""

    session_id: UUID
    user_agent: str
    second_factor: bool
    created_at: datetime
    used_at: datetime
    expires_at: datetime
    current: bool


class SessionList(BaseModel):
    """All of a user's, the newest first; `max_sessions` bounds them."""

    sessions: list[SessionInfo]


class Ended(BaseModel):
    """How many sessions ended."""

    ended: int


class TotpSecret(BaseModel):
    """What the app is told, once."""

    secret: str
    uri: str


class BackupCodes(BaseModel):
    """Each opens the account once without the app; they are shown now and never again."""

    backup_codes: list[str]


class Me(BaseModel):
    """The user."""

    user_id: UUID
    email: str
    tier: Tier
    second_factor: bool
    second_factor_required: bool
