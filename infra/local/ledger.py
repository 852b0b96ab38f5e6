"""What the local cloud has made: the answer to "what is there that no state knows?", which real AWS has no API for.

AWS finds what carries a tag. The ledger finds everything, so it also measures what recovery leaves behind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from infra.local.values import Blob, Secret

TOKEN: Final = "headroom:local:ledger"  # noqa: S105 - a function's name
"""The function that every provider of the local cloud answers: what it made and what is still there."""
PLACES: Final = ("region", "clusterIdentifier")

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """An object that a provider made.

    Attributes:
        urn: the resource that it was made for.
        type: that resource's type.
        id: as the state has it.
        place: region or cluster; empty where the type belongs to neither.
        properties: outputs, without secrets and files.
    """

    urn: str
    type: str
    id: str
    place: str
    properties: Values

    def to_dict(self) -> Values:
        """For the wire."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Entry:
    made: Made
    config: Values


class Ledger:
    """All objects of one provider."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, str, str], _Entry] = {}
        self.changes = 0
        """How many creations and updates there were."""

    def record(self, urn: str, type_: str, id_: str, outputs: Mapping[str, Any], config: Values) -> None:
        """Note that an object was made or changed; `outputs` as decoded from the wire."""
        properties = shown(outputs)
        place = place_of(properties, config)
        with self._lock:
            self.changes += 1
            self._entries[type_, id_, place] = _Entry(Made(urn, type_, id_, place, properties), config)

    def living(self, prefix: str, exists: Callable[[Made, Values], bool]) -> list[Made]:
        """What is still there of the URNs that start with `prefix`, in the order it was made.

        `exists` gets an object and its provider's configuration.
        """
        with self._lock:
            entries = {key: entry for key, entry in self._entries.items() if entry.made.urn.startswith(prefix)}
        gone = {key for key, entry in entries.items() if not exists(entry.made, entry.config)}
        with self._lock:
            for key in gone:
                if self._entries.get(key) is entries[key]:
                    del self._entries[key]
        return [entry.made for key, entry in entries.items() if key not in gone]


def place_of(*values: Mapping[str, Any]) -> str:
    """Where an object is: the first of region and cluster that its outputs, or its provider's configuration, name."""
    for key, source in zip(PLACES, values, strict=False):
        found = source.get(key)
        if isinstance(found, str):
            return found
    return ""


def shown(value: Any) -> Any:
    """Properties without what is secret or a file."""
    match value:
        case dict():
            return {key: shown(item) for key, item in value.items() if not isinstance(item, Secret | Blob)}
        case list():
            return [shown(item) for item in value if not isinstance(item, Secret | Blob)]
        case _:
            return value
