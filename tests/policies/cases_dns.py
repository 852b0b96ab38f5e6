"""Rules about names and certificates."""

from __future__ import annotations

from policies.rules import dns
from tests.policies.cases import GONE, Case, made

BALANCER = "aws:lb/loadBalancer:LoadBalancer"
LATENCY = {
    "aliases": [{"name": "lb", "evaluateTargetHealth": False}],
    "healthCheckId": "check",
    "latencyRoutingPolicies": [{"region": "us-east-1"}],
}
CERTIFICATE = {"domainName": "example.com", "keyAlgorithm": "EC_prime256v1", "validationMethod": "DNS"}

CASES = [
    Case(
        rule="route53-alias-target",
        good=[
            made(dns.RECORD, "origin", LATENCY, sources={"aliases": [f"{BALANCER}::lb"]}),
            made(BALANCER, "lb"),
        ],
        path="@sources.aliases",
        broken=[(), GONE],
        absent="broken",
        unknown="fine",
        also=frozenset({"alb-behind-web-acl"}),
    ),
    Case(
        rule="route53-failover-checked",
        good=[made(dns.RECORD, "origin", LATENCY)],
        path="healthCheckId",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="acm-dns-validation",
        good=[made(dns.CERTIFICATE, "edge", CERTIFICATE)],
        path="validationMethod",
        broken=["EMAIL", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="acm-no-wildcard",
        good=[made(dns.CERTIFICATE, "edge", CERTIFICATE)],
        path="domainName",
        broken=["*.example.com"],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="acm-strong-key",
        good=[made(dns.CERTIFICATE, "edge", CERTIFICATE)],
        path="keyAlgorithm",
        broken=["RSA_1024"],
        absent="fine",
        unknown="undecided",
    ),
]
