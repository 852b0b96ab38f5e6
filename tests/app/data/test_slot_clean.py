"""What is left on the old shard goes, and nothing that is only there."""

from __future__ import annotations

import pytest

from app.data.shards import slot_of
from app.data.slot_copy import SlotsError
from app.data.slot_tables import LOGS, MOVED, OUTBOX, PROCESSED
from app.worker.warming import Warmer
from tests.app.data.conftest import Opener
from tests.app.data.moving import FROZEN, SWITCHED, Two, two

__all__ = ["two"]
pytestmark = pytest.mark.anyio


async def test_what_has_moved_is_deleted_where_it_was_and_nothing_else(two: Two, open_database: Opener) -> None:
    movers = {user for user in two.users(0) if slot_of(user) >= 200}
    async with open_database(shards=two.parsed(FROZEN)) as database:
        await two.mover(database).copy(again=False)
    before, there = two.content(0), two.content(1)
    async with open_database(shards=two.parsed(SWITCHED)) as database:
        shown = await two.cleaner(database).count()
        assert two.content(0) == before

        assert await two.cleaner(database).delete() == shown
        assert await two.cleaner(database).count() == {}

    assert shown == {0: {table: 4 if table == "video_views" else 2 for table in MOVED}}
    assert two.content(1) == there
    for table, rows in two.content(0).items():
        own = [row for row in before[table] if not any(str(user) in row for user in movers)]
        # Logs are not deleted from, and jobs that were done are nobody's.
        assert rows == (before[table] if table in {*LOGS, PROCESSED} else own), table


async def test_nothing_is_deleted_of_users_who_are_not_on_the_new_shard_unless_they_are_erased(
    two: Two, open_database: Opener
) -> None:
    async with open_database(shards=two.parsed(FROZEN)) as database:
        await two.mover(database).copy(again=False)
    before = two.content(0)
    gone = max(two.users(1), key=slot_of)
    two.owners[1].execute("DELETE FROM users WHERE id = %s", (gone,))
    async with open_database(shards=two.parsed(SWITCHED)) as database:
        with pytest.raises(SlotsError, match="1 of 1 users on shard 0 are not on shard 1"):
            await two.cleaner(database).delete()
        assert two.content(0) == before

        two.insert(0, "erasures", user_id=gone, due_at="2026-01-01", erased_at="2026-01-01")
        await two.cleaner(database).delete()

    assert len(two.users(0)) == 1


async def test_nothing_is_deleted_while_jobs_would_go_with_it(two: Two, open_database: Opener) -> None:
    user = max(two.users(0), key=slot_of)
    async with open_database(shards=two.parsed(FROZEN)) as database:
        await two.mover(database).copy(again=False)
    async with open_database(shards=two.parsed(SWITCHED)) as database:
        two.insert(0, OUTBOX, user_id=user, topic="email", payload="{}")
        with pytest.raises(SlotsError, match="are about to be sent"):
            await two.cleaner(database).count()
        two.owners[0].execute("UPDATE outbox SET due_at = '2100-01-01'")
        with pytest.raises(SlotsError, match="1 jobs that wait on shard 0 do not on shard 1"):
            await two.cleaner(database).delete()

    assert len(two.users(0)) == 3


async def test_a_copy_that_is_given_up_is_deleted_too(two: Two, open_database: Opener) -> None:
    before = two.content(0)
    async with open_database(shards=two.parsed(FROZEN)) as database:
        await two.mover(database).copy(again=False)
    async with open_database(shards=two.parsed()) as database:
        await two.cleaner(database, owner=0).delete()

    assert two.users(1) == set()
    assert two.content(0) == before


async def test_what_the_old_shard_still_has_warms_no_cache(two: Two, open_database: Opener) -> None:
    users = two.users(0)
    async with open_database(shards=two.parsed(FROZEN)) as database:
        await two.mover(database).copy(again=False)
    async with open_database(shards=two.parsed(SWITCHED)) as database:
        found = await Warmer(database, None)._most_active()  # type: ignore[arg-type]

    assert {shard: set(those) for shard, those in found.items()} == {
        0: {user for user in users if slot_of(user) < 200},
        1: {user for user in users if slot_of(user) >= 200},
    }
