"""From a configuration as Pulumi gives it to checked values, or to every problem with the command that mends it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from infra import usage_settings
from infra.cidr import ZONES
from infra.problems import HIDDEN, NAMESPACE, ConfigError, Problem, remove_command, set_command
from infra.settings_keys import GROUPS, KEYS, LISTS, REGION_KEY, SECRETS, Environment, Keys, key_info
from stacks import shards
from stacks.overrides import Broken, OverrideError, dotted
from stacks.phase import Phase, Sizing
from stacks.phases import PHASES, phase

_ALIKE = 0.8


@cache
def _adapter(key: str) -> TypeAdapter[Any]:
    return TypeAdapter(Keys.model_fields[KEYS[key]].rebuild_annotation())


class Parser:
    """One pass over a configuration: values first, then what holds between them."""

    def __init__(self, raw: Mapping[str, str], stack: str, encrypted: Collection[str]) -> None:
        """Take what `infra.config.Settings.parse` was given."""
        self._raw, self._stack, self._encrypted = raw, stack, encrypted
        self._values: dict[str, Any] = {}
        self._problems: list[Problem] = []

    def run(self) -> dict[str, Any]:
        """Fields of `infra.config.Settings`, or ConfigError."""
        for full_key, text in self._raw.items():
            self._take(full_key, text)
        for key, name in KEYS.items():
            if f"{NAMESPACE}:{key}" not in self._raw and Keys.model_fields[name].is_required():
                self._missing(key)
        self._check_regions()
        self._check_phase()
        self._check_zones()
        self._check_origins()
        self._check_usage()
        if self._problems:
            raise ConfigError(self._stack, self._problems)
        secrets = tuple(key for key in SECRETS if f"{NAMESPACE}:{key}" in self._raw)
        given = {KEYS[key]: value for key, value in self._values.items()}
        return {"stack": self._stack, "secret_keys": secrets, **given}

    # one key

    def _take(self, full_key: str, text: str) -> None:
        namespace, _, key = full_key.partition(":")
        if namespace != NAMESPACE:
            if difflib.SequenceMatcher(None, namespace.lower(), NAMESPACE).ratio() >= _ALIKE:
                self._unknown(full_key, f"{NAMESPACE}:{key}")
        elif key in SECRETS:
            self._check_secret(full_key)
        elif key not in KEYS:
            by_case = {known.lower(): known for known in (*KEYS, *SECRETS)}
            close = difflib.get_close_matches(key.lower().replace("_", "").replace("-", ""), by_case, n=1)
            self._unknown(full_key, f"{NAMESPACE}:{by_case[close[0]]}" if close else None)
        else:
            self._decode(key, text)

    def _unknown(self, full_key: str, meant: str | None) -> None:
        # Its value is not shown: a secret under a misspelt key is still a secret.
        hint = f"did you mean {meant}?" if meant else f"the keys are {', '.join((*KEYS, *SECRETS))}"
        mend = remove_command(full_key, self._stack, is_name=True)
        self._add(full_key, None, f"is no key of this program; {hint}", mend)

    def _check_secret(self, full_key: str) -> None:
        if full_key not in self._encrypted:
            allowed = "is stored in plain text: put it in again as a secret, and change it where it comes from"
            self._add(full_key, HIDDEN, allowed, set_command(full_key, "", self._stack, secret=True))

    def _decode(self, key: str, text: str) -> None:
        full_key = f"{NAMESPACE}:{key}"
        if full_key in self._encrypted:
            self._wrong(key, (), HIDDEN, "is encrypted, which a plan without engine cannot read: set it in plain text")
            return
        value: Any = text
        if key in LISTS or key in GROUPS:
            value = _from_json(text)
            if not isinstance(value, list if key in LISTS else dict):
                self._wrong(key, (), text, f"must be {key_info(key).allowed}")
                return
        try:
            self._values[key] = _adapter(key).validate_python(value)
        except ValidationError as error:
            for one in error.errors(include_url=False):
                reason = str(one["ctx"]["error"]) if one["type"] == "value_error" else self._shape(key, one["loc"])
                self._wrong(key, one["loc"], one["input"], reason)
            return
        if key in LISTS:
            for index, item in enumerate(value):
                if item in value[:index]:
                    name = f"{full_key}[{index}]"
                    self._add(name, item, "is there twice", remove_command(name, self._stack))

    def _shape(self, key: str, loc: tuple[int | str, ...]) -> str:
        return f"must be text: {key_info(key).allowed}" if loc else f"must be {key_info(key).allowed}"

    def _wrong(self, key: str, loc: tuple[int | str, ...], value: object, reason: str) -> None:
        full_key = f"{NAMESPACE}:{key}"
        if key in GROUPS:
            mend = remove_command(full_key, self._stack)
        elif key in LISTS and not loc:
            mend = set_command(f"{full_key}[0]", key_info(key).example, self._stack)
            if isinstance(value, list) and value:  # too long: `loc` is empty, and the items are right
                mend = remove_command(f"{full_key}[{len(value) - 1}]", self._stack)
        else:
            mend = set_command(f"{full_key}{dotted(loc)}", _meant(key, value), self._stack)
        self._add(f"{full_key}{dotted(loc)}", value, reason, mend)

    def _missing(self, key: str) -> None:
        info, full_key = key_info(key), f"{NAMESPACE}:{key}"
        path = f"{full_key}[0]" if key in LISTS else full_key
        self._add(full_key, None, f"is missing: {info.allowed}", set_command(path, info.example, self._stack))

    def _add(self, key: str, value: object, allowed: str, mend: str) -> None:
        self._problems.append(Problem(key=key, value=value, allowed=allowed, mend=mend))

    # what holds between keys

    def _base(self) -> Phase | None:
        if "phase" not in self._values:
            return None
        return PHASES[self._values["phase"]][self._values.get("sizing", Sizing.EFFICIENT)]

    def _check_regions(self) -> None:
        base, given = self._base(), self._raw.get(REGION_KEY)
        if base is None or (f"{NAMESPACE}:regions" in self._raw and "regions" not in self._values):
            return
        regions = self._values.get("regions", base.regions)
        if len(regions) != len(base.regions):
            allowed = f"must have {len(base.regions)} as phase {base.name} has, not {len(regions)}"
            self._add(
                f"{NAMESPACE}:regions", list(regions), allowed, remove_command(f"{NAMESPACE}:regions", self._stack)
            )
            del self._values["regions"]
            return
        if given is None:
            allowed = f"is missing: the home region, {regions[0]}"
        elif given != regions[0]:
            allowed = f"must be the home region, {regions[0]}; another home is headroom:regions[0]"
        else:
            self._values["regions"] = regions
            return
        self._add(REGION_KEY, given, allowed, set_command(REGION_KEY, regions[0], self._stack))

    def _check_phase(self) -> None:
        base = self._base()
        if base is None:
            return
        try:
            spec = phase(base.name, base.sizing, self._values.get("overrides", {}), self._values.get("regions"))
        except OverrideError as error:
            for one in error.broken:
                self._override(one)
            return
        if spec.edge.edge_workers:
            self._need("cloudflareAccountId", "edge workers, on in this phase, belong to an account")
        if spec.machine.enabled:
            self._need("modelImage", "machine learning is enabled, and needs a container")
            self._need("modelDataUrl", "machine learning is enabled, and needs a model")
        self._check_slots(spec)
        self._check_release(spec)

    def _need(self, name: str, why: str) -> None:
        key = f"{NAMESPACE}:{name}"
        if key not in self._raw:
            self._add(key, None, f"is missing: {why}", set_command(key, key_info(name).example, self._stack))

    def _check_slots(self, spec: Phase) -> None:
        entries = self._values.get("slots", ())
        for index, reason in shards.problems(entries, spec.database.logical_shards):
            key = f"{NAMESPACE}:slots[{index}]"
            self._add(key, entries[index], reason, remove_command(key, self._stack))

    def _check_release(self, spec: Phase) -> None:
        for name in ("greenImage", "greenShare"):
            if self._values.get(name) and not spec.compute.blue_green:
                key = f"{NAMESPACE}:{name}"
                allowed = f"has no pods: phase {spec.name} releases by a rolling update, without blue and green"
                self._add(key, self._values[name], allowed, remove_command(key, self._stack))

    def _override(self, broken: Broken) -> None:
        def full(path: tuple[int | str, ...]) -> str:
            return f"{NAMESPACE}:{dotted(('overrides', *path))}"

        path, value = broken.mend
        mend = remove_command(full(path), self._stack) if value is None else set_command(full(path), value, self._stack)
        if isinstance(broken.value, str) and not isinstance(value, str | None):
            # Where there is text, `pulumi config set` stores text, whatever its `--type` (seen with 3.255).
            mend = f"{remove_command(full(path), self._stack)} && {mend}"
        self._add(full(broken.path), broken.value, broken.allowed, mend)

    def _check_zones(self) -> None:
        key = f"{NAMESPACE}:availabilityZones"
        zones: tuple[str, ...] = self._values.get("availabilityZones", ())
        base = self._base()
        used = (*self._values.get("regions", ()), *(base.read_regions if base else ()))
        for region in dict.fromkeys(zone[:-1] for zone in zones):
            own = [zone for zone in zones if zone[:-1] == region]
            if len(own) != ZONES or len(set(own)) != ZONES:
                allowed = f"must name three different zones of {region}, not {', '.join(own)}"
                self._add(key, list(zones), allowed, remove_command(key, self._stack))
            elif used and region not in used:
                allowed = f"names zones of {region}, where this stack has nothing: its regions are {', '.join(used)}"
                self._add(key, list(zones), allowed, remove_command(key, self._stack))

    def _check_origins(self) -> None:
        if self._values.get("environment", Environment.DEVELOPMENT) is Environment.DEVELOPMENT:
            return
        for index, origin in enumerate(self._values.get("allowedOrigins", ())):
            if not origin.startswith("https://"):
                allowed = "must be https:// outside of development, or whoever is on the way can call as the user"
                self._wrong("allowedOrigins", (index,), origin, allowed)

    def _check_usage(self) -> None:
        for name, value in self._values.get("usage", {}).items():
            if reason := usage_settings.refused(name, value):
                key = f"{NAMESPACE}:{dotted(('usage', name))}"
                self._add(key, value, reason, remove_command(key, self._stack))


def _from_json(text: str) -> Any:
    """The value, or the text itself where it is no JSON, or holds what no file can (half a character)."""
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # the second for too many levels
        return text
    return value


def _meant(key: str, value: object) -> str:
    """The right value nearest to a wrong one, for the command that mends it."""
    text = value.strip().lower() if isinstance(value, str) else ""
    text = text.removeprefix("https://").removeprefix("http://").partition("/")[0].removeprefix("www.").rstrip(".")
    field = Keys.model_fields[KEYS[key]]
    if isinstance(field.annotation, type) and issubclass(field.annotation, StrEnum):
        return next(iter(difflib.get_close_matches(text, list(field.annotation), n=1)), key_info(key).example)
    try:
        return str(_adapter(key).validate_python(text)) if key == "domain" else key_info(key).example
    except ValidationError:
        return key_info(key).example
