"""What the server and the process that resizes tell each other."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

FORMATS: Final = {"image/avif": "AVIF", "image/webp": "WEBP"}
"""For those who name them, the best first; others get the original's format. The edge's function has the same ones."""
ANY: Final = "*/*"


class Outcome(IntEnum):
    """Exit codes of the process, beside those of Python itself and of signals."""

    DONE = 0
    UNREADABLE = 3
    TOO_LARGE = 4
