"""Hit rates of the tiers for reads of profiles by Zipf's law, at the load of each phase.

`python tools/cache_hit_rate.py` prints a table; `tests/app/cache/test_hit_rate.py` holds the formulas against the
cache itself. The k-th most active of N users is asked for in proportion to k^-s; requests are a Poisson process, spread
over processes evenly, as the load balancer does. N is the users who are there at the same time, since nobody else asks;
with all users of a month instead, as if each of them asked at any time, it is the worst case.

A value that is asked for at rate r and lives T seconds is there for r*T/(1+r*T) of the requests: one load, then r*T
hits, whatever the distribution of T. Redis is large enough for all; memory is, too, at these rates (the last column
says how much of it is used).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from app.cache.kinds import PROFILE
from app.cache.lru import ENTRIES
from app.cache.tiers import LOCAL_SECONDS
from components.workload_manifests import WEB_CONCURRENCY
from stacks.phase import Phase
from stacks.phases import PHASES, phase

EXPONENTS = (0.6, 0.8, 1.0, 1.2)
TARGET_PERCENT = 95
REDIS_SECONDS = PROFILE.fresh_seconds * 0.95
"""On average: up to a tenth is taken off at random."""
MEMORY_SECONDS = sum(LOCAL_SECONDS) / 2


@dataclass(frozen=True)
class Rates:
    """Percent of reads that memory answers, and that memory or Redis do; and entries that a memory holds."""

    memory: float
    both: float
    entries: float


def rates(users: int, per_second: float, processes: int, exponent: float) -> Rates:
    """Hit rates of reads `per_second` over all processes, after the first minutes."""
    memory = both = entries = total = 0.0
    for rate in zipf(users, per_second, exponent):
        in_memory = _share(rate / processes, MEMORY_SECONDS)
        memory += rate * in_memory
        both += rate * _share(rate, REDIS_SECONDS)
        entries += in_memory
        total += rate
    return Rates(100 * memory / total, 100 * both / total, entries)


def zipf(users: int, per_second: float, exponent: float) -> Iterator[float]:
    """Reads a second of each user, the most active first."""
    weights = [rank**-exponent for rank in range(1, users + 1)]
    scale = per_second / sum(weights)
    return (scale * weight for weight in weights)


def _share(rate: float, seconds: float) -> float:
    return rate * seconds / (1 + rate * seconds)


def _row(one: Phase, exponent: float) -> list[str]:
    processes = one.compute.pods["api"].minimum * WEB_CONCURRENCY
    targets = one.targets
    present, worst = (
        rates(users, targets.requests_per_second, processes, exponent)
        for users in (targets.concurrent_users.high, targets.monthly_users)
    )
    return [
        one.name,
        str(exponent),
        f"{present.memory:.1f}",
        f"{present.both:.1f}",
        "yes" if present.both > TARGET_PERCENT else "no",
        f"{worst.memory:.1f}",
        f"{worst.both:.1f}",
        f"{100 * worst.entries / ENTRIES:.0f}",
    ]


def main() -> None:
    """Print the table, in percent."""
    heads = ("phase", "s", "memory", "+ Redis", f"> {TARGET_PERCENT}", "worst: memory", "+ Redis", "full")
    table = Table(*heads)
    for name in PHASES:
        for exponent in EXPONENTS:
            table.add_row(*_row(phase(name), exponent))
    Console().print(table)


if __name__ == "__main__":
    main()
