"""What a person sees while the engine works: events in, a live line or plain lines out, and the table at the end."""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, Self

from pulumi.automation import EngineEvent
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

PLAIN_SECONDS: Final = 2.0
"""In a pipe, at most one progress line in this time."""
COLORS: Final = re.compile(r"<\{%[^%]*%\}>|\x1b\[[0-9;]*m")
CHANGES: Final = {
    "create": "created",
    "update": "updated",
    "create-replacement": "replaced",
    "delete": "deleted",
    "same": "unchanged",
    "read": "unchanged",
    "refresh": "refreshed",
}
"""Steps of the engine, by the column that they count in; a replacement is several steps and counts by its creation."""
REPEATED: Final = "an unhandled error occurred: "
"""How the engine says once more what the program has said."""
NOTABLE: Final = frozenset({"updated", "replaced", "deleted"})
"""What is worth a line of its own; `Progress.notable` has it."""
COLUMNS: Final = ("created", "updated", "replaced", "deleted", "unchanged")
NO_RESOURCE: Final = ("pulumi:", "headroom:")
"""Stack, providers and components: bookkeeping of the engine, nothing that exists anywhere."""


@dataclass(slots=True)
class Progress:
    """Gathers the engine's events of one operation.

    Attributes:
        title: such as `up 10k`.
        console: where to draw.
        expected: how many resources the last state had; a lower bound of the total.
        errors: what the engine complained about, and what the policy pack refused.
        advice: what the policy pack says besides.
        counts: resources by component and by what happened to them.
        notable: every update, replacement and deletion, with the changed properties.
    """

    title: str
    console: Console
    expected: int = 0
    running: dict[str, str] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    notable: list[str] = field(default_factory=list)
    _parents: dict[str, str] = field(default_factory=dict)
    _live: Live | None = None
    _last_line: float = 0.0

    def __enter__(self) -> Self:
        """Start to draw."""
        if self.console.is_terminal:
            self._live = Live(self._line(), console=self.console, transient=True, refresh_per_second=8)
            self._live.start()
        else:
            self.console.print(f"{self.title} ...", highlight=False)
            self._last_line = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop to draw."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def on_event(self, event: EngineEvent) -> None:
        """Take one event of the engine, in the order that they come."""
        if event.resource_pre_event is not None:
            self._begin(event.resource_pre_event.metadata)
        elif event.res_outputs_event is not None:
            self._end(event.res_outputs_event.metadata)
        elif event.res_op_failed_event is not None:
            self.running.pop(event.res_op_failed_event.metadata.urn, None)
        elif event.diagnostic_event is not None:
            self._diagnose(event.diagnostic_event)
        elif event.policy_event is not None:
            self._judge(event.policy_event)
        self._draw()

    def _judge(self, event: Any) -> None:
        text = COLORS.sub("", event.message).strip()
        if event.enforcement_level == "mandatory":
            self.errors.append(f"refused by the policy pack: {text}")
        else:
            self.advice.append(text)

    def totals(self) -> Counter[str]:
        """Counts by column over all components."""
        total: Counter[str] = Counter()
        for counter in self.counts.values():
            total.update(counter)
        return total

    @property
    def changed(self) -> int:
        """How many resources are not as they were."""
        return sum(count for column, count in self.totals().items() if column not in {"unchanged", "refreshed"})

    def table(self) -> Table:
        """Resources by component and by what happened to them."""
        totals = self.totals()
        columns = [column for column in COLUMNS if totals[column]]
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("component")
        for column in columns:
            table.add_column(column, justify="right")
        for component in sorted(self.counts):
            counter = self.counts[component]
            if any(counter[column] for column in columns):
                table.add_row(component, *(str(counter[column] or "") for column in columns))
        table.add_row(Text("all", style="bold"), *(Text(str(totals[column]), style="bold") for column in columns))
        return table

    def _begin(self, metadata: Any) -> None:
        state = metadata.new or metadata.old
        if state is not None:
            self._parents[metadata.urn] = state.parent
        if not metadata.type.startswith(NO_RESOURCE):
            self.seen.add(metadata.urn)
            self.running[metadata.urn] = f"{metadata.type} {metadata.urn.rsplit('::', 1)[-1]}"
            if metadata.op in {"same", "read"}:
                self._count(metadata)

    def _end(self, metadata: Any) -> None:
        if metadata.urn in self.running:
            self._count(metadata)

    def _count(self, metadata: Any) -> None:
        self.running.pop(metadata.urn, None)
        self.done.add(metadata.urn)
        column = CHANGES.get(metadata.op)
        if column is not None:
            self.counts.setdefault(self._component(metadata.urn), Counter())[column] += 1
            if column in NOTABLE:
                properties = f" ({', '.join(metadata.diffs)})" if metadata.diffs else ""
                name = metadata.urn.rsplit("::", 1)[-1]
                self.notable.append(f"{column} {metadata.type} {name}{properties}")

    def _component(self, urn: str) -> str:
        """The nearest component around a resource, or the resource's package when it stands alone."""
        while urn:
            token, name = urn.rsplit("::", 1)[0].rsplit("$", 1)[-1].rsplit("::", 1)[-1], urn.rsplit("::", 1)[-1]
            if token.startswith("headroom:"):
                return f"{token.removeprefix('headroom:')} {name}"
            if not self._parents.get(urn) or token.startswith("pulumi:"):
                return token.split(":", 1)[0]
            urn = self._parents[urn]
            if "pulumi:pulumi:Stack" in urn:
                return token.split(":", 1)[0]
        return ""

    def _diagnose(self, event: Any) -> None:
        message = COLORS.sub("", event.message).strip()
        if event.severity == "error" and message and message.removeprefix(REPEATED) not in self.errors:
            self.errors.append(message)

    def _line(self) -> Text:
        total = max(len(self.seen), self.expected)
        text = f"{self.title}  {len(self.done)}/{total}"
        if self.running:
            first = next(iter(self.running.values()))
            others = f" and {len(self.running) - 1} more" if len(self.running) > 1 else ""
            text += f"  {first}{others}"
        return Text(text, no_wrap=True, overflow="ellipsis")

    def _draw(self) -> None:
        if self._live is not None:
            self._live.update(self._line())
        elif self.done and time.monotonic() - self._last_line >= PLAIN_SECONDS:
            self._last_line = time.monotonic()
            self.console.print(self._line())


def console(*, quiet: bool = False) -> Console:
    """Standard output; wide enough in a pipe that no line wraps."""
    if sys.stdout.isatty():
        return Console(quiet=quiet, emoji=False)
    return Console(quiet=quiet, emoji=False, width=200, no_color=True)
