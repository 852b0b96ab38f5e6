"""Ids that only Cloudflare knows: of what carries no tag and has one name in its zone. Never run against Cloudflare."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from infra.errors import UserError

API: Final = "https://api.cloudflare.com/client/v4"
TOKEN: Final = "CLOUDFLARE_API_TOKEN"  # noqa: S105 - the variable's name, which the provider reads too
TIMEOUT_SECONDS: Final = 20.0
ABSENT: Final = 404
Get = Callable[[str, str], Any]
"""Gives the `result` of a path for a token; None where Cloudflare has nothing under it."""


def ask(type_: str, inputs: Mapping[str, Any], environ: Mapping[str, str] = os.environ, get: Get | None = None) -> str:
    """The id of an object that was being created, if it exists; empty if not, or for types that have no such question.

    Args:
        type_: Pulumi's token.
        inputs: as the creation had them.
        environ: where the token is; without one nothing is asked.
        get: tests bring their own.

    Raises:
        UserError: Cloudflare refuses the question or is not there.
    """
    token, question = environ.get(TOKEN, ""), QUESTIONS.get(type_)
    if not token or question is None:
        return ""
    return question(inputs, lambda path: (get or _get)(path, token))


def _record(inputs: Mapping[str, Any], get: Callable[[str], Any]) -> str:
    """`name` alone is the older filter. https://developers.cloudflare.com/api/resources/dns/subresources/records/methods/list/."""
    query = urlencode({"name.exact": inputs["name"], "type": inputs["type"]})
    return next((str(one["id"]) for one in get(f"/zones/{inputs['zoneId']}/dns_records?{query}") or ()), "")


def _ruleset(inputs: Mapping[str, Any], get: Callable[[str], Any]) -> str:
    """A zone has one a phase. https://developers.cloudflare.com/api/resources/rulesets/subresources/phases/methods/get/."""
    found = get(f"/zones/{inputs['zoneId']}/rulesets/phases/{inputs['phase']}/entrypoint")
    return str(found["id"]) if found else ""


def _route(inputs: Mapping[str, Any], get: Callable[[str], Any]) -> str:
    """https://developers.cloudflare.com/api/resources/workers/subresources/routes/methods/list/."""
    routes = get(f"/zones/{inputs['zoneId']}/workers/routes") or ()
    return next((str(one["id"]) for one in routes if one["pattern"] == inputs["pattern"]), "")


QUESTIONS: Final[Mapping[str, Callable[[Mapping[str, Any], Callable[[str], Any]], str]]] = {
    "cloudflare:index/dnsRecord:DnsRecord": _record,
    "cloudflare:index/ruleset:Ruleset": _ruleset,
    "cloudflare:index/workersRoute:WorkersRoute": _route,
}
"""What Cloudflare refuses to make twice. The others of its types are settings: made again, they are the same."""


def _get(path: str, token: str) -> Any:
    request = urllib.request.Request(f"{API}{path}", headers={"Authorization": f"Bearer {token}"})  # noqa: S310 - https
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - https
            return json.load(answer)["result"]
    except urllib.error.HTTPError as error:
        if error.code == ABSENT:
            return None
        msg = f"Cloudflare refuses to say what exists ({error.code})"
        raise UserError(msg, [f"give the token in {TOKEN} the right to read the zone"]) from None
    except OSError as error:
        msg = f"Cloudflare cannot be asked what exists: {error}"
        raise UserError(msg, ["try again when it can be reached"]) from None
