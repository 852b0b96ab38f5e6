"""The firewall: rules that decide, measured and written down without what proves who somebody is.

Rules are read where they are typed. JSON in `ruleJson` is one text, unknown in a preview, in which the provider sees no
drift: a web ACL that has only that has no rules here (docs/decisions/0005-firewall-and-pods.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.rule import Level, Rules, Severity
from policies.view import Resource, Stack

RULES = Rules()
WEB_ACL = "aws:wafv2/webAcl:WebAcl"
LOGGING = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"

GROUP: Final = "statement.managedRuleGroupStatement"
KNOWN_BAD_INPUTS: Final = "AWSManagedRulesKnownBadInputsRuleSet"
"""Log4j's lookup among them."""
ANONYMOUS_IP: Final = "AWSManagedRulesAnonymousIpList"
PROOFS: Final = ("authorization", "cookie")
"""Headers that whoever reads them can use."""


@RULES.on(
    WEB_ACL,
    id="waf-rules-decide",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="A web ACL has rules, and every rule says what happens to what it matches.",
    remedy="give the web ACL rules, each with action, or overrideAction where it is a rule group",
    frameworks=("FSBP WAF.10", "Checkov CKV_AWS_175", "Checkov CKV_AWS_342"),
)
def rules_decide(one: Resource) -> Iterator[str]:
    """Typed rules; see above."""
    rules = one.items("rules")
    if not rules:
        yield "it has no rules"
    elif any(not rule.has("action") and not rule.has("overrideAction") for rule in rules):
        yield "a rule does not say what happens"


@RULES.on(
    WEB_ACL,
    id="waf-metrics",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="A web ACL and each of its rules count what they match.",
    remedy="set visibilityConfig.cloudwatchMetricsEnabled to true, in the web ACL and in all rules",
    frameworks=("FSBP WAF.12",),
)
def metrics(one: Resource) -> Iterator[str]:
    """The alarm on what is blocked needs them."""
    measured = "visibilityConfig.cloudwatchMetricsEnabled"
    if any(part.get(measured) is not True for part in (one, *one.items("rules"))):
        yield "something in it is not counted"


def _group(rule: Resource, name: str) -> bool:
    return bool(rule.get(f"{GROUP}.name") == name)


def _blocks(rule: Resource) -> bool:
    """Whether a rule group keeps its own actions, all of them."""
    overrides = rule.items(f"{GROUP}.ruleActionOverrides")
    return rule.get("overrideAction.none") is not None and not any(
        override.get("actionToUse.count") is not None or override.get("actionToUse.allow") is not None
        for override in overrides
    )


@RULES.on(
    WEB_ACL,
    id="waf-known-bad-inputs",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="A web ACL blocks inputs that are known to be attacks.",
    remedy="add AWSManagedRulesKnownBadInputsRuleSet with overrideAction none, and no rule of it overridden",
    frameworks=("Checkov CKV_AWS_192", "Checkov CKV2_AWS_47", "Checkov CKV2_AWS_76"),
)
def known_bad_inputs(one: Resource) -> Iterator[str]:
    """Counting them lets them in."""
    if not any(_group(rule, KNOWN_BAD_INPUTS) and _blocks(rule) for rule in one.items("rules")):
        yield "it lets known attacks in"


@RULES.on(
    WEB_ACL,
    id="waf-anonymous-addresses",
    severity=Severity.LOW,
    level=Level.PRODUCTION,
    demands="A web ACL tells requests from addresses that hide who asks.",
    remedy="add AWSManagedRulesAnonymousIpList",
    frameworks=("Checkov CKV2_AWS_47", "Checkov CKV2_AWS_76"),
)
def anonymous_addresses(one: Resource) -> Iterator[str]:
    """Counting is enough: it judges the address that connects, which is Cloudflare's for all requests.

    Blocked, one listed address of Cloudflare's would shut out a city (docs/decisions/0005-firewall-and-pods.md).
    """
    if not any(_group(rule, ANONYMOUS_IP) for rule in one.items("rules")):
        yield "it does not tell requests from hidden addresses"


@RULES.on(
    WEB_ACL,
    id="waf-rate-limit",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="A web ACL blocks who asks too often.",
    remedy="add a rule with a rateBasedStatement and action block",
)
def rate_limit(one: Resource) -> Iterator[str]:
    """By which address, and from how many on, the rule says."""
    if not any(
        rule.has("statement.rateBasedStatement") and rule.get("action.block") is not None for rule in one.items("rules")
    ):
        yield "nothing stops a flood"


@RULES.between(
    WEB_ACL,
    id="waf-logging",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="A web ACL writes down what it decided.",
    remedy="add a wafv2.WebAclLoggingConfiguration for the web ACL",
    frameworks=("FSBP WAF.11", "Checkov CKV2_AWS_31"),
)
def logging(one: Resource, stack: Stack) -> Iterator[str]:
    """A false alarm is found there."""
    logs = stack.users(one, LOGGING, of=("resourceArn",))
    if not any(log.has("logDestinationConfigs") for log in logs):
        yield "nobody sees later what it blocked"


@RULES.on(
    LOGGING,
    id="waf-log-redacted",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="A web ACL's log holds no header that proves who somebody is.",
    remedy="name authorization and cookie in redactedFields",
)
def log_redacted(one: Resource) -> Iterator[str]:
    """Whoever reads the log could otherwise be anybody in it."""
    redacted = [str(field.get("singleHeader.name")).lower() for field in one.items("redactedFields")]
    if any(header not in redacted for header in PROOFS):
        yield "its log holds tokens or cookies"
