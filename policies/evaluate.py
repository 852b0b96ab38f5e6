"""Run rules over resources. Nothing a rule does can raise out of here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import partial
from itertools import chain

from policies.exemptions import Exemption
from policies.rule import Rule
from policies.view import Resource, Stack, UndecidedError


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule broken by one resource.

    Attributes:
        rule: which.
        urn: of the resource.
        name: its logical name.
        message: what is wrong with it, half a sentence.
        mandatory: whether it refuses the update.
        exemption: what excuses it.
    """

    rule: Rule
    urn: str
    name: str
    message: str
    mandatory: bool
    exemption: Exemption | None = None

    @property
    def text(self) -> str:
        """The finding in one line, the same wherever it is shown."""
        return f"{self.rule.id}: {self.name}: {self.message}; {self.rule.remedy}"


@dataclass(frozen=True, slots=True)
class Undecided:
    """A rule that cannot be judged yet: a value is only known during the update, which judges it then."""

    rule: Rule
    urn: str
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of a stack.

    Attributes:
        findings: rules broken, exempted ones too.
        undecided: what only the update can judge.
        stale: exemptions that have expired, or that excuse nothing; each fails.
        checked: how often a rule was asked.
    """

    findings: tuple[Finding, ...]
    undecided: tuple[Undecided, ...]
    stale: tuple[str, ...]
    checked: int

    @property
    def refused(self) -> tuple[Finding, ...]:
        """Findings that refuse an update."""
        return tuple(one for one in self.findings if one.mandatory and one.exemption is None)

    @property
    def passed(self) -> bool:
        """Whether nothing refuses it."""
        return not self.refused and not self.stale


class Judge:
    """The rules, with the exemptions of one stack and its environment."""

    def __init__(
        self, rules: Mapping[str, Rule], exemptions: Sequence[Exemption] = (), *, production: bool, today: date
    ) -> None:
        """Remember them; rules are sorted by type as types come."""
        self._rules = rules
        self._exemptions = exemptions
        self._production = production
        self._today = today
        self._about: dict[str, tuple[Rule, ...]] = {}

    def resource(self, one: Resource) -> Iterator[Finding | Undecided]:
        """Judge one resource by itself."""
        for rule in self._rules_about(one.type):
            if rule.check_resource is not None:
                yield from self._asked(rule, one, partial(rule.check_resource, one))

    def between(self, stack: Stack) -> Iterator[Finding | Undecided]:
        """Judge each resource among the others."""
        for one in stack.resources:
            for rule in self._rules_about(one.type):
                if rule.check_stack is not None:
                    yield from self._asked(rule, one, partial(rule.check_stack, one, stack))

    def stack(self, stack: Stack) -> Verdict:
        """Judge everything."""
        found = [*chain.from_iterable(map(self.resource, stack.resources)), *self.between(stack)]
        findings = tuple(one for one in found if isinstance(one, Finding))
        return Verdict(
            findings=findings,
            undecided=tuple(one for one in found if isinstance(one, Undecided)),
            stale=tuple(self._stale(findings)),
            checked=sum(len(self._rules_about(one.type)) for one in stack.resources),
        )

    def _rules_about(self, token: str) -> tuple[Rule, ...]:
        if token not in self._about:
            rules = self._rules.values()
            self._about[token] = tuple(rule for rule in rules if any(fnmatchcase(token, kind) for kind in rule.types))
        return self._about[token]

    def _asked(self, rule: Rule, one: Resource, check: Callable[[], Iterable[str]]) -> Iterator[Finding | Undecided]:
        try:
            for message in check():
                yield self._finding(rule, one, message)
        except UndecidedError as unknown:
            yield Undecided(rule, one.urn, one.name, unknown.path)
        except Exception as bug:  # noqa: BLE001 a rule's own bug must refuse with a line, and not stop the engine
            yield self._finding(rule, one, f"the rule itself fails ({type(bug).__name__})")

    def _finding(self, rule: Rule, one: Resource, message: str) -> Finding:
        excuse = next(
            (it for it in self._exemptions if it.covers(rule.id, one.name) and it.expires >= self._today), None
        )
        mandatory = rule.binding(production=self._production)
        return Finding(rule, one.urn, one.name, message, mandatory, excuse)

    def _stale(self, findings: Sequence[Finding]) -> Iterator[str]:
        for one in self._exemptions:
            what = f"exemption of {one.resource} from {one.rule}"
            if one.rule not in self._rules:
                yield f"{what}: there is no such rule"
            elif one.expires < self._today:
                yield f"{what}: it ended on {one.expires}; mend the resource, or say anew why not"
            elif not any(one.covers(finding.rule.id, finding.name) for finding in findings):
                yield f"{what}: it excuses nothing; take it away"
