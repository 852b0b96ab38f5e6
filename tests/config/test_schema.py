"""The schema that an editor checks a stack file with."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from infra.config import GROUPS, KEYS, LISTS, ROOT, SECRETS, Settings
from infra.config_schema import SCHEMA_FILE, command, schema_text, stack_schema
from stacks.phase import ROLES, Phase
from tests.config.bad import BAD, GOOD, Bad

SCHEMA = stack_schema()


def document(raw: dict[str, str], encrypted: frozenset[str]) -> dict[str, Any]:
    """A stack file with that configuration."""
    return {"config": {key: {"secure": "v1:x"} if key in encrypted else _value(key, text) for key, text in raw.items()}}


def _value(key: str, text: str) -> Any:
    if key.removeprefix("headroom:") in (*LISTS, *GROUPS) and text[:1] in "[{":
        return json.loads(text)
    return text


def valid(stack: dict[str, Any]) -> bool:
    return bool(jsonschema.Draft7Validator(SCHEMA).is_valid(stack))


def test_the_file_is_current() -> None:
    assert SCHEMA_FILE.read_text() == schema_text(), "run `headroom schema --write`"


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", sorted(ROOT.glob("Pulumi.*.yaml")), ids=lambda path: path.name)
def test_every_stack_that_ships_is_valid(path: Any) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text()), SCHEMA)


@pytest.mark.parametrize("bad", [bad for bad in BAD if not bad.between], ids=lambda bad: bad.sentence)
def test_it_refuses_every_mistake_that_a_single_value_shows(bad: Bad) -> None:
    raw = {key: value for key, value in {**GOOD, **bad.changes}.items() if value is not None}

    assert not valid(document(raw, bad.encrypted))


def test_it_takes_every_key_with_its_example() -> None:
    for key in KEYS:
        described = SCHEMA["properties"]["config"]["properties"][f"headroom:{key}"]
        assert described["description"]
        for example in described.get("examples", []):
            jsonschema.validate(example, {**described, "definitions": SCHEMA["definitions"]})


def test_its_defaults_are_those_of_the_settings() -> None:
    keys = SCHEMA["properties"]["config"]["properties"]
    defaults = {key: keys[f"headroom:{key}"]["default"] for key in KEYS if "default" in keys[f"headroom:{key}"]}

    usual = Settings.parse(GOOD, stack="prod")
    assert {"sizing", "networkCidr"} <= defaults.keys()
    for key, default in defaults.items():
        value = getattr(usual, KEYS[key]) if key != "regions" else ()
        assert default == value


def test_a_secret_must_be_encrypted() -> None:
    for key in SECRETS:
        assert valid({"config": {**document(dict(GOOD), frozenset())["config"], f"headroom:{key}": {"secure": "v1:x"}}})
        assert not valid({"config": {**document(dict(GOOD), frozenset())["config"], f"headroom:{key}": "https://x"}})


def test_it_knows_every_override_and_every_role() -> None:
    overrides = SCHEMA["properties"]["config"]["properties"]["headroom:overrides"]["properties"]

    own = {"name", "sizing", "regions"}
    assert overrides.keys() == Phase.model_json_schema()["properties"].keys() - own
    assert tuple(SCHEMA["definitions"]["Compute"]["properties"]["pods"]["properties"]) == ROLES
    assert "required" not in json.dumps(SCHEMA["definitions"])


def test_every_setting_is_described() -> None:
    bare = [
        f"{group}.{name}"
        for group, definition in SCHEMA["definitions"].items()
        for name, described in definition.get("properties", {}).items()
        if "description" not in described
    ]
    assert bare == []


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(SCHEMA)

    assert "$defs" not in text
    used = {part.split('"')[0] for part in text.split("#/definitions/")[1:]}
    assert used == set(SCHEMA["definitions"])


def test_the_command_prints_it() -> None:
    result = CliRunner().invoke(command)

    assert (result.exit_code, result.output) == (0, schema_text())
