"""Rules about search."""

from __future__ import annotations

from policies.related import ALARM
from policies.rules.opensearch import DOMAIN, LOGS, METRICS, TLS_POLICY
from policies.view import Resource
from tests.policies.cases import GONE, Case, made


def alarm(metric: str) -> Resource:
    props = {"region": "us-east-1", "metricName": metric, "dimensions": {"DomainName": "search"}}
    return made(ALARM, metric, props, sources={"dimensions": [f"{DOMAIN}::search"]})


CASES = [
    Case(
        rule="opensearch-encrypted-at-rest",
        good=[made(DOMAIN, "search", {"encryptAtRest": {"enabled": True, "kmsKeyId": "key"}})],
        path="encryptAtRest.enabled",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
        shipped_path="encryptAtRest.kmsKeyId",
        shipped_value="",
    ),
    Case(
        rule="opensearch-nodes-encrypted",
        good=[made(DOMAIN, "search", {"nodeToNodeEncryption": {"enabled": True}})],
        path="nodeToNodeEncryption.enabled",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="opensearch-tls",
        good=[
            made(DOMAIN, "search", {"domainEndpointOptions": {"enforceHttps": True, "tlsSecurityPolicy": TLS_POLICY}})
        ],
        path="domainEndpointOptions.tlsSecurityPolicy",
        broken=["Policy-Min-TLS-1-0-2019-07", GONE],
        absent="broken",
        unknown="undecided",
        shipped_path="domainEndpointOptions.enforceHttps",
        shipped_value=False,
    ),
    Case(
        rule="opensearch-private",
        good=[made(DOMAIN, "search", {"vpcOptions": {"subnetIds": ["a", "b", "c"]}})],
        path="vpcOptions",
        broken=[{}, GONE],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="opensearch-access-control",
        good=[made(DOMAIN, "search", {"advancedSecurityOptions": {"enabled": True}})],
        path="advancedSecurityOptions.enabled",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="opensearch-three-zones",
        good=[
            made(
                DOMAIN,
                "search",
                {
                    "clusterConfig": {
                        "instanceCount": 3,
                        "zoneAwarenessEnabled": True,
                        "zoneAwarenessConfig": {"availabilityZoneCount": 3},
                    }
                },
            )
        ],
        path="clusterConfig.instanceCount",
        broken=[2, GONE],
        absent="broken",
        unknown="undecided",
        shipped_path="clusterConfig.zoneAwarenessConfig.availabilityZoneCount",
        shipped_value=2,
    ),
    Case(
        rule="opensearch-logged",
        good=[made(DOMAIN, "search", {"logPublishingOptions": [{"logType": log, "enabled": True} for log in LOGS]})],
        path="logPublishingOptions",
        broken=[[], [{"logType": log, "enabled": False} for log in LOGS], GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="opensearch-alarms",
        good=[made(DOMAIN, "search", {"domainName": "search", "region": "us-east-1"}), *map(alarm, METRICS)],
        path="domainName",
        broken=["other"],
        absent="fine",
        unknown="fine",
    ),
]
