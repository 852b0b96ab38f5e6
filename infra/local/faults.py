"""Faults that somebody plants in the local cloud, to see what an operation does when AWS fails under it."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path

from infra.errors import UserError


class Faults:
    """Counts the changes that are made to the cloud, and fails those that a file names: `{"fail": [3, 20]}`.

    The count starts when the file is written. The cloud is a process of its own, which is why a file says it.
    """

    def __init__(self, path: Path) -> None:
        """Watch `path`; without that file nothing fails."""
        self._path = path
        self._lock = threading.Lock()
        self._stamp = 0
        self._count = 0
        self._fail: frozenset[int] = frozenset()

    def plant(self, changes: Sequence[int]) -> None:
        """Let the changes of these numbers fail, counted from the next one as 1."""
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps({"fail": list(changes)}), encoding="utf-8")
        draft.replace(self._path)

    def clear(self) -> None:
        """Let nothing fail any more."""
        self._path.unlink(missing_ok=True)

    def strike(self) -> None:
        """Count one change.

        Raises:
            UserError: this is one of those that fail; nothing has been done yet.
        """
        with self._lock:
            self._read()
            self._count += 1
            number = self._count
        if number in self._fail:
            msg = f"a planted fault (change {number})"
            raise UserError(msg)

    def _read(self) -> None:
        try:
            stamp = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            self._fail = frozenset()
            return
        if stamp != self._stamp:
            self._stamp, self._count = stamp, 0
            self._fail = frozenset(json.loads(self._path.read_text(encoding="utf-8"))["fail"])
