"""The sweep: what carries the stack's URN and is in no state, and its deletion by the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from infra.errors import UserError
from infra.growth.stateful import REASONS, STATEFUL
from infra.recovery.backend import Backend, destroy, export, load, refresh
from infra.recovery.lookup import Found
from infra.recovery.recover import unrecorded

SWEPT: Final = "swept"
"""Name of the entries under which the engine deletes what no program has."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """An object in no state.

    Attributes:
        urn: the resource that it was made for.
        type: that resource's type.
        id: the object.
        place: region or cluster.
        by: how it was found.
        holds: what it may hold; empty where nothing is lost with it.
        deleted: it is gone now.
    """

    urn: str
    type: str
    id: str
    place: str
    by: str
    holds: str
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Sweep:
    """A whole sweep.

    Attributes:
        stack: its name.
        orphans: what was found.
        failures: why something could not be deleted, in the engine's words.
    """

    stack: str
    orphans: tuple[Orphan, ...]
    failures: tuple[str, ...] = ()

    @property
    def left(self) -> list[Orphan]:
        """What is still there."""
        return [one for one in self.orphans if not one.deleted]

    def to_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "stack": self.stack,
            "orphans": [asdict(one) for one in self.orphans],
            "failures": list(self.failures),
        }


def sweep(backend: Backend, *, delete: bool = False, data: bool = False) -> Sweep:
    """Find what is in no state; with `delete`, delete it; with `data`, also what may hold data.

    Raises:
        UserError: an update was cut short, so that nobody knows yet what is in no state; or the engine fails.
    """
    state = export(backend)
    if state.pending:
        msg = f"an update of stack {backend.stack} was cut short, and what it made may yet be recorded"
        raise UserError(msg, [f"recover it first: `headroom recover {backend.stack}`"])
    found = unrecorded(backend.lookup.objects(backend.project, backend.stack), state)
    chosen = [one for one in found if data or one.type not in STATEFUL] if delete else []
    failures = _delete(backend, chosen) if chosen else []
    there = {one.key for one in backend.lookup.objects(backend.project, backend.stack)} if chosen else set()
    orphans = [
        Orphan(
            one.urn,
            one.type,
            one.id,
            one.place,
            one.by,
            REASONS.get(one.type, ""),
            deleted=one in chosen and one.key not in there,
        )
        for one in found
    ]
    return Sweep(backend.stack, tuple(orphans), tuple(failures))


def _delete(backend: Backend, chosen: Sequence[Found]) -> list[str]:
    """Lend the objects to the state, and let the engine delete them until it gets no further.

    The engine knows nothing of their order, so what others still use is refused and tried again.
    """
    state = export(backend)
    lent = {}
    failures = []
    for number, one in enumerate(chosen):
        provider = state.provider_of(one.urn, one.type)
        if provider is None:
            failures.append(f"{one.type} {one.id}: the state has no provider for it; bring the stack up first")
            continue
        urn = f"urn:pulumi:{backend.stack}::{backend.project}::{one.type}::{SWEPT}-{number}"
        state.lend(urn, one.type, one.id, one.properties, provider)
        lent[urn] = one
    if not lent:
        return failures
    load(backend, state)
    left = set(lent)
    told: list[str] = []
    try:
        refresh(backend, sorted(left))
        left = _there(backend, left)
        while left:
            told = _try(backend, sorted(left))
            before, left = left, _there(backend, left)
            if left == before:
                break
    finally:
        state = export(backend)
        state.drop(set(lent))
        load(backend, state)
    return [*failures, *(told if left else [])]


def _there(backend: Backend, urns: set[str]) -> set[str]:
    return urns & export(backend).living().keys()


def _try(backend: Backend, urns: Sequence[str]) -> list[str]:
    try:
        destroy(backend, urns)
    except UserError as error:
        return list(error.problems)
    return []
