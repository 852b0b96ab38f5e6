"""Deletes what a shard still has of users who are on another one: after a move, or of a copy that was given up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.data import slot_tables
from app.data.database import Database
from app.data.shards import HOME
from app.data.slot_copy import SECONDS, Slots, SlotsError, Tell, begun, lock
from app.settings import Shard

_USERS = "SELECT id FROM users WHERE user_slot(id) = $1"
_JOBS = """SELECT id, due_at <= clock_timestamp() AS is_due FROM outbox
WHERE user_id = ANY($1::uuid[]) AND user_id <> ALL($2::uuid[])"""
_ERASED = "SELECT user_id FROM erasures WHERE user_id = ANY($1::uuid[]) AND erased_at IS NOT NULL"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cleaner:
    """Works on some slots, whose users are on one shard.

    Attributes:
        database: all shards.
        slots: whose users.
        owner: where they are.
        tell: hears of each slot.
    """

    database: Database
    slots: Slots
    owner: Shard
    tell: Tell

    async def count(self) -> dict[int, dict[str, int]]:
        """Rows that do not belong there, by shard and table; every one of them may be deleted.

        Raises:
            SlotsError: some may not.
            UnavailableError: a shard does not answer.
        """
        found: dict[int, dict[str, int]] = {}
        for shard in self.database.shards.all:
            if shard.id != self.owner.id and (rows := await self._count(shard)):
                found[shard.id] = rows
        return found

    async def delete(self) -> dict[int, dict[str, int]]:
        """Delete them, a slot a transaction; what was deleted.

        Raises:
            SlotsError: some may not be deleted; the slots before, which were told, are done.
            UnavailableError: a shard does not answer; the same.
        """
        found = await self.count()
        return {
            shard.id: await self._delete(shard, found[shard.id])
            for shard in self.database.shards.all
            if shard.id in found
        }

    async def _count(self, shard: Shard) -> dict[str, int]:
        async with begun(self.database, shard, snapshot=True) as old:
            query = "SELECT EXISTS (SELECT FROM users WHERE user_slot(id) BETWEEN $1 AND $2)"
            if not await old.fetchval(query, self.slots.first, self.slots.last, timeout=SECONDS):
                return {}
            for slot in range(self.slots.first, self.slots.last + 1):
                await self._check(shard, old, slot)
            return {
                table.name: await old.fetchval(
                    f"SELECT count(*) FROM {table.name} WHERE {table.rows}",  # noqa: S608 of the catalogue
                    self.slots.first,
                    self.slots.last,
                    timeout=SECONDS,
                )
                for table in (await slot_tables.read(old)).moved
            }

    async def _delete(self, shard: Shard, tables: Mapping[str, int]) -> dict[str, int]:
        deleted = dict.fromkeys(tables, 0)
        for slot in range(self.slots.first, self.slots.last + 1):
            async with begun(self.database, shard) as old:
                await lock(old, shard)
                await self._check(shard, old, slot)
                # The users last: what refers to them goes with them, and is to be counted.
                for table in reversed((await slot_tables.read(old)).moved):
                    done = await old.execute(
                        f"DELETE FROM {table.name} WHERE {table.rows}",  # noqa: S608 of the catalogue
                        slot,
                        slot,
                        timeout=SECONDS,
                    )
                    deleted[table.name] += int(done.split()[-1])
            self.tell(f"shard {shard.id}: slot {slot} is clean")
        return deleted

    async def _check(self, shard: Shard, old: Any, slot: int) -> None:
        """Every user is on the new shard, or erased; and every job that waits here waits there, too.

        Raises:
            SlotsError: not so.
        """
        here = [row["id"] for row in await old.fetch(_USERS, slot, timeout=SECONDS)]
        async with begun(self.database, self.owner) as new:
            there = {row["id"] for row in await new.fetch(_USERS, slot, timeout=SECONDS)}
        gone = [user for user in here if user not in there]
        erased = await self._erased(gone)
        if missing := len(gone) - len(erased):
            msg = (
                f"slot {slot}: {missing} of {len(here)} users on shard {shard.id} are not on shard {self.owner.id}: "
                f"nothing of this slot is deleted"
            )
            raise SlotsError(msg)
        jobs = await old.fetch(_JOBS, here, erased, timeout=SECONDS)
        if any(job["is_due"] for job in jobs):
            msg = f"slot {slot}: jobs on shard {shard.id} are about to be sent; try again in a minute"
            raise SlotsError(msg)
        await self._check_waiting(shard, slot, [job["id"] for job in jobs])

    async def _check_waiting(self, shard: Shard, slot: int, jobs: list[UUID]) -> None:
        async with begun(self.database, self.owner) as new:
            query = "SELECT count(*) FROM outbox WHERE id = ANY($1::uuid[])"
            if lost := len(jobs) - await new.fetchval(query, jobs, timeout=SECONDS):
                msg = (
                    f"slot {slot}: {lost} jobs that wait on shard {shard.id} do not on shard {self.owner.id}; "
                    "try again when they were sent"
                )
                raise SlotsError(msg)

    async def _erased(self, users: list[UUID]) -> list[UUID]:
        """Those of `users` whose accounts ended after the move."""
        if not users:
            return []
        async with self.database.system_writer(HOME) as home:
            return [row["user_id"] for row in await home.fetch(_ERASED, users)]
