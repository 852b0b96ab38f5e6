from __future__ import annotations

import asyncio
import base64
import json
import time
from dataclasses import replace
from typing import Any
from uuid import uuid4

import jwt
import pytest

from app.auth.errors import NotAuthenticatedError
from app.auth.keys import LOAD_SECONDS, RELOAD_SECONDS, UNKNOWN_KEY_SECONDS, KeyRing, SigningKeys
from app.auth.tokens import LEEWAY_SECONDS, Tokens
from components.functions.rotate_signing_keys import rotated
from tests.app.auth.world import SETTINGS, Keys, secret

pytestmark = pytest.mark.anyio

USER, SESSION = uuid4(), uuid4()


class Clock:
    """Time that a test moves."""

    def __init__(self, now: float = 1_800_000_000) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


async def ring_of(keys: Keys, clock: Clock | None = None) -> KeyRing:
    return await KeyRing.open(keys.load, clock or Clock(0))


def issued(tokens: Tokens) -> str:
    return tokens.issue_access(USER, SESSION, second_factor=True, second_factor_due=False)


def forged(ring: KeyRing, headers: dict[str, Any] | None = None, algorithm: str = "HS256", **claims: Any) -> str:
    """A token with the right key, but for what a test says."""
    kid, key = ring.current.signing("access")
    now = int(time.time())
    payload = {
        "iss": SETTINGS.issuer,
        "aud": SETTINGS.audience,
        "sub": str(USER),
        "sid": str(SESSION),
        "jti": str(uuid4()),
        "typ": "access",
        "mfa": False,
        "mfa_due": False,
        "iat": now,
        "exp": now + 900,
    }
    kept = {name: value for name, value in (payload | claims).items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers=headers or {"kid": kid})


async def test_a_token_says_who_and_which_session(anyio_backend: str) -> None:
    tokens = Tokens(SETTINGS, await ring_of(Keys()))
    claims = await tokens.verify_access(issued(tokens))
    assert (claims.user_id, claims.session_id) == (USER, SESSION)
    assert (claims.second_factor, claims.second_factor_due) == (True, False)
    assert claims.expires_at == pytest.approx(time.time() + 900, abs=2)


async def test_the_forging_of_these_tests_is_right_but_for_what_they_change(anyio_backend: str) -> None:
    ring = await ring_of(Keys())
    assert (await Tokens(SETTINGS, ring).verify_access(forged(ring))).user_id == USER


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "https://other.example.com"},
        {"aud": None},
        {"iss": None},
        {"sub": None},
        {"sub": "1"},
        {"sub": 1},
        {"sid": None},
        {"sid": 7},
        {"jti": None},
        {"typ": "challenge"},
        {"typ": None},
        {"mfa_due": None},
        {"exp": None},
        {"exp": 0},
        {"exp": "2100000000"},
        {"exp": 1e18},
        {"exp": True},
        {"iat": None},
        pytest.param({"iat": int(time.time()) + 3600}, id="issued in an hour"),
        pytest.param({"exp": int(time.time()) - 60}, id="ended a minute ago"),
    ],
    ids=str,
)
async def test_a_token_with_another_claim_is_refused(anyio_backend: str, claims: dict[str, Any]) -> None:
    ring = await ring_of(Keys())
    with pytest.raises(NotAuthenticatedError):
        await Tokens(SETTINGS, ring).verify_access(forged(ring, **claims))


@pytest.mark.parametrize(
    "headers", [{}, {"kid": "unknown"}, {"kid": ""}, {"kid": "initial", "crit": ["x"], "x": 1}], ids=str
)
async def test_a_token_with_another_header_is_refused(anyio_backend: str, headers: dict[str, Any]) -> None:
    ring = await ring_of(Keys())
    with pytest.raises(NotAuthenticatedError):
        await Tokens(SETTINGS, ring).verify_access(forged(ring, headers=headers or {"x": "y"}))


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
@pytest.mark.parametrize("algorithm", ["none", "HS384", "HS512"])
async def test_only_one_algorithm_is_accepted(anyio_backend: str, algorithm: str) -> None:
    ring = await ring_of(Keys())
    good = forged(ring)
    if algorithm == "none":
        header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "initial"}).encode()).decode().rstrip("=")
        bad = f"{header}.{good.split('.')[1]}."
    else:
        bad = forged(ring, algorithm=algorithm, headers={"kid": "initial"})
    with pytest.raises(NotAuthenticatedError):
        await Tokens(SETTINGS, ring).verify_access(bad)


async def test_a_token_with_any_byte_changed_is_refused(anyio_backend: str) -> None:
    ring = await ring_of(Keys())
    tokens = Tokens(SETTINGS, ring)
    good = issued(tokens)
    for index in range(0, len(good) - 1, 7):
        # The last character of a part has bits that mean nothing, so the next one is changed along.
        bad = good[:index] + ("AB" if good[index : index + 2] != "AB" else "CD") + good[index + 2 :]
        with pytest.raises(NotAuthenticatedError):
            await tokens.verify_access(bad)


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "é.é.é", "x" * 5000, "\x00", "null"])
async def test_what_is_no_token_is_refused(anyio_backend: str, text: str) -> None:
    with pytest.raises(NotAuthenticatedError):
        await Tokens(SETTINGS, await ring_of(Keys())).verify_access(text)


async def test_a_token_holds_for_fifteen_minutes_and_the_clocks_difference(anyio_backend: str) -> None:
    clock = Clock()
    tokens = Tokens(SETTINGS, await ring_of(Keys()), clock)
    token = issued(tokens)
    for offset, holds in (
        (-LEEWAY_SECONDS - 1, False),
        (-LEEWAY_SECONDS, True),
        (899, True),
        (900 + LEEWAY_SECONDS, False),
    ):
        clock.now = 1_800_000_000 + offset
        if holds:
            await tokens.verify_access(token)
        else:
            with pytest.raises(NotAuthenticatedError):
                await tokens.verify_access(token)


async def test_only_so_many_verified_tokens_are_remembered(anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.auth.tokens.REMEMBERED", 2)
    tokens = Tokens(SETTINGS, await ring_of(Keys()))
    texts = [issued(tokens) for _ in range(3)]
    first = [await tokens.verify_access(text) for text in texts]
    assert len(tokens._verified) == 2
    assert [await tokens.verify_access(text) for text in texts] == first


async def test_another_deployments_tokens_are_refused(anyio_backend: str) -> None:
    ring = await ring_of(Keys())
    other = Tokens(replace(SETTINGS, issuer="https://staging.example.com"), ring)
    with pytest.raises(NotAuthenticatedError):
        await Tokens(SETTINGS, ring).verify_access(issued(other))


async def test_tokens_hold_over_a_rotation_as_the_stack_does_it_and_not_over_two(anyio_backend: str) -> None:
    keys, clock = Keys(), Clock(0)
    ring = await ring_of(keys, clock)
    tokens = Tokens(SETTINGS, ring)
    old = issued(tokens)
    for number, holds in ((1, True), (2, False)):
        keys.value = json.dumps(rotated(json.loads(str(keys.value)), f"kid-{number}", bytes([number]) * 32))
        clock.now += RELOAD_SECONDS + 1
        new = issued(tokens)
        await asyncio.sleep(0.01)
        new = issued(tokens)
        assert jwt.get_unverified_header(new)["kid"] == f"kid-{number}"
        await tokens.verify_access(new)
        if holds:
            await tokens.verify_access(old)
        else:
            with pytest.raises(NotAuthenticatedError):
                await tokens.verify_access(old)


async def test_a_pod_that_knows_only_the_old_keys_reads_the_new_ones_when_it_meets_their_id(anyio_backend: str) -> None:
    keys, clock = Keys(), Clock(0)
    late, keys.value = await ring_of(keys, clock), secret("new", "initial")
    early = await ring_of(keys, clock)
    token = issued(Tokens(SETTINGS, early))
    clock.now = UNKNOWN_KEY_SECONDS + 1
    answers = await asyncio.gather(*(Tokens(SETTINGS, late).verify_access(token) for _ in range(20)))
    assert {answer.user_id for answer in answers} == {USER}
    # One reading each for the two rings, and one for twenty requests.
    assert keys.reads == 3


async def test_invented_key_ids_do_not_make_the_store_busy(anyio_backend: str) -> None:
    keys, clock = Keys(), Clock(0)
    ring = await ring_of(keys, clock)
    clock.now = UNKNOWN_KEY_SECONDS + 1
    for number in range(50):
        assert await ring.find(f"invented-{number}", "access") is None
    assert keys.reads == 2


@pytest.mark.parametrize("broken", [ConnectionRefusedError(), "{}", "no json"])
async def test_a_store_that_fails_later_leaves_the_keys_at_hand(anyio_backend: str, broken: str | Exception) -> None:
    keys, clock = Keys(), Clock(0)
    ring = await ring_of(keys, clock)
    tokens = Tokens(SETTINGS, ring)
    keys.value = broken
    clock.now = RELOAD_SECONDS + 1
    token = issued(tokens)
    await asyncio.sleep(0.01)
    assert keys.reads == 2
    await tokens.verify_access(token)


async def test_a_store_that_hangs_stops_nobody_for_long(anyio_backend: str) -> None:
    keys, clock = Keys(), Clock(0)
    ring = await ring_of(keys, clock)

    async def hang() -> str:
        await asyncio.sleep(3600)
        return ""

    ring._load = hang
    clock.now = RELOAD_SECONDS + 1
    tokens = Tokens(SETTINGS, ring)
    begin = time.monotonic()
    await tokens.verify_access(issued(tokens))
    assert time.monotonic() - begin < 0.5
    await ring.find("unknown", "access")
    assert time.monotonic() - begin < LOAD_SECONDS + 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"active": "a", "keys": {}}',
        '{"active": "a", "keys": {"a": "c2hvcnQ="}}',
        '{"active": "a", "keys": {"a": "%%"}}',
        '{"active": "b", "keys": "x"}',
    ],
)
def test_keys_that_are_none_are_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="sign") as caught:
        SigningKeys.parse(text)
    assert "c2hvcnQ" not in str(caught.value)


def test_a_key_signs_for_one_purpose_only() -> None:
    keys = SigningKeys.parse(secret("initial"))
    derived = {keys.derived("initial", purpose) for purpose in ("access", "challenge", "csrf")}
    assert len(derived | {keys.keys["initial"]}) == 4


def test_keys_do_not_print() -> None:
    assert "...." not in repr(SigningKeys.parse(secret("initial")))
    assert "kkkk" not in repr(SETTINGS)


def test_the_settings_refuse_a_short_key_without_quoting_it() -> None:
    with pytest.raises(ValueError, match="needs 32") as caught:
        replace(SETTINGS, second_factor_key=b"short-key")
    assert "short-key" not in str(caught.value)
