"""A stack whose engine and cloud are lists."""

# ruff: noqa: ARG002 - the signatures are the interface's

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.errors import UserError
from infra.recovery.lookup import Found, Lookup
from infra.recovery.names import id_of_name

BASE = "urn:pulumi:s::p::"
QUEUE = "aws:sqs/queue:Queue"
PROVIDER = {
    "urn": f"{BASE}pulumi:providers:aws::default",
    "type": "pulumi:providers:aws",
    "custom": True,
    "id": "one",
    "inputs": {},
}


def urn(name: str, type_: str = QUEUE) -> str:
    return f"{BASE}{type_}::{name}"


def entry(name: str, id_: str = "", type_: str = QUEUE) -> dict[str, Any]:
    found = {"urn": urn(name, type_), "type": type_, "custom": True, "inputs": {}, "outputs": {"region": "r"}}
    return {**found, **({"id": id_} if id_ else {}), "provider": f"{PROVIDER['urn']}::one"}


def there(name: str, id_: str, type_: str = QUEUE) -> Found:
    return Found(urn(name, type_), type_, id_, "r", {"region": "r"})


def wish(type_: str = QUEUE, **inputs: Any) -> dict[str, Any]:
    provider = f"{PROVIDER['urn']}::one"
    return {"type": type_, "custom": True, "provider": provider, "inputDiff": {"adds": inputs}}


class Fake:
    """A backend: `cloud` is what exists, `refused` is what cannot be deleted."""

    stack, project = "s", "p"
    is_complete = True

    def __init__(self, *entries: dict[str, Any], cloud: tuple[Found, ...] = ()) -> None:
        self.content: dict[str, Any] = {"version": 3, "deployment": {"resources": [PROVIDER, *entries]}}
        self.cloud = list(cloud)
        self.wishes: dict[str, dict[str, Any]] | UserError = {}
        self.refused: set[str] = set()
        self.commands: list[str] = []
        self.prepared: list[str] = []
        self.lookup: Lookup = self

    def pend(self, doing: str, resource: dict[str, Any]) -> None:
        self.content["deployment"].setdefault("pending_operations", []).append({"type": doing, "resource": resource})

    def objects(self, project: str, stack: str) -> list[Found]:
        assert (project, stack) == ("p", "s")
        return list(self.cloud)

    def id_of(self, type_: str, inputs: Mapping[str, Any]) -> str:
        return id_of_name(type_, inputs)

    def prepare(self, *, dry_run: bool) -> list[str]:
        return self.prepared

    def goals(self) -> dict[str, dict[str, Any]]:
        if isinstance(self.wishes, UserError):
            raise self.wishes
        return self.wishes

    def run(self, *args: str) -> str:
        self.commands.append(" ".join(args[:2]) if args[0] == "stack" else args[0])
        resources = self.content["deployment"]["resources"]
        if args[:2] == ("stack", "export"):
            return json.dumps(self.content)
        if args[:2] == ("stack", "import"):
            self.content = json.loads(Path(args[3]).read_text(encoding="utf-8"))
        if args[0] == "destroy":
            targets = {args[index + 1] for index, part in enumerate(args) if part == "--target"}
            gone = {one["id"] for one in resources if one["urn"] in targets} - self.refused
            self.cloud = [one for one in self.cloud if one.id not in gone]
            self.content["deployment"]["resources"] = [one for one in resources if one.get("id") not in gone]
            if targets & {one["urn"] for one in self.content["deployment"]["resources"]}:
                msg = "destroy failed"
                raise UserError(msg, ["it is in use"])
        return ""

    @property
    def recorded(self) -> dict[str, str]:
        """Ids by name, without providers."""
        resources = self.content["deployment"]["resources"]
        return {one["urn"].rpartition("::")[2]: one["id"] for one in resources if one["urn"] != PROVIDER["urn"]}
