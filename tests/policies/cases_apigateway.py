"""Rules about the API gateway."""

from __future__ import annotations

from policies.rules import apigateway
from policies.rules.logs import ALARM
from tests.policies.cases import GONE, PREFIX, Case, made

OF_IT = f"{apigateway.API}::partners"
LINKED = {
    "connectionType": "VPC_LINK",
    "integrationType": "HTTP_PROXY",
    "integrationUri": "arn",
    "tlsConfig": {"serverNameToVerify": "origin.example.com"},
}
STAGE = {
    "accessLogSettings": {"destinationArn": "arn", "format": '{"status": "$context.status"}'},
    "routeSettings": [{"routeKey": "ANY /api/{proxy+}", "throttlingRateLimit": 200, "throttlingBurstLimit": 400}],
}

CASES = [
    Case(
        rule="apigateway-one-way-in",
        good=[
            made(apigateway.API, "partners", {"disableExecuteApiEndpoint": True}),
            made(apigateway.MAPPING, "partners", sources={"apiId": [OF_IT]}),
        ],
        path="disableExecuteApiEndpoint",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="apigateway-tls-policy",
        good=[made(apigateway.DOMAIN, "partners", {"domainNameConfiguration": {"securityPolicy": "TLS_1_2"}})],
        path="domainNameConfiguration.securityPolicy",
        broken=["TLS_1_0", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="apigateway-integration-tls",
        good=[made(apigateway.INTEGRATION, "partners", LINKED)],
        path="tlsConfig",
        broken=[GONE, {}],
        absent="broken",
        unknown="fine",
        shipped_path="tlsConfig.serverNameToVerify",
        shipped_value="",
    ),
    Case(
        rule="apigateway-access-logs",
        good=[made(apigateway.STAGE, "partners", STAGE)],
        path="accessLogSettings.destinationArn",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="apigateway-log-without-people",
        good=[made(apigateway.STAGE, "partners", STAGE)],
        path="accessLogSettings.format",
        broken=['{"ip": "$context.identity.sourceIp"}', '{"path": "$context.path"}'],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="apigateway-quota",
        good=[made(apigateway.STAGE, "partners", STAGE)],
        path="routeSettings.0.throttlingRateLimit",
        broken=[GONE, 0],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="apigateway-alarms",
        good=[
            made(apigateway.API, "partners"),
            *(
                made(ALARM, metric, {"alarmActions": ["arn"], "metricName": metric}, sources={"dimensions": [OF_IT]})
                for metric in ("5xx", "Latency")
            ),
        ],
        path="@urn",
        broken=[f"{PREFIX}nobodys"],
        absent="broken",
        unknown="fine",
    ),
]
