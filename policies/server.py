"""The pack as the engine runs it: Pulumi's SDK with one place where a resource is read, once for all rules.

The SDK reads a resource anew for every policy (17 ms a resource for 100 policies), lets any exception end the update,
and makes a mandatory policy advisory as soon as it touches an unknown value. Here each resource is read once and judged
by `policies.evaluate`, which raises nothing; an unknown value holds back only the rule that needs it, and says so
(docs/decisions/0009-one-reading-for-all-rules.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

import pulumi
import pulumi_policy
from pulumi.runtime.proto import analyzer_pb2
from pulumi_policy import policy as sdk

from infra.local import values
from policies import view
from policies.catalogue import RULES
from policies.evaluate import Finding, Judge, Undecided
from policies.exemptions import parse
from policies.planned import root
from policies.rule import Rule, Severity
from policies.view import Resource, Stack

NAME: Final = "headroom"
_POLICIES: Final = "_PolicyAnalyzerServicer__policies"
"""Where the SDK's servicer keeps them, as Python mangles the name."""
COMPONENTS: Final = "headroom:"
"""Types of what only groups resources."""
_LEVELS: Final = pulumi_policy.EnforcementLevel
_SEVERITIES: Final = {
    Severity.CRITICAL: pulumi_policy.Severity.CRITICAL,
    Severity.HIGH: pulumi_policy.Severity.HIGH,
    Severity.MEDIUM: pulumi_policy.Severity.MEDIUM,
    Severity.LOW: pulumi_policy.Severity.LOW,
}


def serve() -> None:
    """Answer the engine until it goes away; it passes the stack's configuration on."""
    config = pulumi.Config("headroom")
    production = (config.get("environment") or "production") == "production"
    exemptions = []
    for text in config.get_object("exempted") or ():
        with suppress(ValueError):  # the program refuses it, and says why
            exemptions.append(parse(text))
    _Servicer.judge = Judge(RULES, exemptions, production=production, today=datetime.now(tz=UTC).date())
    _Servicer.production = production
    sdk._PolicyAnalyzerServicer = _Servicer  # type: ignore[misc] # noqa: SLF001 the SDK has no other way in
    pulumi_policy.PolicyPack(
        NAME,
        policies=[_policy(rule, production=production) for rule in RULES.values()],
        description="What a stack of Headroom keeps: encryption, reachability, backups, alarms, cost.",
    )


def _policy(rule: Rule, *, production: bool) -> pulumi_policy.Policy:
    """What the engine is told of a rule. Its function is never called: the servicer judges."""
    kind = pulumi_policy.ResourceValidationPolicy if rule.check_stack is None else pulumi_policy.StackValidationPolicy
    return kind(
        rule.id,
        rule.demands,
        lambda *_: None,
        enforcement_level=_LEVELS.MANDATORY if rule.binding(production=production) else _LEVELS.ADVISORY,
        severity=_SEVERITIES[rule.severity],
        tags=list(rule.frameworks),
        remediation_steps=rule.remedy,
    )


class _Servicer(sdk._PolicyAnalyzerServicer):  # noqa: SLF001 its two calls are replaced
    """The SDK's own servicer, with one reading of each resource for all rules."""

    judge: Judge
    production: bool
    registered: ClassVar[dict[str, Resource]] = {}
    """What was registered so far, by URN."""
    waiting: ClassVar[set[tuple[str, str]]] = set()
    """Rules and resources of which a value is not known yet."""

    def Analyze(self, request: Any, _context: Any) -> Any:  # noqa: N802 the gRPC method's name
        """Judge one resource as it is registered, before anything is made of it."""
        if request.type.startswith(COMPONENTS):
            return self._answer(())
        one = self.registered[request.urn] = _resource(request)
        return self._answer(self.judge.resource(one))

    def AnalyzeStack(self, request: Any, _context: Any) -> Any:  # noqa: N802 the gRPC method's name
        """Judge the resources among each other, when the program has ended.

        The engine shows outputs here, and none at all in the preview of a cluster that does not exist yet: the inputs
        are those that were registered.
        """
        resources = []
        for one in request.resources:
            if one.type.startswith(COMPONENTS):
                continue
            sources = {name: tuple(found.urns) for name, found in one.propertyDependencies.items()}
            resources.append(replace(self.registered.get(one.urn) or _resource(one), sources=sources))
        if not any(one.type == "pulumi:pulumi:Stack" for one in resources):
            resources.insert(0, root(pulumi.get_stack()))
        response = self._answer(self.judge.between(Stack(resources, production=self.production)))
        if self.waiting:
            response.diagnostics.append(
                analyzer_pb2.AnalyzeDiagnostic(
                    policyName=NAME,
                    policyPackName=NAME,
                    message=f"{len(self.waiting)} checks wait for what only the update knows; it makes them first",
                    enforcementLevel=self._map_enforcement_level(_LEVELS.ADVISORY),
                )
            )
        return response

    def _answer(self, found: Iterable[Finding | Undecided]) -> Any:
        response = analyzer_pb2.AnalyzeResponse()
        policies = {policy.name: policy for policy in vars(self)[_POLICIES]}
        for one in found:
            level = self._get_enforcement_level(policies[one.rule.id])
            if level == _LEVELS.DISABLED:
                continue
            if isinstance(one, Undecided):
                self.waiting.add((one.rule.id, one.urn))
                continue
            if one.exemption is not None:  # shown all the same
                until = f"exempted until {one.exemption.expires}: {one.exemption.reason}"
                level, message = _LEVELS.ADVISORY, f"{one.text} ({until})"
            else:
                message = one.text
            response.diagnostics.append(
                analyzer_pb2.AnalyzeDiagnostic(
                    policyName=one.rule.id,
                    policyPackName=NAME,
                    message=message,
                    urn=one.urn,
                    description=one.rule.demands,
                    enforcementLevel=self._map_enforcement_level(level),
                    severity=self._map_severity(_SEVERITIES[one.rule.severity]),
                )
            )
        return response


def _resource(request: Any) -> Resource:
    options = request.options
    return Resource(
        urn=request.urn,
        type=request.type,
        name=request.name,
        props={name: _plain(value) for name, value in values.decode_struct(request.properties).items()},
        protect=options.protect,
        delete_first=options.deleteBeforeReplace,
    )


def _plain(value: Any) -> Any:
    """Secrets are as unknown to a rule as what only AWS knows."""
    if isinstance(value, dict):
        return {name: _plain(inside) for name, inside in value.items()}
    if isinstance(value, list):
        return [_plain(inside) for inside in value]
    return view.UNKNOWN if value is values.UNKNOWN or isinstance(value, values.Secret) else value
