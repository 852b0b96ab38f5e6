"""Two answers for two questions: is the process alive (`/health`), and should it get requests (`/ready`).

`/health` depends on nothing: a database that is away must not restart every pod. `/ready` reads what a background task
found out last, so that no probe waits for anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from app.ops.drain import Drain
from app.ops.metrics import Gauge

INTERVAL_SECONDS = 5.0
"""As often as the kubelet asks."""
TIMEOUT_SECONDS = 2.0

log = structlog.get_logger()
available = Gauge("dependency_available", "1 while a dependency answers.", ("dependency",))


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """Something the process needs.

    Attributes:
        name: as `/ready` and the metric have it.
        run: raises when it is not there.
        required: no request before it was there once. Not again after that: a dependency that all pods share would
            take all of them out, and with them whatever still works without it.
    """

    name: str
    run: Callable[[], Awaitable[object]]
    required: bool = False


class Readiness:
    """What the checks said last; ready once every required one passed, until the process drains."""

    def __init__(self, drain: Drain, checks: Sequence[Check] = ()) -> None:
        """Know of the checks; `watching` runs them."""
        self._drain = drain
        self._checks = checks
        self._missing = {check.name for check in checks if check.required}
        self._found: dict[str, bool] = {}

    @property
    def ready(self) -> bool:
        """Whether the process should get requests."""
        return not self._drain.started and not self._missing

    def report(self) -> dict[str, object]:
        """Body of `/ready`: the status in a word, and each dependency."""
        status = "draining" if self._drain.started else "starting" if self._missing else "ready"
        words = {None: "unknown", True: "available", False: "unavailable"}
        return {"status": status, "checks": {check.name: words[self._found.get(check.name)] for check in self._checks}}

    async def check(self) -> None:
        """Run every check once, at the same time; each gets `TIMEOUT_SECONDS`."""
        await asyncio.gather(*(self._run(check) for check in self._checks))

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Check now and then every `INTERVAL_SECONDS`, in the background."""
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await self.check()
            await asyncio.sleep(INTERVAL_SECONDS)

    async def _run(self, check: Check) -> None:
        error = ""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await check.run()
        except Exception as raised:  # noqa: BLE001 whatever it is, the dependency is not there
            error = type(raised).__name__
        found = not error
        if self._found.get(check.name) is not found:
            # Only changes: an outage is one line, not one every five seconds.
            log.info("dependency_available" if found else "dependency_unavailable", check=check.name, error_type=error)
        self._found[check.name] = found
        available.set(float(found), check.name)
        if found:
            self._missing.discard(check.name)
