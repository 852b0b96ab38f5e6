"""What the parts of the edge share: names, one path, one region."""

from __future__ import annotations

from dataclasses import dataclass

EDGE_REGION = "us-east-1"
"""Where CloudFront's certificates, web ACLs, logs and metrics live, and Route 53's metrics."""
HEALTH_PATH = "/health"
"""Answers 200 while the application runs; never cached."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """Names of the product under its domain."""

    domain: str

    @property
    def origin(self) -> str:
        """The load balancers; only CloudFront asks for it."""
        return f"origin.{self.domain}"

    @property
    def www(self) -> str:
        """Pages, like the domain itself."""
        return f"www.{self.domain}"

    @property
    def api(self) -> str:
        """The API, for programs."""
        return f"api.{self.domain}"

    @property
    def cdn(self) -> str:
        """Public files."""
        return f"cdn.{self.domain}"

    @property
    def partners(self) -> str:
        """The API for integrators, and where webhooks come in."""
        return f"partners.{self.domain}"

    @property
    def public(self) -> dict[str, str]:
        """What visitors type, by label; the distribution's aliases."""
        return {"apex": self.domain, "www": self.www, "api": self.api, "cdn": self.cdn}


def require_edge_region(region: str, what: str) -> None:
    """Refuse a site elsewhere: AWS would take the resource, and nothing would ever use it.

    Raises:
        ValueError: `region` is another.
    """
    if region != EDGE_REGION:
        msg = f"{what} must stand in {EDGE_REGION}, not in {region}"
        raise ValueError(msg)
