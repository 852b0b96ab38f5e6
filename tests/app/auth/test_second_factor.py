from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from app.auth.errors import InvalidCodeError
from tests.app.auth.world import EMAIL, PASSWORD, Client, World

pytestmark = pytest.mark.anyio


async def challenged(here: World, client: Client) -> str:
    """The challenge of a login's first step."""
    answer = (await client.log_in()).json()
    assert answer["second_factor_needed"] is True
    assert not client.cookies
    return str(answer["challenge"])


async def second_step(client: Client, challenge: str, code: str) -> tuple[int, str | None]:
    answer = await client.post("/login/second-factor", {"challenge": challenge, "code": code})
    return answer.status_code, None if answer.is_success else answer.json()["error"]["code"]


async def fresh(here: World, app: pyotp.TOTP) -> str:
    """A code that was not used: the present step is free again."""
    await here.execute("UPDATE auth_totp SET last_step = 0")
    return app.now()


async def test_the_app_is_told_a_secret_of_160_bits_under_the_products_name(here: World) -> None:
    client = await here.registered()
    answer = (await client.post("/second-factor", {"password": PASSWORD})).json()
    assert len(answer["secret"]) == 32
    uri = urlsplit(answer["uri"])
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert parse_qs(uri.query) == {"secret": [answer["secret"]], "issuer": ["example.com"]}


async def test_a_second_factor_is_owed_once_it_is_confirmed(here: World) -> None:
    client = await here.registered()
    await client.post("/second-factor", {"password": PASSWORD})
    assert (await here.client().log_in()).json()["second_factor_needed"] is False
    app, codes = await here.enrolled(client)
    assert len(set(codes)) == 10
    phone = here.client("Phone")
    challenge = await challenged(here, phone)
    assert await second_step(phone, challenge, await fresh(here, app)) == (200, None)
    assert (await phone.call("GET", "/me")).json()["second_factor"] is True


async def test_a_code_is_accepted_once(here: World) -> None:
    app, _ = await here.enrolled(await here.registered())
    phone = here.client("Phone")
    challenge = await challenged(here, phone)
    # The code that confirmed the factor counts, too.
    assert await second_step(phone, challenge, app.now()) == (403, "invalid_code")
    code = await fresh(here, app)
    assert await second_step(phone, challenge, code) == (200, None)
    assert await second_step(here.client(), await challenged(here, here.client()), code) == (403, "invalid_code")


async def test_of_two_logins_with_one_code_at_once_one_succeeds(here: World) -> None:
    app, _ = await here.enrolled(await here.registered())
    challenge, code = await challenged(here, here.client()), await fresh(here, app)
    answers = await asyncio.gather(*(second_step(here.client(), challenge, code) for _ in range(4)))
    assert sorted(status for status, _ in answers) == [200, 403, 403, 403]


async def test_clocks_may_be_off_by_one_step_and_no_more(here: World) -> None:
    app, _ = await here.enrolled(await here.registered())
    user_id, now = await here.execute("SELECT user_id FROM auth_accounts"), 1_800_000_000
    here.auth.second_factor._clock = lambda: now
    for offset in (-60, 60):
        with pytest.raises(InvalidCodeError):
            await here.auth.second_factor.check(user_id, app.at(now + offset))
    await here.execute("UPDATE auth_totp SET last_step = 0")
    for offset in (-30, 0, 30):
        await here.auth.second_factor.check(user_id, app.at(now + offset))
    # A step back is one that was passed.
    with pytest.raises(InvalidCodeError):
        await here.auth.second_factor.check(user_id, app.at(now))


async def test_after_five_wrong_codes_the_right_one_is_refused_for_a_while(here: World) -> None:
    app, _ = await here.enrolled(await here.registered())
    phone = here.client("Phone")
    challenge, code = await challenged(here, phone), await fresh(here, app)
    wrong = f"{(int(code) + 500_000) % 1_000_000:06}"
    answers = await asyncio.gather(*(second_step(phone, challenge, wrong) for _ in range(8)))
    assert sorted(status for status, _ in answers) == [403] * 5 + [429] * 3
    answer = await phone.post("/login/second-factor", {"challenge": challenge, "code": code})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 300
    # A new challenge is no new chance.
    assert await second_step(phone, await challenged(here, phone), code) == (429, "too_many_attempts")


async def test_a_backup_code_opens_the_account_once(here: World) -> None:
    _, codes = await here.enrolled(await here.registered())
    for written in (codes[0], codes[1].lower().replace("-", " ")):
        assert await second_step(here.client(), await challenged(here, here.client()), written) == (200, None)
    assert await second_step(here.client(), await challenged(here, here.client()), codes[0]) == (403, "invalid_code")


async def test_of_two_logins_with_one_backup_code_at_once_one_succeeds(here: World) -> None:
    _, codes = await here.enrolled(await here.registered())
    challenge = await challenged(here, here.client())
    answers = await asyncio.gather(*(second_step(here.client(), challenge, codes[0]) for _ in range(4)))
    assert sorted(status for status, _ in answers) == [200, 403, 403, 403]


async def test_the_database_alone_passes_no_second_factor(here: World) -> None:
    client = await here.registered()
    secret = (await client.post("/second-factor", {"password": PASSWORD})).json()["secret"]
    codes = (await client.post("/second-factor/confirm", {"code": pyotp.TOTP(secret).now()})).json()["backup_codes"]
    rows = await here.execute(
        "SELECT (SELECT t::text FROM auth_totp t) || string_agg(b::text, '') FROM auth_backup_codes b"
    )
    assert secret not in rows
    assert pyotp.TOTP(secret).byte_secret().hex() not in rows
    assert not [code for code in codes if code in rows or code.replace("-", "") in rows]


async def test_confirming_needs_the_right_code_and_ends_the_other_sessions(here: World) -> None:
    client, phone = await here.registered(), here.client("Phone")
    await phone.log_in()
    app = pyotp.TOTP((await client.post("/second-factor", {"password": PASSWORD})).json()["secret"])
    wrong = f"{(int(app.now()) + 500_000) % 1_000_000:06}"
    assert (await client.post("/second-factor/confirm", {"code": wrong})).status_code == 403
    assert (await client.post("/second-factor/confirm", {"code": app.now()})).status_code == 200
    assert (await phone.call("GET", "/me")).status_code == 401
    assert (await client.call("GET", "/sessions")).json()["sessions"][0]["second_factor"] is True


async def test_enrolling_needs_the_password_and_happens_once(here: World) -> None:
    client = await here.registered()
    wrong = await client.post("/second-factor", {"password": "not the password"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (403, "wrong_password")
    await here.enrolled(client)
    again = await client.post("/second-factor", {"password": PASSWORD})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "second_factor_state")
    again = await client.post("/second-factor/confirm", {"code": "123456"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "second_factor_state")


async def test_disabling_needs_a_code_and_removes_everything(here: World) -> None:
    client = await here.registered()
    app, codes = await here.enrolled(client)
    assert (await client.post("/second-factor/disable", {"code": app.now()})).status_code == 403
    assert (await client.post("/second-factor/disable", {"code": codes[0]})).status_code == 200
    assert await here.execute("SELECT count(*) FROM auth_backup_codes") == 0
    assert (await here.client().log_in()).json()["second_factor_needed"] is False


async def test_an_administrator_can_do_nothing_before_setting_one_up_and_not_go_without(here: World) -> None:
    client = await here.registered()
    await here.execute("UPDATE auth_accounts SET second_factor_required = true WHERE email = $1", EMAIL)
    await client.log_in()
    for method, path in (("GET", "/me"), ("GET", "/sessions")):
        answer = await client.call(method, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "second_factor_required")
    _, codes = await here.enrolled(client)
    assert (await client.call("GET", "/me")).status_code == 403
    assert (await client.post("/refresh")).status_code == 200
    assert (await client.call("GET", "/me")).json()["second_factor_required"] is True
    answer = await client.post("/second-factor/disable", {"code": codes[0]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "second_factor_state")


async def test_a_session_without_the_second_factor_stays_without_when_another_one_sets_it_up(here: World) -> None:
    await here.registered()
    await here.execute("UPDATE auth_accounts SET second_factor_required = true")
    stolen = here.client("Thief")
    await stolen.log_in()
    await here.execute(
        "INSERT INTO auth_totp (user_id, seed, confirmed_at) SELECT user_id, $1, now() FROM auth_accounts", b"s" * 20
    )
    await stolen.post("/refresh")
    assert (await stolen.call("GET", "/me")).status_code == 403


async def test_a_challenge_is_no_access_token_and_an_access_token_no_challenge(here: World) -> None:
    client = await here.registered()
    tokens = (await here.client().log_in(delivery="body")).json()
    app, _ = await here.enrolled(client)
    challenge, code = await challenged(here, here.client()), await fresh(here, app)
    answer = await here.client().call("GET", "/me", authorization=f"Bearer {challenge}")
    assert answer.status_code == 401
    assert await second_step(here.client(), tokens["access_token"], code) == (401, "unauthorized")
