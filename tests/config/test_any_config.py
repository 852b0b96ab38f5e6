"""Whatever a configuration holds, it becomes settings or a message."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from infra.config import KEYS, SECRETS, Settings
from infra.errors import UserError
from infra.problems import ConfigError
from stacks.overrides import OverrideError
from stacks.phase import Phase, PhaseName, Sizing
from stacks.phases import PHASES, phase
from tests.config.bad import GOOD
from tests.config.conftest import Stack
from tools import fuzz

PLANNED = 40
"""So many are planned here; `python -m tools.fuzz` does as many as one has time for."""

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
TREES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from([*(f"headroom:{key}" for key in (*KEYS, *SECRETS)), "aws:region", "headroom:regoins", "phase"])
NEAR = (
    st.sampled_from(["10k", "1m", "blueprint", "development", "us-east-1", "eu-west-1", "example.com"])
    | st.sampled_from(["10.64.0.0/14", "0.0.0.0/0", "[]", "{}", "NaN", "[Infinity]", '"\\ud800"'])
    | st.sampled_from(['["us-east-1", "us-west-2", "eu-west-1"]', '["us-east-1a"]', "[" * 2_000, "1" * 5_000])
)
VALUES = NEAR | st.text(max_size=40) | TREES.map(json.dumps)
RAW = st.dictionaries(NAMES | st.text(max_size=20), VALUES, max_size=8)


T = TypeVar("T")


def outcome(make: Callable[[], T]) -> T | UserError:
    """What comes out, or the message: one that can be printed, whatever was in the configuration."""
    try:
        return make()
    except UserError as error:
        str(error).encode()
        return error


def _paths(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """The tree of settings of a schema, with None for each leaf."""
    while "$ref" in schema or "anyOf" in schema:
        if "anyOf" in schema:
            schema = next(one for one in schema["anyOf"] if one.get("type") != "null")
        else:
            schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if isinstance(schema.get("additionalProperties"), dict):
        inner = _paths(schema["additionalProperties"], root)
        return dict.fromkeys(("api", "worker", "auth", "apii"), inner)
    return {name: _paths(one, root) for name, one in schema.get("properties", {}).items()}


def _overrides(tree: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Overrides of settings that exist, with values that may fit."""
    if not tree:
        numbers = st.integers(-1, 100_000) | st.floats(0, 200, allow_nan=False)
        words = st.sampled_from(
            ["db.r6g.large", "cache.m7g.large", "us-west-2", "eu-west-1", "dedicated", "pro", "99.9"]
        )
        return numbers | words | st.booleans() | st.none() | st.lists(words, max_size=3)
    inner = {name: _overrides(below) for name, below in tree.items()}
    return st.fixed_dictionaries({}, optional=inner) | TREES


OVERRIDES = _overrides(_paths(Phase.model_json_schema(), Phase.model_json_schema())).filter(
    lambda one: isinstance(one, dict)
)


@given(raw=RAW, on_top=st.booleans(), encrypted=st.sets(NAMES, max_size=2))
@example(raw={"headroom:overrides": "[" * 100_000}, on_top=True, encrypted=set())
@example(raw={"headroom:overrides": '{"a":' * 5_000 + "1" + "}" * 5_000}, on_top=True, encrypted=set())
@example(raw={"headroom:overrides": '{"\\ud800": "\\ud800"}'}, on_top=True, encrypted=set())
@example(
    raw={"headroom:overrides": '{"targets": {"p95Ms": NaN, "uptimePercent": Infinity}}'}, on_top=True, encrypted=set()
)
@example(raw={"headroom:\ud800\n": "x"}, on_top=True, encrypted=set())
@example(raw={"headroom:owner": "\ud800"}, on_top=True, encrypted=set())
@example(raw={"headroom:networkCidr": "10.64.0.0/99"}, on_top=True, encrypted=set())
@example(raw={"headroom:alertEmails": "[[[]]]"}, on_top=True, encrypted=set())
def test_any_configuration_gives_settings_or_a_message(
    *, raw: dict[str, str], on_top: bool, encrypted: set[str]
) -> None:
    whole = {**GOOD, **raw} if on_top else raw

    result = outcome(lambda: Settings.parse(whole, stack="prod", encrypted=encrypted))

    if isinstance(result, Settings):
        assert result.spec.name == result.phase
        assert Settings.parse(whole, stack="prod", encrypted=encrypted) == result
    else:
        assert isinstance(result, ConfigError)
        assert len(result.problems) == len(result.found) >= 1
        assert all(problem.mend.startswith("pulumi config ") for problem in result.found)


@given(OVERRIDES, st.sampled_from(list(PhaseName)), st.sampled_from(list(Sizing)))
def test_any_overrides_give_a_phase_or_a_message(overrides: dict[str, Any], name: PhaseName, sizing: Sizing) -> None:
    result = outcome(lambda: phase(name, sizing, overrides))

    if isinstance(result, Phase):
        assert (result.name, result.sizing) == (name, sizing)
        assert Phase.model_validate_json(result.model_dump_json()) == result
    else:
        assert isinstance(result, OverrideError)
        assert result.broken


@given(OVERRIDES)
def test_the_commands_of_a_message_lead_to_a_phase(overrides: dict[str, Any]) -> None:
    stack = Stack()
    stack.raw["headroom:overrides"] = json.dumps(overrides)

    for _ in range(6):
        for problem in stack.problems():
            # The command before may have mended this too. By their texts: a NaN is equal to nothing.
            if str(problem) in map(str, stack.problems()):
                stack.run(problem.mend)

    assert [str(problem) for problem in stack.problems()] == []


@given(TREES | st.dictionaries(NAMES, TREES, max_size=5).map(lambda config: {"config": config}))
def test_any_yaml_gives_settings_or_a_message(tree: Any) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "Pulumi.prod.yaml")
        path.write_text(yaml.safe_dump(tree), encoding="utf-8")
        assert isinstance(outcome(lambda: Settings.of("prod", Path(folder))), Settings | UserError)


@given(st.text(max_size=200))
def test_any_text_gives_settings_or_a_message(text: str) -> None:
    with TemporaryDirectory() as folder:
        Path(folder, "Pulumi.prod.yaml").write_text(text, encoding="utf-8", errors="replace")
        assert isinstance(outcome(lambda: Settings.of("prod", Path(folder))), Settings | UserError)


@settings(max_examples=1_000)
@given(fuzz.configs(wrong=True))
def test_any_stack_file_gives_settings_or_a_message_that_mends(config: dict[str, Any]) -> None:
    def parsed() -> Settings:
        stored = fuzz.stored_of(config)
        return Settings.parse(stored.raw, stack=stored.stack, encrypted=stored.encrypted)

    result = outcome(parsed)

    if isinstance(result, ConfigError):
        assert len(result.problems) == len(result.found) >= 1
        assert all(problem.mend.startswith("pulumi config ") for problem in result.found)
    elif isinstance(result, UserError):  # no stack file at all
        assert result.message.startswith("Pulumi.prod.yaml")


@given(fuzz.configs(wrong=True))
def test_the_commands_of_a_message_lead_to_settings(config: dict[str, Any]) -> None:
    try:
        stored = fuzz.stored_of(config)
    except UserError:
        return
    stack = Stack(dict(stored.raw), set(stored.encrypted))

    for _ in range(6):
        for problem in stack.problems():
            # The command before may have mended this too. By their texts: a NaN is equal to nothing.
            if str(problem) in map(str, stack.problems()):
                stack.run(problem.mend)

    assert [str(problem) for problem in stack.problems()] == []


@settings(max_examples=PLANNED, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(fuzz.configs(wrong=False))
def test_what_fits_its_keys_is_planned_priced_judged_and_grown_or_refused_with_a_mend(config: dict[str, Any]) -> None:
    fuzz.follow(config)


def test_the_phases_are_all_there() -> None:
    assert list(PHASES) == list(PhaseName)
