"""Event loops that the SDK leaves open when the engine gives up before the program has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Final

PATIENCE_SECONDS: Final = 1.0
"""For the SDK, which closes its loop by itself unless a task that it cancels fails otherwise."""
POLL_SECONDS: Final = 0.01


def close(loops: Iterable[asyncio.AbstractEventLoop]) -> None:
    """End what is left on loops that their threads have left, and close them."""
    for loop in loops:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not loop.is_closed() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if loop.is_closed() or loop.is_running():
            continue
        if tasks := asyncio.all_tasks(loop):
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.wait(tasks, timeout=PATIENCE_SECONDS))
        loop.close()
