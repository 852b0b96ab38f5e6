"""What a process and its children used of the machine, from /proc."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")


def cpu_seconds(process: int) -> float:
    """CPU of a process and of all below it, since they started; those that ended count as their parents' children."""
    used = 0.0
    for one in tree(process):
        try:
            text = Path(f"/proc/{one}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        # After the name in parentheses, which may have spaces: utime, stime, cutime and cstime are fields 14 to 17.
        fields = text.rpartition(")")[2].split()
        used += sum(map(int, fields[11:15])) / _TICKS
    return used


def tree(process: int) -> list[int]:
    """A process and all below it."""
    found = [process]
    for one in found:
        for thread in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found.extend(map(int, thread.read_text(encoding="ascii").split()))
            except OSError:
                continue
    return found


def memory_mib(process: int) -> float:
    """Proportional set size of a process and all below it: what they share is counted once."""
    total = 0
    for one in tree(process):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024
