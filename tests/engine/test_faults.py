"""A spread of the fault matrix, with the real engine and real processes, and what recovery and sweep make of it.

The matrix itself (`python -m tools.fault_matrix`) has more turns and the 10k stack; docs/recovery.md has its table.
"""

from __future__ import annotations

import gc
import itertools
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.errors import UserError
from infra.recovery.recover import Outcome, recover
from infra.recovery.sweep import sweep
from tools.fault_matrix.scenarios import MATRIX, SLOW_SECONDS, Scenario, run
from tools.fault_matrix.world import Left, Patient, shop, world

# A program that the engine gave up on leaves an event loop open in the SDK's language server; see `collected`.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning", "ignore:coroutine"
)

ALONE = {
    "AWS refuses a change",
    "every third call is throttled",
    "the provider dies before a change",
    "a creation ends half-way",
    "SIGINT to the command",
    "SIGTERM to the command",
    "two at once",
    "a wrong passphrase",
}
"""What the next `up` mends without recovery."""
ELSEWHERE = {
    "AWS refuses a change",
    "the provider dies before a change",
    "SIGKILL to the command",
    "SIGKILL to the engine, found by tags alone",
}
"""Rows that another test covers, or that end like one of the others."""
SPREAD = [one for one in MATRIX if one.name not in ELSEWHERE]
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Let what the SDK left behind be collected under the test that caused it."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with world(tmp_path_factory.mktemp("faults")) as found:
        yield found


@pytest.fixture
def patient(root: Path) -> Iterator[Patient]:
    found = shop(root, f"t{next(_numbers)}")
    yield found
    found.faults.clear()


@pytest.mark.parametrize("scenario", SPREAD, ids=lambda one: one.name)
def test_after_recovery_nothing_is_lost_or_doubled(patient: Patient, scenario: Scenario) -> None:
    patient.turn = MATRIX.index(scenario) + 3

    done = run(scenario, patient, random.Random(patient.turn))  # noqa: S311 - when a signal hits

    assert (done.whole, done.orphans, done.duplicates, done.replaced) == (True, 0, 0, 0), done.note
    if scenario.name in ALONE:
        assert done.alone


def test_what_a_dead_provider_made_is_in_no_state_and_recovery_records_it(patient: Patient) -> None:
    patient.faults.plant(crash_after=[1])
    assert patient.up().code == 1
    patient.faults.clear()
    assert len(patient.left().orphans) == 1

    done = recover(patient.backend())

    assert [one.outcome for one in done.findings] == [Outcome.RECORDED]
    assert patient.left().orphans == ()


def test_after_a_kill_up_and_sweep_wait_for_recovery(patient: Patient) -> None:
    patient.faults.plant(latency_seconds=SLOW_SECONDS)
    patient.strike(signal.SIGKILL, 5, engine=True)
    patient.faults.clear()
    made = {one.key for one in patient.made()}

    refused = patient.up()

    assert f"headroom recover {patient.name} --local" in refused.text
    with pytest.raises(UserError, match="headroom recover"):
        sweep(patient.backend(), delete=True)
    # The kill may also have cut off what the file backend notes beside the state, which the engine then cannot read.
    patient.local.checkpoint.with_suffix(".json.attrs").write_bytes(b"")
    with pytest.raises(UserError, match="headroom recover"):
        sweep(patient.backend(), delete=True)
    assert {one.key for one in patient.made()} == made
    assert recover(patient.backend()).is_whole


def test_what_nobody_recovered_is_doubled_and_the_sweep_deletes_it(patient: Patient) -> None:
    """Only what holds data is left to a person."""
    patient.faults.plant(latency_seconds=SLOW_SECONDS, crash_after=[1, 2, 3, 4, 5, 6, 7, 8])
    patient.up()
    patient.faults.clear()
    lost = patient.left().orphans
    patient.up()

    recovery = recover(patient.backend())
    swept = sweep(patient.backend(), delete=True)

    assert lost
    assert {one.outcome for one in recovery.findings} <= {Outcome.SECOND, Outcome.RECORDED}
    assert all(one.holds for one in swept.left)
    assert sweep(patient.backend(), delete=True, data=True).left == []
    assert patient.up().code == 0
    assert patient.left() == Left((), ())


def test_a_state_whose_note_was_cut_off_is_readable_after_recovery(patient: Patient) -> None:
    assert patient.up().code == 0
    note = patient.local.checkpoint.with_suffix(".json.attrs")
    note.write_bytes(b"")
    with pytest.raises(UserError, match="EOF"):
        patient.local.engine("stack", "export")

    done = recover(patient.backend())

    assert done.prepared == (f"removed the file backend's empty note {note.name}",)
    assert patient.local.preview().progress.changed == 0
