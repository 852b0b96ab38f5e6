"""The faults of the matrix: each hurts a stack in one way; the rest, recovery and what is measured, is the same."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from infra.errors import UserError
from infra.growth.stateful import STATEFUL
from infra.recovery.recover import Outcome, recover
from infra.recovery.sweep import sweep
from tools.fault_matrix.world import Ended, Patient, end

STRIDE: Final = 157
"""A prime, so that it meets every change."""
SLOW_SECONDS: Final = 0.15
"""How long a change takes where a signal is to hit some under way."""

SHARE: Final = 0.7
"""A signal hits before this share of the changes is made: later, there may be nothing left to cut short."""

Hurt = Callable[[Patient, random.Random], Ended]


class FaultMissedError(AssertionError):
    """The fault did not do what its row says."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row.

    Attributes:
        name: what happens.
        hurt: does it to a stack while it comes up; gives how the `up` ended.
        stops: whether the `up` must end with an error.
        tags_alone: recovery finds only what carries a tag, as in an AWS account.
    """

    name: str
    hurt: Hurt
    stops: bool = True
    tags_alone: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of a scenario came to.

    Attributes:
        alone: the next `up` needed no recovery.
        whole: after recovery, `up` succeeded and a second one changed nothing.
        orphans: objects in no state at the end.
        duplicates: resources with more than one object at the end.
        replaced: objects that held data after the fault, and are gone at the end.
        seconds: from the fault's end to the end of the `up` that finished.
        note: what went wrong.
    """

    alone: bool
    whole: bool
    orphans: int
    duplicates: int
    replaced: int
    seconds: float
    note: str = ""


def run(scenario: Scenario, patient: Patient, rng: random.Random) -> Run:
    """Hurt a stack, recover it, finish the `up`, and look."""
    before = patient.data() if patient.local.resources() else set()
    ended = scenario.hurt(patient, rng)
    patient.faults.clear()
    if scenario.stops != bool(ended.code) or not patient.local.checkpoint.exists():
        msg = f"{scenario.name}: the `up` ended with {ended.code}: {ended.text}"
        raise FaultMissedError(msg)
    wanted = before | _recorded_data(patient)
    began = time.monotonic()
    recovery = recover(patient.backend(tags_alone=scenario.tags_alone))
    outcomes = {one.outcome for one in recovery.findings}
    if outcomes & {Outcome.SECOND, Outcome.STRAY}:
        sweep(patient.backend(tags_alone=scenario.tags_alone), delete=True)
    finished = patient.up()
    seconds = time.monotonic() - began
    left = patient.left()
    settled = finished.code == 0 and patient.local.preview().progress.changed == 0
    trouble = "" if settled else finished.text.replace("\n", " ")
    return Run(
        alone=not recovery.prepared and outcomes <= {Outcome.REPEATED},
        whole=settled,
        orphans=len(left.orphans),
        duplicates=len(left.duplicates),
        replaced=len(wanted - patient.data()),
        seconds=seconds,
        note="; ".join(filter(None, [ended.note, trouble, *left.orphans, *left.duplicates])),
    )


def _recorded_data(patient: Patient) -> set[tuple[str, str, str]]:
    """What holds data and was known to the state when the fault was over; a broken state says nothing."""
    try:
        return {key for key in patient.state().objects() if key[0] in STATEFUL} & patient.data()
    except UserError:
        return set()


def _change(patient: Patient) -> int:
    """Another change in each turn, far from the last one, until every one has had its turn."""
    return 1 + patient.turn * STRIDE % patient.changes


def refused(patient: Patient, _: random.Random) -> Ended:
    """AWS refuses a change."""
    patient.faults.plant([_change(patient)])
    return patient.up()


def each_refused(patient: Patient, _: random.Random) -> Ended:
    """AWS refuses the first change of every resource; the `up` is begun again until none is left."""
    patient.faults.plant(fail_first=True)
    refused = attempts = 0
    while (ended := patient.up()).code and attempts < patient.changes:
        attempts += 1
        refused += ended.text.count("a planted fault")
    return replace(ended, note=f"{refused} changes were refused in {attempts} updates")


def throttling(patient: Patient, _: random.Random) -> Ended:
    """Every third call is throttled, and tried again by the provider."""
    patient.faults.plant(throttle_every=3)
    return patient.up()


def crash_before(patient: Patient, _: random.Random) -> Ended:
    """The provider dies before it did anything."""
    patient.faults.plant(crash_before=[_change(patient)])
    return patient.up()


def crash_after(patient: Patient, _: random.Random) -> Ended:
    """The provider dies when the object exists and the engine does not know."""
    patient.faults.plant(crash_after=[_change(patient)])
    return patient.up()


def incomplete(patient: Patient, _: random.Random) -> Ended:
    """A creation ends half-way, and the engine is told."""
    patient.faults.plant(incomplete=[_change(patient)])
    return patient.up()


def signalled(number: signal.Signals, *, engine: bool) -> Hurt:
    """A signal hits at any change."""

    def hurt(patient: Patient, rng: random.Random) -> Ended:
        patient.faults.plant(latency_seconds=SLOW_SECONDS)
        return patient.strike(number, rng.randint(1, int(patient.changes * SHARE)), engine=engine)

    return hurt


def truncated(patient: Patient, rng: random.Random) -> Ended:
    """The disk is full while the state is written: the file ends somewhere."""
    patient.faults.plant([_change(patient)])
    ended = patient.up()
    path = patient.local.checkpoint
    content = path.read_bytes()
    path.write_bytes(content[: rng.randint(1, len(content) - 2)])
    return ended


def two_at_once(patient: Patient, _: random.Random) -> Ended:
    """Somebody else brings the same stack up at the same time; gives how the second one ended."""
    patient.faults.plant(latency_seconds=SLOW_SECONDS)
    first = patient.start()
    waiting = threading.Event()
    while not patient.local.locks() and first.poll() is None:
        waiting.wait(0.05)
    second = patient.up()
    ended = end(first)
    if ended.code:
        msg = f"the first of two failed: {ended.text}"
        raise FaultMissedError(msg)
    return second


def wrong_passphrase(patient: Patient, _: random.Random) -> Ended:
    """The stack was up, and somebody has another passphrase."""
    first = patient.up()
    if first.code:
        raise FaultMissedError(first.text)
    path = patient.local.paths.home / "passphrase"
    right = path.read_text(encoding="utf-8")
    path.write_text(json.dumps("wrong"), encoding="utf-8")
    try:
        return patient.up()
    finally:
        path.write_text(right, encoding="utf-8")


MATRIX: Final = (
    Scenario("AWS refuses a change", refused),
    Scenario("AWS refuses every change once", each_refused, stops=False),
    Scenario("every third call is throttled", throttling, stops=False),
    Scenario("the provider dies before a change", crash_before),
    Scenario("the provider dies after a change", crash_after),
    Scenario("a creation ends half-way", incomplete),
    Scenario("SIGINT to the command", signalled(signal.SIGINT, engine=False)),
    Scenario("SIGTERM to the command", signalled(signal.SIGTERM, engine=False)),
    Scenario("SIGKILL to the engine", signalled(signal.SIGKILL, engine=True)),
    Scenario("SIGKILL to the command", signalled(signal.SIGKILL, engine=False)),
    Scenario("SIGKILL to the engine, found by tags alone", signalled(signal.SIGKILL, engine=True), tags_alone=True),
    Scenario("the state is cut off", truncated),
    Scenario("two at once", two_at_once),
    Scenario("a wrong passphrase", wrong_passphrase),
)
