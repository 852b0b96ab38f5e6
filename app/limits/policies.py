"""Which rules hold where.

In layers, of which the strictest wins:

- 10,000 a minute an address: WAF, before anything gets here;
- without a user: reads 100 a minute, writes 50 in 15 minutes, by address;
- with one: the tier's quota in 15 minutes, which cheap cached reads do not count against, and 1,000 a minute at most;
- what a route adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.limits.rules import Rule, Subject, address, user

_MINUTE, _QUARTER, _HOUR = 60, 900, 3_600

PUBLIC_READS = Rule("public-reads", 100, _MINUTE, "ip")
ANONYMOUS_WRITES = Rule("anonymous-writes", 50, _QUARTER, "ip")
BURST = Rule("burst", 1_000, _MINUTE, "user")
QUOTAS = tuple(Rule(f"quota-{limit}", limit, _QUARTER, "user") for limit in (300, 300, 300, 500, 500, 1_000))
"""By tier, 0 (free) to 5. A change of tier changes the counter, so an upgrade helps at once."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Identity(NamedTuple):
    """Who asks: a user's id, and the tier that counts now."""

    user_id: str
    tier: int


class Check(NamedTuple):
    """Rules of one subject, decided together: if one denies, none counts."""

    subject: Subject
    rules: Sequence[Rule]


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What holds on a route beside the layers.

    Attributes:
        name: for metrics.
        rules: further ones, by user or address.
        counts_quota: whether a request counts against the tier's quota.
        counts_anonymous: whether one without a user counts against the layer's limit of its address.
        fails_closed: without Redis nobody gets in; for whatever can be guessed.
    """

    name: str
    rules: tuple[Rule, ...] = ()
    counts_quota: bool = True
    counts_anonymous: bool = True
    fails_closed: bool = False

    def checks(self, identity: Identity | None, host: str, method: str) -> list[Check]:
        """What to decide for a request."""
        by_user, by_address = [], [rule for rule in self.rules if rule.by == "ip"]
        if identity is None and self.counts_anonymous:
            by_address.append(PUBLIC_READS if method in SAFE_METHODS else ANONYMOUS_WRITES)
        if identity is not None:
            by_user = [BURST, *(rule for rule in self.rules if rule.by == "user")]
            if self.counts_quota:
                by_user.append(QUOTAS[max(0, min(identity.tier, len(QUOTAS) - 1))])
        checks = [Check(address(host), by_address)] if by_address else []
        return [Check(user(identity.user_id), by_user), *checks] if identity else checks


@dataclass(frozen=True, slots=True)
class Exemption:
    """No limit, and why."""

    reason: str


STANDARD = Policy(name="standard")
"""Also of paths that no route has."""
CACHED_READ = Policy(name="cached-read", counts_quota=False)
"""Privilege checks and the like: under the smallest quota a page could ask for 20 a minute."""
AUTH = Policy(name="auth", rules=(Rule("auth", 5, _MINUTE, "ip"),), fails_closed=True)
"""Log in, sign up, second factor, reset; the route also takes `AUTH_ACCOUNT`."""
REFRESH = Policy(name="refresh", rules=(Rule("refresh", 300, _QUARTER, "ip"),), counts_anonymous=False)
"""Each browser asks once in 15 minutes, without a user as its access token is over; an office has one address."""
NEWSLETTER = Policy(name="newsletter", rules=(Rule("newsletter", 1, _HOUR, "ip"),))
"""Subscribe; the route also takes `NEWSLETTER_ACCOUNT`."""
AI = Policy(name="ai", rules=(Rule("ai", 20, _MINUTE, "user"),))
EMAIL = Policy(name="email", rules=(Rule("email", 50, _MINUTE, "user"),))
VIDEO_UPLOAD = Policy(name="video-upload", rules=(Rule("video-upload", 10, _HOUR, "user"),))

AUTH_ACCOUNT = Rule("auth", 5, _MINUTE, "account")
NEWSLETTER_ACCOUNT = Rule("newsletter", 1, _HOUR, "account")
"""The account is in the body, which no middleware reads: `limiter.check([Check(account(email), [...])], ...)`."""

POLICIES = (STANDARD, CACHED_READ, AUTH, REFRESH, NEWSLETTER, AI, EMAIL, VIDEO_UPLOAD)

ROUTES: dict[str, Policy | Exemption] = {
    "GET /health": Exemption("the load balancer, DNS and the kubelet ask it every few seconds"),
    "GET /ready": Exemption("the kubelet asks it every few seconds; it answers no proxied request"),
    "GET /metrics": Exemption("the collector asks it; it answers no proxied request"),
}
"""Of the routes that every role has. The other parts name their own as `LIMITS`; `WEBSOCKET` is a socket's method."""
