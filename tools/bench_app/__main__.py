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
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final
from uuid import UUID

import psycopg
from rich.console import Console
from rich.table import Table

from app.settings import Settings, read
from infra.errors import UserError
from tools.app.local import DATABASE, Application, Local, running
from tools.app.servers import Server, free_port, new_directory
from tools.bench_app import accounts, operations
from tools.bench_app.accounts import SHARES, World
from tools.bench_app.figures import BLENDED_AIM_MS, PAIRS, RATIO_AIM, Cost, Figures, Load, Spread, rows, verdict
from tools.bench_app.load import Request, closed_loop, mixed, open_loop, percentile
from tools.bench_app.processes import cpu_seconds, memory_mib

CONNECTIONS: Final = 16
WARM_SECONDS: Final = 1.0


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
        asyncio.run(operations.measure(settings, users)),
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
    return Load(results, used / results.seconds, memory_mib(_process(pod)))


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
    console.print(
        f"refused or failed: {figures.failures}; cores: {_spread(cores, 2)} of the application,"
        f" {_spread(own, 2)} of the generator; memory: {_spread(memory, 0)} MiB\n"
    )
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
