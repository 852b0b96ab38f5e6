"""Slots, logical shards and primaries: pure arithmetic, and the promise that nothing moves by itself."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.phase import Phase, PhaseName
from stacks.phases import phase
from stacks.shards import even, parse, primaries, primary_of, problems, replica_regions, shard_map
from stacks.stores import SLOTS

ALL = [phase(name) for name in PhaseName]
each_phase = pytest.mark.parametrize("one", ALL, ids=str)


def of(name: str, **database: object) -> Phase:
    return phase(PhaseName(name), overrides={"database": database} if database else None)


def owners(found: dict[str, Any]) -> dict[int, list[int]]:
    """Shards by slot."""
    result: dict[int, list[int]] = {slot: [] for slot in range(SLOTS)}
    for shard in found["shards"]:
        for first, last in shard["slots"]:
            for slot in range(first, last + 1):
                result[slot].append(shard["id"])
    return result


@each_phase
def test_every_slot_is_on_one_shard(one: Phase) -> None:
    for entries in ((), even(one)):
        assert all(len(shards) == 1 for shards in owners(shard_map(one, entries)).values())


@each_phase
def test_without_a_word_everything_is_on_the_first_shard(one: Phase) -> None:
    assert set(map(tuple, owners(shard_map(one)).values())) == {(0,)}


@each_phase
def test_even_shares_differ_by_one_slot_at_most(one: Phase) -> None:
    shares = [sum(last - first + 1 for first, last in each["slots"]) for each in shard_map(one, even(one))["shards"]]

    assert sum(shares) == SLOTS
    assert max(shares) - min(shares) <= 1


def test_growth_moves_no_shard_to_another_primary() -> None:
    for before, after in pairwise(ALL):
        for shard in range(before.database.logical_shards):
            assert primary_of(before, shard).name == primary_of(after, shard).name


def test_three_regions_share_ten_databases() -> None:
    found = {one.name: one.databases for one in primaries(of("1m"))}

    assert {name: len(databases) for name, databases in found.items()} == {
        "us-east-1-db-0": 4,
        "us-west-2-db-0": 3,
        "eu-west-1-db-0": 3,
    }
    assert found["us-east-1-db-0"][:2] == ("headroom", "headroom_1")


def test_dedicated_gives_every_shard_a_primary_and_leaves_the_first_where_it_is() -> None:
    found = primaries(of("1m", placement="dedicated"))

    assert len(found) == 10
    assert primary_of(of("1m", placement="dedicated"), 0).name == primary_of(of("1m"), 0).name
    assert [one.name for one in found if one.region == "us-west-2"] == [f"us-west-2-db-{index}" for index in range(3)]


def test_the_first_remote_replica_of_home_stays_when_regions_come_between() -> None:
    assert replica_regions(of("250k"), "us-east-1") == replica_regions(of("1m"), "us-east-1") == ("eu-west-1",)


def test_each_region_keeps_another_ones_replica() -> None:
    one = of("1m")

    kept = [replica_regions(one, region) for region in one.regions]
    assert sorted(kept) == sorted((region,) for region in one.regions)
    assert all(region not in there for region, there in zip(one.regions, kept, strict=True))


def test_a_moving_slot_stays_with_its_owner_until_it_is_switched() -> None:
    one = of("250k")
    steps = [[], ["200-210=0>1:frozen"], ["200-210=1"]]

    seen = [shard_map(one, entries) for entries in steps]

    assert [owners(found)[205] for found in seen] == [[0], [0], [1]]
    assert [found["moving"] for found in seen] == [[], [{"slots": [200, 210], "from": 0, "to": 1}], []]


@pytest.mark.parametrize(
    "entry", ["", "1", "300=1", "5-3=1", "0-256=1", "1=1>1", "1=0>1:done", "1=0>1", "a=1", "1 = 1"]
)
def test_nonsense_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"must|moves"):
        parse(entry)


def test_what_is_wrong_between_entries_is_named() -> None:
    found = dict(problems(["0-10=1", "5=0", "20=0>7:frozen"], 2))

    assert "0-10=1" in found[1]
    assert "shard 7" in found[2]
    assert 0 not in found


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.booleans())
def test_an_entry_reads_back_as_it_was_written(first: int, last: int, shard: int, is_moving: bool) -> None:
    low, high = sorted((first, last))
    entry = f"{low}-{high}={shard}" + (f">{(shard + 1) % 256}:frozen" if is_moving else "")

    assert parse(str(parse(entry))) == parse(entry)


@each_phase
def test_the_map_fits_into_an_environment_variable(one: Phase) -> None:
    assert len(json.dumps(shard_map(one, even(one)))) < 4_000
