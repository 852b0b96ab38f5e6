"""Cloudflare, the first that a visitor meets: names, TLS, cache and a rate limit. Everything works on the free plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pulumi

from components.component import Component, DataClass, Site
from components.edge import Hosts
from components.firewall import FLOOD_REQUESTS, FLOOD_WINDOW_SECONDS
from components.raw import dns_record, ruleset, tiered_cache, zone_setting

SETTINGS: Mapping[str, str] = {
    "always_use_https": "on",
    "automatic_https_rewrites": "on",
    "http3": "on",
    "min_tls_version": "1.2",
    "ssl": "strict",
    "tls_1_3": "on",
    "websockets": "on",
}
"""HSTS is not among them: CloudFront sends it, and one place decides."""
RATE_PERIOD_SECONDS = 10
"""The free plan has one rule, 10 s to count and 10 s to block.
Source: https://developers.cloudflare.com/waf/rate-limiting-rules/#availability"""


@dataclass(frozen=True, kw_only=True, slots=True)
class CloudflareEdgeArgs:
    """The product's names, their zone, and the distribution that answers for them.

    `image_resizing` says that CloudFront keeps a copy of `/img/*` for each format that browsers accept.
    """

    hosts: Hosts
    zone_id: pulumi.Input[str]
    distribution_domain_name: pulumi.Input[str]
    image_resizing: bool = False


class CloudflareEdge(Component):
    """Proxied names, zone settings, tiered cache, cache rules and the rate limit of the product's zone.

    The zone itself is the user's, since a domain is moved by hand. Its rules of the two phases
    below belong to this program: a phase of a zone has exactly one ruleset.
    """

    KIND: ClassVar[str] = "edge:CloudflareEdge"
    DATA_CLASS: ClassVar[DataClass] = "public"

    def __init__(
        self, name: str, site: Site, args: CloudflareEdgeArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Create the names and rules."""
        super().__init__(name, site, opts)
        self._name = name
        self._args = args
        self._create_names()
        self._create_settings()
        self._create_cache_rules()
        self._create_rate_limit()
        self.register_outputs({})

    def _create_names(self) -> None:
        """Proxied. Cloudflare asks CloudFront for the visitor's host, by SNI and Host, which is an alias there."""
        for label, host in self._args.hosts.public.items():
            dns_record(
                f"{self._name}-{label}",
                zone_id=self._args.zone_id,
                host=host,
                kind="CNAME",
                content=self._args.distribution_domain_name,
                proxied=True,
                comment="CloudFront",
                opts=self.child(),
            )

    def _create_settings(self) -> None:
        for setting, value in SETTINGS.items():
            zone_setting(
                f"{self._name}-{setting.replace('_', '-')}",
                zone_id=self._args.zone_id,
                setting=setting,
                value=value,
                opts=self.child(),
            )
        tiered_cache(f"{self._name}-tiered-cache", zone_id=self._args.zone_id, opts=self.child())

    def _create_cache_rules(self) -> None:
        """The API is cached in CloudFront or nowhere. The last rule that matches decides."""
        ruleset(
            f"{self._name}-cache",
            zone_id=self._args.zone_id,
            title="Headroom cache rules",
            phase="http_request_cache_settings",
            rules=[
                _rule(
                    "files",
                    "Public files: as long as the origin says, failures not at all",
                    _paths("/assets/", "/static/", "/media/"),
                    "set_cache_settings",
                    actionParameters={
                        "cache": True,
                        "edgeTtl": {
                            "mode": "respect_origin",
                            # A file that is not there yet must not stay missing: -1 is no-store.
                            "statusCodeTtls": [{"statusCodeRange": {"from": 400, "to": 599}, "value": -1}],
                        },
                        "browserTtl": {"mode": "respect_origin"},
                    },
                ),
                *([_IMAGES] if self._args.image_resizing else []),
                _rule(
                    "api",
                    "API and WebSockets: never",
                    _paths("/api/", "/ws"),
                    "set_cache_settings",
                    actionParameters={"cache": False},
                ),
            ],
            opts=self.child(),
        )

    def _create_rate_limit(self) -> None:
        """The flood cap of the firewall over a shorter time, by address and data centre."""
        ruleset(
            f"{self._name}-rate-limit",
            zone_id=self._args.zone_id,
            title="Headroom rate limit",
            phase="http_ratelimit",
            rules=[
                _rule(
                    "flood",
                    "No address floods the API",
                    _paths("/api/"),
                    "block",
                    ratelimit={
                        "characteristics": ["cf.colo.id", "ip.src"],
                        "period": RATE_PERIOD_SECONDS,
                        "requestsPerPeriod": FLOOD_REQUESTS * RATE_PERIOD_SECONDS // FLOOD_WINDOW_SECONDS,
                        "mitigationTimeout": RATE_PERIOD_SECONDS,
                    },
                )
            ],
            opts=self.child(),
        )


def _rule(ref: str, description: str, expression: str, action: str, **details: Any) -> dict[str, Any]:
    """One rule; `ref` is what it is recognised by when another is put before it."""
    return {
        "ref": ref,
        "description": description,
        "expression": expression,
        "action": action,
        "enabled": True,
        **details,
    }


def _paths(*prefixes: str) -> str:
    return " or ".join(f'starts_with(http.request.uri.path, "{prefix}")' for prefix in prefixes)


_IMAGES = _rule(
    "images",
    "Resized images: never, since Cloudflare would give all browsers the format of the first",
    _paths("/img/"),
    "set_cache_settings",
    actionParameters={"cache": False},
)
"""Cloudflare caches by extension and heeds `Vary: Accept` on paid plans only.
https://developers.cloudflare.com/cache/advanced-configuration/vary-for-images/"""
