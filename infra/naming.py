"""Deterministic physical names: a lost create then fails loudly instead of making a second database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

from infra.errors import UserError

PROJECT = "headroom"
"""Pulumi's project: its name is in every URN, so it never changes."""

LIMITS = {
    "alarm": 255,
    "alias": 250,
    "api": 128,
    "backup": 50,
    "bucket": 63,
    "budget": 100,
    "cache": 40,
    "canary": 255,
    "catalog": 255,
    "cluster": 100,
    "configuration_set": 64,
    "dashboard": 255,
    "database": 63,
    "delivery_stream": 64,
    "endpoint": 63,
    "function": 64,
    "ip_pool": 64,
    "load_balancer": 32,
    "log_delivery": 60,
    "metric": 255,
    "parameter_group": 255,
    "queue": 80,
    "repository": 256,
    "role": 64,
    "rule": 64,
    "scaling_policy": 256,
    "search": 28,
    "sampling_rule": 32,
    "secret": 512,
    "security_group": 255,
    "stream": 128,
    "tag": 256,
    "topic": 256,
    "trace_group": 32,
    "trail": 128,
    "web_acl": 128,
    "worker_script": 63,
    "workgroup": 128,
    "workspace": 100,
}
"""Longest name per kind, from each service's API reference."""


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one stack: `{project}-{stack}-{logical}`, shortened with a hash where AWS's limit is lower."""

    project: str
    stack: str

    def __post_init__(self) -> None:
        """Refuse a stack whose name cannot be in a physical name.

        Raises:
            UserError: buckets take no upper case and no underscore, databases no period and no double hyphen.
        """
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.stack):
            msg = f"stack {self.stack} cannot have that name: it is part of the names of buckets and databases"
            mend = (
                "use lower-case letters, digits and single hyphens: pulumi stack rename NAME, or pulumi stack init NAME"
            )
            raise UserError(msg, [mend])

    def of(self, kind: str, logical: str) -> str:
        """Name of `logical` within the limit of `kind` (a key of `LIMITS`)."""
        name = f"{self.project}-{self.stack}-{logical}"
        limit = LIMITS[kind]
        if len(name) <= limit:
            return name
        digest = sha256(name.encode()).hexdigest()[:8]
        return f"{name[: limit - 9].rstrip('-')}-{digest}"

    def bucket(self, logical: str, account_id: str) -> str:
        """Bucket names are global, so they carry the account."""
        return self.of("bucket", f"{logical}-{account_id}")
