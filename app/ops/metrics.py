"""Prometheus metrics by hand: three kinds, the text format, and one page for all processes of a pod.

A client library costs more per request than the rest of our middleware together, and its mode for several processes
drops gauges. https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import orjson

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATENCY_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds. Each phase's promised p95 (300, 400, 500 ms) is one of them, or its quantile would be a guess."""

Labels = tuple[str, ...]
Series = dict[Labels, list[float]]
"""By label values: one number, or a histogram's counts by bucket (the last one above every bound) and their sum."""


class Metric:
    """A family of series, registered under its name for the life of the process."""

    KIND: ClassVar[str]
    ADDS_UP: ClassVar[bool] = True
    """Whether what a process counted still counts when it is gone."""

    def __init__(self, name: str, help_text: str, labels: Labels = ()) -> None:
        """Register it.

        Raises:
            ValueError: the name is taken.
        """
        if name in _metrics:
            msg = f"{name} is registered twice"
            raise ValueError(msg)
        self.name, self.help, self.labels = name, help_text, labels
        self.series: Series = {}
        _metrics[name] = self

    def _values(self, labels: Labels, count: int) -> list[float]:
        """The series of `labels`, new ones at zero; by `get` first, since this runs on every request."""
        found = self.series.get(labels)
        if found is None:
            if len(labels) != len(self.labels):
                msg = f"{self.name} has the labels {self.labels}"
                raise ValueError(msg)
            found = self.series[labels] = [0.0] * count
        return found

    def lines(self, series: Series) -> Iterator[str]:
        """`series` in the text format."""
        for labels, values in sorted(series.items()):
            yield f"{self.name}{_braces(zip(self.labels, labels, strict=True))} {_number(values[0])}"


class Counter(Metric):
    """Only grows."""

    KIND = "counter"

    def add(self, amount: float, *labels: str) -> None:
        """Count `amount`, which is not negative."""
        self._values(labels, 1)[0] += amount


class Gauge(Metric):
    """A value that goes up and down."""

    KIND = "gauge"
    ADDS_UP = False

    def set(self, value: float, *labels: str) -> None:
        """It is `value` now."""
        self._values(labels, 1)[0] = value

    def add(self, amount: float, *labels: str) -> None:
        """It changed by `amount`."""
        self._values(labels, 1)[0] += amount


class Histogram(Metric):
    """Counts by size."""

    KIND = "histogram"

    def __init__(
        self, name: str, help_text: str, labels: Labels = (), bounds: Sequence[float] = LATENCY_SECONDS
    ) -> None:
        """Register it, with the upper bounds of its buckets in rising order."""
        super().__init__(name, help_text, labels)
        self.bounds = bounds

    def observe(self, value: float, *labels: str) -> None:
        """Count one of this size."""
        values = self._values(labels, len(self.bounds) + 2)
        values[bisect_left(self.bounds, value)] += 1
        values[-1] += value

    def lines(self, series: Series) -> Iterator[str]:
        """Buckets count everything up to their bound, as the format wants it."""
        for labels, (*counts, total) in sorted(series.items()):
            pairs = list(zip(self.labels, labels, strict=True))
            below = 0.0
            for bound, count in zip((*map(_number, self.bounds), "+Inf"), counts, strict=True):
                below += count
                yield f"{self.name}_bucket{_braces([*pairs, ('le', bound)])} {_number(below)}"
            yield f"{self.name}_sum{_braces(pairs)} {_number(total)}"
            yield f"{self.name}_count{_braces(pairs)} {_number(below)}"


_metrics: dict[str, Metric] = {}


def render(others: Iterable[Mapping[str, Series]] = ()) -> str:
    """All metrics of this process, with those of `others` added."""
    lines = []
    for metric in _metrics.values():
        series = {labels: list(values) for labels, values in metric.series.items()}
        for other in others:
            for labels, values in other.get(metric.name, {}).items():
                mine = series.get(labels)
                series[labels] = values if mine is None else [a + b for a, b in zip(mine, values, strict=True)]
        if series:
            lines += [f"# HELP {metric.name} {_escape(metric.help)}", f"# TYPE {metric.name} {metric.KIND}"]
            lines += metric.lines(series)
    return "\n".join([*lines, ""])


class Pages:
    """A file for each process of the pod, so that whichever one is scraped answers for all.

    A process writes its file before it reads the others', and its last one when it ends: no counter ever goes back,
    which Prometheus would take for a restart and count everything again. Gauges count only while their process lives.
    """

    def __init__(self, directory: Path) -> None:
        """Use a directory of this start of the pod: it has no file of an earlier one."""
        self._directory = directory

    def write(self) -> None:
        """Store what this process has counted, in one step: nobody reads half a file."""
        page = {name: [[labels, values] for labels, values in m.series.items()] for name, m in _metrics.items()}
        path = self._directory / f"{os.getpid()}.json"
        unfinished = path.with_suffix(".new")
        unfinished.write_bytes(orjson.dumps(page))
        unfinished.replace(path)

    def render(self) -> str:
        """The page of all processes."""
        self.write()
        return render(list(self._others()))

    def _others(self) -> Iterator[Mapping[str, Series]]:
        for path in sorted(self._directory.glob("*.json")):
            process = int(path.stem)
            if process != os.getpid():
                alive = Path(f"/proc/{process}").exists()
                yield {
                    name: {tuple(labels): values for labels, values in series}
                    for name, series in orjson.loads(path.read_bytes()).items()
                    if name in _metrics and (alive or _metrics[name].ADDS_UP)
                }


def _braces(pairs: Iterable[tuple[str, str]]) -> str:
    inside = ",".join(f'{name}="{_escape(value, quote=True)}"' for name, value in pairs)
    return f"{{{inside}}}" if inside else ""


def _escape(text: str, *, quote: bool = False) -> str:
    escaped = text.replace("\\", r"\\").replace("\n", r"\n")
    return escaped.replace('"', r"\"") if quote else escaped


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(value)
