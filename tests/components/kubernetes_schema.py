"""Checks recorded Kubernetes objects against the typed SDK, which the program itself is too slow to import."""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Literal, Union, get_args, get_origin

from pulumi import Output, _types

from infra.plan import SECRET, UNKNOWN, PlannedResource
from tests.components.conftest import Recorded

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""A DNS-1123 label, the strictest rule that any name of ours must meet."""
CUSTOM = {"NodeClass", "NodePool", "TargetGroupBinding"}
"""Kinds that Auto Mode brings; the SDK does not know them."""


def objects(recorded: Recorded) -> list[PlannedResource]:
    """All Kubernetes objects, without the provider."""
    return [one for one in recorded.resources if one.type.startswith("kubernetes:")]


def problems(resource: PlannedResource) -> list[str]:
    """What the API server would not know or would refuse about one object."""
    kind = resource.inputs["kind"]
    name = resource.inputs["metadata"]["name"]
    found = [] if name == UNKNOWN or LABEL.fullmatch(name) else [f"{name} is no DNS label"]
    if kind in CUSTOM:
        return found
    _, module, _ = resource.type.split(":")
    types = import_module(f"pulumi_kubernetes.{module.split('/')[0].split('.')[0]}.{module.split('/')[1]}")
    return [*found, *_check(resource.inputs, getattr(types, f"{kind}InitArgs"), kind)]


def _check(value: Any, expected: Any, path: str) -> Iterator[str]:
    expected = _bare(expected)
    if value in (UNKNOWN, SECRET) or expected is Any or get_origin(expected) is Literal:
        return
    if _types.is_input_type(expected):
        yield from _check_object(value, _types.input_type_types(expected), path)
    elif get_origin(expected) in (Sequence, list):
        if not isinstance(value, list):
            yield f"{path} is no list"
            return
        for index, item in enumerate(value):
            yield from _check(item, get_args(expected)[0], f"{path}[{index}]")
    elif get_origin(expected) in (Mapping, dict):
        for key, item in value.items():
            yield from _check(item, get_args(expected)[1], f"{path}.{key}")
    elif type(value) not in (expected if isinstance(expected, tuple) else (expected,)):
        yield f"{path} is {value!r}"


def _check_object(value: Any, known: Mapping[str, Any], path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path} is no object"
        return
    for key, item in value.items():
        if key in known:
            yield from _check(item, known[key], f"{path}.{key}")
        else:
            yield f"{path}.{key} is unknown"


def _bare(expected: Any) -> Any:
    """The type inside `Input[...]`; several, as a tuple, where the API takes several."""
    if get_origin(expected) is not Union and not str(expected).startswith(("typing.Union", "typing.Optional")):
        return expected
    options = [
        option
        for option in get_args(expected)
        if option is not type(None) and get_origin(option) is not Output and "Awaitable" not in str(option)
    ]
    structured = [option for option in options if _types.is_input_type(option) or get_origin(option) is not None]
    if structured:
        return structured[0]
    return options[0] if len(options) == 1 else tuple(options)


def pod_specs(recorded: Recorded) -> dict[str, dict[str, Any]]:
    """Pod templates by the name of what owns them."""
    templates = {
        one.name: one.inputs["spec"]["template"]
        for one in objects(recorded)
        if one.inputs["kind"] in ("Deployment", "DaemonSet", "Job")
    }
    nightly = {
        one.name: one.inputs["spec"]["jobTemplate"]["spec"]["template"]
        for one in objects(recorded)
        if one.inputs["kind"] == "CronJob"
    }
    return templates | nightly


def selects(match: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether pods with `labels` are among those that `match` selects."""
    return match.items() <= labels.items()


def strings(value: Any) -> Iterator[str]:
    """Every string in a value, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
