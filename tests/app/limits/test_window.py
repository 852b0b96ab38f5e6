"""The sliding window in a real Redis, against a log of every request; Redis' clock is set by the test."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_right
from collections.abc import Sequence

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from app.cache.store import Store
from app.limits.limiter import Limiter, Outcome
from app.limits.policies import AI, Check, Identity, Policy
from app.limits.rules import Rule, address, user
from app.limits.script import SLIDING_WINDOW
from tests.app.processes import take as take_in_process
from tests.app.processes import together
from tests.app.servers import Redis
from tests.app.stores import opened

pytestmark = pytest.mark.anyio

WINDOW_MS = 60_000
TIMED = SLIDING_WINDOW.text.replace("redis.call('TIME')", "{tonumber(ARGV[3]), tonumber(ARGV[4])}")
"""The very script, but for the clock."""


def decide(server: Redis, key: str, times_ms: Sequence[int], limit: int) -> list[list[int]]:
    """Replies of the script to requests at these times."""
    with redis.Redis(port=server.port) as client:
        script = client.register_script(TIMED)
        client.script_load(TIMED)
        pipeline = client.pipeline(transaction=False)
        for now in times_ms:
            pipeline.evalsha(script.sha, 1, key, limit, WINDOW_MS, now // 1000, now % 1000 * 1000)
        return [reply[0] for reply in pipeline.execute()]


def exact(times_ms: Sequence[int], limit: int) -> int:
    """How many a log of allowed requests allows."""
    log: list[int] = []
    for now in times_ms:
        if len(log) - bisect_right(log, now - WINDOW_MS) < limit:
            log.append(now)
    return len(log)


def most_in(allowed: Sequence[int], length_ms: int) -> int:
    """The fullest span of this length, wherever it begins."""
    return max((index - bisect_right(allowed, now - length_ms) + 1 for index, now in enumerate(allowed)), default=0)


def arrivals(seed: int, rate: float, windows: int) -> list[int]:
    """Times of a Poisson process, `rate` a window."""
    source = random.Random(seed)  # noqa: S311 a simulation
    now, found = 1_000_000_000.0, []
    end = now + windows * WINDOW_MS
    while (now := now + source.expovariate(rate) * WINDOW_MS) < end:
        found.append(int(now))
    return found


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.3, 5), st.sampled_from([100, 300, 1_000]))
def test_it_allows_what_a_log_would_to_one_percent(shared_redis: Redis, seed: int, load: float, limit: int) -> None:
    times = arrivals(seed, load * limit, 12 if limit > 300 else 30)
    shared_redis.flush()
    allowed = sum(reply[0] for reply in decide(shared_redis, "k", times, limit))
    assert abs(allowed - exact(times, limit)) <= max(0.01 * exact(times, limit), 2)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2 * WINDOW_MS), st.integers(1, 30)), min_size=1, max_size=40), st.integers(1, 20)
)
def test_whatever_somebody_tries_no_more_than_the_limit_pass_in_nine_tenths_of_a_window(
    shared_redis: Redis, bursts: list[tuple[int, int]], limit: int
) -> None:
    now, times = 1_000_000_000, []
    for pause, size in bursts:
        now += pause
        times += [now] * size
    shared_redis.flush()
    allowed = [at for at, reply in zip(times, decide(shared_redis, "k", times, limit), strict=True) if reply[0]]
    assert most_in(allowed, WINDOW_MS * 9 // 10) <= limit
    assert most_in(allowed, WINDOW_MS) < max(2 * limit, 2)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, WINDOW_MS // 2), min_size=1, max_size=60), st.integers(1, 20))
def test_who_waits_as_told_gets_in_and_not_a_moment_earlier(shared_redis: Redis, pauses: list[int], limit: int) -> None:
    now, times = 1_000_000_000, []
    for pause in pauses:
        now += pause
        times.append(now)
    shared_redis.flush()
    decide(shared_redis, "k", times, limit)
    # Fill it up, so that the next one is denied.
    *_, (allows, _, wait) = decide(shared_redis, "k", [now] * (limit + 1), limit)
    assert not allows
    early, late = decide(shared_redis, "k", [now + wait - 1, now + wait], limit)
    assert (early[0], late[0]) == (0, 1)


async def check(store: Store, policy: Policy, identity: Identity | None = None, host: str = "192.0.2.1") -> Outcome:
    """Of one POST, decided by a process that remembers nothing."""
    verdict = await Limiter(store).check(policy.checks(identity, host, "POST"), fails_closed=True)
    return verdict.outcome


async def test_the_strictest_rule_decides_and_a_denied_request_counts_nowhere(redis_url: str) -> None:
    loose, strict = Rule("loose", 10, 3_600, "user"), Rule("strict", 2, 3_600, "user")
    checks = [Check(user("1"), [loose, strict])]
    async with opened(redis_url) as store:
        limiter = Limiter(store)
        verdicts = [await limiter.check(checks, fails_closed=True) for _ in range(5)]
        assert [(v.outcome, v.rule, v.remaining) for v in verdicts[:3]] == [
            (Outcome.ALLOWED, strict, 1),
            (Outcome.ALLOWED, strict, 0),
            (Outcome.DENIED, strict, 0),
        ]
        alone = await limiter.check([Check(user("1"), [loose])], fails_closed=True)
        assert alone.remaining == 10 - 2 - 1


async def test_users_behind_one_address_do_not_share_what_counts_by_user(redis_url: str) -> None:
    async with opened(redis_url) as store:
        outcomes = [await check(store, AI, Identity(str(index % 2), 5)) for index in range(42)]
    assert outcomes.count(Outcome.ALLOWED) == 40
    assert outcomes[-2:] == [Outcome.DENIED] * 2


async def test_who_is_denied_costs_redis_nothing_until_the_end(redis_server: Redis) -> None:
    checks = [Check(address("192.0.2.1"), [Rule("r", 1, 3_600, "ip")])]
    async with opened(redis_server.url) as store:
        limiter = Limiter(store)
        outcomes = [(await limiter.check(checks, fails_closed=True)).outcome for _ in range(100)]
    assert outcomes == [Outcome.ALLOWED] + [Outcome.DENIED] * 99
    with redis.Redis(port=redis_server.port) as client:
        statistics = client.info("commandstats")
    # Allowed once: not known by digest, then by text; denied once.
    assert statistics["cmdstat_eval"]["calls"] + statistics["cmdstat_evalsha"]["calls"] == 3


async def test_after_the_wait_a_process_asks_again_and_lets_pass(redis_url: str) -> None:
    checks = [Check(address("192.0.2.1"), [Rule("r", 2, 1, "ip")])]
    async with opened(redis_url) as store:
        limiter = Limiter(store)
        while (verdict := await limiter.check(checks, fails_closed=True)).outcome is Outcome.ALLOWED:
            pass
        await asyncio.sleep(verdict.reset_seconds + 0.01)
        assert (await limiter.check(checks, fails_closed=True)).outcome is Outcome.ALLOWED


@pytest.mark.parametrize("clustered", [False, True])
def test_four_processes_together_allow_exactly_the_limit(
    clustered: bool, redis_url: str, redis_cluster_urls: list[str]
) -> None:
    url = redis_cluster_urls[0] if clustered else redis_url
    assert sum(together(take_in_process, [(url, clustered, 200, 100)] * 4)) == 100


async def test_user_and_address_on_different_nodes_of_a_cluster_are_decided_together(
    redis_cluster_urls: list[str],
) -> None:
    both = Policy(name="both", rules=(Rule("by-user", 1_000, 3_600, "user"), Rule("by-ip", 3, 3_600, "ip")))
    async with opened(redis_cluster_urls[0], clustered=True, budget_seconds=2) as store:
        nodes = {store._node(f"{{rl:ip:10.0.0.{index}}}:by-ip") for index in range(50)}
        assert len(nodes) == 3
        for index in range(50):
            outcomes = [await check(store, both, Identity(str(index), 5), f"10.0.0.{index}") for _ in range(4)]
            assert outcomes == [Outcome.ALLOWED] * 3 + [Outcome.DENIED]


async def test_without_redis_reads_get_a_share_and_logins_are_closed(redis_server: Redis) -> None:
    async with opened(redis_server.url) as store:
        redis_server.kill()
        limiter = Limiter(store)
        checks = [Check(address("192.0.2.1"), [Rule("r", 100, 60, "ip")])]
        verdicts = [await limiter.check(checks, fails_closed=False) for _ in range(30)]
        assert [v.outcome for v in verdicts].count(Outcome.ALLOWED) in {25, 26}
        assert all(v.is_local for v in verdicts)
        closed = await limiter.check(checks, fails_closed=True)
        assert (closed.outcome, closed.is_local) == (Outcome.CLOSED, True)


async def test_a_full_redis_that_evicts_nothing_is_as_one_that_is_gone(redis_server: Redis) -> None:
    with redis.Redis(port=redis_server.port) as client:
        client.config_set("maxmemory", "1")
        client.config_set("maxmemory-policy", "noeviction")
    async with opened(redis_server.url) as store:
        verdict = await Limiter(store).check([Check(user("1"), [Rule("r", 4, 60, "user")])], fails_closed=False)
        assert (verdict.outcome, verdict.is_local) == (Outcome.ALLOWED, True)
        assert store.is_up


async def test_a_redis_that_forgot_its_scripts_is_taught_again(redis_server: Redis) -> None:
    checks = [Check(user("1"), [Rule("r", 4, 3_600, "user")])]
    async with opened(redis_server.url) as store:
        limiter = Limiter(store)
        assert (await limiter.check(checks, fails_closed=True)).remaining == 3
        with redis.Redis(port=redis_server.port) as client:
            client.script_flush()
        assert (await limiter.check(checks, fails_closed=True)).remaining == 2
