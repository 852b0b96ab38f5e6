"""Mail: only by TLS, signed, and not again to those who complained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.rule import Level, Rules, Severity
from policies.rules.cloudflare import DNS_RECORD
from policies.view import Resource, Stack, each

RULES = Rules()
CONFIGURATION_SET: Final = "aws:sesv2/configurationSet:ConfigurationSet"
DESTINATION: Final = "aws:sesv2/configurationSetEventDestination:ConfigurationSetEventDestination"
IDENTITY: Final = "aws:sesv2/emailIdentity:EmailIdentity"
REASONS: Final = ("BOUNCE", "COMPLAINT")
DKIM_RECORDS: Final = 3
"""SES rotates among three keys."""


@RULES.on(
    CONFIGURATION_SET,
    id="ses-tls-required",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Mail leaves by TLS or not at all.",
    remedy="set deliveryOptions.tlsPolicy to REQUIRE",
)
def tls_required(one: Resource) -> Iterator[str]:
    """By default SES falls back to plain text.

    https://docs.aws.amazon.com/ses/latest/dg/data-protection.html
    """
    if one.get("deliveryOptions.tlsPolicy") != "REQUIRE":
        yield "mail may leave as plain text"


@RULES.on(
    CONFIGURATION_SET,
    id="ses-suppression",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Nobody who bounced or complained is written to again.",
    remedy="set suppressionOptions.suppressedReasons to BOUNCE and COMPLAINT",
)
def suppression(one: Resource) -> Iterator[str]:
    """SES pauses an account whose mail comes back too often."""
    reasons = each(one, "suppressionOptions.suppressedReasons")
    if any(reason not in reasons for reason in REASONS):
        yield "addresses that bounced or complained are written to again"


@RULES.between(
    CONFIGURATION_SET,
    id="ses-feedback-heard",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="The product hears of every bounce and complaint.",
    remedy="add an enabled event destination with BOUNCE and COMPLAINT for its configurationSetName",
)
def feedback_heard(one: Resource, stack: Stack) -> Iterator[str]:
    """The suppression list keeps mail from being sent; only an event tells who has to be told."""
    name = one.get("configurationSetName")
    heard = [
        reason
        for destination in stack.all(DESTINATION)
        if name is not None and destination.get("configurationSetName") == name
        for events in destination.items("eventDestination")
        if events.get("enabled") is True
        for reason in each(events, "matchingEventTypes")
    ]
    if any(reason not in heard for reason in REASONS):
        yield "bounces or complaints are sent nowhere"


@RULES.on(
    IDENTITY,
    id="ses-identity-configured",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Every message of a domain is sent by the rules of a configuration set.",
    remedy="set configurationSetName to the default of the identity's messages",
)
def identity_configured(one: Resource) -> Iterator[str]:
    """A sender who names none would otherwise send without TLS, and nobody would hear of bounces."""
    if not one.has("configurationSetName"):
        yield "messages that name no configuration set are sent without its rules"


@RULES.between(
    IDENTITY,
    id="ses-dkim-records",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="Mail of every domain is signed, and receivers find the keys.",
    remedy="add the three DKIM records of dkimSigningAttributes.tokens to the domain's zone",
)
def dkim_records(one: Resource, stack: Stack) -> Iterator[str]:
    """SPF and DMARC are the domain owner's: all senders of a domain share them, and a stack would take them over."""
    if "@" in str(one.get("emailIdentity")):
        return
    records = {record.urn for record in stack.users(one, DNS_RECORD, of=["name", "content"])}
    if len(records) < DKIM_RECORDS:
        yield "its DKIM records are not in the zone"
