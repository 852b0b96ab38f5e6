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
from infra.verify import cluster, data, edge, messaging, network, operations, security, storage
from infra.verify.facts import Fact, OutputError, Probe, Scope, Verdict, holds

THREADS = 8

PROBES: tuple[Callable[[Scope], Iterator[Probe]], ...] = (
    network.vpc,
    data.database,
    data.parameter_group,
    data.caches,
    cluster.kubernetes,
    cluster.load_balancer,
    cluster.registry,
    storage.buckets,
    edge.distribution,
    edge.web_acl,
    edge.zone,
    messaging.queues,
    messaging.topics,
    security.keys,
    security.secrets,
    operations.log_groups,
    operations.alarms,
    operations.dashboard,
    operations.backup,
    operations.budget,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A fact, and the object that it is about."""

    area: str
    subject: str
    fact: Fact


def verify(scope: Scope) -> list[Finding]:
    """Every fact about the stack in `scope`, in the order of `PROBES`.

    Raises:
        UserError: the account cannot be asked at all.
    """
    probes: list[Probe] = []
    for find in PROBES:
        area = find.__module__.rpartition(".")[2]
        try:
            probes.extend(find(scope))
        except OutputError as error:
            probes.append(_missing_output(area, error.key))
    with ThreadPoolExecutor(THREADS) as pool:
        return [finding for findings in pool.map(_read, probes) for finding in findings]


def _missing_output(area: str, key: str) -> Probe:
    fact = holds("stack output", condition=False, expected=f"`{key}`", actual="not exported")
    return Probe(area, key, lambda: iter([fact]))


def _read(probe: Probe) -> list[Finding]:
    findings: list[Finding] = []

    def add(fact: Fact) -> None:
        findings.append(Finding(probe.area, probe.subject, fact))

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
