"""The poolers: within the database's limits, closed to all but the application, verified TLS to RDS."""

from collections.abc import Callable
from configparser import ConfigParser
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.component import Site
from components.pooler import IMAGE, Pooler, PoolerArgs, Primary, pool_size
from infra.errors import UserError
from infra.plan import SECRET
from stacks import phase_10k
from stacks.phase import Pooler as PoolerSize
from tests.components.conftest import Recorded
from tests.components.kubernetes_schema import objects, pod_specs, problems, selects, strings

Record = Callable[[Callable[[], object]], Recorded]
PASSWORD = "planted-pooler-password"
CLIENT = {"app.kubernetes.io/name": "app"}
DATA = ("10.64.96.0/22", "10.64.100.0/22", "10.64.104.0/22")
SIZE = phase_10k.EFFICIENT.pooler


def build(
    site: Site,
    *,
    size: PoolerSize = SIZE,
    readers: tuple[str, ...] = (),
    databases: tuple[str, ...] = ("headroom",),
    writer_address: pulumi.Input[str] = "writer.db",
    others: tuple[Primary, ...] = (),
    secret_version: str = "v1",
) -> Pooler:
    return Pooler(
        "us-east-1-pooler",
        site,
        PoolerArgs(
            provider=kubernetes.Provider("us-east-1-kubernetes", kubeconfig="{}"),
            namespace="headroom",
            size=size,
            primaries=[
                Primary(databases=databases, writer_address=writer_address, reader_addresses=readers, local=True),
                *others,
            ],
            writer_server_connections=360,
            reader_server_connections=100,
            data_cidrs=DATA,
            client=CLIENT,
            user="headroom_app",
            password=pulumi.Output.secret(PASSWORD),
            secret_version=secret_version,
        ),
    )


def configuration(found: Recorded, role: str) -> ConfigParser:
    parser = ConfigParser()
    parser.read_string(found.inputs(f"us-east-1-pooler-{role}-config")["data"]["pgbouncer.ini"])
    return parser


def number(found: Recorded, role: str, key: str) -> int:
    return int(configuration(found, role)["pgbouncer"][key])


def deployment(found: Recorded, role: str) -> dict[str, Any]:
    return dict(found.named(f"us-east-1-pooler-{role}", "v1:Deployment").inputs)


@pytest.fixture
def found(recorded: Record, site: Site) -> Recorded:
    return recorded(lambda: build(site))


def test_every_object_has_only_fields_that_kubernetes_knows(found: Recorded) -> None:
    assert [problem for one in objects(found) for problem in problems(one)] == []


def test_writers_and_readers_have_a_pooler_each_in_every_phase(found: Recorded) -> None:
    services = {one.inputs["metadata"]["name"]: one.inputs["spec"] for one in found.of("Service")}
    assert services.keys() == {"pooler-writer", "pooler-reader"}
    for name, spec in services.items():
        (template,) = [one["metadata"]["labels"] for key, one in pod_specs(found).items() if key.endswith(name[6:])]
        assert selects(spec["selector"], template)
        assert spec["ports"][0]["port"] == spec["ports"][0]["targetPort"] == 6543


def test_readers_read_from_the_primary_until_there_is_a_replica(recorded: Record, site: Site) -> None:
    alone = configuration(recorded(lambda: build(site)), "reader")
    assert alone["databases"]["headroom"] == "host=writer.db port=5432 dbname=headroom"
    both = configuration(recorded(lambda: build(site, readers=("r0.db", "r1.db"))), "reader")
    assert both["databases"]["headroom"] == "host=r0.db,r1.db port=5432 dbname=headroom"


def test_prepared_statements_work_in_transaction_mode(found: Recorded) -> None:
    settings = configuration(found, "writer")["pgbouncer"]
    assert settings["pool_mode"] == "transaction"
    assert settings.getint("max_prepared_statements") == 200


def test_tls_to_the_database_is_verified_against_a_file_that_the_pod_really_has(found: Recorded) -> None:
    settings = configuration(found, "writer")["pgbouncer"]
    assert settings["server_tls_sslmode"] == "verify-full"
    pod = deployment(found, "writer")["spec"]["template"]["spec"]
    folder, _, _ = settings["server_tls_ca_file"].rpartition("/")
    (fetch,) = pod["initContainers"]
    assert settings["server_tls_ca_file"] in fetch["command"]
    assert folder in [mount["mountPath"] for mount in fetch["volumeMounts"]]
    assert folder in [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]]
    assert settings["auth_file"].rpartition("/")[0] in [
        mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]
    ]


def test_clients_of_all_pods_together_are_the_phases_number(found: Recorded) -> None:
    pods = deployment(found, "writer")["spec"]["replicas"]
    each = number(found, "writer", "max_client_conn")
    assert pods * each >= SIZE.client_connections > pods * (each - 1)


@pytest.mark.parametrize("readers", [(), ("r0.db",), ("r0.db", "r1.db", "r2.db")])
def test_server_connections_stay_within_the_budget_even_during_a_rollout(
    recorded: Record, site: Site, readers: tuple[str, ...]
) -> None:
    found = recorded(lambda: build(site, readers=readers, databases=("headroom", "shard_1")))
    total = {role: number(found, role, "max_db_connections") * 2 * (SIZE.pods + 2) for role in ("writer", "reader")}
    if readers:
        assert total["writer"] <= 360
        assert total["reader"] <= 100 * len(readers)
    else:
        assert total["writer"] + total["reader"] <= 360


def remote(*databases: str, readers: tuple[str, ...] = ()) -> Primary:
    return Primary(databases=databases, writer_address="far.db", reader_addresses=readers, local=False)


def test_every_database_is_on_the_line_of_its_own_primary(recorded: Record, site: Site) -> None:
    others = (remote("headroom_1"), remote("headroom_2", readers=("copy.db",)))
    found = recorded(lambda: build(site, readers=("r0.db",), others=others))
    hosts = {
        role: {name: line.split()[0] for name, line in configuration(found, role)["databases"].items()}
        for role in ("writer", "reader")
    }
    assert hosts["writer"] == {"headroom": "host=writer.db", "headroom_1": "host=far.db", "headroom_2": "host=far.db"}
    assert hosts["reader"] == {"headroom": "host=r0.db", "headroom_1": "host=far.db", "headroom_2": "host=copy.db"}


def test_only_connections_to_another_region_are_kept_warm(recorded: Record, site: Site) -> None:
    lines = configuration(recorded(lambda: build(site, others=(remote("headroom_1"),))), "writer")["databases"]
    assert "min_pool_size" not in lines["headroom"]
    assert "min_pool_size=1" in lines["headroom_1"].split()


def test_the_databases_of_each_primary_stay_within_its_budget(recorded: Record, site: Site) -> None:
    """The one with replicas has the writers' whole budget; the other one shares it between both poolers."""
    others = (remote("headroom_2", "headroom_3", "headroom_4"),)
    own = ("headroom", "headroom_1")
    found = recorded(lambda: build(site, readers=("r0.db", "r1.db"), databases=own, others=others))

    def opened(role: str, databases: tuple[str, ...]) -> int:
        default = number(found, role, "max_db_connections")
        lines = [configuration(found, role)["databases"][name].split() for name in databases]
        limits = [dict(part.split("=") for part in line).get("max_db_connections", default) for line in lines]
        return sum(int(limit) for limit in limits) * (SIZE.pods + 2)

    far = tuple(others[0].databases)
    assert opened("writer", far) + opened("reader", far) <= 360
    assert 180 < opened("writer", own) <= 360
    assert 100 < opened("reader", own) <= 200


def test_one_primary_alone_needs_no_limits_of_its_own(found: Recorded) -> None:
    assert configuration(found, "writer")["databases"]["headroom"] == "host=writer.db port=5432 dbname=headroom"


@given(st.integers(1, 5_000), st.integers(2, 50), st.integers(1, 10))
def test_a_pool_is_never_empty_and_never_over_budget(budget: int, pods: int, databases: int) -> None:
    try:
        size = pool_size(budget, pods, databases)
    except UserError:
        assert budget < (pods + 2) * databases
    else:
        assert size >= 1
        assert size * (pods + 2) * databases <= budget


def test_a_query_that_waits_fails_before_the_applications_own_cap_of_ten_seconds(found: Recorded) -> None:
    assert number(found, "writer", "query_wait_timeout") < 10


def test_only_the_applications_pods_get_in_and_only_databases_and_https_get_out(found: Recorded) -> None:
    for role in ("writer", "reader"):
        spec = found.inputs(f"us-east-1-pooler-{role}-policy")["spec"]
        assert selects(spec["podSelector"]["matchLabels"], deployment(found, role)["metadata"]["labels"])
        (entry,) = spec["ingress"]
        assert entry["from"] == [{"podSelector": {"matchLabels": CLIENT}}]
        assert [port["port"] for port in entry["ports"]] == [6543]
        ways_out = {rule["ports"][0]["port"]: rule["to"] for rule in spec["egress"]}
        assert ways_out.keys() == {5432, 443}
        assert [peer["ipBlock"]["cidr"] for peer in ways_out[5432]] == list(DATA)


def test_the_password_is_only_in_the_secret_and_only_as_a_secret(found: Recorded) -> None:
    assert PASSWORD not in str([one.inputs for one in found.resources])
    holders = [one.inputs["kind"] for one in objects(found) if SECRET in set(strings(one.inputs))]
    assert holders == ["Secret"]


def test_a_change_of_password_or_configuration_restarts_the_pods(recorded: Record, site: Site) -> None:
    def annotations(found: Recorded) -> dict[str, str]:
        return dict(deployment(found, "writer")["spec"]["template"]["metadata"]["annotations"])

    before = annotations(recorded(lambda: build(site)))
    assert before == annotations(recorded(lambda: build(site)))
    assert before != annotations(recorded(lambda: build(site, secret_version="v2")))
    assert before != annotations(recorded(lambda: build(site, writer_address="other.db")))


def test_pods_are_restricted_and_drain_before_they_stop(found: Recorded) -> None:
    for template in pod_specs(found).values():
        pod = template["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        for container in (*pod["initContainers"], *pod["containers"]):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert "@sha256:" in container["image"]
        assert pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"] > 0
        # The application renews its connections every 300 s.
        assert pod["terminationGracePeriodSeconds"] > 300


def test_a_rollout_never_has_fewer_pods_than_the_phase_names(found: Recorded) -> None:
    spec = deployment(found, "writer")["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    budget = found.inputs("us-east-1-pooler-writer-budget")["spec"]
    assert budget["selector"] == spec["selector"]
    assert {one["topologyKey"] for one in spec["template"]["spec"]["topologySpreadConstraints"]} == {
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    }


def test_the_image_is_pinned_by_digest() -> None:
    assert len(IMAGE.partition("@sha256:")[2]) == 64
