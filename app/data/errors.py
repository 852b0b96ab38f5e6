"""What the database cannot do right now; each is answered with 503 and `Retry-After`, and all may be tried again."""

from __future__ import annotations


class UnavailableError(Exception):
    """Nothing was written.

    Attributes:
        code: for the error envelope.
        retry_after_seconds: when to try again.
    """

    code = "database_unavailable"
    retry_after_seconds = 1


class UnreachableError(UnavailableError):
    """No connection, or the pooler had no server connection to give."""

    retry_after_seconds = 2


class OverloadedError(UnavailableError):
    """Every connection of the process is busy, and stayed so for as long as a request may wait."""

    code = "database_overloaded"


class UncertainError(Exception):
    """The connection was lost while a transaction was being committed: it may have been.

    Only what carries an idempotency key may be tried again.
    """


class FrozenError(UnavailableError):
    """The user's rows are about to be served from another shard, and nobody writes to them until they are.

    The freeze lasts for two rollouts of the pods, some minutes, so trying again at once is of no use.
    """

    code = "account_is_moving"
    retry_after_seconds = 30

    def __init__(self, slot: int) -> None:
        """Name the slot, not the user."""
        super().__init__(f"slot {slot} is frozen")
        self.slot = slot
