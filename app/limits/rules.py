"""A rule: so many requests in any such window, of one user, address or account."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

By = Literal["user", "ip", "account"]
_TAGS = {"user": "u", "ip": "ip", "account": "a"}
_NETWORK_BITS = 64


@dataclass(frozen=True, slots=True)
class Rule:
    """At most `limit` requests in `window_seconds`; `name` is part of the key and of the answer's headers."""

    name: str
    limit: int
    window_seconds: int
    by: By


class Subject(NamedTuple):
    """Who is counted."""

    by: By
    value: str

    def key(self, rule: Rule) -> str:
        """Of a rule's counter: all rules of a subject share a slot of a cluster, so that one script sees them."""
        return f"{{rl:{_TAGS[self.by]}:{self.value}}}:{rule.name}"


def user(identifier: str) -> Subject:
    """A signed-in user."""
    return Subject("user", identifier)


@lru_cache(maxsize=10_000)
def address(host: str) -> Subject:
    """A client's address: of IPv6 the network, since a home has 2^64 addresses; all that is no address is one."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return Subject("ip", "unknown")
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return Subject("ip", str(found.ipv4_mapped))
        network = int(found) >> _NETWORK_BITS << _NETWORK_BITS
        return Subject("ip", str(ipaddress.IPv6Address(network)))
    return Subject("ip", str(found))


def account(name: str) -> Subject:
    """What somebody claims to be, such as an e-mail address, before it is known to exist; hashed, it is personal."""
    folded = name.strip().casefold().encode()
    return Subject("account", hashlib.blake2b(folded, digest_size=16).hexdigest())
