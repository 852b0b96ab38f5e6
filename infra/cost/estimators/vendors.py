"""What other vendors are paid: Cloudflare's plan and Workers, the error tracker, the pager."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from infra.cost.model import Charge, Estimator, Free, Item, Scene, Unpriced
from infra.cost.usage import Usage
from infra.plan import PlannedResource

SCRIPT: Final = "cloudflare:index/workersScript:WorkersScript"
ROUTE: Final = "cloudflare:index/workersRoute:WorkersRoute"
MILLION: Final = Decimal(1_000_000)


def worker(resource: PlannedResource, scene: Scene) -> Iterator[Item]:
    """Workers Paid, once an account, and the requests on the routes; without a route no request runs the script.

    The 30 million CPU milliseconds that are included are taken to be enough: a script that asks a cache needs less
    than one a request.
    """
    del resource
    if not scene.count(ROUTE):
        yield Free(why="no route leads to it: Cloudflare's free Workers plan holds it")
        return
    count = scene.count(SCRIPT)
    usage = scene.usage
    requests = usage.requests * usage.profile.anonymous_request_share / MILLION
    yield Charge(component="plan", key="cloudflare/workers/month", quantity=Decimal(1) / count)
    key = "cloudflare/workers-requests/1m"
    yield Charge(component="requests", key=key, quantity=requests / count, of=requests)


def bought(usage: Usage) -> Iterator[Item]:
    """Charges that no resource stands for; all plans are billed yearly."""
    plan = usage.phase.edge.cloudflare_plan
    if plan == "enterprise":
        yield Unpriced(component="Cloudflare enterprise plan", why="sold by contract, without a list price")
    else:
        yield Charge(component=f"Cloudflare {plan} plan", key=f"cloudflare/plan/{plan}", quantity=1)
    if usage.profile.sentry != "none":
        tracker, note = usage.profile.sentry, "50,000 errors a month; what is above is dropped unless it is paid for"
        yield Charge(component=f"Sentry {tracker} plan", key=f"sentry/plan/{tracker}", quantity=1, note=note)
    if usage.profile.pagerduty_users:
        people = usage.profile.pagerduty_users
        yield Charge(component="PagerDuty Professional", key="pagerduty/professional/user", quantity=people)


ESTIMATORS: Final[Mapping[str, Estimator]] = {SCRIPT: worker}
_PLAN = "in the plan of the zone"
FREE: Final[Mapping[str, str]] = {
    "cloudflare:index/dnsRecord:DnsRecord": _PLAN,
    "cloudflare:index/ruleset:Ruleset": _PLAN,
    "cloudflare:index/tieredCache:TieredCache": _PLAN,
    ROUTE: "its script pays",
    "cloudflare:index/zoneSetting:ZoneSetting": _PLAN,
}
