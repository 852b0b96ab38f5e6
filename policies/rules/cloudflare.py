"""The product's zone at Cloudflare: TLS all the way, names that go through the proxy, and a cap on floods.

DNSSEC, SPF, DMARC and CAA are not judged: the zone is its owner's, and a stack would take them over. HSTS is
CloudFront's. Cloudflare's managed rules take a paid plan; the firewall at CloudFront has managed rules in every phase.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Final

from policies.rule import Level, Rules, Severity
from policies.view import Resource, Stack

RULES = Rules()
DNS_RECORD: Final = "cloudflare:index/dnsRecord:DnsRecord"
RULESET: Final = "cloudflare:index/ruleset:Ruleset"
ZONE_SETTING: Final = "cloudflare:index/zoneSetting:ZoneSetting"
DISTRIBUTION: Final = "aws:cloudfront/distribution:Distribution"

SETTINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "always_use_https": ("on",),
    "min_tls_version": ("1.2", "1.3"),
    "ssl": ("strict", "origin_pull"),
    "tls_1_3": ("on", "zrt"),
}
"""What each setting of a zone may be. https://developers.cloudflare.com/api/resources/zones/subresources/settings/"""
_STOPS: Final = ("block", "challenge", "js_challenge", "managed_challenge")
_INTERNAL: Final = (".internal", ".local", ".localhost", ".lan")


@RULES.on(
    ZONE_SETTING,
    id="cloudflare-zone-tls",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Visitors speak TLS 1.2 or later with Cloudflare, which believes only valid certificates behind it.",
    remedy="set ssl to strict, min_tls_version to 1.2, always_use_https and tls_1_3 to on",
)
def zone_tls(one: Resource) -> Iterator[str]:
    """With `full`, whoever stands between Cloudflare and CloudFront reads everything with a certificate of his own."""
    setting = one.get("settingId")
    allowed = SETTINGS.get(setting) if isinstance(setting, str) else None
    if allowed is not None and one.get("value") not in allowed:
        yield f"{setting} must be {' or '.join(allowed)}"


@RULES.between(
    DNS_RECORD,
    id="cloudflare-zone-settings",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="The stack sets how TLS works in each zone that it puts proxied names into.",
    remedy=f"add zone settings for the record's zoneId: {', '.join(SETTINGS)}",
)
def zone_settings(one: Resource, stack: Stack) -> Iterator[str]:
    """Cloudflare's own defaults still take TLS 1.0 and trust any certificate."""
    if one.get("proxied") is not True:
        return
    zone = one.get("zoneId")
    found = [it.get("settingId") for it in stack.all(ZONE_SETTING) if zone is not None and it.get("zoneId") == zone]
    missing = [name for name in SETTINGS if name not in found]
    if missing:
        yield f"its zone leaves {', '.join(missing)} to chance"


@RULES.between(
    DNS_RECORD,
    id="cloudflare-rate-limit",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="A rate limit stops floods in each zone with proxied names.",
    remedy="add a Ruleset of phase http_ratelimit for the record's zoneId with an enabled rule that blocks",
)
def rate_limit(one: Resource, stack: Stack) -> Iterator[str]:
    """What Cloudflare stops costs nothing; what CloudFront stops is paid for."""
    if one.get("proxied") is not True:
        return
    zone = one.get("zoneId")
    if not any(
        rule.get("enabled", True) is True and rule.get("action") in _STOPS and rule.has("ratelimit")
        for ruleset in stack.all(RULESET)
        if zone is not None and ruleset.get("zoneId") == zone and ruleset.get("phase") == "http_ratelimit"
        for rule in ruleset.items("rules")
    ):
        yield "no rule of its zone stops a flood"


@RULES.between(
    DNS_RECORD,
    id="cloudflare-web-proxied",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="Every name of CloudFront's goes through Cloudflare's proxy.",
    remedy="set proxied to true",
)
def web_proxied(one: Resource, stack: Stack) -> Iterator[str]:
    """A name beside the proxy has no rate limit, and shows where to go around it."""
    if any(it.type == DISTRIBUTION for it in stack.behind(one, "content")) and one.get("proxied") is not True:
        yield "visitors reach CloudFront beside the proxy"


@RULES.on(
    DNS_RECORD,
    id="cloudflare-no-wildcard",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="No record answers for every name.",
    remedy="write a record for each name",
)
def no_wildcard(one: Resource) -> Iterator[str]:
    """Names that nobody made would answer, also those of a phishing mail."""
    if str(one.get("name")).startswith("*"):
        yield "it answers for every name below"


@RULES.on(
    DNS_RECORD,
    id="cloudflare-no-internal-address",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Public DNS tells nobody an internal address or name.",
    remedy="keep internal names in a private zone",
)
def no_internal_address(one: Resource) -> Iterator[str]:
    """It shows how the network is made, and the next machine at that address in another network gets the visitors."""
    content = str(one.get("content"))
    if content.rstrip(".").endswith(_INTERNAL) or _is_private(content):
        yield "its content is internal"


def _is_private(content: str) -> bool:
    try:
        return not ip_address(content).is_global
    except ValueError:
        return False
