"""Rules about the product's zone."""

from __future__ import annotations

from policies.rules import cloudflare
from tests.policies.cases import GONE, Case, made

RECORD = {"name": "example.com", "proxied": True, "zoneId": "zone", "content": "d1.cloudfront.net"}
SETTINGS = [
    made(cloudflare.ZONE_SETTING, name, {"settingId": name, "value": allowed[0], "zoneId": "zone"})
    for name, allowed in cloudflare.SETTINGS.items()
]
LIMIT = {"action": "block", "enabled": True, "ratelimit": {"period": 10}}

CASES = [
    Case(
        rule="cloudflare-zone-tls",
        good=[made(cloudflare.ZONE_SETTING, "ssl", {"settingId": "ssl", "value": "strict"})],
        path="value",
        broken=["full", "flexible", GONE],
        absent="broken",
        unknown="undecided",
        shipped="cloudflare-ssl",
    ),
    Case(
        rule="cloudflare-zone-settings",
        good=[made(cloudflare.DNS_RECORD, "apex", RECORD), *SETTINGS],
        path="zoneId",
        broken=["another", GONE],
        absent="broken",
        unknown="undecided",
        also=frozenset({"cloudflare-rate-limit"}),
    ),
    Case(
        rule="cloudflare-rate-limit",
        good=[
            made(cloudflare.DNS_RECORD, "apex", RECORD),
            made(cloudflare.RULESET, "flood", {"zoneId": "zone", "phase": "http_ratelimit", "rules": [LIMIT]}),
        ],
        path="zoneId",
        broken=["another", GONE],
        absent="broken",
        unknown="undecided",
        also=frozenset({"cloudflare-zone-settings"}),
    ),
    Case(
        rule="cloudflare-web-proxied",
        good=[
            made(cloudflare.DNS_RECORD, "apex", RECORD, sources={"content": [f"{cloudflare.DISTRIBUTION}::cdn"]}),
            made(cloudflare.DISTRIBUTION, "cdn"),
        ],
        path="proxied",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="cloudflare-no-wildcard",
        good=[made(cloudflare.DNS_RECORD, "apex", RECORD)],
        path="name",
        broken=["*.example.com", "*"],
        absent="fine",
        unknown="undecided",
    ),
    Case(
        rule="cloudflare-no-internal-address",
        good=[made(cloudflare.DNS_RECORD, "apex", RECORD)],
        path="content",
        broken=["10.0.0.1", "fd00::1", "169.254.1.1", "db.local.", "api.internal"],
        absent="fine",
        unknown="undecided",
    ),
]
