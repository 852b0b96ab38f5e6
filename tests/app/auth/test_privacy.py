"""Nothing that opens an account, and nothing about a person, in logs, errors or what objects print."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import Any

import pyotp
import pytest
import structlog
from structlog._config import BoundLoggerLazyProxy

from app.auth.dependencies import Credential
from app.auth.second_factor import Enrolment
from app.ops import logs
from tests.app.auth.world import EMAIL, PASSWORD, PREFIX, World

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _fresh_loggers() -> None:
    """Let the modules' loggers look at the set-up again: an earlier test may have had them keep another."""
    for name, module in list(sys.modules.items()):
        for value in vars(module).values() if name.startswith("app.") else ():
            if isinstance(value, BoundLoggerLazyProxy):
                vars(value).pop("bind", None)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """All that the process logs, before the allow-list of the real set-up could hide a mistake of ours."""
    stream = io.StringIO()
    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()],
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    yield stream
    structlog.configure(**before)


async def everything(here: World) -> tuple[list[str], list[Any]]:
    """Each route once right and once wrong: what must not show, and the answers that must not show it."""
    client, app = await here.registered(), here.client("App")
    tokens = (await app.log_in(delivery="body")).json()
    secrets = [PASSWORD, "wrong password 1", EMAIL, tokens["access_token"], tokens["refresh_token"]]
    secrets += client.cookies.values()
    answers = [
        await app.post("/login", {"email": EMAIL, "password": "wrong password 1"}),
        await app.post("/login", {"email": EMAIL, "password": {"x": PASSWORD}}),
        await app.post("/login", {"email": EMAIL, "password": PASSWORD, "extra": PASSWORD}),
        await app.post("/register", {"email": f"{EMAIL} ", "password": PASSWORD[:5]}),
        await app.post("/register", {"email": f"{EMAIL}@", "password": PASSWORD}),
        await app.call("GET", "/me", authorization=f"Bearer {tokens['access_token']}x"),
        await app.post("/login/second-factor", {"challenge": tokens["access_token"], "code": "123456"}),
        await app.request("GET", f"{PREFIX}/sessions/{tokens['refresh_token']}"),
    ]
    await app.request("POST", f"{PREFIX}/refresh", json={"refresh_token": tokens["refresh_token"]})
    await here.execute("UPDATE auth_refresh_tokens SET used_at = used_at - interval '1 hour'")
    answers.append(await app.request("POST", f"{PREFIX}/refresh", json={"refresh_token": tokens["refresh_token"]}))
    enrolment = (await client.post("/second-factor", {"password": PASSWORD})).json()
    confirmed = await client.post("/second-factor/confirm", {"code": pyotp.TOTP(enrolment["secret"]).now()})
    secrets += [enrolment["secret"], *confirmed.json()["backup_codes"]]
    challenge = (await app.log_in()).json()["challenge"]
    secrets.append(challenge)
    answers.append(await app.post("/login/second-factor", {"challenge": challenge, "code": "000000000000"}))
    here.keys.value = ConnectionRefusedError(PASSWORD)
    await here.ring._read()
    here.database.is_down = True
    answers += [await client.post("/register", {"email": EMAIL, "password": PASSWORD}), await app.log_in()]
    return secrets, answers


async def test_no_secret_and_no_address_is_in_logs_or_errors(here: World, written: io.StringIO) -> None:
    secrets, answers = await everything(here)
    assert {answer.status_code for answer in answers} >= {401, 403, 405, 422, 500}
    log = written.getvalue()
    for event in ("logged_in", "login_refused", "refresh_token_reused", "sessions_ended", "signing_keys_not_read"):
        assert event in log
    for secret in secrets:
        assert secret not in log
        assert not [answer.text for answer in answers if secret in answer.text]


async def test_every_event_passes_the_allow_list_of_the_real_logs(here: World) -> None:
    stream, before = io.StringIO(), structlog.get_config()
    logs.configure(stream)
    try:
        await everything(here)
    finally:
        structlog.configure(**before)
    lines = [line for line in stream.getvalue().splitlines() if "dropped" in line or "unnamed" in line]
    assert not lines


async def test_what_holds_a_secret_does_not_print_it(here: World) -> None:
    await here.registered()
    account = await here.auth.accounts.by_email(EMAIL)
    assert account is not None
    session = await here.auth.sessions.begin(account.user_id, "x", second_factor=False, remember=False)
    printed = repr(
        [
            account,
            session,
            Enrolment("SECRET", "otpauth://SECRET"),
            Credential("TOKEN", is_cookie=True),
            here.auth.settings,
        ]
    )
    for secret in (EMAIL, account.password_hash, session.refresh_token, "SECRET", "TOKEN", "kkkk"):
        assert secret not in printed
