"""PgBouncer in transaction mode: one Deployment for writers, one for readers, in every phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import ClassVar, Literal

import pulumi

from components.component import Component, DataClass, Site
from components.network_policies import addresses, flow, https, pods, policy
from components.pods import (
    PRE_STOP_SECONDS,
    RDS_TRUST_FILE,
    Manifest,
    disruption_budget,
    drain,
    fingerprint,
    labels,
    metadata,
    rds_trust,
    resources,
    restricted_container,
    restricted_pod,
    selector,
    service,
    spread,
)
from components.raw import KubernetesObject, kubernetes_object
from infra.errors import UserError
from stacks.phase import Pooler as PoolerSize

IMAGE = "docker.io/edoburu/pgbouncer@sha256:9c78945868a6a142c7fc40ccd843bbe5a606df163c7ffce4de70e0d628d696a2"
"""PgBouncer 1.26.0, the first without CVE-2026-19888 (a client crashes the pooler before it logs in).

Its builds are for amd64 and arm64 (https://github.com/edoburu/docker-pgbouncer). The digest is as four public
repositories pin it for 1.26; it was not pulled here.
"""
USER_ID = 70
"""The image's own user, `postgres`."""
NAME = "pooler"
PORT = 6543
DATABASE_PORT = 5432
QUERY_WAIT_SECONDS = 5
"""A query that finds no server connection for this long fails, so that the application can answer 503
within its cap of 10 s instead of queueing without end."""
DRAIN_SECONDS = 330
"""The application renews its connections every 300 s; until then a stopping pooler serves those it has."""

WARM_CONNECTIONS = 1
"""Kept to each database in another region by a pod with clients: TCP, TLS and SCRAM take several round trips there,
which a query would wait for. PgBouncer's idle timeout spares them."""

Role = Literal["writer", "reader"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Primary:
    """One primary and what is read in its place.

    Attributes:
        databases: names of its databases, one a logical shard.
        writer_address: the primary.
        reader_addresses: its replicas; without any, readers read from the primary.
        local: it stands in the poolers' own region.
    """

    databases: Sequence[str]
    writer_address: pulumi.Input[str]
    reader_addresses: Sequence[pulumi.Input[str]]
    local: bool

    def addresses(self, role: Role) -> Sequence[pulumi.Input[str]]:
        """Where a pooler of `role` connects to."""
        return [self.writer_address] if role == "writer" else self.reader_addresses or [self.writer_address]


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolerArgs:
    """What the poolers stand between.

    Attributes:
        provider: the cluster's.
        namespace: where the pods run.
        size: the phase's client connections and pods.
        primaries: all that the application reaches, whatever their region.
        writer_server_connections: what all poolers of this region together may open to one primary.
        reader_server_connections: the same for one replica.
        data_cidrs: the subnets that databases are in, of every region with one.
        client: labels of the pods that may connect.
        user: database role of the pods.
        password: its password (secret).
        secret_version: changes when the password does, so that the pods restart.
    """

    provider: pulumi.ProviderResource
    namespace: pulumi.Input[str]
    size: PoolerSize
    primaries: Sequence[Primary]
    writer_server_connections: int
    reader_server_connections: int
    data_cidrs: Sequence[str]
    client: Mapping[str, str]
    user: str
    password: pulumi.Input[str]
    secret_version: pulumi.Input[str]


def pool_size(server_connections: int, pods_count: int, databases: int) -> int:
    """Server connections that one pod may open for one database.

    A rollout has one pod more than usual and one that is still draining, so the budget is divided among
    two more pods than the phase names.

    Raises:
        UserError: the budget has less than one connection for each.
    """
    size = server_connections // ((pods_count + 2) * databases)
    if size < 1:
        msg = f"{server_connections} server connections are too few for {pods_count} poolers and {databases} databases"
        mend = (
            "fewer poolers or a larger class: headroom:overrides.pooler.pods, headroom:overrides.database.instanceClass"
        )
        raise UserError(msg, [mend])
    return size


class Pooler(Component):
    """Two Deployments with Service, budget and network policy, their configuration, and the user's secret.

    TLS to the database is verified against RDS's authorities and the server's name. Between pods
    there is none: only the application's pods may connect, and nothing leaves the VPC.
    """

    KIND: ClassVar[str] = "data:Pooler"
    DATA_CLASS: ClassVar[DataClass] = "confidential"

    hosts: Mapping[Role, pulumi.Output[str]]
    """Where the application connects, on `PORT`."""

    def __init__(self, name: str, site: Site, args: PoolerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create both poolers."""
        super().__init__(name, site, opts)
        self._name, self._args = name, args
        secret = self._create_secret()
        self._create("writer", secret)
        self._create("reader", secret)
        self.hosts = {role: self._host(role) for role in ("writer", "reader")}
        self.register_outputs({"hosts": self.hosts})

    def _host(self, role: Role) -> pulumi.Output[str]:
        return pulumi.Output.concat(f"{NAME}-{role}.", self._args.namespace, ".svc.cluster.local")

    def _create_secret(self) -> KubernetesObject:
        """The plain password: PgBouncer needs it to log in to the server with SCRAM, not only to check clients."""
        line = pulumi.Output.concat('"', self._args.user, '" "', self._args.password, '"\n')
        users: pulumi.Output[str] = pulumi.Output.secret(line)
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata(f"{NAME}-users", self._args.namespace, labels(NAME, "users")),
            "stringData": {"userlist.txt": users},
        }
        return kubernetes_object(f"{self._name}-users", manifest, self.child(provider=self._args.provider))

    def _pool_size(self, role: Role, primary: Primary) -> int:
        """What one pod may open for each database of `primary`.

        Without replicas both poolers open connections to the primary, so each takes half of its budget.
        """
        args, readers = self._args, len(primary.reader_addresses)
        if not readers:
            budget = args.writer_server_connections // 2
        elif role == "writer":
            budget = args.writer_server_connections
        else:
            budget = args.reader_server_connections * readers
        return pool_size(budget, args.size.pods, len(primary.databases))

    def _create(self, role: Role, secret: KubernetesObject) -> None:
        name, own_labels, match = f"{NAME}-{role}", labels(NAME, role), selector(NAME, role)
        namespace, provider = self._args.namespace, self._args.provider
        configuration = {"pgbouncer.ini": self._configuration(role)}

        def add(kind: str, manifest: Manifest, depends_on: list[pulumi.Resource] | None = None) -> KubernetesObject:
            options = self.child(provider=provider, depends_on=depends_on, custom_timeouts=_TIMEOUTS)
            return kubernetes_object(f"{self._name}-{role}{kind}", manifest, options)

        policies = add("-policy", self._policy(name, own_labels, match))
        config_map = add(
            "-config",
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": metadata(name, namespace, own_labels),
                "data": configuration,
            },
        )
        add("-budget", disruption_budget(name, namespace, own_labels, match))
        add("-service", service(name, namespace, own_labels, match, PORT))
        deployment = self._deployment(name, own_labels, match, fingerprint(configuration))
        add("", deployment, [policies, config_map, secret])

    def _configuration(self, role: Role) -> pulumi.Output[str]:
        """`pgbouncer.ini`. Several hosts are used in turn for new server connections.

        Prepared statements are on and the drivers' caches stay on with them: switched off, the same work
        takes two to five times as long. The price: a migration that changes what a statement returns makes it fail
        until its server connection is closed, at the latest after `server_lifetime`. RECONNECT would close them, but
        only through each pod's administration console, so migrations only add columns, and the runbook of
        `database-connections` restarts the poolers when one did not. `extra_float_digits` is what JDBC and older
        drivers send at start.
        """
        size = self._args.size
        pools = [self._pool_size(role, primary) for primary in self._args.primaries]
        default = min(pools)
        settings: dict[str, str | int] = {
            "listen_addr": "0.0.0.0",  # noqa: S104 a pod's own address; the network policy says who reaches it
            "listen_port": PORT,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": "/etc/pgbouncer-users/userlist.txt",
            "pool_mode": "transaction",
            "max_prepared_statements": 200,
            "max_client_conn": ceil(size.client_connections / size.pods),
            "default_pool_size": default,
            "max_db_connections": default,
            "reserve_pool_size": 0,
            "query_wait_timeout": QUERY_WAIT_SECONDS,
            "client_login_timeout": 10,
            "server_connect_timeout": 5,
            "server_login_retry": 1,
            "server_idle_timeout": 60,
            "server_lifetime": 1800,
            "server_tls_sslmode": "verify-full",
            "server_tls_ca_file": RDS_TRUST_FILE,
            "server_tls_protocols": "secure",
            "dns_max_ttl": 5,
            "tcp_keepalive": 1,
            "tcp_keepidle": 30,
            "tcp_keepintvl": 10,
            "tcp_keepcnt": 3,
            "ignore_startup_parameters": "extra_float_digits",
            "log_connections": 0,
            "log_disconnections": 0,
            "stats_period": 60,
        }
        lines = [f"{key} = {value}".rstrip() for key, value in settings.items()]
        entries = [
            self._entry(
                database, primary, role, {} if pool == default else {"pool_size": pool, "max_db_connections": pool}
            )
            for primary, pool in zip(self._args.primaries, pools, strict=True)
            for database in primary.databases
        ]

        def render(databases: Sequence[str]) -> str:
            return "\n".join(["[databases]", *databases, "", "[pgbouncer]", *lines, ""])

        return pulumi.Output.all(*entries).apply(render)

    def _entry(self, database: str, primary: Primary, role: Role, limits: Mapping[str, int]) -> pulumi.Output[str]:
        """One database's line; it says only what differs from the defaults."""
        warm = {} if primary.local else {"min_pool_size": WARM_CONNECTIONS}
        more = "".join(f" {key}={value}" for key, value in {**limits, **warm}.items())

        def render(hosts: Sequence[str]) -> str:
            return f"{database} = host={','.join(hosts)} port={DATABASE_PORT} dbname={database}{more}"

        return pulumi.Output.all(*primary.addresses(role)).apply(render)

    def _policy(self, name: str, own_labels: Mapping[str, str], match: Mapping[str, str]) -> Manifest:
        """HTTPS out is for RDS's authorities, which each pod fetches when it starts."""
        databases = [addresses(cidr) for cidr in self._args.data_cidrs]
        return policy(
            name,
            self._args.namespace,
            own_labels,
            match,
            inbound=[flow([pods(self._args.client)], PORT, inbound=True)],
            outbound=[flow(databases, DATABASE_PORT), https()],
        )

    def _deployment(
        self,
        name: str,
        own_labels: Mapping[str, str],
        match: Mapping[str, str],
        configuration: pulumi.Output[str],
    ) -> Manifest:
        """Since 1.23 SIGTERM makes PgBouncer wait for its clients to leave, so it is given the time."""
        init_containers, volumes, mounts = rds_trust(self.site.region)
        annotations = {
            "headroom/config": configuration,
            "headroom/secret-version": self._args.secret_version,
        }
        probe = {"tcpSocket": {"port": "main"}, "periodSeconds": 5, "timeoutSeconds": 2, "failureThreshold": 3}
        container = {
            "name": "pgbouncer",
            "image": IMAGE,
            "command": ["/usr/bin/pgbouncer", "/etc/pgbouncer-config/pgbouncer.ini"],
            "ports": [{"name": "main", "containerPort": PORT, "protocol": "TCP"}],
            "readinessProbe": probe,
            "livenessProbe": {**probe, "periodSeconds": 10, "failureThreshold": 6},
            "lifecycle": drain(),
            "resources": resources(100, 128),
            "securityContext": restricted_container(),
            "volumeMounts": [
                {"name": "config", "mountPath": "/etc/pgbouncer-config", "readOnly": True},
                {"name": "users", "mountPath": "/etc/pgbouncer-users", "readOnly": True},
                *mounts,
            ],
        }
        pod = {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": restricted_pod(USER_ID),
            "terminationGracePeriodSeconds": DRAIN_SECONDS + PRE_STOP_SECONDS,
            "topologySpreadConstraints": spread(match),
            "initContainers": init_containers,
            "containers": [container],
            "volumes": [
                {"name": "config", "configMap": {"name": name}},
                {"name": "users", "secret": {"secretName": f"{NAME}-users", "defaultMode": 0o440}},
                *volumes,
            ],
        }
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata(name, self._args.namespace, own_labels),
            "spec": {
                "replicas": self._args.size.pods,
                "minReadySeconds": 30,
                "revisionHistoryLimit": 3,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
                "selector": {"matchLabels": dict(match)},
                "template": {"metadata": {"labels": dict(own_labels), "annotations": annotations}, "spec": pod},
            },
        }


_TIMEOUTS = pulumi.CustomTimeouts(create="20m", update="40m")
"""The first pods wait for nodes; a rollout takes over 30 s a pod, one after the other."""
