from __future__ import annotations

import json
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.data.errors import FrozenError
from app.data.shards import Shards, slot_of
from app.settings import ShardMap
from stacks.phase import PhaseName
from stacks.phases import phase
from stacks.shards import even, shard_map


def parsed(*entries: str, name: PhaseName = PhaseName.P250K) -> Shards:
    text = json.dumps(shard_map(phase(name), entries))
    return Shards(ShardMap.model_validate_json(text))


def user_in(slot: int) -> UUID:
    return next(one for one in iter(uuid4, None) if slot_of(one) == slot)


def test_a_users_slot_is_the_first_byte_of_sha256_of_the_id() -> None:
    # printf 00000000-0000-0000-0000-000000000001 | sha256sum
    assert slot_of(UUID(int=1)) == 0x7A


def test_sql_finds_the_same_slots(seeded: psycopg.Connection) -> None:
    rows = seeded.execute("SELECT id, user_slot(id) FROM users").fetchall()

    assert [slot for _, slot in rows] == [slot_of(user) for user, _ in rows]
    assert len({slot for _, slot in rows}) == 256


@given(st.uuids())
def test_every_user_has_one_shard_in_every_phase(user: UUID) -> None:
    for name in PhaseName:
        shards = parsed(*even(phase(name)), name=name)
        owners = [one.id for one in shards.all for low, high in one.slots if low <= slot_of(user) <= high]
        assert owners == [shards.to_read(user).id] == [shards.to_write(user).id]


def test_a_frozen_slot_is_read_and_not_written() -> None:
    shards = parsed("128-200=0>1:frozen")

    assert shards.to_read(user_in(128)).id == 0
    for slot in (128, 200):
        with pytest.raises(FrozenError, match=f"slot {slot} is frozen") as caught:
            shards.to_write(user_in(slot))
        assert caught.value.retry_after_seconds >= 1
    assert shards.to_write(user_in(127)).id == shards.to_write(user_in(201)).id == 0


def test_a_moved_slot_is_on_the_new_shard() -> None:
    shards = parsed("128-200=1")

    assert shards.to_write(user_in(150)).database == "headroom_1"
    assert shards.to_write(user_in(201)).database == "headroom"


def test_a_job_names_its_shard() -> None:
    assert parsed().to_write(1).database == "headroom_1"
    with pytest.raises(KeyError):
        parsed().to_read(7)
