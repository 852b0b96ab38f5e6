"""The file backend's locks: who works on a stack, and whether that process still lives."""

from __future__ import annotations

import json
import os
from pathlib import Path


def holders(folder: Path) -> list[int]:
    """Processes that have a lock in `folder`; a killed one leaves its own behind."""
    return [json.loads(path.read_text(encoding="utf-8"))["pid"] for path in sorted(folder.glob("*.json"))]


def lives(pid: int) -> bool:
    """Whether a process of that number runs on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
