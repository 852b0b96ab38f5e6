"""PgBouncer: TLS to the database, no client without a password, and only our pods in front of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from policies.manifests import CONFIG_MAP, NETWORK_POLICY, labels, near, selects
from policies.rule import Level, Rules, Severity
from policies.view import UNKNOWN, Resource, Stack, UndecidedError

RULES = Rules()
FILE: Final = "pgbouncer.ini"
_LINK_LOCAL: Final = "169.254."
"""Where the kubelet's probes come from."""


@RULES.on(
    CONFIG_MAP,
    id="pooler-server-tls",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="The pooler speaks TLS with the database, and makes sure that it is the database.",
    remedy="set server_tls_sslmode to verify-full and server_tls_ca_file to RDS's authorities",
)
def server_tls(one: Resource) -> Iterator[str]:
    """The default is `prefer`, which takes plain text, and any certificate, when that is what it is given.

    https://www.pgbouncer.org/config.html#server_tls_sslmode
    """
    settings = _settings(one)
    if settings is not None and settings.get("server_tls_sslmode") != "verify-full":
        yield "connections to the database may be plain, or end somewhere else"
    elif settings is not None and not settings.get("server_tls_ca_file"):
        yield "no authority is named that the database's certificate must come from"


@RULES.on(
    CONFIG_MAP,
    id="pooler-authentication",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="The pooler asks every client for its password, and never in the clear.",
    remedy="set auth_type to scram-sha-256",
)
def authentication(one: Resource) -> Iterator[str]:
    """The default is `md5`, whose hash is as good as the password to whoever reads it.

    https://www.pgbouncer.org/config.html#auth_type
    """
    settings = _settings(one)
    if settings is not None and settings.get("auth_type") != "scram-sha-256":
        yield "clients are not asked by SCRAM"


@RULES.between(
    NETWORK_POLICY,
    id="pooler-clients",
    severity=Severity.HIGH,
    level=Level.MANDATORY,
    demands="Only pods of the application reach the pooler.",
    remedy="let in by podSelector with labels only, in every network policy that chooses the pooler's pods",
)
def clients(one: Resource, stack: Stack) -> Iterator[str]:
    """Its clients speak to it without TLS, so nobody else may stand on that road."""
    if not _is_wide(one):
        return
    for config in near(one, stack, CONFIG_MAP):
        if FILE in labels(config, "data") and selects(one, "spec.podSelector", labels(config, "metadata.labels")):
            yield "it lets more than pods of the application reach the pooler"
            return


def _is_wide(policy: Resource) -> bool:
    """Whether a policy lets in addresses, or all of a namespace. Its own probes stand outside of every pod."""
    for rule in policy.items("spec.ingress"):
        peers = rule.items("from")
        if not peers:
            return True
        for peer in peers:
            address = str(peer.get("ipBlock.cidr", ""))
            if address.startswith(_LINK_LOCAL):
                continue
            if address or not peer.has("podSelector.matchLabels"):
                return True
    return False


def _settings(one: Resource) -> Mapping[str, Any] | None:
    """What `pgbouncer.ini` says, without its databases; None for a ConfigMap without that file.

    Raises:
        UndecidedError: it is not known yet.
    """
    text = labels(one, "data").get(FILE)
    if text is UNKNOWN:
        path = f"data.{FILE}"
        raise UndecidedError(path)
    if not isinstance(text, str):
        return None
    _, _, section = text.partition("[pgbouncer]")
    lines = (line.partition("=") for line in section.splitlines() if not line.lstrip().startswith((";", "#")))
    return {name.strip(): value.strip() for name, equals, value in lines if equals}
