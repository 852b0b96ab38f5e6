from __future__ import annotations

import pytest

from tests.app.api.world import Somebody
from tests.app.uploads.world import World


async def administrator(there: World, *, second_factor: bool = True) -> Somebody:
    """An administrator, who logged in with a second factor or without."""
    user = await there.user()
    there.owner.execute("UPDATE auth_accounts SET administrator = true WHERE user_id = %s", (user.user_id,))
    return await with_token(there, user, second_factor=second_factor)


async def with_token(there: World, user: Somebody, *, second_factor: bool) -> Somebody:
    """The same, with another token."""
    user.headers["authorization"] = f"Bearer {await there.token(user.user_id, second_factor=second_factor)}"
    return user


@pytest.mark.anyio
async def test_an_administrator_sees_what_waits_and_is_noted(there: World) -> None:
    user = await administrator(there)
    await user.post("privacy/exports")

    found = await user.got("admin/metrics")
    assert found["jobs_waiting"] == 1
    assert found["erasures_pending"] == found["senders_disabled"] == found["webhooks_disabled"] == 0
    assert there.actions(user.user_id) == ["export.requested", "admin.metrics_read"]


@pytest.mark.anyio
async def test_nobody_else_does(there: World) -> None:
    somebody, without = await there.user(), await administrator(there, second_factor=False)
    other = await with_token(there, await there.user(), second_factor=True)

    for user in (somebody, without, other):
        answer = await user.get("admin/metrics")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "administrators_only")
    assert (await (await there.anybody()).get("admin/metrics")).status_code == 401
    former = await administrator(there)
    assert (await former.get("admin/metrics")).status_code == 200
    there.owner.execute("UPDATE auth_accounts SET administrator = false")
    assert (await former.get("admin/metrics")).status_code == 403
