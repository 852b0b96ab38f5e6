"""The application's pods: restricted, drained, scaled, after their migration, with secrets that nobody else sees."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pulumi
import pytest

from components.component import Site
from components.pods import APP_PORT, GRPC_PORT, selector
from components.workload_manifests import PLACEHOLDER_IMAGE, digest
from components.workloads import DatabaseAccess, OwnPrimary, Workloads
from infra.plan import SECRET
from tests.components.conftest import Recorded
from tests.components.kubernetes_schema import objects, pod_specs, problems, selects, strings
from tests.components.workload_builder import COMPUTE, IMAGE, LATER, PLANTED, arguments, build, compute, deployments

Record = Callable[[Callable[[], object]], Recorded]


@pytest.fixture
def found(recorded: Record, site: Site) -> Recorded:
    return recorded(lambda: build(site))


def test_every_object_has_only_fields_that_kubernetes_knows(recorded: Record, site: Site) -> None:
    found = recorded(
        lambda: build(site, compute=compute("auth", "images", spot=True, mesh=True), collector_cidrs=("10.64.32.0/19",))
    )
    assert len(objects(found)) > 30
    assert [problem for one in objects(found) for problem in problems(one)] == []


def test_a_phase_gets_a_deployment_for_each_of_its_roles(recorded: Record, site: Site) -> None:
    assert deployments(recorded(lambda: build(site))).keys() == {"api-blue", "realtime", "worker"}
    grown = deployments(recorded(lambda: build(site, compute=compute("auth", "email"))))
    assert grown.keys() == {"api-blue", "realtime", "worker", "auth", "email"}


def test_one_image_serves_all_roles_by_an_environment_variable(found: Recorded) -> None:
    for name, inputs in deployments(found).items():
        (container,) = inputs["spec"]["template"]["spec"]["containers"]
        assert container["image"] == IMAGE
        assert "args" not in container
        assert container["env"][0] == {"name": "SERVICE_ROLE", "value": name.removesuffix("-blue")}


def test_blue_and_green_are_two_deployments_and_blue_is_the_one_there_was(recorded: Record, site: Site) -> None:
    before = recorded(lambda: build(site))
    after = recorded(lambda: build(site, api_images={"blue": IMAGE, "green": LATER}))
    assert deployments(after)["api-blue"] == deployments(before)["api-blue"]
    green = deployments(after)["api-green"]["spec"]["template"]["spec"]["containers"][0]
    assert green["image"] == LATER
    bindings = {one.inputs["metadata"]["name"]: one.inputs["spec"] for one in after.of("TargetGroupBinding")}
    assert bindings["api-green"]["targetGroupARN"] == "arn:green"


def test_a_colour_without_requests_has_one_pod_and_with_any_the_phases_own(recorded: Record, site: Site) -> None:
    def bounds(blue: int, green: int) -> dict[str, tuple[int, int]]:
        images, weights = {"blue": IMAGE, "green": LATER}, {"blue": blue, "green": green}
        found = recorded(lambda: build(site, api_images=images, api_weights=weights))
        specs = {key: found.inputs(f"us-east-1-app-api-{key}-autoscaler")["spec"] for key in images}
        return {key: (spec["minReplicas"], spec["maxReplicas"]) for key, spec in specs.items()}

    whole = (COMPUTE.pods["api"].minimum, COMPUTE.pods["api"].maximum)
    assert bounds(100, 0) == {"blue": whole, "green": (1, 1)}
    assert bounds(99, 1) == {"blue": whole, "green": whole}
    assert bounds(0, 100) == {"blue": (1, 1), "green": whole}


def test_greens_own_image_migrates_after_the_image_of_all_and_only_green_waits_for_it(
    recorded: Record, site: Site
) -> None:
    def migrations(found: Recorded) -> set[str]:
        return {one.name for one in found.of("v1:Job")}

    same = recorded(lambda: build(site, api_images={"blue": IMAGE, "green": IMAGE}))
    assert migrations(same) == {"us-east-1-app-migration"}
    found = recorded(lambda: build(site, api_images={"blue": IMAGE, "green": LATER}))
    green = "us-east-1-app-migration-green"
    assert migrations(found) == {"us-east-1-app-migration", green}
    job = found.inputs(green, "v1:Job")
    assert job["metadata"]["name"].startswith(f"migrate-{digest(LATER)}-")
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == LATER
    assert "us-east-1-app-migration" in waits(found, green, "v1:Job")
    waiting = {name for name in deployments(found) if green in waits(found, f"us-east-1-app-{name}", "v1:Deployment")}
    assert waiting == {"api-green"}


def test_each_primary_of_the_region_is_migrated_with_all_of_its_databases(recorded: Record, site: Site) -> None:
    def database() -> DatabaseAccess:
        primaries = [
            OwnPrimary(host="one.db", databases=["headroom", "headroom_1"]),
            OwnPrimary(host="two.db", databases=["headroom_2"]),
        ]
        return replace(arguments().database, primaries=primaries)

    found = recorded(lambda: Workloads("us-east-1-app", site, replace(arguments(), database=database())))
    jobs = [one.inputs for one in found.of("v1:Job")]
    environments = [
        {one["name"]: one["value"] for one in job["spec"]["template"]["spec"]["containers"][0]["env"]} for job in jobs
    ]
    assert [(one["DATABASE_WRITER_HOST"], one["DATABASE_NAMES"]) for one in environments] == [
        ("one.db", "headroom,headroom_1"),
        ("two.db", "headroom_2"),
    ]
    assert len({job["metadata"]["name"] for job in jobs}) == 2
    assert {one.name for one in found.of("v1:Job")} <= waits(found, "us-east-1-app-worker", "v1:Deployment")


def test_services_answer_grpc_beside_http_and_other_roles_do_not(recorded: Record, site: Site) -> None:
    found = recorded(lambda: build(site, compute=compute("auth", "images")))
    for name, inputs in deployments(found).items():
        (container,) = inputs["spec"]["template"]["spec"]["containers"]
        expected = {"main": APP_PORT, **({"grpc": GRPC_PORT} if name == "auth" else {})}
        assert {one["name"]: one["containerPort"] for one in container["ports"]} == expected
        if name != "worker":
            ports = found.inputs(f"us-east-1-app-{name}-service")["spec"]["ports"]
            assert {one["name"]: (one["port"], one["targetPort"]) for one in ports} == {
                key: (port, port) for key, port in expected.items()
            }
    assert found.inputs("us-east-1-app-config")["data"]["GRPC_PORT"] == str(GRPC_PORT)
    assert "GRPC_PORT" not in recorded(lambda: build(site)).inputs("us-east-1-app-config")["data"]


def test_pods_that_resize_images_hold_no_secret_and_join_a_target_group_of_their_own(
    recorded: Record, site: Site
) -> None:
    found = recorded(lambda: build(site, compute=compute("images")))
    pod = deployments(found)["images"]["spec"]["template"]["spec"]
    assert [volume["name"] for volume in pod["volumes"]] == ["tmp"]
    assert [mount["name"] for mount in pod["containers"][0]["volumeMounts"]] == ["tmp"]
    bindings = {one.inputs["metadata"]["name"]: one.inputs["spec"] for one in found.of("TargetGroupBinding")}
    assert bindings["images"]["targetGroupARN"] == "arn:images"


def test_selectors_services_budgets_and_autoscalers_find_exactly_their_own_pods(recorded: Record, site: Site) -> None:
    found = recorded(lambda: build(site, compute=compute("auth", "images"), api_images={"blue": IMAGE, "green": LATER}))
    pods = {name: one["spec"]["template"]["metadata"]["labels"] for name, one in deployments(found).items()}
    for one in objects(found):
        spec, name = one.inputs.get("spec", {}), one.inputs["metadata"]["name"]
        match {"Service": spec.get("selector"), "Deployment": spec.get("selector", {}).get("matchLabels")}.get(
            one.inputs["kind"]
        ):
            case None:
                continue
            case wanted:
                assert [key for key, labels in pods.items() if selects(wanted, labels)] == [name]
    for budget in found.of("PodDisruptionBudget"):
        wanted = budget.inputs["spec"]["selector"]["matchLabels"]
        assert [key for key, labels in pods.items() if selects(wanted, labels)] == [budget.inputs["metadata"]["name"]]
    assert {one.inputs["spec"]["scaleTargetRef"]["name"] for one in found.of("HorizontalPodAutoscaler")} == pods.keys()


def test_the_autoscaler_alone_owns_the_number_of_pods(found: Recorded) -> None:
    for name, inputs in deployments(found).items():
        assert "replicas" not in inputs["spec"]
        scaler = found.inputs(f"us-east-1-app-{name}-autoscaler")["spec"]
        size = COMPUTE.pods[name.removesuffix("-blue")]
        assert (scaler["minReplicas"], scaler["maxReplicas"]) == (size.minimum, size.maximum)
        targets = {one["resource"]["name"]: one["resource"]["target"] for one in scaler["metrics"]}
        assert {key: target["averageUtilization"] for key, target in targets.items()} == {"cpu": 70, "memory": 80}
        behaviour = scaler["behavior"]
        assert behaviour["scaleUp"]["stabilizationWindowSeconds"] == 120
        assert behaviour["scaleDown"]["stabilizationWindowSeconds"] == 300


def test_pods_are_restricted(found: Recorded) -> None:
    for template in pod_specs(found).values():
        pod = template["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 10_000
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in (*pod.get("initContainers", []), *pod["containers"]):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"].keys() == {"memory", "ephemeral-storage"}
            assert container["resources"]["requests"].keys() == {"cpu", "memory", "ephemeral-storage"}


def test_liveness_does_not_depend_on_what_readiness_does(found: Recorded) -> None:
    for inputs in deployments(found).values():
        (container,) = inputs["spec"]["template"]["spec"]["containers"]
        paths = {key: container[f"{key}Probe"]["httpGet"]["path"] for key in ("startup", "liveness", "readiness")}
        assert paths == {"startup": "/health", "liveness": "/health", "readiness": "/ready"}


def test_a_pod_has_time_to_drain_and_then_to_finish(found: Recorded) -> None:
    for inputs in deployments(found).values():
        pod = inputs["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        (graceful,) = [one["value"] for one in container["env"] if one["name"] == "GRACEFUL_SHUTDOWN_SECONDS"]
        assert int(graceful) >= 30
        assert sleep + int(graceful) < pod["terminationGracePeriodSeconds"]
        assert inputs["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": 0}


def test_connections_are_kept_open_longer_than_the_load_balancers(found: Recorded) -> None:
    from components.load_balancer import IDLE_TIMEOUT_SECONDS

    assert int(found.inputs("us-east-1-app-config")["data"]["KEEP_ALIVE_SECONDS"]) > IDLE_TIMEOUT_SECONDS


def test_pods_spread_over_zones_without_refusing_to_start_when_one_is_lost(found: Recorded) -> None:
    for inputs in deployments(found).values():
        constraints = inputs["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert [one["topologyKey"] for one in constraints] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        assert {one["whenUnsatisfiable"] for one in constraints} == {"ScheduleAnyway"}


def test_spot_nodes_are_for_roles_that_hold_no_connection(recorded: Record, site: Site) -> None:
    def tolerant(found: Recorded) -> set[str]:
        return {name for name, one in deployments(found).items() if "tolerations" in one["spec"]["template"]["spec"]}

    assert tolerant(recorded(lambda: build(site))) == set()
    assert tolerant(recorded(lambda: build(site, compute=compute("auth", spot=True)))) == {"api-blue", "auth", "worker"}


def waits(found: Recorded, name: str, kind: str = "") -> set[str]:
    return {urn.rsplit("::", 1)[1] for urn in found.named(name, kind).dependencies}


def test_no_pod_starts_before_the_migration_its_policies_and_its_aws_access(found: Recorded) -> None:
    for name in deployments(found):
        role = name.removesuffix("-blue")
        expected = {
            "us-east-1-app-migration",
            "us-east-1-app-policy-app",
            "us-east-1-app-config",
            "us-east-1-app-secret-app",
            f"us-east-1-app-{role}",
            f"us-east-1-app-{role}-account",
        }
        assert expected <= waits(found, f"us-east-1-app-{name}", "v1:Deployment")


def test_bindings_stand_before_pods_so_that_readiness_gates_are_put_in(found: Recorded) -> None:
    for name in ("api-blue", "realtime"):
        assert f"us-east-1-app-{name}-binding" in waits(found, f"us-east-1-app-{name}", "v1:Deployment")
        binding = found.inputs(f"us-east-1-app-{name}-binding")
        assert binding["apiVersion"] == "eks.amazonaws.com/v1"
        assert binding["spec"]["serviceRef"] == {"name": name, "port": APP_PORT}
        assert binding["spec"]["targetType"] == "ip"
        service = found.inputs(f"us-east-1-app-{name}-service")
        assert service["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}


def test_the_migration_has_another_name_for_another_image_or_other_secrets(recorded: Record, site: Site) -> None:
    def name(**changes: Any) -> str:
        found = recorded(lambda: build(site, **changes))
        return str(found.inputs("us-east-1-app-migration", "v1:Job")["metadata"]["name"])

    first = name()
    assert first == name()
    assert first.startswith(f"migrate-{digest(IMAGE)}-")
    assert len({first, name(image=LATER), name(secret_versions=["v2"])}) == 3


def test_the_migration_goes_to_the_primary_itself_over_verified_tls(found: Recorded) -> None:
    pod = found.inputs("us-east-1-app-migration", "v1:Job")["spec"]["template"]["spec"]
    environment = {one["name"]: one["value"] for one in pod["containers"][0]["env"]}
    assert environment["DATABASE_WRITER_HOST"] == "primary.db"
    assert environment["DATABASE_PORT"] == "5432"
    assert environment["DATABASE_NAMES"] == "headroom"
    assert environment["DATABASE_TLS"] == "verify-full"
    assert environment["DATABASE_CA_FILE"] in pod["initContainers"][0]["command"]
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert environment["DATABASE_CA_FILE"].startswith(mounts["rds-trust"])
    assert environment["SECRETS_DIR"] == mounts["secrets"]


def test_each_primary_is_looked_after_every_night_as_the_migration_speaks_to_it(recorded: Record, site: Site) -> None:
    def database() -> DatabaseAccess:
        primaries = [OwnPrimary(host=f"{index}.db", databases=[f"d{index}", "more"]) for index in range(2)]
        return replace(arguments().database, primaries=primaries)

    found = recorded(lambda: Workloads("us-east-1-app", site, replace(arguments(), database=database())))
    nightly = {one.name: one for one in found.of("v1:CronJob")}
    assert nightly.keys() == {"us-east-1-app-upkeep", "us-east-1-app-upkeep-1"}
    pods = pod_specs(found)
    for (name, cron), migration in zip(
        sorted(nightly.items()), ("us-east-1-app-migration", "us-east-1-app-migration-1"), strict=True
    ):
        spec = cron.inputs["spec"]
        assert (spec["schedule"], spec["timeZone"], spec["concurrencyPolicy"]) == ("23 3 * * *", "Etc/UTC", "Forbid")
        assert {"us-east-1-app-secret-migration", "us-east-1-app-policy-migration"} <= waits(found, name, "v1:CronJob")
        own, theirs = (
            {one["name"]: one["value"] for one in pods[each]["spec"]["containers"][0]["env"]}
            for each in (name, migration)
        )
        assert own.pop("SERVICE_ROLE") == "upkeep"
        assert own.items() <= theirs.items()
        assert theirs.keys() - own.keys() == {"SERVICE_ROLE", "APPLICATION_USER"}
        # The same network policy lets both out.
        assert selector("migration").items() <= pods[name]["metadata"]["labels"].items()


def test_secrets_are_only_in_secrets_and_the_owners_password_only_where_the_migration_reads_it(
    found: Recorded,
) -> None:
    everything = str([one.inputs for one in found.resources])
    assert [value for value in PLANTED if value in everything] == []
    holders = {one.name: one.inputs for one in objects(found) if SECRET in set(strings(one.inputs))}
    assert {one["kind"] for one in holders.values()} == {"Secret"}
    assert holders["us-east-1-app-secret-app"]["stringData"].keys() == {
        "database_password",
        "cache_password",
        "second_factor_key",
        "sentry_dsn",
    }
    mounted = {
        name: volume["secret"]
        for name, template in pod_specs(found).items()
        for volume in template["spec"]["volumes"]
        if "secret" in volume
    }
    owners = {name: secret for name, secret in mounted.items() if secret["secretName"] == "migration"}
    assert owners.keys() == {"us-east-1-app-migration", "us-east-1-app-upkeep"}
    assert [item["key"] for item in owners["us-east-1-app-upkeep"]["items"]] == ["database_password"]


def test_each_secret_file_holds_the_password_that_its_reader_needs(recorded: Record, site: Site) -> None:
    seen: dict[str, str] = {}

    def note(args: pulumi.ResourceTransformationArgs) -> None:
        files: dict[str, pulumi.Output[str]] = dict(args.props).get("stringData", {})  # type: ignore[assignment]
        for key, value in files.items():
            value.apply(partial(seen.setdefault, f"{args.name} {key}"))

    def program() -> None:
        pulumi.runtime.register_stack_transformation(note)
        build(site)

    recorded(program)
    application, owner, cache, dsn, second_factor = PLANTED
    assert seen == {
        "us-east-1-app-secret-app database_password": application,
        "us-east-1-app-secret-app cache_password": cache,
        "us-east-1-app-secret-app second_factor_key": second_factor,
        "us-east-1-app-secret-app sentry_dsn": dsn,
        "us-east-1-app-secret-migration database_password": owner,
        "us-east-1-app-secret-migration application_password": application,
    }


@pytest.mark.parametrize(
    "change", [{"settings": {"DOMAIN": "example.org"}}, {"secret_versions": ["v2"]}, {"data_cidrs": ("10.0.0.0/8",)}]
)
def test_pods_restart_when_their_configuration_or_secrets_change_and_only_then(
    recorded: Record, site: Site, change: dict[str, Any]
) -> None:
    def pods(**changes: Any) -> Any:
        return deployments(recorded(lambda: build(site, **changes)))["api-blue"]["spec"]["template"]

    assert (pods() != pods(**change)) == ("data_cidrs" not in change)


def test_the_placeholder_answers_on_the_port_and_its_migration_ends_at_once(recorded: Record, site: Site) -> None:
    found = recorded(lambda: build(site, image=PLACEHOLDER_IMAGE, api_images={"blue": PLACEHOLDER_IMAGE}))
    for inputs in deployments(found).values():
        (container,) = inputs["spec"]["template"]["spec"]["containers"]
        assert container["args"][:2] == ["-listen", f":{container['ports'][0]['containerPort']}"]
        assert "-text" in container["args"]
    for name in ("us-east-1-app-migration", "us-east-1-app-upkeep"):
        job = pod_specs(found)[name]["spec"]
        assert job["containers"][0]["args"] == ["-version"]
        assert job["restartPolicy"] == "Never"


@pytest.mark.parametrize("image", ["headroom:latest", f"headroom@sha256:{'a' * 63}", "headroom"])
def test_an_image_without_a_digest_is_refused(image: str) -> None:
    with pytest.raises(ValueError, match="no sha256 digest"):
        digest(image)


def test_a_night_without_upkeep_is_told_for_each_primary_and_silence_is_no_excuse(recorded: Record, site: Site) -> None:
    def database() -> DatabaseAccess:
        primaries = [OwnPrimary(host=f"{index}.db", databases=[f"d{index}", "more"]) for index in range(2)]
        return replace(arguments().database, primaries=primaries)

    found = recorded(lambda: Workloads("us-east-1-app", site, replace(arguments(), database=database())))
    for index, name in enumerate(("us-east-1-app-upkeep", "us-east-1-app-upkeep-1")):
        lines = found.inputs(name, "LogMetricFilter")
        assert lines["pattern"] == f'{{ $.event = "upkeep_done" && $.database = "d{index}" }}'
        assert lines["logGroupName"] == "/headroom/10k/logs/access"
        metric, told = lines["metricTransformation"], found.inputs(f"{name}-missing", "MetricAlarm")
        assert (metric["value"], metric["defaultValue"]) == ("1", "0")
        assert (told["namespace"], told["metricName"], told["dimensions"]) == (metric["namespace"], metric["name"], {})
        assert (told["treatMissingData"], told["comparisonOperator"], told["threshold"]) == (
            "breaching",
            "LessThanThreshold",
            1,
        )
        # A day, an hour's late start and the job's own half hour; and no longer than CloudWatch looks back.
        watched = told["period"] * told["evaluationPeriods"]
        assert 25.5 * 3_600 <= watched <= 7 * 86_400
        assert told["alarmActions"] == ["arn:ticket"]
