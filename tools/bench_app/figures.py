"""What was measured, and how it compares with what it should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from app.cache.answers import Tier
from tools.bench_app.load import Results, percentile
from tools.bench_app.operations import Mix, Operation

RATIO_AIM: Final = 2.0
HIT_AIM_PERCENT: Final = 95.0
ALL_KINDS: Final = "all"
BLENDED_AIM_MS: Final = 5.0
API_P95_MS, API_P99_MS = 300.0, 500.0
P95_MS: Final[Mapping[str, float]] = {
    "feed": 200,
    "feed, further": 200,
    "search": 300,
    "post, create": 150,
    "health": 10,
    "login": 100,
}
"""The roadmap's latencies of endpoints, taken as the 95th percentile."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Of the rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one."""
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one kind of request, one round: the server's CPU and the rate, in a closed loop."""

    cpu_us: float
    per_second: float


@dataclass(frozen=True, slots=True)
class Load:
    """One round of the open loop.

    Attributes:
        results: what the clients saw.
        server_cores: that the application's processes used, on average; without database, pooler and Redis.
        memory_mib: of those processes.
        lookups: of the application's cache since it started, by kind and by the tier that answered.
    """

    results: Results
    server_cores: float
    memory_mib: float
    lookups: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Figures:
    """All of it.

    Attributes:
        costs: by kind of request, each round's.
        loads: each round's.
        operations: each time's.
        mix: of lookups.
        rate: of the open loop, requests a second.
    """

    costs: Mapping[str, Sequence[Cost]]
    loads: Sequence[Load]
    operations: Sequence[Operation]
    mix: Mix
    rate: float

    def ratio(self, name: str, to: str) -> Spread:
        """CPU of one kind of request by that of another, round by round."""
        pairs = zip(self.costs[name], self.costs[to], strict=True)
        return Spread.of([one.cpu_us / other.cpu_us for one, other in pairs])

    def cpu_us(self, name: str) -> Spread:
        """CPU of a request."""
        return Spread.of([one.cpu_us for one in self.costs[name]])

    def per_second(self, name: str) -> Spread:
        """Requests a second of one process in a closed loop."""
        return Spread.of([one.per_second for one in self.costs[name]])

    def latency(self, percent: float, name: str | None = None) -> Spread:
        """Milliseconds under load, of one kind of request or of all."""
        return Spread.of([percentile(_latencies(load.results, name), percent) for load in self.loads])

    @property
    def names(self) -> list[str]:
        """Of the kinds of request under load."""
        return sorted({name for load in self.loads for name in load.results.latencies})

    @property
    def hit_percents(self) -> dict[str, float]:
        """Of all lookups of the pod, and of each kind's: those that the database was not asked for."""
        total: Counter[str] = Counter()
        loaded: Counter[str] = Counter()
        for (kind, tier), count in self.loads[-1].lookups.items():
            for name in (ALL_KINDS, kind):
                total[name] += count
                loaded[name] += count * (tier == Tier.LOADER)
        return {name: 100 * (1 - loaded[name] / count) for name, count in total.most_common()}

    @property
    def answers(self) -> int:
        """Under load, in all rounds."""
        return sum(load.results.requests for load in self.loads)

    @property
    def failures(self) -> dict[str, int]:
        """Answers under load that were none, or others than wanted: how often each kind of request got which."""
        found: Counter[str] = Counter()
        for load in self.loads:
            for (name, status), count in load.results.answers.items():
                if status not in OK:
                    found[f"{name}: {status or 'no answer'}"] += count
        return dict(found.most_common())

    def to_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "costs": {
                name: {"cpu_us": asdict(self.cpu_us(name)), "per_second": asdict(self.per_second(name))}
                for name in self.costs
            },
            "ratios": {name: asdict(self.ratio(name, to)) for name, to in PAIRS},
            "load": {
                "rate": self.rate,
                "answers": self.answers,
                "failures": self.failures,
                "server_cores": asdict(Spread.of([load.server_cores for load in self.loads])),
                "memory_mib": asdict(Spread.of([load.memory_mib for load in self.loads])),
                "cache_hit_percent": self.hit_percents,
                "latency_ms": {name or "all": self._percentiles(name) for name in [None, *self.names]},
            },
            "operations": {
                one.name: {"median_ms": median(one.milliseconds), "p95_ms": percentile(one.milliseconds, 95)}
                for one in self.operations
            },
            "mix": asdict(self.mix),
        }

    def _percentiles(self, name: str | None) -> dict[str, Any]:
        return {f"p{percent}": asdict(self.latency(percent, name)) for percent in (50, 95, 99)}


OK: Final = frozenset({200, 201})
PAIRS: Final = (
    ("feed", "peer, feed"),
    ("feed, further", "peer, feed, further"),
)
"""What is compared with what."""


def _latencies(results: Results, name: str | None) -> Sequence[float]:
    if name is not None:
        return results.latencies[name]
    return [value for values in results.latencies.values() for value in values]


def verdict(value: float, most: float | None) -> str:
    """The aim, and whether it is met; empty where there is none."""
    return "" if most is None else f"{most:g} or less: {'met' if value <= most else 'missed'}"


def least(value: float, aim: float) -> str:
    """The aim that a value should not be below, and whether it is met."""
    return f"{aim:g} or more: {'met' if value >= aim else 'missed'}"


def rows(figures: Figures) -> Iterator[tuple[str, Spread, str]]:
    """Latencies of the open loop: name, spread in milliseconds, verdict."""
    for percent, most in ((50, None), (95, API_P95_MS), (99, API_P99_MS)):
        spread = figures.latency(percent)
        yield f"all, p{percent}", spread, verdict(spread.median, most)
    for name in figures.names:
        spread = figures.latency(95, name)
        yield f"{name}, p95", spread, verdict(spread.median, P95_MS.get(name))
