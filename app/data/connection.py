"""What a transaction may do, as types: a handler that was given a `Reading` cannot be typed to write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

Row = Mapping[str, Any]
"""asyncpg's record: by name, `row["email"]`, or position."""


class Reading(Protocol):
    """Queries in a read-only transaction. Values are bound: `$1`, `$2`, never put into the text."""

    async def fetch(self, query: str, *args: object) -> Sequence[Row]:
        """All rows."""

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        """The first row."""

    async def fetchval(self, query: str, *args: object) -> Any:
        """The first column of the first row."""


class Writing(Reading, Protocol):
    """A transaction that is committed when its block ends, and rolled back when that raises."""

    async def execute(self, query: str, *args: object) -> str:
        """Run; the command's tag, such as `UPDATE 1`."""

    async def executemany(self, command: str, args: Iterable[Sequence[object]]) -> None:
        """Run once for each, in one round trip a batch."""
