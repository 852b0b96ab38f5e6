"""The one error that a user meets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class UserError(Exception):
    """Something that the user can mend: printed as it stands, without a traceback, exit code 2.

    Attributes:
        message: one line, what is wrong.
        problems: every single problem with its mend, where there are several.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        """Keep the problems as a tuple, in the order they were found."""
        self.message = message
        self.problems = tuple(problems)
        super().__init__(message)

    def __str__(self) -> str:
        """Give the message, and each problem on a line of its own."""
        return "\n".join([self.message, *(f"  - {problem}" for problem in self.problems)])
