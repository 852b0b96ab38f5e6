"""Operations of AWS services, as table rows write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import jmespath
from botocore.exceptions import ClientError

from infra.local.aws.kind import Values
from infra.local.aws.shape import member, to_api

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_APART = {"tags", "region"}
"""Properties that no update sends: tags have operations of their own, and a region does not change."""
_GONE = re.compile(r"NotFound|NoSuch|NonExist|NotExist|^404$", re.IGNORECASE)


def is_gone(error: ClientError) -> bool:
    """Whether an error says that the object is not there; GuardDuty says so in words alone."""
    told = error.response["Error"]
    return bool(_GONE.search(told["Code"])) or "not owned by the current account" in told.get("Message", "")


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """A template with each `{property}` replaced; a template that is nothing else keeps the value's type."""
    match template:
        case str():
            if whole := _PLACEHOLDER.fullmatch(template):
                return values.get(whole[1])
            return _PLACEHOLDER.sub(lambda found: str(values.get(found[1], "")), template)
        case list():
            return [fill(each, values) for each in template]
        case dict():
            return {key: fill(each, values) for key, each in template.items()}
        case _:
            return template


def plain(value: Any) -> Any:
    """An answer as values that fit into a state file."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items() if key != "ResponseMetadata"}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


@lru_cache(maxsize=1024)
def _compiled(expression: str) -> Any:
    return jmespath.compile(expression)


def search(expression: str, answer: Any) -> Any:
    """What a JMESPath finds in an answer."""
    return plain(_compiled(expression).search(answer))


def input_shape(client: Any, operation: str) -> Any:
    """Describe what an operation takes, as botocore knows it."""
    name = client.meta.method_to_api_mapping[operation]
    return client.meta.service_model.operation_model(name).input_shape


@dataclass(frozen=True)
class Call:
    """One operation with parameters in which `{property}` stands for that property's value."""

    operation: str
    parameters: Mapping[str, Any]

    def __call__(self, client: Any, values: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> Values:
        """Send it, with `more` where the templates say nothing."""
        given = {**(more or {}), **fill(dict(self.parameters), values)}
        answer = getattr(client, self.operation)(**{key: value for key, value in given.items() if value is not None})
        return dict(answer or {})


@dataclass(frozen=True)
class Change:
    """An operation that brings changed properties to an object.

    Attributes:
        call: the operation; the properties that it knows are added to its parameters.
        only: properties that call for it; without, each that the operation has a parameter for.
        whole: it takes all properties anew (`put`), not only the changed ones.
        created: it follows a creation too, where the create operation does not take these properties.
    """

    call: Call
    only: tuple[str, ...] = ()
    whole: bool = False
    created: bool = False

    def apply(self, client: Any, rename: Mapping[str, str], context: Values, old: Values, new: Values) -> None:
        """Send the operation if one of its properties differs between `old` and `new`."""
        shape = input_shape(client, self.call.operation)
        changed = {key for key, value in new.items() if old.get(key) != value}
        if self.whole:  # a property that was taken out changes the whole as well
            changed |= old.keys() - new.keys()
        changed -= _APART
        hits = changed & set(self.only) if self.only else {key for key in changed if member(shape, key, rename)}
        if hits:
            sent = {key: value for key, value in new.items() if key in hits or (self.whole and key not in _APART)}
            self.call(client, context, to_api(shape, sent, rename))


def call(operation: str, **parameters: Any) -> Call:
    """Short for the tables' sake."""
    return Call(operation, parameters)


def change(operation: str, *only: str, created: bool = False, **parameters: Any) -> Change:
    """An update that sends what changed."""
    return Change(Call(operation, parameters), only, created=created)


def put(operation: str, *only: str, created: bool = False, **parameters: Any) -> Change:
    """An update that sends everything again."""
    return Change(Call(operation, parameters), only, whole=True, created=created)
