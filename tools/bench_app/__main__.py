"""What the application's requests cost, and how long they take under load, on this machine: `make bench-app`.

The application runs as `make app` runs it, in a directory of its own. All of it in rounds, in turns, so that a busy
moment of the machine meets everything:

- in a closed loop, one process of the application and one of `tools.bench_app.peer` by turns: CPU of a request by
  /proc, which says the same on a busy machine as on an idle one;
- in an open loop, as many processes as the stack's pods have, on this machine's cores with database, pooler, Redis and
  the load generator: latencies, from when a request should have been sent;
- single operations, and lookups spread over the tiers of the cache.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import socket
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar, Final
from uuid import UUID

import httpx
import psycopg
from rich.console import Console
from rich.table import Table

from app.ops.loop import INTERVAL_SECONDS, STORE_SECONDS
from app.settings import Settings, read
from infra.errors import UserError
from tools.app.local import DATABASE, Application, Local, running
from tools.app.servers import Server, free_port, new_directory
from tools.bench_app import accounts, operations
from tools.bench_app.accounts import SHARES, World
from tools.bench_app.figures import (
    ALL_KINDS,
    BLENDED_AIM_MS,
    HIT_AIM_PERCENT,
    PAIRS,
    RATIO_AIM,
    Cost,
    Figures,
    Load,
    Spread,
    least,
    rows,
    verdict,
)
from tools.bench_app.load import Request, closed_loop, mixed, open_loop, percentile
from tools.bench_app.operations import Operation
from tools.bench_app.processes import cpu_seconds, memory_mib

CONNECTIONS: Final = 16
WARM_SECONDS: Final = 1.0
REDIRECT_AIM_MS: Final = 5.0


@dataclass
class Peer(Server):
    """`tools.bench_app.peer`, by the same server as the application."""

    dsn: str = ""
    project: Path = field(default_factory=lambda: Path(__file__).parents[2])

    IS_UNPRIVILEGED: ClassVar[bool] = False

    @property
    def environ(self) -> Mapping[str, str]:
        """Where the database is."""
        return {"PEER_DSN": self.dsn, "PATH": os.environ["PATH"], "PYTHONPATH": str(self.project)}

    def command(self) -> list[str]:
        """One process."""
        options = ["--port", str(self.port), "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
        return [sys.executable, "-m", "uvicorn", "tools.bench_app.peer:app", *options, "--log-level", "warning"]

    def answers(self) -> bool:
        """Whether it serves."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    seconds: float
    load_seconds: float
    rate: float


def main() -> int:
    """Measure, and show it; exit code."""
    parser = argparse.ArgumentParser(prog="tools.bench_app", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="of everything; medians and spread are shown")
    parser.add_argument("--seconds", type=float, default=3, help="of each closed loop")
    parser.add_argument("--load-seconds", type=float, default=10, help="of each open loop")
    parser.add_argument("--rate", type=float, default=500, help="requests a second of the open loop")
    parser.add_argument("--json", action="store_true", help="for machines")
    arguments = parser.parse_args()
    if min(arguments.rounds, arguments.seconds, arguments.load_seconds, arguments.rate) <= 0:
        parser.error("all numbers must be above 0")
    plan = Plan(arguments.rounds, arguments.seconds, arguments.load_seconds, arguments.rate)
    try:
        figures = run(plan)
    except UserError as error:
        _note(f"error: {error}\n")
        return error.exit_code
    if arguments.json:
        sys.stdout.write(f"{json.dumps(figures.to_dict(), indent=2)}\n")
    else:
        show(figures, plan, Console(highlight=False))
    return 0


def run(plan: Plan) -> Figures:
    """Start everything, measure, and stop it.

    Raises:
        UserError: a server is missing or does not start.
    """
    directory = new_directory("bench-app")
    try:
        with running(directory, free_port(), WEB_CONCURRENCY="1") as local, _beside(local, directory) as (pod, peer):
            return _measured(plan, local, pod, peer)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _beside(local: Local, directory: Path) -> Iterator[tuple[Application, Peer]]:
    """The processes of a pod as the stack has them, and the peer."""
    pod = Application(free_port(), _directory(directory, "pod"))
    processes = local.planned["WEB_CONCURRENCY"]
    pod.variables = {**local.application.variables, "PORT": str(pod.port), "WEB_CONCURRENCY": processes}
    peer = Peer(free_port(), _directory(directory, "peer"), dsn=local.postgres.url(DATABASE))
    try:
        pod.start()
        peer.start()
        yield pod, peer
    finally:
        peer.stop()
        pod.stop()


def _directory(parent: Path, name: str) -> Path:
    path = parent / name
    path.mkdir()
    return path


def _measured(plan: Plan, local: Local, pod: Application, peer: Peer) -> Figures:
    settings = read(local.application.variables)
    if not isinstance(settings, Settings):
        msg = "these are no settings of the API"
        raise TypeError(msg)
    _note("users ...\n")
    world = asyncio.run(accounts.create(local.application.url, settings.client_address_header))
    targets = _targets(world, local.application, peer)
    costs: dict[str, list[Cost]] = {name: [] for name in targets}
    loads = []
    for number in range(plan.rounds):
        for name in random.Random(number).sample(sorted(targets), len(targets)):  # noqa: S311 an order
            server, requests = targets[name]
            costs[name].append(asyncio.run(_cost(server, requests, plan.seconds)))
            _note(f"round {number + 1} of {plan.rounds}: {name} {costs[name][-1].cpu_us:.0f} us\n")
        loads.append(asyncio.run(_load(pod, world, plan, number)))
        _note(f"round {number + 1} of {plan.rounds}: {plan.rate:.0f} a second, {dict(loads[-1].results.statuses)}\n")
    os.environ |= {key: value for key, value in local.application.variables.items() if key.startswith("AWS_")}
    users = _seeded(local)
    _note("single operations ...\n")
    return Figures(
        costs,
        loads,
        [*asyncio.run(operations.measure(settings, users)), asyncio.run(_redirects(world, local.application))],
        asyncio.run(operations.mix(settings, users)),
        plan.rate,
    )


def _targets(world: World, application: Application, peer: Peer) -> dict[str, tuple[Server, Iterator[Request]]]:
    at, post = world.after
    plain = {"peer, feed": "/feed", "peer, feed, further": f"/feed/{at.replace('+', '%2B')}/{post}"}
    return {
        **{name: (application, world.requests(name)) for name, _ in PAIRS},
        **{name: (peer, _same(name, accounts.message("GET", path, {}))) for name, path in plain.items()},
    }


def _same(name: str, message: bytes) -> Iterator[Request]:
    while True:
        yield Request(name, message)


async def _cost(server: Server, requests: Iterator[Request], seconds: float) -> Cost:
    """CPU of the server's processes, of which the first second is not counted.

    Raises:
        UserError: some request was refused.
    """
    await closed_loop(server.port, requests, connections=CONNECTIONS, seconds=WARM_SECONDS)
    before = cpu_seconds(_process(server))
    results = await closed_loop(server.port, requests, connections=CONNECTIONS, seconds=seconds)
    used = cpu_seconds(_process(server)) - before
    if set(results.statuses) != {200}:
        msg = f"{server.name} does not answer everything: {dict(results.statuses)}"
        raise UserError(msg)
    return Cost(used / results.requests * 1_000_000, results.requests / results.seconds)


async def _load(pod: Application, world: World, plan: Plan, seed: int) -> Load:
    requests = mixed([(share, world.requests(name)) for name, share in SHARES.items()], seed)
    await open_loop(pod.port, requests, rate=plan.rate, seconds=WARM_SECONDS, seed=seed)
    before = cpu_seconds(_process(pod))
    results = await open_loop(pod.port, requests, rate=plan.rate, seconds=plan.load_seconds, seed=seed)
    used = cpu_seconds(_process(pod)) - before
    return Load(results, used / results.seconds, memory_mib(_process(pod)), await _lookups(pod))


async def _lookups(pod: Application) -> Counter[tuple[str, str]]:
    """Of the cache, by kind and by the tier that answered, since the processes started."""
    await asyncio.sleep(STORE_SECONDS + INTERVAL_SECONDS)
    async with httpx.AsyncClient() as client:
        page = (await client.get(f"{pod.url}/metrics")).raise_for_status().text
    found: Counter[tuple[str, str]] = Counter()
    for kind, tier, count in re.findall(_LOOKUPS, page, re.MULTILINE):
        found[kind, tier] += int(float(count))
    return found


_LOOKUPS: Final = r'^cache_lookups_total\{kind="(\w+)",tier="(\w+)".*\} (\S+)$'


async def _redirects(world: World, application: Application) -> Operation:
    """Whole requests, one after the other.

    Raises:
        UserError: some were refused.
    """
    results = await closed_loop(application.port, world.requests("redirect"), connections=1, seconds=1)
    if set(results.statuses) != {HTTPStatus.SEE_OTHER}:
        msg = f"the paywall does not redirect: {dict(results.statuses)}"
        raise UserError(msg)
    return Operation("redirect from a paid page, as a request", results.latencies["redirect"], REDIRECT_AIM_MS)


def _process(server: Server) -> int:
    if server.process is None:
        msg = f"{server.name} is not there"
        raise UserError(msg)
    return server.process.pid


def _seeded(local: Local) -> list[UUID]:
    """The seed's users; the first two have no plan."""
    with psycopg.connect(local.postgres.url(DATABASE)) as owner:
        query = "SELECT id FROM profiles ORDER BY subscription_tier = 'free' DESC, id LIMIT 10000"
        return [row[0] for row in owner.execute(query)]


def show(figures: Figures, plan: Plan, console: Console) -> None:
    """Print what was measured, and each figure with its aim."""
    console.print(f"medians of {plan.rounds} rounds (least to most)\n")
    table = Table("CPU of a request, one process", "us", "requests/s", box=None, pad_edge=False, header_style="bold")
    for name in figures.costs:
        table.add_row(name, _spread(figures.cpu_us(name), 0), _spread(figures.per_second(name), 0))
    console.print(table, "")
    table = Table("ratio", "", "aim", box=None, pad_edge=False, header_style="bold")
    for name, to in PAIRS:
        ratio = figures.ratio(name, to)
        table.add_row(f"{name} / {to}", _spread(ratio, 2), verdict(ratio.median, RATIO_AIM))
    console.print(table, "")
    cores = Spread.of([load.server_cores for load in figures.loads])
    memory = Spread.of([load.memory_mib for load in figures.loads])
    own = Spread.of([load.results.generator_seconds / load.results.seconds for load in figures.loads])
    title = f"{plan.rate:.0f} requests/s, open loop"
    table = Table(title, "ms", "aim", box=None, pad_edge=False, header_style="bold")
    for name, spread, aim in rows(figures):
        table.add_row(name, _spread(spread, 1), aim)
    console.print(table, "")
    failures = ", ".join(f"{name} {count} times" for name, count in figures.failures.items())
    console.print(f"of {figures.answers:,} requests refused or failed: {failures or 'none'}")
    console.print(
        f"cores: {_spread(cores, 2)} of the application, {_spread(own, 2)} of the generator;"
        f" memory: {_spread(memory, 0)} MiB\n"
    )
    table = Table("cache under load", "% without the database", "aim", box=None, pad_edge=False, header_style="bold")
    for name, percent in figures.hit_percents.items():
        table.add_row(name, f"{percent:.1f}", "" if name != ALL_KINDS else least(percent, HIT_AIM_PERCENT))
    console.print(table, "")
    table = Table("single operation", "median ms", "p95 ms", "aim (median)", box=None, header_style="bold")
    for one in figures.operations:
        middle = percentile(one.milliseconds, 50)
        table.add_row(one.name, f"{middle:.3f}", f"{percentile(one.milliseconds, 95):.3f}", verdict(middle, one.most))
    console.print(table, "")
    shares = ", ".join(f"{tier} {100 * share:.1f} %" for tier, share in sorted(figures.mix.shares.items()))
    blended = figures.mix.blended_ms
    console.print(f"lookups by tier: {shares}; {blended:.2f} ms on average ({verdict(blended, BLENDED_AIM_MS)})")


def _spread(spread: Spread, digits: int) -> str:
    return f"{spread.median:.{digits}f} ({spread.least:.{digits}f} to {spread.most:.{digits}f})"


def _note(text: str) -> None:
    """Show progress, apart from the result."""
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
