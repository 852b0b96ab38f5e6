"""Running a program without Python's cyclic garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause the collector, and let it go on afterwards.

    A Pulumi program makes hundreds of thousands of tasks and futures that all live until its end. The collector walks
    over them again and again and finds nothing: half of the time of the 1m plan, and more with every resource. What it
    would have found takes some 200 MB at 1m (docs/decisions/0003-the-program-is-async.md).
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
