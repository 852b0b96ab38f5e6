"""The API gateway for partners: one way in, TLS on both sides, quotas, a log without people, and alarms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.rule import Level, Rules, Severity
from policies.rules.logs import watched
from policies.view import Resource, Stack

RULES = Rules()
API = "aws:apigatewayv2/api:Api"
DOMAIN = "aws:apigatewayv2/domainName:DomainName"
INTEGRATION = "aws:apigatewayv2/integration:Integration"
STAGE = "aws:apigatewayv2/stage:Stage"
MAPPING = "aws:apigatewayv2/apiMapping:ApiMapping"

PEOPLE: Final = ("$context.authorizer.", "$context.identity.", "$context.path")
"""Variables of the access log that can say who asked, or about whom."""


@RULES.between(
    API,
    id="apigateway-one-way-in",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="An API with a name of its own answers under no other.",
    remedy="set disableExecuteApiEndpoint to true",
)
def one_way_in(one: Resource, stack: Stack) -> Iterator[str]:
    """A second name is a second way in, which neither our DNS nor our certificate can close."""
    if stack.users(one, MAPPING, of=("apiId",)) and one.get("disableExecuteApiEndpoint") is not True:
        yield "it answers under AWS's name too"


@RULES.on(
    DOMAIN,
    id="apigateway-tls-policy",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Callers need TLS 1.2.",
    remedy="set domainNameConfiguration.securityPolicy to TLS_1_2",
)
def tls_policy(one: Resource) -> Iterator[str]:
    """HTTP APIs know no other, REST APIs do."""
    if one.get("domainNameConfiguration.securityPolicy") != "TLS_1_2":
        yield "it takes TLS before 1.2"


@RULES.on(
    INTEGRATION,
    id="apigateway-integration-tls",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="An API asks what is behind it over TLS, and checks its certificate.",
    remedy="set tlsConfig.serverNameToVerify to the name in the certificate, or an https address as integrationUri",
)
def integration_tls(one: Resource) -> Iterator[str]:
    """Through a VPC link TLS is spoken where a name to check is given, otherwise plain HTTP.

    https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations-integrationid.html
    """
    if not str(one.get("integrationType")).startswith("HTTP"):
        return
    if one.get("connectionType") == "VPC_LINK":
        if not one.has("tlsConfig.serverNameToVerify"):
            yield "it asks the load balancer without TLS"
    elif not str(one.get("integrationUri")).startswith("https://"):
        yield "it asks a server without TLS"


@RULES.on(
    STAGE,
    id="apigateway-access-logs",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="A stage writes down every request.",
    remedy="set accessLogSettings with a destinationArn",
    frameworks=("FSBP APIGateway.9", "Checkov CKV_AWS_76"),
)
def access_logs(one: Resource) -> Iterator[str]:
    """What is written is the next rule's."""
    if not one.has("accessLogSettings.destinationArn"):
        yield "nobody sees later who asked what"


@RULES.on(
    STAGE,
    id="apigateway-log-without-people",
    severity=Severity.MEDIUM,
    level=Level.ADVISORY,
    demands="The access log names no caller and no path: a path can name a person.",
    remedy="take $context.identity, $context.authorizer and $context.path out of accessLogSettings.format",
)
def log_without_people(one: Resource) -> Iterator[str]:
    """The application logs both where it must, under its own rules (docs/decisions/0006-api-gateway.md)."""
    text = str(one.get("accessLogSettings.format"))
    if any(variable in text for variable in PEOPLE):
        yield "its access log says who asked"


@RULES.on(
    STAGE,
    id="apigateway-quota",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Every route of an API has a quota.",
    remedy="set throttlingRateLimit and throttlingBurstLimit in routeSettings, or in defaultRouteSettings",
)
def quota(one: Resource) -> Iterator[str]:
    """Without one a caller has the account's: 10,000 requests a second (docs/decisions/0006-api-gateway.md)."""
    settings = [*one.items("routeSettings"), *one.items("defaultRouteSettings")]
    if not settings or any(not route.get("throttlingRateLimit") for route in settings):
        yield "one caller can starve the others"


@RULES.between(
    API,
    id="apigateway-alarms",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="Somebody hears of an API's 5xx and of its latency.",
    remedy="add alarms on its 5xx and Latency",
)
def alarms(one: Resource, stack: Stack) -> Iterator[str]:
    """As HTTP APIs call them."""
    missing = {"5xx", "Latency"} - watched(one, stack)
    if missing:
        yield f"no alarm is on its {' and '.join(sorted(missing))}"
