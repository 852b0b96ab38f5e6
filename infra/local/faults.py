"""Faults that somebody plants in the local cloud, to see what an operation does when AWS fails under it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from infra.errors import UserError

ATTEMPTS: Final = 10
"""How often a throttled call is tried before its failure reaches the engine; with pulumi-aws `maxRetries`, 25 times."""
BACKOFF_SECONDS: Final = 0.01
"""AWS's SDKs wait for up to 20 s; here it is the number of calls that matters."""


class CrashError(Exception):
    """The provider's process died under a call: the engine hears nothing but that the connection is gone."""


class _ThrottledError(Exception):
    """One attempt was refused; the next one may do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What fails. Changes (creations, updates, deletions) are counted from 1, from when the plan is planted.

    Attributes:
        fail: changes that are refused; nothing has been done.
        crash_before: changes under which the provider dies before it did anything.
        crash_after: changes under which it dies when the object is made, changed or gone already.
        incomplete: creations that end half-way: the object exists, and the engine is told so.
        throttle_every: each so manieth attempt is refused and tried again, as AWS's SDKs do; 0 for none.
        latency_seconds: how long each change takes at least.
        fail_first: the first change of every resource is refused.
    """

    fail: Sequence[int] = ()
    crash_before: Sequence[int] = ()
    crash_after: Sequence[int] = ()
    incomplete: Sequence[int] = ()
    throttle_every: int = 0
    latency_seconds: float = 0.0
    fail_first: bool = False


class Faults:
    """Counts the changes that are made to the cloud, and spoils those that a file names.

    The count starts when the file is written. The cloud is a process of its own, which is why a file says it.
    """

    def __init__(self, path: Path) -> None:
        """Watch `path`; without that file nothing fails."""
        self._path = path
        self._lock = threading.Lock()
        self._stamp = 0
        self._changes = 0
        self._attempts = 0
        self._failed: set[str] = set()
        self._plan = Plan()

    def plant(
        self,
        fail: Sequence[int] = (),
        *,
        crash_before: Sequence[int] = (),
        crash_after: Sequence[int] = (),
        incomplete: Sequence[int] = (),
        throttle_every: int = 0,
        latency_seconds: float = 0.0,
        fail_first: bool = False,
    ) -> None:
        """Spoil changes, counted from the next one as 1; see `Plan`."""
        plan = Plan(fail, crash_before, crash_after, incomplete, throttle_every, latency_seconds, fail_first)
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(plan)), encoding="utf-8")
        draft.replace(self._path)

    def clear(self) -> None:
        """Let nothing fail any more."""
        self._path.unlink(missing_ok=True)

    def before(self, urn: str) -> int:
        """Count one change of a resource, and wait where the plan says so; the change's number.

        Raises:
            UserError: this is one of those that fail, or it was throttled too often; nothing has been done yet.
            CrashError: the provider dies now.
        """
        with self._lock:
            self._read()
            self._changes += 1
            number, plan = self._changes, self._plan
            is_refused = number in plan.fail or (plan.fail_first and urn not in self._failed)
            if is_refused:
                self._failed.add(urn)
        time.sleep(plan.latency_seconds)
        self._pass_throttle()
        if is_refused:
            msg = f"a planted fault (change {number})"
            raise UserError(msg)
        if number in plan.crash_before:
            raise CrashError
        return number

    def after(self, number: int) -> None:
        """Say that a change has been made.

        Raises:
            CrashError: the provider dies now.
        """
        if number in self._plan.crash_after:
            raise CrashError

    def is_incomplete(self, number: int) -> bool:
        """Whether this creation ends half-way."""
        return number in self._plan.incomplete

    def _pass_throttle(self) -> None:
        for attempt in range(ATTEMPTS):
            try:
                self._attempt()
            except _ThrottledError:
                time.sleep(BACKOFF_SECONDS * 2**attempt)
            else:
                return
        msg = f"ThrottlingException: rate exceeded (after {ATTEMPTS} attempts)"
        raise UserError(msg)

    def _attempt(self) -> None:
        with self._lock:
            self._attempts += 1
            every = self._plan.throttle_every
            if every and self._attempts % every == 0:
                raise _ThrottledError

    def _read(self) -> None:
        try:
            stamp = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            self._plan = Plan()
            return
        if stamp != self._stamp:
            self._stamp, self._changes, self._attempts = stamp, 0, 0
            self._failed.clear()
            self._plan = Plan(**json.loads(self._path.read_text(encoding="utf-8")))
