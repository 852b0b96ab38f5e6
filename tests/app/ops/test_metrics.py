"""Against the text format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from app.ops import metrics
from app.ops.metrics import Counter, Gauge, Histogram, Pages, render

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"'
SAMPLE = re.compile(rf"(?P<name>{NAME})(?:\{{(?P<labels>{LABEL}(?:,{LABEL})*)\}})? (?P<number>\S+)")

Sample = tuple[str, dict[str, str], float]


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_metrics", {})


def unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], text)


def parse(page: str) -> dict[str, tuple[str, list[Sample]]]:
    """Families by name, with type and samples; refuses whatever the format does not allow."""
    assert page == "" or page.endswith("\n")
    families: dict[str, tuple[str, list[Sample]]] = {}
    described: set[str] = set()
    current = ""
    for line in page[:-1].split("\n") if page else []:
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            assert name not in described
            described.add(name)
        elif line.startswith("# TYPE "):
            _, _, current, kind = line.split(" ")
            assert kind in {"counter", "gauge", "histogram"}
            assert current in described
            assert current not in families
            families[current] = (kind, [])
        else:
            found = SAMPLE.fullmatch(line)
            assert found, line
            kind, samples = families[current]
            suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
            assert found["name"] in {current + suffix for suffix in suffixes}
            labels = {key: unescape(value) for key, value in re.findall(LABEL, found["labels"] or "")}
            samples.append((found["name"], labels, float(found["number"])))
    return families


def test_a_page_without_anything_counted_is_empty() -> None:
    Counter("jobs_total", "Jobs.")
    assert render() == ""


def test_counters_and_gauges_have_one_sample_for_each_set_of_labels() -> None:
    jobs = Counter("jobs_total", "Jobs done.", ("kind",))
    jobs.add(1, "email")
    jobs.add(2, "email")
    jobs.add(1, "video")
    Gauge("queue_depth", "Waiting.").set(2.5)
    assert parse(render()) == {
        "jobs_total": (
            "counter",
            [("jobs_total", {"kind": "email"}, 3), ("jobs_total", {"kind": "video"}, 1)],
        ),
        "queue_depth": ("gauge", [("queue_depth", {}, 2.5)]),
    }


def test_a_histograms_buckets_count_everything_up_to_their_bound() -> None:
    took = Histogram("took_seconds", "Time.", ("route",), bounds=(0.1, 0.5))
    for value in (0.05, 0.1, 0.3, 9.0):
        took.observe(value, "/")
    kind, samples = parse(render())["took_seconds"]
    assert kind == "histogram"
    assert samples == [
        ("took_seconds_bucket", {"route": "/", "le": "0.1"}, 2),
        ("took_seconds_bucket", {"route": "/", "le": "0.5"}, 3),
        ("took_seconds_bucket", {"route": "/", "le": "+Inf"}, 4),
        ("took_seconds_sum", {"route": "/"}, pytest.approx(9.45)),
        ("took_seconds_count", {"route": "/"}, 4),
    ]


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(
    st.text(
        alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
    )
)
def test_any_label_value_survives(value: str) -> None:
    metrics._metrics.clear()
    Counter("seen_total", "Seen.", ("what",)).add(1, value)
    assert parse(render())["seen_total"][1] == [("seen_total", {"what": value}, 1)]


def test_a_name_is_taken_once_and_labels_are_complete() -> None:
    seen = Counter("seen_total", "Seen.", ("what",))
    with pytest.raises(ValueError, match="seen_total"):
        Gauge("seen_total", "Again.")
    with pytest.raises(ValueError, match="what"):
        seen.add(1)


OTHER = """
import os, sys
from pathlib import Path
from app.ops.metrics import Counter, Gauge, Histogram, Pages
Counter("jobs_total", "Jobs.", ("kind",)).add(5, "email")
Gauge("open", "Open.").set(7)
Histogram("took_seconds", "Time.", bounds=(1.0,)).observe(0.5)
Pages(Path(sys.argv[1])).write()
print(os.getpid(), flush=True)
sys.stdin.read()
"""


def test_one_process_answers_for_all_and_what_is_counted_outlives_its_process(tmp_path: Path) -> None:
    jobs, opened = Counter("jobs_total", "Jobs.", ("kind",)), Gauge("open", "Open.")
    took = Histogram("took_seconds", "Time.", bounds=(1.0,))
    jobs.add(1, "email")
    jobs.add(1, "video")
    opened.set(1)
    took.observe(3.0)
    pages = Pages(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, str(tmp_path)],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout
        assert other.stdin
        other.stdout.readline()
        alive = parse(pages.render())
        other.stdin.close()
        other.wait()
    assert alive["jobs_total"][1] == [("jobs_total", {"kind": "email"}, 6), ("jobs_total", {"kind": "video"}, 1)]
    assert alive["open"][1] == [("open", {}, 8)]
    assert [number for _, _, number in alive["took_seconds"][1]] == [1, 2, 3.5, 2]
    gone = parse(pages.render())
    assert gone["jobs_total"] == alive["jobs_total"]
    assert gone["took_seconds"] == alive["took_seconds"]
    assert gone["open"][1] == [("open", {}, 1)]


def test_no_counter_goes_back_whoever_is_scraped(tmp_path: Path) -> None:
    """What a scrape showed is in the file, so that another process shows no less."""
    jobs = Counter("jobs_total", "Jobs.")
    jobs.add(3)
    Pages(tmp_path).render()
    stored = json.loads((tmp_path / f"{os.getpid()}.json").read_bytes())
    assert stored == {"jobs_total": [[[], [3.0]]]}
