"""Read every fact of a scope, in threads; what goes wrong while reading is a finding as well."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from infra.errors import UserError
from infra.verify import (
    cluster,
    data,
    edge,
    messaging,
    network,
    observability,
    operations,
    replicas,
    search,
    security,
    shards,
    storage,
    streams,
)
from infra.verify.facts import Fact, OutputError, Probe, Scope, Verdict, holds

THREADS = 8

Finder = Callable[[Scope], Iterator[Probe]]

STACK: tuple[Finder, ...] = (
    edge.distribution,
    edge.web_acl,
    edge.zone,
    shards.shard_map,
    operations.alarms,
    operations.dashboard,
    operations.budget,
)
"""Once for the whole stack."""

EVERY_REGION: tuple[Finder, ...] = (
    network.vpc,
    network.peerings,
    replicas.remote,
    storage.buckets,
    messaging.topics,
    security.keys,
    operations.copies,
)
"""In full regions and in read regions."""

FULL_REGION: tuple[Finder, ...] = (
    data.primaries,
    replicas.local,
    data.parameter_group,
    data.caches,
    cluster.kubernetes,
    cluster.load_balancer,
    cluster.registry,
    storage.replication,
    messaging.queues,
    streams.fan_out,
    streams.event_stream,
    streams.lake,
    streams.mail,
    search.search,
    observability.agent,
    observability.sampling,
    observability.canary,
    observability.prometheus,
    security.secrets,
    operations.log_groups,
    operations.backup,
)
"""In full regions only."""

HOME_REGION: tuple[Finder, ...] = (
    data.global_cache,
    search.partner_api,
)
"""Once for the stack, and in a region."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A fact, and the object that it is about; `region` is empty for what stands once in the world."""

    region: str
    area: str
    subject: str
    fact: Fact


def verify(stack: Scope) -> list[Finding]:
    """Every fact about the stack: what stands once, then region by region in the phase's order.

    Raises:
        UserError: the account cannot be asked at all.
    """
    probes = [("", probe) for find in STACK for probe in _found(find, stack)]
    for region in stack.phase.all_regions:
        try:
            scope = stack.within(region)
        except OutputError as error:
            probes.append((region, _missing_output("regions", error.key)))
            continue
        finders = EVERY_REGION + (FULL_REGION if scope.full else ())
        finders += HOME_REGION if region == stack.phase.home_region else ()
        probes += [(region, probe) for find in finders for probe in _found(find, scope)]
    with ThreadPoolExecutor(THREADS) as pool:
        return [finding for findings in pool.map(_read, probes) for finding in findings]


def _found(find: Finder, scope: Scope) -> list[Probe]:
    """What a finder looks at; the outputs that it misses are a finding as well."""
    probes: list[Probe] = []
    try:
        probes.extend(find(scope))
    except OutputError as error:
        probes.append(_missing_output(find.__module__.rpartition(".")[2], error.key))
    return probes


def _missing_output(area: str, key: str) -> Probe:
    fact = holds("stack output", condition=False, expected=f"`{key}`", actual="not exported")
    return Probe(area, key, lambda: iter([fact]))


def _read(located: tuple[str, Probe]) -> list[Finding]:
    region, probe = located
    findings: list[Finding] = []

    def add(fact: Fact) -> None:
        findings.append(Finding(region, probe.area, probe.subject, fact))

    try:
        for fact in probe.facts():
            add(fact)
    except OutputError as error:
        add(holds("stack output", condition=False, expected=f"`{error.key}`", actual="not exported"))
    except ClientError as error:
        add(_refusal(error))
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound) as error:
        msg = f"AWS cannot be asked: {error}"
        raise UserError(msg, ["sign in (`aws sso login`, or set AWS_PROFILE), then run the command again"]) from error
    except (EndpointConnectionError, ConnectTimeoutError) as error:
        msg = f"nothing answers: {error}"
        raise UserError(
            msg, ["for the local cloud: `headroom local status`", "for AWS: check the connection and the region"]
        ) from error
    except BotoCoreError as error:
        add(holds("readable", condition=False, expected="yes", actual=str(error)))
    return findings


def _refusal(error: ClientError) -> Fact:
    """What a refused call says about the object: it is gone, may not be read, or something else."""
    code: str = error.response.get("Error", {}).get("Code", "")
    said: str = error.response.get("Error", {}).get("Message", "")
    if re.search(r"Access_?Denied|Unauthorized|AuthorizationError|^403$", code, re.IGNORECASE):
        # AWS names the permission in most services' messages, and not all are called like the operation.
        named = re.search(r"not authorized to perform: (\S+)", said)
        permission = named[1] if named else f"the permission for {error.operation_name}"
        return holds("readable", condition=False, expected=f"allowed: {permission}", actual="access denied")
    if re.search(r"NotFound|NoSuch|NonExistent|^404$", code, re.IGNORECASE):
        return holds(f"exists ({error.operation_name})", condition=False, expected="yes", actual=f"no: {code}")
    return Fact("readable", "yes", f"{error.operation_name}: {code}: {said}", Verdict.DIFFERS)
