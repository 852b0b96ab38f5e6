"""Cloudflare Workers in front of the API: allow-listed anonymous answers from Cloudflare's own data centres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import pulumi

from components.component import Component, DataClass, Site
from components.edge import Hosts
from components.raw import CloudflareResource

MODULE: Final = Path(__file__).with_name("functions") / "edge_cache.mjs"
COMPATIBILITY_DATE: Final = "2026-01-01"
"""The runtime behaves as on this day, whatever Cloudflare changes after it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EdgeWorkersArgs:
    """Where the worker runs.

    Attributes:
        hosts: the product's names; files are no business of the worker's.
        zone_id: Cloudflare's id of the product's zone.
        account_id: Cloudflare's id of the account: scripts belong to it, and routes to the zone.
        anonymous_api_paths: path patterns whose GETs are the same for everybody.
    """

    hosts: Hosts
    zone_id: pulumi.Input[str]
    account_id: pulumi.Input[str]
    anonymous_api_paths: Sequence[str]


class EdgeWorkers(Component):
    """One script, and a route for each host and path; no other request runs it, or pays for it.

    CloudFront caches the same answers behind it. The script subtracts the age that an answer arrives with, so both
    together keep nothing for longer than one of them may.
    """

    KIND: ClassVar[str] = "edge:EdgeWorkers"
    DATA_CLASS: ClassVar[DataClass] = "public"

    def __init__(
        self, name: str, site: Site, args: EdgeWorkersArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Create script and routes."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        script = self._create_script()
        for label, host in args.hosts.public.items():
            if host == args.hosts.cdn:
                continue
            for path in args.anonymous_api_paths:
                if can_route(path):
                    self._create_route(f"{name}-{label}{path}", f"{host}{path}", script)
        self.register_outputs({})

    def _create_script(self) -> CloudflareResource:
        properties: Mapping[str, Any] = {
            "accountId": self._args.account_id,
            "scriptName": self.site.names.of("worker_script", self._name),
            "content": MODULE.read_text(encoding="utf-8"),
            "mainModule": MODULE.name,
            "compatibilityDate": COMPATIBILITY_DATE,
        }
        return CloudflareResource("WorkersScript", self._name, properties, self.child())

    def _create_route(self, name: str, pattern: str, script: CloudflareResource) -> None:
        properties = {
            "zoneId": self._args.zone_id,
            "pattern": pattern,
            "script": self.site.names.of("worker_script", self._name),
        }
        CloudflareResource("WorkersRoute", name, properties, self.child(depends_on=[script]))


def can_route(path: str) -> bool:
    """Whether a route can say it: `*` stands at the end or nowhere. CloudFront alone caches the others.

    https://developers.cloudflare.com/workers/configuration/routing/routes/#matching-behavior
    """
    return "*" not in path.removesuffix("*")
