"""The first tier, and what a value carries: no server needed."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from app.cache import tombstones
from app.cache.circuit import FAILURES, STREAK_SECONDS, Circuit
from app.cache.envelope import Envelope, encode
from app.cache.kinds import KINDS, Kind
from app.cache.lru import OVERHEAD_BYTES, Lru
from app.cache.tombstones import Tombstones


def envelope(payload: bytes = b"1", fresh_until: float = 100, load_seconds: float = 1) -> Envelope:
    return Envelope(payload, fresh_until, fresh_until * 12, 0.5, load_seconds)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3_000)), max_size=200))
def test_memory_never_exceeds_entries_or_bytes_and_counts_its_bytes_right(puts: list[tuple[int, int]]) -> None:
    lru = Lru(entries=10, size_bytes=10_000)
    for key, size in puts:
        lru.put(str(key), envelope(b"x" * size), 10)
        assert len(lru) <= 10
        assert lru.size_bytes <= 10_000
    kept = {str(key) for key, _ in puts if lru.get(str(key))}
    assert lru.size_bytes == sum(len(k) + len(_entry(lru, k)) + OVERHEAD_BYTES for k in kept)


def _entry(lru: Lru, key: str) -> bytes:
    entry = lru.get(key)
    assert entry is not None
    return entry.envelope.payload


def test_the_least_recently_used_goes_first() -> None:
    lru = Lru(entries=2)
    lru.put("a", envelope(), 10)
    lru.put("b", envelope(), 10)
    lru.get("a")
    lru.put("c", envelope(), 10)
    assert lru.get("a") is not None
    assert lru.get("b") is None


def test_a_value_larger_than_the_whole_memory_drives_nothing_out() -> None:
    lru = Lru(size_bytes=1_000)
    lru.put("a", envelope(), 10)
    lru.put("b", envelope(b"x" * 1_000), 10)
    assert lru.get("a") is not None
    assert lru.get("b") is None


def test_after_a_gap_everything_is_kept_but_nothing_is_current() -> None:
    lru = Lru()
    lru.put("a", envelope(), 10)
    lru.expire_all()
    lru.put("b", envelope(), 10)
    a, b = lru.get("a"), lru.get("b")
    assert a is not None
    assert b is not None
    assert not lru.is_current(a, 5)
    assert lru.is_current(b, 5)


@given(st.binary(min_size=1), st.floats(0, 1e10), st.floats(0, 1e10))
def test_what_is_packed_is_what_is_unpacked(payload: bytes, fresh: float, stale: float) -> None:
    one = Envelope(payload, fresh, stale, 1.5, 0.25)
    assert Envelope.unpack(one.pack()) == one


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x02" + envelope().pack()[1:], b"{}", envelope(b"").pack()])
def test_damaged_bytes_and_those_of_another_release_are_a_miss(data: bytes) -> None:
    assert Envelope.unpack(data) is None


def test_an_old_or_dear_value_is_renewed_early_and_a_young_one_is_not() -> None:
    one = envelope(fresh_until=100, load_seconds=2)
    assert not one.is_due(50, lambda: 0.99)
    assert one.is_due(95, lambda: 0.99)
    assert not one.is_due(95, lambda: 0.5)
    assert one.is_due(100, lambda: 0.0)


def test_models_times_and_ids_are_encoded_and_others_refused() -> None:
    class Profile(BaseModel):
        id: UUID
        since: datetime

    profile = Profile(id=UUID(int=1), since=datetime(2026, 1, 1, tzinfo=UTC))
    assert Profile.model_validate_json(encode(profile)) == profile
    with pytest.raises(TypeError):
        encode(object())


def test_all_kinds_have_names_of_their_own_and_outlive_their_freshness() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        assert kind.stale_seconds > kind.fresh_seconds >= kind.negative_seconds > 0


@given(st.text(max_size=20), st.text(max_size=20))
def test_keys_of_two_identifiers_differ(one: str, other: str) -> None:
    kind: Kind[Any] = KINDS[0]
    assert (kind.key(one) == kind.key(other)) == (one == other)


def test_one_stall_of_the_loop_does_not_open_a_circuit_and_an_outage_does() -> None:
    now = 0.0
    circuit = Circuit(lambda: now)
    assert not any(circuit.failed() for _ in range(100))
    now = STREAK_SECONDS
    assert circuit.failed()
    assert circuit.is_open
    assert not circuit.failed()
    circuit.succeeded()
    assert not circuit.is_open


def test_a_success_ends_a_streak() -> None:
    now = 0.0
    circuit = Circuit(lambda: now)
    for _ in range(10):
        for _ in range(FAILURES - 1):
            now += 1
            assert not circuit.failed()
        circuit.succeeded()


def test_tombstones_refuse_older_values_only_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tombstones, "ENTRIES", 100)
    now = time.time()
    graves = Tombstones(lambda: now)
    graves.bury("a")
    assert graves.refuse("a", now - 1)
    assert not graves.refuse("a", now + 0.001)
    assert not graves.refuse("b", now - 1)
    for index in range(200):
        graves.bury(str(index))
    assert len(graves._times) == 100
    assert not graves.refuse("a", now - 1)
    now += tombstones.SECONDS
    graves.bury("new")
    assert list(graves._times) == ["new"]
