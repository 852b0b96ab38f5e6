"""Types that moto lacks: kept in this process, so that a stack with them comes up, and said to be so."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from botocore.exceptions import ClientError

from infra.local.aws.calls import Call, fill, is_gone, search
from infra.local.aws.kind import Context, KindError, Values
from infra.local.aws.table import Row


class Memory:
    """What the memory-only types of every cloud in this process hold."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._objects: dict[tuple[str, str, str, str], Values] = {}
        self._made: Counter[tuple[str, str, str, str]] = Counter()

    def token(self, ctx: Context, type_: str) -> str:
        """A number in the shape of a UUID: the same for the same program, and another for each replacement."""
        key = (ctx.endpoint, ctx.region, type_, ctx.name)
        with self._lock:
            self._made[key] += 1
            turn = self._made[key]
        return str(uuid.UUID(hashlib.sha256(f"{ctx.region}/{type_}/{ctx.name}/{turn}".encode()).hexdigest()[:32]))

    def add(self, ctx: Context, type_: str, id_: str, outputs: Values) -> None:
        """Remember an object; a second one of the same id is refused, as AWS refuses a name that is taken."""
        key = (ctx.endpoint, ctx.region, type_, id_)
        with self._lock:
            if key in self._objects:
                message = f"{type_} {id_} already exists in {ctx.region}"
                raise KindError(message)
            self._objects[key] = outputs

    def get(self, ctx: Context, type_: str, id_: str) -> Values | None:
        """The object's outputs; None when it is gone."""
        with self._lock:
            return self._objects.get((ctx.endpoint, ctx.region, type_, id_))

    def set(self, ctx: Context, type_: str, id_: str, outputs: Values) -> None:
        """Change an object that is there."""
        key = (ctx.endpoint, ctx.region, type_, id_)
        with self._lock:
            if key not in self._objects:
                message = f"{type_} {id_} does not exist in {ctx.region}"
                raise KindError(message)
            self._objects[key] = outputs

    def remove(self, ctx: Context, type_: str, id_: str) -> None:
        """Forget an object; one that is gone already is fine."""
        with self._lock:
            self._objects.pop((ctx.endpoint, ctx.region, type_, id_), None)

    def list(self, endpoint: str) -> list[tuple[str, str, str]]:
        """Region, type and id of everything that one cloud holds here."""
        with self._lock:
            return sorted(key[1:] for key in self._objects if key[0] == endpoint)

    def clear(self, endpoint: str) -> None:
        """Forget one cloud's objects."""
        with self._lock:
            self._objects = {key: value for key, value in self._objects.items() if key[0] != endpoint}
            self._made = Counter({key: turn for key, turn in self._made.items() if key[0] != endpoint})


MEMORY = Memory()


@dataclass(frozen=True)
class Parent:
    """An object in moto without which this one cannot exist.

    Attributes:
        service: boto3's name of its service.
        find: operation that describes it.
        at: where the answer has it (JMESPath).
        gives: outputs that come from it, by their place in the answer (JMESPath).
    """

    service: str
    find: Call
    at: str
    gives: Mapping[str, str] = field(default_factory=dict)

    def look(self, ctx: Context, values: Values) -> Values | None:
        """What it gives; None when it does not exist."""
        try:
            answer = self.find(ctx.client(self.service), values)
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        return {key: search(each, answer) for key, each in self.gives.items()} if search(self.at, answer) else None

    @property
    def title(self) -> str:
        """What it is called in an error."""
        return f"{self.service} {self.find.operation}"


@dataclass(frozen=True)
class Remembered:
    """An object in this process without which another cannot exist."""

    title: str
    slot: str

    def look(self, ctx: Context, values: Values) -> Values | None:
        """Nothing to give; None when it does not exist."""
        return None if MEMORY.get(ctx, self.title, str(fill(self.slot, values))) is None else {}


@dataclass(frozen=True, kw_only=True)
class MemoryKind(Row):
    """A type that moto lacks.

    Attributes:
        type: what the object is called in errors and in `MEMORY`.
        id: template of its id; `{token}` in this and in `outputs` is a number of its own, in the shape of a UUID.
        slot: template of what only one object may have; the id when nothing is said.
        outputs: property to template.
        parents: what must exist for it to exist.
        tags: takes tags.
        real: moto lacks it.
    """

    type: str
    id: str
    slot: str = ""
    parents: tuple[Parent | Remembered, ...] = ()
    tags: bool = False
    real: bool = field(default=False, init=False)

    @cached_property
    def computed(self) -> tuple[str, ...]:
        """Outputs that nobody knows before the object exists."""
        name = (self.named[0],) if self.named else ()
        given = [key for parent in self.parents if isinstance(parent, Parent) for key in parent.gives]
        return tuple(dict.fromkeys([*name, *self.outputs, *given, *(("tagsAll",) if self.tags else ())]))

    def create(self, ctx: Context, inputs: Values) -> tuple[str, Values]:
        """See `Kind`."""
        ctx = self.place(ctx)
        given = self.name(ctx, inputs)
        known = self.known(ctx, given, token=MEMORY.token(ctx, self.type))
        gifts = {parent.title: parent.look(ctx, known) for parent in self.parents}
        missing = [title for title, gift in gifts.items() if gift is None]
        if missing:
            message = f"{self.type}: what it belongs to does not exist ({', '.join(missing)} finds nothing)"
            raise KindError(message)
        known["id"] = id_ = str(fill(self.id, known))
        made = {key: fill(source, known) for key, source in self.outputs.items()}
        for gift in gifts.values():
            made |= gift or {}
        outputs = {**made, **self._echo(ctx, given)}
        MEMORY.add(ctx, self.type, self._slot(ctx, given, id_), outputs)
        return id_, outputs

    def read(self, ctx: Context, id: str, outputs: Values) -> Values | None:  # noqa: A002
        """See `Kind`."""
        ctx = self.place(ctx)
        slot = self._slot(ctx, outputs, id)
        found = MEMORY.get(ctx, self.type, slot)
        if found is None:
            return None
        if any(parent.look(ctx, self.known(ctx, outputs, id=id)) is None for parent in self.parents):
            MEMORY.remove(ctx, self.type, slot)  # AWS deletes it with what it belongs to
            return None
        return dict(found)

    def update(self, ctx: Context, id: str, outputs: Values, old: Values, new: Values) -> Values:  # noqa: A002
        """See `Kind`."""
        ctx = self.place(ctx)
        made = {key: outputs[key] for key in self.computed if key in outputs}
        fresh = {**made, **self._echo(ctx, self.keep_name(new, outputs))}
        MEMORY.set(ctx, self.type, self._slot(ctx, outputs, id), fresh)
        return fresh

    def delete(self, ctx: Context, id: str, outputs: Values) -> None:  # noqa: A002
        """See `Kind`."""
        ctx = self.place(ctx)
        MEMORY.remove(ctx, self.type, self._slot(ctx, outputs, id))

    def _slot(self, ctx: Context, values: Values, id_: str) -> str:
        return str(fill(self.slot, self.known(ctx, values))) if self.slot else id_

    def _echo(self, ctx: Context, given: Values) -> Values:
        tags = {"tagsAll": given.get("tags") or {}} if self.tags else {}
        return {**given, **tags, **({} if self.world else {"region": ctx.region})}
