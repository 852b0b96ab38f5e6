"""Rules about mail."""

from __future__ import annotations

from policies.rules import ses
from policies.rules.cloudflare import DNS_RECORD
from tests.policies.cases import GONE, PREFIX, Case, made

SET = {
    "configurationSetName": "mail",
    "deliveryOptions": {"tlsPolicy": "REQUIRE"},
    "suppressionOptions": {"suppressedReasons": ["BOUNCE", "COMPLAINT"]},
}
FEEDBACK = {
    "configurationSetName": "mail",
    "eventDestination": {"enabled": True, "matchingEventTypes": ["BOUNCE", "COMPLAINT"]},
}
DOMAIN = {"emailIdentity": "example.com", "configurationSetName": "mail"}

CASES = [
    Case(
        rule="ses-tls-required",
        good=[made(ses.CONFIGURATION_SET, "mail", SET)],
        path="deliveryOptions.tlsPolicy",
        broken=["OPTIONAL", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="ses-suppression",
        good=[made(ses.CONFIGURATION_SET, "mail", SET)],
        path="suppressionOptions.suppressedReasons",
        broken=[["BOUNCE"], [], GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="ses-feedback-heard",
        good=[made(ses.CONFIGURATION_SET, "mail", SET), made(ses.DESTINATION, "feedback", FEEDBACK)],
        path="configurationSetName",
        broken=["letters", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="ses-identity-configured",
        good=[made(ses.IDENTITY, "mail", DOMAIN)],
        path="configurationSetName",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="ses-dkim-records",
        good=[
            made(ses.IDENTITY, "mail", DOMAIN),
            *(made(DNS_RECORD, f"dkim-{key}", sources={"content": [f"{ses.IDENTITY}::mail"]}) for key in range(3)),
        ],
        path="@urn",
        broken=[f"{PREFIX}another"],
        absent="broken",
        unknown="fine",
    ),
]
