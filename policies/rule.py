"""Rules: what each demands, how bad it is to break it, where it is binding, and how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NotRequired, TypedDict, Unpack

from policies.view import Resource, Stack


class Severity(StrEnum):
    """How bad it is to break a rule."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Level(StrEnum):
    """Where a rule is binding."""

    MANDATORY = "mandatory"
    """Everywhere."""
    PRODUCTION = "production"
    """In production; advice elsewhere."""
    ADVISORY = "advisory"
    """Nowhere: it is advice."""


ROOT: Final = "pulumi:pulumi:Stack"
"""Type of the stack itself."""
ResourceCheck = Callable[[Resource], Iterable[str]]
StackCheck = Callable[[Resource, Stack], Iterable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        id: stable, lower case with dashes, the service first: `rds-storage-encrypted`.
        severity: how bad it is to break it.
        level: where it is binding.
        demands: one sentence: what must be so.
        remedy: one sentence: what to change.
        frameworks: ids of the same demand elsewhere, such as `FSBP RDS.3`, `CIS AWS 2.3.1`, `Checkov CKV_AWS_16`.
        types: type tokens that it is about; a `*` at the end matches any text. What a stack must have at all is a rule
            about `ROOT`.
        check_resource: gives what is wrong with one resource, each as half a sentence without its name and without any
            value that could be a secret.
        check_stack: the same where it takes the other resources to see it. Only these run at the end of a program.
    """

    id: str
    severity: Severity
    level: Level
    demands: str
    remedy: str
    types: tuple[str, ...]
    frameworks: tuple[str, ...] = ()
    check_resource: ResourceCheck | None = None
    check_stack: StackCheck | None = None

    def binding(self, *, production: bool) -> bool:
        """Whether breaking it refuses an update."""
        return self.level is Level.MANDATORY or (self.level is Level.PRODUCTION and production)


class About(TypedDict):
    """What a rule says of itself; see `Rule`."""

    id: str
    severity: Severity
    level: Level
    demands: str
    remedy: str
    frameworks: NotRequired[tuple[str, ...]]


class Rules:
    """The rules of one module: `@RULES.on(...)` before a function makes it a rule."""

    def __init__(self) -> None:
        """Start without any."""
        self.rules: Final[dict[str, Rule]] = {}

    def on(self, *types: str, **about: Unpack[About]) -> Callable[[ResourceCheck], ResourceCheck]:
        """A rule about each resource of these types."""

        def add(check: ResourceCheck) -> ResourceCheck:
            self._add(Rule(types=types, check_resource=check, **about))
            return check

        return add

    def between(self, *types: str, **about: Unpack[About]) -> Callable[[StackCheck], StackCheck]:
        """A rule about each resource of these types among all of them."""

        def add(check: StackCheck) -> StackCheck:
            self._add(Rule(types=types, check_stack=check, **about))
            return check

        return add

    def _add(self, rule: Rule) -> None:
        if rule.id in self.rules:
            msg = f"two rules are called {rule.id}"
            raise ValueError(msg)
        self.rules[rule.id] = rule


def merged(*modules: Mapping[str, Rule]) -> Mapping[str, Rule]:
    """The rules of several modules, by id."""
    found: dict[str, Rule] = {}
    for rules in modules:
        for name, rule in rules.items():
            if name in found:
                msg = f"two rules are called {name}"
                raise ValueError(msg)
            found[name] = rule
    return found
