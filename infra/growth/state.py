"""A stack's real state, as `pulumi stack export` prints it, in the form of a plan.

What a plan knows by example only (the account, who runs the program) is brought to the example's values, so that the
two can be compared; secrets stay closed.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.errors import UserError
from infra.invokes import ACCOUNT_ID
from infra.local.values import ARCHIVE, ASSET, OUTPUT, RESOURCE, SIGNATURE
from infra.local.values import SECRET as SECRET_SIGNATURE
from infra.plan import SECRET, STACK_TYPE, Options, PlannedResource

ACCOUNT: Final = re.compile(r"\barn:aws[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:(\d{12}):")
DEFAULTS: Final = "__defaults"
"""Where the bridge keeps the names of inputs that it filled in itself."""
INTERNAL: Final = "__internal"
"""Where the engine keeps what only it reads."""


@dataclass(frozen=True, slots=True)
class State:
    """What a stack is.

    Attributes:
        stack: its name.
        phase: the phase it was last brought to; None where its outputs do not say.
        resources: in the order they were made.
    """

    stack: str
    phase: str | None
    resources: list[PlannedResource]


def read(path: Path) -> State:
    """Read a file of `pulumi stack export`, or the local cloud's own state file.

    Raises:
        UserError: it is neither.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        resources = _deployment(found).get("resources") or []
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise UserError(msg) from None
    except (ValueError, AttributeError, KeyError, TypeError):
        msg = f"{path} is no state of a stack: make it with `pulumi stack export --stack STACK --file {path.name}`"
        raise UserError(msg) from None
    return of(resources)


def _deployment(found: Mapping[str, Any]) -> Mapping[str, Any]:
    if "deployment" in found:
        return dict(found["deployment"])
    return dict(found["checkpoint"]["latest"])


def of(resources: Iterable[Mapping[str, Any]]) -> State:
    """The state that these resources are.

    Raises:
        UserError: there is no stack among them.
    """
    text = json.dumps(list(resources))
    accounts = Counter(ACCOUNT.findall(text)).most_common(1)
    if accounts:
        text = text.replace(accounts[0][0], ACCOUNT_ID)
    stack, phase, found = None, None, []
    for resource in json.loads(text):
        if resource["type"] == STACK_TYPE:
            stack = resource["urn"].split("::")[0].removeprefix("urn:pulumi:")
            phase = (resource.get("outputs") or {}).get("phase")
        elif not resource.get("delete") and not resource.get("external") and not _is_default_provider(resource):
            found.append(_resource(resource))
    if stack is None:
        msg = "the state is empty: nothing was brought up yet"
        raise UserError(msg)
    return State(stack, phase, found)


def _is_default_provider(resource: Mapping[str, Any]) -> bool:
    """One of those that the engine makes for whoever names none; a plan has none of them."""
    name = resource["urn"].rpartition("::")[2]
    return str(resource["type"]).startswith("pulumi:providers:") and name.startswith("default")


def _resource(resource: Mapping[str, Any]) -> PlannedResource:
    options: Options = {}
    if resource.get("protect"):
        options["protect"] = True
    if resource.get("retainOnDelete"):
        options["retainOnDelete"] = True
    provider = resource.get("provider", "").rpartition("::")[0]
    if provider:
        options["provider"] = provider
    parent = resource.get("parent")
    return PlannedResource(
        urn=resource["urn"],
        type=resource["type"],
        name=resource["urn"].rpartition("::")[2],
        parent=None if parent is None or f"::{STACK_TYPE}::" in parent else parent,
        inputs=_inputs(resource),
        options=options,
        dependencies=sorted(resource.get("dependencies") or []),
        property_dependencies={
            name: sorted(urns) for name, urns in (resource.get("propertyDependencies") or {}).items() if urns
        },
    )


def _inputs(resource: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs; the engine keeps a provider's version among them, which a plan has elsewhere."""
    inputs: dict[str, Any] = _plain(resource.get("inputs") or {})
    engines = {"version", "pluginDownloadURL"} if resource["type"].startswith("pulumi:providers:") else set()
    return {key: value for key, value in inputs.items() if key not in engines}


def _plain(value: Any) -> Any:
    """A value as a plan has it: a secret closed, an asset by its content, no defaults of the bridge's own."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    signature = value.get(SIGNATURE)
    if signature == SECRET_SIGNATURE:
        return SECRET
    if signature in {ASSET, ARCHIVE}:
        return {key: _plain(item) for key, item in value.items() if key in {"text", "path", "uri", "assets"}}
    if signature in {RESOURCE, OUTPUT}:
        return value.get("urn") if signature == RESOURCE else _plain(value.get("value"))
    filled = {INTERNAL, DEFAULTS, *value.get(DEFAULTS, ())}
    return {key: _plain(item) for key, item in value.items() if key not in filled and item is not None}
