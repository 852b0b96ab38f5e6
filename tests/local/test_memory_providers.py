"""The providers that have no moto behind them: random, Kubernetes and Cloudflare."""

from __future__ import annotations

import base64
import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import UserError
from infra.local import random
from infra.local.cloudflare import CloudflareProvider
from infra.local.kubernetes import KubernetesProvider, valid_name
from infra.local.provider import Call, Provider
from infra.local.values import UNKNOWN, Secret
from infra.replacements import replaces_at

ZONE = "0123456789abcdef0123456789abcdef"
RECORD = "cloudflare:index/dnsRecord:DnsRecord"
RULESET = "cloudflare:index/ruleset:Ruleset"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"


class Hands:
    """Calls a provider's kinds as the protocol does."""

    def __init__(self, provider: Provider, **config: str) -> None:
        """Remember the provider and the configuration of its instance."""
        self.provider = provider
        self.config = config

    def create(self, token: str, inputs: dict[str, Any], name: str = "it") -> tuple[str, dict[str, Any]]:
        kind = self.provider.kind(token)
        assert kind is not None
        return kind.create(self.provider.context(Call(token, name, inputs, self.config)), inputs)

    def read(self, token: str, id_: str) -> dict[str, Any] | None:
        kind = self.provider.kind(token)
        assert kind is not None
        return kind.read(self.provider.context(Call(token, "it", {}, self.config)), id_, {})

    def update(self, token: str, id_: str, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
        kind = self.provider.kind(token)
        assert kind is not None
        return kind.update(self.provider.context(Call(token, "it", new, self.config)), id_, old, old, new)

    def delete(self, token: str, id_: str) -> None:
        kind = self.provider.kind(token)
        assert kind is not None
        kind.delete(self.provider.context(Call(token, "it", {}, self.config)), id_, {})

    def problems(self, token: str, inputs: dict[str, Any]) -> list[str]:
        return [f"{path}: {why}" for path, why in self.provider.problems(Call(token, "it", inputs, {}))]


@pytest.fixture
def kubernetes() -> Hands:
    return Hands(KubernetesProvider())


@pytest.fixture
def cloudflare() -> Hands:
    return Hands(CloudflareProvider())


def manifest(kind: str, name: str | None = None, namespace: str | None = None, **others: Any) -> dict[str, Any]:
    metadata = {key: value for key, value in (("name", name), ("namespace", namespace)) if value}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **others}


# random


CLASSES = {"minLower": str.islower, "minUpper": str.isupper, "minNumeric": str.isdigit}


@given(
    st.integers(8, 60),
    st.fixed_dictionaries({name: st.integers(0, 2) for name in (*CLASSES, "minSpecial")}),
    st.sampled_from(["", "-_"]),
)
def test_a_password_has_the_length_and_the_classes_asked_for(
    length: int, minimums: dict[str, int], override: str
) -> None:
    word = random.password({"length": length, **minimums, "overrideSpecial": override})
    special = [c for c in word if not c.isalnum()]
    assert len(word) == length
    assert {name: sum(map(is_class, word)) >= minimums[name] for name, is_class in CLASSES.items()} == dict.fromkeys(
        CLASSES, True
    )
    assert len(special) >= minimums["minSpecial"]
    assert set(special) <= set(override or random.SPECIAL)


def test_a_password_without_special_characters_has_none() -> None:
    assert all(random.password({"length": 64, "special": False}).isalnum() for _ in range(20))


def test_a_password_is_secret_and_another_one_each_time() -> None:
    made = [random.RandomPassword().create(None, {"length": 20})[1]["result"] for _ in range(2)]
    assert all(isinstance(result, Secret) for result in made)
    assert made[0] != made[1]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"length": 3, "minLower": 2, "minUpper": 2}, "length 3 cannot hold the 4 characters"),
        ({"length": 9, "special": False, "minSpecial": 1}, "minSpecial is 1, but special is false"),
        ({"length": 9, "special": False, "lower": False, "upper": False, "numeric": False}, "length 9 cannot hold"),
    ],
)
def test_an_impossible_password_is_refused(inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        random.password(inputs)


def test_random_bytes_are_secret_in_both_forms() -> None:
    id_, outputs = random.RandomBytes().create(None, {"length": 32})
    assert id_ == "none"
    assert base64.b64decode(outputs["base64"].value) == bytes.fromhex(outputs["hex"].value)
    assert len(bytes.fromhex(outputs["hex"].value)) == 32


# Kubernetes


def test_an_object_is_read_back_as_it_was_created(kubernetes: Hands) -> None:
    kubernetes.create("kubernetes:core/v1:Namespace", manifest("Namespace", "shop"))
    id_, outputs = kubernetes.create(
        "kubernetes:core/v1:ConfigMap", manifest("ConfigMap", "a", "shop", data={"k": "v"})
    )
    assert id_ == "shop/a"
    assert {"uid", "resourceVersion", "creationTimestamp"} <= outputs["metadata"].keys()
    assert kubernetes.read("kubernetes:core/v1:ConfigMap", id_) == outputs


def test_an_update_keeps_the_identity_and_moves_the_version(kubernetes: Hands) -> None:
    inputs = manifest("ConfigMap", "a", data={"k": "v"})
    id_, before = kubernetes.create("kubernetes:core/v1:ConfigMap", inputs)
    after = kubernetes.update("kubernetes:core/v1:ConfigMap", id_, inputs, {**inputs, "data": {"k": "w"}})
    assert after["data"] == {"k": "w"}
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]


def test_an_object_without_a_name_gets_one(kubernetes: Hands) -> None:
    first, _ = kubernetes.create("kubernetes:core/v1:ConfigMap", manifest("ConfigMap"), "Settings")
    second, _ = kubernetes.create("kubernetes:core/v1:ConfigMap", manifest("ConfigMap"), "Settings")
    assert first != second
    assert first.startswith("default/settings-")


def test_an_absent_namespace_a_taken_name_and_an_undefined_kind_are_refused(kubernetes: Hands) -> None:
    with pytest.raises(UserError, match='namespaces "nowhere" not found'):
        kubernetes.create("kubernetes:core/v1:ConfigMap", manifest("ConfigMap", "a", "nowhere"))
    kubernetes.create("kubernetes:core/v1:ConfigMap", manifest("ConfigMap", "a"))
    with pytest.raises(UserError, match='configmaps "default/a" already exists'):
        kubernetes.create("kubernetes:core/v1:ConfigMap", manifest("ConfigMap", "a"))
    with pytest.raises(UserError, match=r'no matches for kind "Widget" in group "example\.com"'):
        kubernetes.create("kubernetes:example.com/v1:Widget", manifest("Widget", "a"))


def test_a_definition_makes_its_kind_known(kubernetes: Hands) -> None:
    definition = manifest("CustomResourceDefinition", "widgets.example.com", spec={"group": "example.com"})
    kubernetes.create("kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", definition)
    assert kubernetes.create("kubernetes:example.com/v1:Widget", manifest("Widget", "a"))[0] == "default/a"


def test_what_auto_mode_brings_is_known(kubernetes: Hands) -> None:
    assert kubernetes.create("kubernetes:karpenter.sh/v1:NodePool", manifest("NodePool", "spot"))[0] == "spot"


RELEASE = "kubernetes:helm.sh/v3:Release"


def test_a_release_lives_in_its_namespace_and_counts_its_revisions(kubernetes: Hands) -> None:
    inputs = {"name": "proxy", "namespace": "shop", "chart": "ztunnel", "version": "1.0.0"}
    with pytest.raises(UserError, match='namespaces "shop" not found'):
        kubernetes.create(RELEASE, inputs)
    kubernetes.create("kubernetes:core/v1:Namespace", manifest("Namespace", "shop"))
    id_, outputs = kubernetes.create(RELEASE, inputs)
    assert (id_, outputs["status"]["status"], outputs["status"]["revision"]) == ("shop/proxy", "deployed", 1)
    assert kubernetes.read(RELEASE, id_) == outputs
    with pytest.raises(UserError, match="still in use: proxy"):
        kubernetes.create(RELEASE, inputs)
    after = kubernetes.update(RELEASE, id_, inputs, {**inputs, "version": "1.1.0"})
    assert (after["status"]["version"], after["status"]["revision"]) == ("1.1.0", 2)
    kubernetes.delete(RELEASE, id_)
    assert kubernetes.read(RELEASE, id_) is None


def test_the_mesh_defines_its_kinds(kubernetes: Hands) -> None:
    policy = manifest("PeerAuthentication", "strict")
    with pytest.raises(UserError, match=r'group "security\.istio\.io"'):
        kubernetes.create("kubernetes:security.istio.io/v1:PeerAuthentication", policy)
    kubernetes.create(RELEASE, {"name": "istio-base", "namespace": "default", "chart": "base"})
    assert kubernetes.create("kubernetes:security.istio.io/v1:PeerAuthentication", policy)[0] == "default/strict"


def test_another_name_or_namespace_replaces_a_release_and_another_version_does_not() -> None:
    assert [path for path in ("name", "namespace", "version", "values") if replaces_at(RELEASE, path)] == [
        "name",
        "namespace",
    ]


def test_a_deleted_namespace_takes_its_objects_along(kubernetes: Hands) -> None:
    kubernetes.create("kubernetes:core/v1:Namespace", manifest("Namespace", "shop"))
    id_, _ = kubernetes.create("kubernetes:core/v1:ConfigMap", manifest("ConfigMap", "a", "shop"))
    kubernetes.delete("kubernetes:core/v1:Namespace", "shop")
    assert kubernetes.read("kubernetes:core/v1:ConfigMap", id_) is None
    with pytest.raises(UserError, match='configmaps "shop/a" not found'):
        kubernetes.update("kubernetes:core/v1:ConfigMap", id_, {}, manifest("ConfigMap", "a", "shop"))


def test_a_kubernetes_secret_shows_its_text_in_base64_and_secret(kubernetes: Hands) -> None:
    _, outputs = kubernetes.create("kubernetes:core/v1:Secret", manifest("Secret", "s", stringData={"k": "hello"}))
    assert outputs["data"] == Secret({"k": "aGVsbG8="})
    assert outputs["stringData"] == Secret({"k": "hello"})


def test_clusters_are_apart(kubernetes: Hands) -> None:
    other = Hands(kubernetes.provider, clusterIdentifier="arn:other")
    kubernetes.create("kubernetes:core/v1:Namespace", manifest("Namespace", "shop"))
    assert other.read("kubernetes:core/v1:Namespace", "shop") is None


@pytest.mark.parametrize(
    ("kind", "name", "valid"),
    [
        ("ConfigMap", "a.b-c", True),
        ("ConfigMap", "A", False),
        ("ConfigMap", "a_b", False),
        ("ConfigMap", "-a", False),
        ("ConfigMap", "a" * 254, False),
        ("Namespace", "a.b", False),
        ("Service", "1st", False),
        ("Service", "a" * 64, False),
        ("ClusterRole", "system:node", True),
        ("ClusterRole", "a/b", False),
    ],
)
def test_names_are_what_the_api_server_takes(kind: str, name: str, *, valid: bool) -> None:
    assert valid_name(kind, name) is valid


def deployment(selector: Any, labels: Any) -> dict[str, Any]:
    spec = {"selector": {"matchLabels": selector}, "template": {"metadata": {"labels": labels}}}
    return manifest("Deployment", "api", spec=spec)


def test_a_selector_must_match_its_template(kubernetes: Hands) -> None:
    assert kubernetes.problems(DEPLOYMENT, deployment({"app": "a"}, {"app": "a", "tier": "web"})) == []
    found = kubernetes.problems(DEPLOYMENT, deployment({"app": "a"}, {"app": "b"}))
    assert found == ["spec.template.metadata.labels: `selector` does not match template `labels`: {'app': 'a'}"]
    assert kubernetes.problems(DEPLOYMENT, manifest("Deployment", "api", spec={})) == ["spec.selector: required"]


def test_labels_are_strings_of_at_most_63_characters(kubernetes: Hands) -> None:
    labels = {"good/key": "ok", "bad key": "x", "long": "x" * 64, "number": 1}
    found = kubernetes.problems("kubernetes:core/v1:ConfigMap", {"metadata": {"name": "a", "labels": labels}})
    assert [line.split('"')[1] for line in found] == ["bad key", "long", "number"]


@pytest.mark.parametrize("place", ["metadata", "name", "labels", "label", "spec", "selector", "template"])
def test_unknowns_anywhere_are_no_problem(kubernetes: Hands, place: str) -> None:
    inputs: dict[str, Any] = deployment({"app": "a"}, {"app": "a"})
    match place:
        case "metadata" | "spec":
            inputs[place] = UNKNOWN
        case "name" | "labels":
            inputs["metadata"][place] = UNKNOWN
        case "label":
            inputs["spec"]["template"]["metadata"]["labels"]["app"] = UNKNOWN
        case _:
            inputs["spec"][place] = UNKNOWN
    assert kubernetes.problems(DEPLOYMENT, inputs) == []


@pytest.mark.parametrize(
    ("kind", "path", "config", "replaces"),
    [
        ("ConfigMap", "data.key", {}, True),
        ("ConfigMap", "data.key", {"enableConfigMapMutable": "true"}, False),
        ("ConfigMap", "data.key", {"enableSecretMutable": True}, True),
        ("ConfigMap", "metadata.name", {"enableConfigMapMutable": True}, True),
        ("Secret", "stringData.key", {"enableSecretMutable": True}, False),
        ("Secret", "type", {"enableSecretMutable": True}, True),
    ],
)
def test_data_replaces_its_object_unless_the_provider_lets_it_change(
    kubernetes: Hands, kind: str, path: str, config: dict[str, Any], *, replaces: bool
) -> None:
    token = kubernetes.provider.judged_as(f"kubernetes:core/v1:{kind}", config)
    assert replaces_at(token, path) is replaces


def test_charts_and_functions_are_not_kinds(kubernetes: Hands) -> None:
    assert kubernetes.provider.kind("kubernetes:helm.sh/v4:Chart") is None
    with pytest.raises(UserError, match="no function kubernetes:yaml:decode"):
        kubernetes.provider.invoke("kubernetes:yaml:decode", {}, {})


# Cloudflare


def record(**others: Any) -> dict[str, Any]:
    return {"zoneId": ZONE, "name": "api.example.com", "type": "CNAME", "content": "d1.net", "ttl": 1, **others}


def test_a_record_lives_and_dies(cloudflare: Hands) -> None:
    id_, outputs = cloudflare.create(RECORD, record())
    assert len(id_) == 32
    assert cloudflare.read(RECORD, id_) == outputs
    assert cloudflare.update(RECORD, id_, record(), record(content="d2.net"))["content"] == "d2.net"
    cloudflare.delete(RECORD, id_)
    assert cloudflare.read(RECORD, id_) is None
    with pytest.raises(UserError, match="deleted outside of this stack"):
        cloudflare.update(RECORD, id_, record(), record())


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (record(type="A", content="192.0.2.1"), "81053"),
        (record(content="other.net"), "81053"),
        (record(name="b.example.com", ttl=30), "ttl must be 1"),
        (record(zoneId="zone"), "32 hexadecimal digits, not 'zone'"),
    ],
)
def test_records_that_cloudflare_refuses_are_refused(cloudflare: Hands, second: dict[str, Any], message: str) -> None:
    cloudflare.create(RECORD, record())
    with pytest.raises(UserError, match=message):
        cloudflare.create(RECORD, second)


def test_an_identical_record_is_refused_and_a_second_address_is_not(cloudflare: Hands) -> None:
    cloudflare.create(RECORD, record(type="TXT", content="a"))
    cloudflare.create(RECORD, record(type="TXT", content="b"))
    with pytest.raises(UserError, match="81058"):
        cloudflare.create(RECORD, record(type="TXT", content="a"))


def test_a_zone_has_one_ruleset_a_phase(cloudflare: Hands) -> None:
    inputs = {"zoneId": ZONE, "kind": "zone", "name": "n", "phase": "http_ratelimit"}
    id_, _ = cloudflare.create(RULESET, inputs)
    with pytest.raises(UserError, match="one entry point a phase"):
        cloudflare.create(RULESET, inputs)
    assert cloudflare.update(RULESET, id_, inputs, {**inputs, "description": "d"})["description"] == "d"


def test_settings_exist_once_a_zone(cloudflare: Hands) -> None:
    setting = {"zoneId": ZONE, "settingId": "ssl", "value": "strict"}
    cloudflare.create("cloudflare:index/zoneSetting:ZoneSetting", setting)
    with pytest.raises(UserError, match="the setting ssl"):
        cloudflare.create("cloudflare:index/zoneSetting:ZoneSetting", setting)
    cache = {"zoneId": ZONE, "value": "on"}
    assert cloudflare.create("cloudflare:index/tieredCache:TieredCache", cache)[0] == ZONE
    with pytest.raises(UserError, match="tiered cache"):
        cloudflare.create("cloudflare:index/tieredCache:TieredCache", cache)


def script(**others: Any) -> dict[str, Any]:
    return {"accountId": ZONE, "scriptName": "cache", "content": "export default {}", **others}


def test_a_script_has_its_name_for_an_id_and_is_changed_in_place(cloudflare: Hands) -> None:
    token = "cloudflare:index/workersScript:WorkersScript"
    id_, _ = cloudflare.create(token, script())
    assert id_ == "cache"
    with pytest.raises(UserError, match="the account has a script cache already"):
        cloudflare.create(token, script())
    with pytest.raises(UserError, match="is empty"):
        cloudflare.create(token, script(scriptName="other", content=" "))
    assert cloudflare.update(token, id_, script(), script(content="export {}"))["content"] == "export {}"


def test_a_route_is_there_once_and_its_wildcards_stand_outside(cloudflare: Hands) -> None:
    token = "cloudflare:index/workersRoute:WorkersRoute"
    route = {"zoneId": ZONE, "pattern": "api.example.com/api/v1/posts/*", "script": "cache"}
    cloudflare.create(token, route)
    with pytest.raises(UserError, match="already exists"):
        cloudflare.create(token, route)
    with pytest.raises(UserError, match="has a wildcard inside"):
        cloudflare.create(token, {**route, "pattern": "api.example.com/api/*/posts"})


def test_the_published_ranges_are_networks_and_the_only_function(cloudflare: Hands) -> None:
    found = cloudflare.provider.invoke("cloudflare:index/getIpRanges:getIpRanges", {}, {})
    assert all(ipaddress.ip_network(cidr).version == 4 for cidr in found["ipv4Cidrs"])
    assert all(ipaddress.ip_network(cidr).version == 6 for cidr in found["ipv6Cidrs"])
    with pytest.raises(UserError, match="no function cloudflare:index/getZone:getZone"):
        cloudflare.provider.invoke("cloudflare:index/getZone:getZone", {}, {})
