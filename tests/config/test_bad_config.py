"""Every mistake is told with key, value, what is allowed and the command that mends it."""

from __future__ import annotations

import pytest

from infra.config import KEYS, Settings
from infra.errors import UserError
from infra.problems import ConfigError
from tests.config.bad import BAD, SECRET, Bad
from tests.config.conftest import Stack

each_mistake = pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.sentence)


def applied(bad: Bad) -> Stack:
    stack = Stack(encrypted=set(bad.encrypted))
    for key, value in bad.changes.items():
        if value is None:
            del stack.raw[key]
        else:
            stack.raw[key] = value
    return stack


@each_mistake
def test_a_mistake_is_told(bad: Bad) -> None:
    stack = applied(bad)

    with pytest.raises(ConfigError) as caught:
        Settings.parse(stack.raw, stack="prod", encrypted=stack.encrypted)

    assert [fragment for fragment in bad.says if fragment not in str(caught.value)] == []
    assert len(caught.value.found) == bad.problems, str(caught.value)
    assert SECRET not in str(caught.value)
    assert isinstance(caught.value, UserError)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@each_mistake
def test_the_commands_of_the_message_mend_it(bad: Bad) -> None:
    stack = applied(bad)

    for _ in range(4):  # a mended value may show what else is wrong with it
        for problem in stack.problems():
            if problem in stack.problems():  # the command before may have mended this too
                stack.run(problem.mend)

    assert [str(problem) for problem in stack.problems()] == []


@each_mistake
def test_every_problem_names_a_key_of_the_stack_file(bad: Bad) -> None:
    for problem in applied(bad).problems():
        namespace, _, name = problem.key.partition(":")
        known = name.split(".")[0].split("[")[0] in KEYS or problem.key == "aws:region"
        assert known or problem.key in bad.changes, problem
        assert namespace in problem.mend


def test_the_cases_are_many_and_differ() -> None:
    assert len({bad.sentence for bad in BAD}) == len(BAD) >= 30


def test_a_message_reads_as_a_sentence_and_a_command() -> None:
    stack = Stack()
    stack.raw["headroom:domain"] = "https://Shop.example.com/cart"

    assert str(stack.problems()[0]) == (
        "headroom:domain = 'https://Shop.example.com/cart' must be a registered host name in lower case, "
        "without scheme, port or path, such as example.com\n"
        "      pulumi config set headroom:domain shop.example.com --stack prod"
    )


def test_a_long_value_is_cut() -> None:
    stack = Stack()
    stack.raw["headroom:owner"] = "x" * 500

    assert "x" * 100 not in str(stack.problems()[0])


def test_a_stack_name_is_quoted_for_the_shell() -> None:
    with pytest.raises(ConfigError, match=r"--stack 'a b; rm'"):
        Settings.parse({}, stack="a b; rm")
