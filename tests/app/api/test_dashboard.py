"""Numbers of a user's rows, and what is kept of them."""

from __future__ import annotations

import psycopg
import pytest

from tests.app.api.world import Api

pytestmark = pytest.mark.anyio


async def test_the_dashboard_counts_a_users_own_rows_and_is_kept_for_a_minute(
    here: Api, owner: psycopg.Connection
) -> None:
    user, other = await here.user(), await here.user()
    for number in range(3):
        await user.made("leads", email=f"{number}@example.org", status="new" if number else "lost")
    company = await user.made("companies", name="A")
    owner.execute(
        "INSERT INTO deals (user_id, company_id, status, amount_cents) VALUES (%(u)s, %(c)s, 'open', 5000000000), "
        "(%(u)s, %(c)s, 'open', 1), (%(u)s, %(c)s, 'won', 7)",
        {"u": user.user_id, "c": company["id"]},
    )

    found = await user.got("dashboard")

    assert found == {
        "leads": {"lost": 1, "new": 2},
        "campaigns": {},
        "open_deals": 2,
        "open_deals_cents": 5_000_000_001,
        "conversations": 0,
        "videos": 0,
    }
    await user.made("campaigns", name="B")
    assert await user.got("dashboard") == found
    assert (await other.got("dashboard"))["leads"] == {}


async def test_events_are_counted_by_day_and_kind(here: Api, owner: psycopg.Connection) -> None:
    user, other = await here.user(), await here.user()
    add = (
        'INSERT INTO analytics.analytics_events (user_id, event_type, "timestamp") '
        "VALUES (%s, %s, date_trunc('day', now(), 'UTC') - %s * interval '1 day')"
    )
    for owner_id, kind, days in (
        (user.user_id, "click", 0),
        (user.user_id, "click", 0),
        (user.user_id, "signup", 0),
        (user.user_id, "click", 1),
        (user.user_id, "click", 20),
        (other.user_id, "click", 0),
    ):
        owner.execute(add, (owner_id, kind, days))

    found = await user.got("analytics/events", days=2)

    assert [(one["event_type"], one["events"]) for one in found] == [("click", 2), ("signup", 1), ("click", 1)]
    assert found[0]["day"] > found[2]["day"]
    assert len(await user.got("analytics/events")) in {3, 4}
    for wrong in ("0", "91", "x"):
        assert (await user.get("analytics/events", params={"days": wrong})).status_code == 422


async def test_the_newsletter_takes_an_address_once_an_hour_and_tells_nothing(
    here: Api, owner: psycopg.Connection
) -> None:
    first, second = await here.anybody(), await here.anybody()
    owner.execute("INSERT INTO newsletter_subscribers (email, status) VALUES ('known@example.org', 'confirmed')")

    known = await first.post("newsletter", json={"email": "Known@example.org"})
    new = await second.post("newsletter", json={"email": "new@example.org"})
    again = await (await here.anybody()).post("newsletter", json={"email": "NEW@example.org"})

    assert (known.status_code, new.status_code) == (202, 202)
    assert known.json()["data"] == new.json()["data"]
    assert (again.status_code, "retry-after" in again.headers) == (429, True)
    rows = owner.execute("SELECT email, status FROM newsletter_subscribers ORDER BY email").fetchall()
    assert rows == [("known@example.org", "confirmed"), ("new@example.org", "pending")]
