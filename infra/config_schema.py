"""JSON Schema of a stack file, so that an editor completes and checks it while it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter

from infra.config import KEYS, REGION_KEY, ROOT, SECRETS, Settings, key_info
from infra.problems import NAMESPACE
from infra.settings_fields import RegionName
from infra.usage_settings import usage_schema
from stacks.overrides import FIXED
from stacks.phase import ROLES, Phase

SCHEMA_FILE = ROOT / "schema" / "stack.schema.json"
_SECRET_TEXT = {
    "sentryDsn": "DSN of a Sentry-compatible error tracker.",
    "pagerdutyUrl": "HTTPS integration address of PagerDuty's CloudWatch service.",
}


def stack_schema() -> dict[str, Any]:
    """The schema. Draft 7, which every YAML language server knows; what holds between keys is left to `Settings`."""
    definitions: dict[str, Any] = {}
    keys = {f"{NAMESPACE}:{key}": _key(key, definitions) for key in KEYS}
    for key in SECRETS:
        keys[f"{NAMESPACE}:{key}"] = {
            "description": f"{_SECRET_TEXT[key]} Set it with `pulumi config set --secret`.",
            "type": "object",
            "properties": {"secure": {"type": "string"}},
            "required": ["secure"],
            "additionalProperties": False,
        }
    keys[REGION_KEY] = {
        "description": "Home region: the first of the stack's regions.",
        **TypeAdapter(RegionName).json_schema(),
    }
    required = [f"{NAMESPACE}:{key}" for key, name in KEYS.items() if Settings.model_fields[name].is_required()]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A stack of Headroom",
        "type": "object",
        "required": ["config"],
        "properties": {
            "config": {
                "type": "object",
                "properties": keys,
                "patternProperties": {rf"^(?!{NAMESPACE}:)[^:]+:.+$": {}},
                "additionalProperties": False,
                "required": [*required, REGION_KEY],
            }
        },
        "definitions": definitions,
    }


def _key(key: str, definitions: dict[str, Any]) -> dict[str, Any]:
    field = Settings.model_fields[KEYS[key]]
    described = {"description": _one_line(field.description)}
    if key == "overrides":
        return {**described, **_overrides(definitions)}
    if key == "usage":
        schema = usage_schema()
        return {
            **described,
            "type": "object",
            "properties": _clean(schema["properties"]),
            "additionalProperties": False,
        }
    adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
    schema = adapter.json_schema()
    definitions.update(_clean(schema.pop("$defs", {})))
    if "anyOf" in schema:  # `or null` is how the model says "not set"; a stack file leaves the key out instead
        schema = next(one for one in schema["anyOf"] if one.get("type") != "null")
    if "$ref" in schema:
        schema = definitions.pop(schema["$ref"].rsplit("/", 1)[1])
    if "items" in schema:
        schema["uniqueItems"] = True
    if not field.is_required() and field.default is not None:
        described["default"] = field.default
    return {
        **_clean(schema),
        **described,
        "examples": [[key_info(key).example] if "items" in schema else key_info(key).example],
    }


def _overrides(definitions: dict[str, Any]) -> dict[str, Any]:
    """The phase's own schema with nothing required, since the phase has the rest."""
    schema = Phase.model_json_schema(by_alias=True)
    for name, definition in schema.pop("$defs").items():
        definition.pop("required", None)
        definitions[name] = _clean(definition)
    pods = definitions["Compute"]["properties"]["pods"]
    each = pods.pop("additionalProperties")
    pods.pop("propertyNames", None)
    pods.update(properties=dict.fromkeys(ROLES, each), additionalProperties=False)
    for name in ("PhaseName", "Sizing"):
        del definitions[name]
    properties = {name: part for name, part in schema["properties"].items() if name not in FIXED}
    return {"type": "object", "properties": _clean(properties), "additionalProperties": False}


def _clean(schema: Any) -> Any:
    """Without titles and defaults, which say nothing here, and with references as draft 7 has them."""
    if isinstance(schema, dict):
        return {
            key: f"#/definitions/{value.rsplit('/', 1)[1]}" if key == "$ref" else _clean(value)
            for key, value in schema.items()
            if not (key in ("title", "default") and not isinstance(value, dict))
        }
    return [_clean(one) for one in schema] if isinstance(schema, list) else schema


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def schema_text() -> str:
    """The schema as its file has it."""
    return json.dumps(stack_schema(), indent=2) + "\n"


@click.command("schema")
@click.option("--write", is_flag=True, help="Update schema/stack.schema.json.")
def command(*, write: bool) -> None:
    """Show the JSON Schema of a stack file."""
    if not write:
        click.echo(schema_text(), nl=False)
        return
    target: Path = SCHEMA_FILE
    target.parent.mkdir(exist_ok=True)
    target.write_text(schema_text(), encoding="utf-8")
    click.echo(f"{target.relative_to(ROOT)} is up to date")
