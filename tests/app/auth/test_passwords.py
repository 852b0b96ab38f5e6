from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace
from typing import Any

import argon2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth.errors import AuthUnavailableError
from app.auth.passwords import (
    MAXIMUM_PASSWORD_LENGTH,
    MINIMUM_PASSWORD_LENGTH,
    Hasher,
    WeakPasswordError,
    accepted_password,
    normalised_email,
)
from app.auth.settings import AuthSettings
from tests.app.auth.world import EMAIL, PASSWORD, SETTINGS, World


class Counted(Hasher):
    """Counts what runs, and how much of it at once; each takes a while."""

    def __init__(self, settings: AuthSettings, seconds: float = 0) -> None:
        super().__init__(settings)
        self.seconds, self.calls, self.now, self.most = seconds, 0, 0, 0
        self._lock = threading.Lock()

    def _work(self, password: str, encoded: str | None) -> str:
        with self._lock:
            self.calls += 1
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        try:
            return super()._work(password, encoded)
        finally:
            with self._lock:
                self.now -= 1


@pytest.mark.parametrize(
    ("given_email", "kept"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        (" ada+tag@example.co.uk ", "ada+tag@example.co.uk"),
        ("o'hara@x--y.example", "o'hara@x--y.example"),
    ],
)
def test_an_address_has_one_form(given_email: str, kept: str) -> None:
    assert normalised_email(given_email) == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@example",
        "ada@-x.com",
        "ada@x..com",
        "a b@example.com",
        "ada@exämple.com",
        "ada@example.com\n.evil",
        "a" * 65 + "@example.com",
        "ada@" + "x" * 64 + ".com",
        "a@" + "x." * 130 + "com",
        "ada@example.com,eve@example.com",
        "ada@[127.0.0.1]",
        "ada\x00@example.com",
    ],
)
def test_what_is_no_address_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="no e-mail address") as caught:
        normalised_email(text)
    assert not text or text not in str(caught.value)


@given(st.text(max_size=40))
def test_an_accepted_address_is_its_own_form(text: str) -> None:
    try:
        kept = normalised_email(text)
    except ValueError:
        return
    assert normalised_email(kept) == kept
    assert kept.isascii()
    assert "\n" not in kept


def test_a_password_is_the_same_however_the_keyboard_writes_it() -> None:
    assert accepted_password("Ångström-lamp-7", EMAIL) == accepted_password("A\u030angstro\u0308m-lamp-7", EMAIL)


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("a1b2c3d4e5f", "password_length"),
        ("abcdefgh" * 17, "password_length"),
        ("aaaaaaaaaaaa", "password_too_few_characters"),
        ("xxLovelacexx1", "password_has_email"),
    ],
)
def test_a_weak_password_is_refused_by_rule_without_being_quoted(password: str, rule: str) -> None:
    with pytest.raises(WeakPasswordError) as caught:
        accepted_password(password, "lovelace@example.com")
    assert (caught.value.rule, str(caught.value)) == (rule, rule)


def test_any_characters_make_a_password_if_there_are_enough() -> None:
    for password in ("correct horse battery", "密码密码很长的一句话真的很长", "x" * 8 + "1234", "a b c d e f g"):
        assert MINIMUM_PASSWORD_LENGTH <= len(accepted_password(password, EMAIL)) <= MAXIMUM_PASSWORD_LENGTH


@pytest.mark.anyio
async def test_hashes_are_argon2id_with_the_settings_parameters(anyio_backend: str) -> None:
    hasher = Hasher(replace(SETTINGS, argon2_memory_kib=128, argon2_passes=3))
    encoded = await hasher.hash(PASSWORD)
    found = argon2.extract_parameters(encoded)
    assert (found.type, found.memory_cost, found.time_cost, found.parallelism) == (argon2.Type.ID, 128, 3, 1)
    assert await hasher.verify(encoded, PASSWORD)
    assert not await hasher.verify(encoded, PASSWORD + "x")
    hasher.close()


def test_the_defaults_are_not_below_the_recommended_minimum() -> None:
    given_settings = AuthSettings(issuer="", audience="", allowed_origins=frozenset(), second_factor_key=b"k" * 32)
    assert (given_settings.argon2_memory_kib, given_settings.argon2_passes) >= (19 * 1024, 2)


@pytest.mark.anyio
async def test_no_more_hashes_run_at_once_than_allowed_and_the_loop_goes_on(anyio_backend: str) -> None:
    hasher = Counted(replace(SETTINGS, concurrent_hashes=2), seconds=0.05)
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    turning = asyncio.create_task(turn())
    await asyncio.gather(*(hasher.hash(PASSWORD) for _ in range(8)))
    turning.cancel()
    assert (hasher.calls, hasher.most) == (8, 2)
    assert turns > 10
    hasher.close()


@pytest.mark.anyio
async def test_who_would_wait_too_long_is_told_at_once(anyio_backend: str) -> None:
    hasher = Counted(replace(SETTINGS, concurrent_hashes=2, waiting_hashes=3), seconds=0.05)
    outcomes = await asyncio.gather(*(hasher.hash(PASSWORD) for _ in range(9)), return_exceptions=True)
    refused = [one for one in outcomes if isinstance(one, AuthUnavailableError)]
    assert len(refused) == 4
    assert refused[0].headers["Retry-After"] == "1"
    assert await hasher.hash(PASSWORD)
    hasher.close()


@pytest.mark.anyio
async def test_clients_that_go_away_make_no_room_while_their_hash_runs(anyio_backend: str) -> None:
    hasher = Counted(replace(SETTINGS, concurrent_hashes=2, waiting_hashes=0), seconds=0.2)
    gone = [asyncio.create_task(hasher.hash(PASSWORD)) for _ in range(2)]
    await asyncio.sleep(0.05)
    for task in gone:
        task.cancel()
    await asyncio.sleep(0)
    with pytest.raises(AuthUnavailableError):
        await hasher.hash(PASSWORD)
    await asyncio.sleep(0.3)
    assert await hasher.hash(PASSWORD)
    hasher.close()


@pytest.mark.anyio
async def test_a_stranger_cannot_tell_an_unknown_user_from_a_wrong_password(here: World) -> None:
    await here.registered()
    await here.client().post("/register", {"email": "off@example.com", "password": PASSWORD})
    await here.execute("UPDATE auth_accounts SET disabled_at = now() WHERE email = 'off@example.com'")
    hasher = here.auth.hasher = Counted(SETTINGS)
    seen: dict[str, Any] = {}
    for name, email, password in (
        ("wrong", EMAIL, "not the password"),
        ("unknown", "nobody@example.com", PASSWORD),
        ("disabled", "off@example.com", PASSWORD),
    ):
        hasher.calls, here.database.transactions = 0, 0
        answer = await here.client().post("/login", {"email": email, "password": password})
        error = answer.json()["error"]
        seen[name] = (answer.status_code, error["code"], error["message"], hasher.calls, here.database.transactions)
    assert set(seen.values()) == {(401, "invalid_credentials", "E-mail address or password is wrong.", 1, 1)}


@pytest.mark.anyio
async def test_a_stranger_cannot_tell_who_has_an_account_by_registering(here: World) -> None:
    hasher = here.auth.hasher = Counted(SETTINGS)
    seen = []
    for _ in range(2):
        hasher.calls, here.database.transactions = 0, 0
        answer = await here.client().post("/register", {"email": EMAIL, "password": PASSWORD})
        seen.append(
            (
                answer.status_code,
                answer.text,
                answer.headers.get_list("set-cookie"),
                hasher.calls,
                here.database.transactions,
            )
        )
    assert seen == [(202, '{"accepted":true}', [], 1, 1)] * 2


@pytest.mark.anyio
async def test_registering_again_does_not_change_the_password(here: World) -> None:
    client = await here.registered()
    await client.post("/register", {"email": EMAIL.upper(), "password": "another password 1"})
    assert (await here.client().post("/login", {"email": EMAIL, "password": "another password 1"})).status_code == 401
    assert (await here.client().log_in()).status_code == 200


@pytest.mark.anyio
async def test_a_login_brings_an_old_hash_up_to_date_and_a_wrong_password_does_not(here: World) -> None:
    await here.registered()
    old = await here.execute("SELECT password_hash FROM auth_accounts")
    hasher = here.auth.hasher = Counted(replace(SETTINGS, argon2_passes=2))
    await here.client().post("/login", {"email": EMAIL, "password": "not the password"})
    assert (await here.execute("SELECT password_hash FROM auth_accounts"), hasher.calls) == (old, 1)
    assert (await here.client().log_in()).status_code == 200
    new = await here.execute("SELECT password_hash FROM auth_accounts")
    assert argon2.extract_parameters(new).time_cost == 2
    hasher.calls = 0
    assert (await here.client().log_in()).status_code == 200
    assert hasher.calls == 1
