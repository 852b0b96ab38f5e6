"""What a cached value carries: when it ages, when it dies, and what it cost."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import orjson

_HEADER = struct.Struct("<Bdddf")
_VERSION = 1
"""Of the bytes in Redis: another one is a miss, so that two releases can share a cache."""
EARLINESS = 1.0
"""XFetch's beta: 1 is optimal where the times between requests are exponential (Vattani et al., VLDB 2015)."""


@dataclass(slots=True)
class Envelope:
    """A value with its times, all in epoch seconds.

    Attributes:
        payload: JSON; `null` is the memory that there is no such thing.
        fresh_until: served without a question up to here.
        stale_until: served up to here when nothing newer can be had; Redis forgets it then.
        loaded_at: when its load began.
        load_seconds: how long it took.
    """

    payload: bytes
    fresh_until: float
    stale_until: float
    loaded_at: float
    load_seconds: float
    _decoded: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    def value(self, decode: Callable[[Any], Any], *, is_shared: bool) -> Any:
        """The decoded value, None as it is; the same one each time if it `is_shared`."""
        if self._decoded:
            return self._decoded[0]
        parsed = orjson.loads(self.payload)
        value = None if parsed is None else decode(parsed)
        if is_shared:
            self._decoded.append(value)
        return value

    def pack(self) -> bytes:
        """As Redis keeps it."""
        header = _HEADER.pack(_VERSION, self.fresh_until, self.stale_until, self.loaded_at, self.load_seconds)
        return header + self.payload

    @classmethod
    def unpack(cls, data: bytes) -> Self | None:
        """From Redis; None where another release wrote it, or it is damaged."""
        if len(data) <= _HEADER.size or data[0] != _VERSION:
            return None
        _, fresh_until, stale_until, loaded_at, load_seconds = _HEADER.unpack_from(data)
        return cls(data[_HEADER.size :], fresh_until, stale_until, loaded_at, load_seconds)

    def is_due(self, now: float, random: Callable[[], float]) -> bool:
        """Whether this reader should renew a fresh value already: the likelier, the older it is and the dearer.

        So one of many readers reloads a hot key just before all would (XFetch).
        """
        return now - self.load_seconds * EARLINESS * math.log(1.0 - random()) >= self.fresh_until


def encode(value: Any) -> bytes:
    """JSON of a value: plain types, dataclasses, times, UUIDs, and pydantic's models."""
    return orjson.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError
