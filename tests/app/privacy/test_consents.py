from __future__ import annotations

import asyncio

import pytest

from app.data.upkeep import EXPIRED
from app.privacy.consents import TEXTS, is_given
from tests.app.api.world import Somebody
from tests.app.uploads.world import World

pytestmark = pytest.mark.anyio

VERSION = TEXTS["newsletter"].version
LOG = "SELECT purpose, given, text_version, source FROM consents ORDER BY created_at"


async def agree(user: Somebody, purpose: str = "newsletter") -> dict[str, object]:
    answer = await user.put(f"privacy/consents/{purpose}", json={"given": True, "text_version": VERSION})
    assert answer.status_code == 200, answer.text
    data: dict[str, object] = answer.json()["data"]
    return data


async def refuse(user: Somebody, purpose: str = "newsletter") -> dict[str, object]:
    answer = await user.put(f"privacy/consents/{purpose}", json={"given": False})
    assert answer.status_code == 200, answer.text
    data: dict[str, object] = answer.json()["data"]
    return data


async def test_nobody_agrees_by_saying_nothing(there: World) -> None:
    user = await there.user()

    found = await user.got("privacy/consents")

    assert [one["purpose"] for one in found] == list(TEXTS)
    assert all(one["given"] is False and one["answered_at"] is None for one in found)
    assert all(one["text"] and one["text_version"] for one in found)
    assert await refuse(user) == found[0]  # Nothing to take back, and nothing to be noted.
    assert there.owner.execute(LOG).fetchall() == []


async def test_each_answer_is_kept_with_the_text_that_it_was_to(there: World) -> None:
    user, other = await there.user(), await there.user()

    for _ in range(2):
        assert (await agree(user))["given"] is True
    for _ in range(2):
        assert (await refuse(user))["given"] is False
    await agree(user)

    assert there.owner.execute(LOG).fetchall() == [
        ("newsletter", given, VERSION, "account") for given in (True, False, True)
    ]
    shown = {one["purpose"]: one["given"] for one in await user.got("privacy/consents")}
    assert shown == {"newsletter": True, "marketing": False}
    assert not any(one["given"] for one in await other.got("privacy/consents"))


@pytest.mark.parametrize("version", [None, "2020-01-01"])
async def test_nobody_agrees_to_a_text_that_was_not_shown(there: World, version: str | None) -> None:
    user = await there.user()

    answer = await user.put("privacy/consents/newsletter", json={"given": True, "text_version": version})

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "consent_text_changed")
    assert there.owner.execute(LOG).fetchall() == []


async def test_who_agreed_to_an_older_text_may_agree_to_the_new_one(there: World) -> None:
    user = await there.user()
    there.owner.execute(
        "INSERT INTO consents (user_id, purpose, text_version, given, source) "
        "VALUES (%s, 'newsletter', 'old', true, 'account')",
        (user.user_id,),
    )

    [before, _] = await user.got("privacy/consents")
    assert (before["given"], before["answered_version"]) == (True, "old")
    assert (await agree(user))["answered_version"] == VERSION


async def test_there_is_no_consent_to_what_nobody_asks_for(there: World) -> None:
    user = await there.user()

    assert (await user.put("privacy/consents/everything", json={"given": False})).status_code == 422
    assert (await (await there.anybody()).get("privacy/consents")).status_code == 401


async def test_of_answers_at_once_the_last_one_holds(there: World) -> None:
    user = await there.user()
    await asyncio.gather(*(agree(user) for _ in range(4)))
    await refuse(user)

    assert there.owner.execute("SELECT given FROM consents ORDER BY created_at").fetchall() == [(True,), (False,)]
    async with there.database.system_reader(user.user_id) as connection:
        assert not await is_given(connection, user.user_id, "newsletter")


async def test_who_takes_the_consent_back_is_on_the_newsletters_list_no_more(there: World) -> None:
    user = await there.user()
    there.owner.execute("INSERT INTO newsletter_subscribers (email, status) SELECT email, 'confirmed' FROM users")
    await agree(user)
    await refuse(user, "marketing")
    assert there.owner.execute("SELECT status FROM newsletter_subscribers").fetchall() == [("confirmed",)]

    await refuse(user)
    assert there.owner.execute("SELECT status FROM newsletter_subscribers").fetchall() == [("unsubscribed",)]


async def test_nobody_changes_the_log_of_consents(there: World) -> None:
    user = await there.user()
    await agree(user)

    for statement in ("UPDATE consents SET given = false", "DELETE FROM consents"):
        for transaction in (there.database.system_writer(user.user_id), there.database.writer(user.user_id)):
            with pytest.raises(Exception, match="permission denied"):
                async with transaction as connection:
                    await connection.execute(statement)


async def test_the_log_goes_three_years_after_its_account(there: World) -> None:
    user = await there.user()
    add = (
        "INSERT INTO consents (user_id, purpose, text_version, given, source, created_at) "
        "VALUES (%s, 'newsletter', '1', true, 'account', now() - %s * interval '1 year')"
    )
    gone = "00000000-0000-4000-8000-000000000000"
    for owner_id, years in ((user.user_id, 4), (gone, 4), (gone, 2)):
        there.owner.execute(add, (owner_id, years))
    for statement in EXPIRED:
        there.owner.execute(statement.encode())

    left = there.owner.execute("SELECT user_id::text FROM consents ORDER BY created_at").fetchall()
    assert left == [(str(user.user_id),), (gone,)]
