"""The Cloudflare provider: records, settings and rulesets in this process's memory; no name is ever resolved."""

from __future__ import annotations

import copy
import re
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from infra.errors import UserError
from infra.invokes import CLOUDFLARE_IP_RANGES, answer
from infra.local.provider import Call, Provider, ResourceKind, Values

IDENTIFIER: Final = re.compile(r"[0-9a-f]{32}")
AUTOMATIC_TTL: Final = 1
TTL_SECONDS: Final = range(60, 86_401)
EXCLUSIVE: Final = frozenset({"A", "AAAA", "CNAME"})
"""A CNAME stands alone at its name, so none of these may join one."""


class Memory:
    """One kind of object, by id."""

    def __init__(self, identify: Callable[[Values, Mapping[str, Values]], str], **outputs: Any) -> None:
        """Keep how an object gets its id (or is refused), and what outputs it has besides its inputs."""
        self.computed = ("modifiedOn", *outputs)
        self._identify = identify
        self._outputs = outputs
        self._objects: dict[str, Values] = {}
        self._lock = threading.Lock()

    def create(self, ctx: Any, inputs: Values) -> tuple[str, Values]:
        """Store the object."""
        with self._lock:
            id_ = self._identify(inputs, self._objects)
            self._objects[id_] = self._with_outputs(inputs)
            return id_, copy.deepcopy(self._objects[id_])

    def read(self, ctx: Any, id: str, outputs: Values) -> Values | None:  # noqa: A002 - Pulumi's word
        """Show the object."""
        with self._lock:
            return copy.deepcopy(self._objects.get(id))

    def update(self, ctx: Any, id: str, outputs: Values, old: Values, new: Values) -> Values:  # noqa: A002
        """Write the new inputs over the old ones."""
        with self._lock:
            if id not in self._objects:
                msg = f"no object {id}: it was deleted outside of this stack"
                raise UserError(msg)
            others = {key: value for key, value in self._objects.items() if key != id}
            self._identify(new, others)
            self._objects[id] = self._with_outputs(new)
            return copy.deepcopy(self._objects[id])

    def delete(self, ctx: Any, id: str, outputs: Values) -> None:  # noqa: A002
        """Drop the object."""
        with self._lock:
            self._objects.pop(id, None)

    def _with_outputs(self, inputs: Values) -> Values:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {**self._outputs, "modifiedOn": now, **copy.deepcopy(inputs)}


def _zone(inputs: Values) -> str:
    zone = str(inputs.get("zoneId", inputs.get("accountId", "")))
    if not IDENTIFIER.fullmatch(zone):
        msg = f"zoneId must be 32 hexadecimal digits, not {zone!r}"
        raise UserError(msg)
    return zone


def _record(inputs: Values, others: Mapping[str, Values]) -> str:
    zone, name, kind = _zone(inputs), str(inputs.get("name")), inputs.get("type")
    ttl = inputs.get("ttl")
    if ttl != AUTOMATIC_TTL and ttl not in TTL_SECONDS:
        msg = f"ttl must be 1 (automatic) or 60 to 86400 seconds, not {ttl}"
        raise UserError(msg)
    for other in others.values():
        if (other["zoneId"], other["name"]) != (zone, name):
            continue
        if {kind, other["type"]} <= EXCLUSIVE and "CNAME" in {kind, other["type"]}:
            msg = f"an A, AAAA or CNAME record with the host {name} already exists (81053)"
            raise UserError(msg)
        if (other["type"], other.get("content")) == (kind, inputs.get("content")):
            msg = f"an identical record already exists: {kind} {name} (81058)"
            raise UserError(msg)
    return uuid.uuid4().hex


def _ruleset(inputs: Values, others: Mapping[str, Values]) -> str:
    zone, phase = _zone(inputs), inputs.get("phase")
    entry_points = [o for o in others.values() if o["kind"] == "zone" and (o["zoneId"], o["phase"]) == (zone, phase)]
    if inputs.get("kind") == "zone" and entry_points:
        msg = f"the zone has a ruleset for the phase {phase} already: a zone has one entry point a phase"
        raise UserError(msg)
    return uuid.uuid4().hex


def _setting(inputs: Values, others: Mapping[str, Values]) -> str:
    id_ = f"{_zone(inputs)}/{inputs.get('settingId')}"
    if id_ in others:
        msg = f"the setting {inputs.get('settingId')} of this zone is managed already"
        raise UserError(msg)
    return id_


def _tiered_cache(inputs: Values, others: Mapping[str, Values]) -> str:
    zone = _zone(inputs)
    if zone in others:
        msg = "tiered cache of this zone is managed already"
        raise UserError(msg)
    return zone


def _script(inputs: Values, others: Mapping[str, Values]) -> str:
    """Scripts are the account's: their name is their id."""
    _zone(inputs)
    name = str(inputs.get("scriptName"))
    if name in others:
        msg = f"the account has a script {name} already"
        raise UserError(msg)
    if not str(inputs.get("content")).strip():
        msg = f"the script {name} is empty"
        raise UserError(msg)
    return name


def _route(inputs: Values, others: Mapping[str, Values]) -> str:
    zone, pattern = _zone(inputs), str(inputs.get("pattern"))
    if any((other["zoneId"], other["pattern"]) == (zone, pattern) for other in others.values()):
        msg = f"a route with the pattern {pattern} already exists (10020)"
        raise UserError(msg)
    if "*" in pattern.removeprefix("*").removesuffix("*"):
        msg = f"the pattern {pattern} has a wildcard inside: it may only stand at the beginning or the end (10022)"
        raise UserError(msg)
    return uuid.uuid4().hex


class CloudflareProvider(Provider):
    """The provider `cloudflare`."""

    package = "cloudflare"
    version = "6.0.0"

    def __init__(self) -> None:
        """Start with nothing in any zone."""
        super().__init__()
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.kinds: Mapping[str, ResourceKind] = {
            "cloudflare:index/dnsRecord:DnsRecord": Memory(_record, createdOn=created, proxiable=True, meta="{}"),
            "cloudflare:index/ruleset:Ruleset": Memory(_ruleset, lastUpdated=created, version="1"),
            "cloudflare:index/tieredCache:TieredCache": Memory(_tiered_cache, editable=True),
            "cloudflare:index/workersRoute:WorkersRoute": Memory(_route),
            "cloudflare:index/workersScript:WorkersScript": Memory(_script, createdOn=created, hasModules=True),
            "cloudflare:index/zoneSetting:ZoneSetting": Memory(_setting, editable=True),
        }

    def kind(self, token: str) -> ResourceKind | None:
        """Look the type up."""
        return self.kinds.get(token)

    def context(self, call: Call) -> Any:
        """Nothing to know."""

    def invoke(self, token: str, args: Values, config: Values) -> Values:
        """Answer `getIpRanges`, the one function that the program uses."""
        if token != CLOUDFLARE_IP_RANGES:
            msg = f"the local cloud's Cloudflare has no function {token}"
            raise UserError(msg)
        return answer(token, args)
