import json
from collections.abc import Callable
from dataclasses import replace

import pulumi
import pytest

from components.component import Site
from components.secrets import Secrets, SecretsArgs
from infra.plan import SECRET
from infra.procedures.rotate import Secret as Rotatable
from tests.components.conftest import ACCOUNT, Recorded

Record = Callable[[Callable[[], object]], Recorded]


def key(region: str) -> str:
    return f"arn:aws:kms:{region}:{ACCOUNT}:key/1"


@pytest.fixture
def regions(recorded: Record, site: Site) -> Recorded:
    def build() -> None:
        replicas = [("us-west-2", key("us-west-2"))]
        home = Secrets(
            "us-east-1-secrets",
            site,
            SecretsArgs(key_arn=key("us-east-1"), account_id=ACCOUNT, replicas=replicas),
        )
        far = replace(site, region="us-west-2")
        Secrets("us-west-2-secrets", far, SecretsArgs(key_arn=key("us-west-2"), account_id=ACCOUNT, shared=home))

    return recorded(build)


def test_alone_a_region_copies_nothing(recorded: Record, site: Site) -> None:
    parts = recorded(lambda: Secrets("s", site, SecretsArgs(key_arn=key("us-east-1"), account_id=ACCOUNT)))

    assert all("replicas" not in secret.inputs for secret in parts.of("secretsmanager/secret:Secret"))
    assert len(parts.of("RandomPassword")) == 5


def test_the_signing_keys_and_nothing_else_are_replicated_with_a_key_of_the_other_region(regions: Recorded) -> None:
    replicated = {
        secret.name: secret.inputs["replicas"]
        for secret in regions.of("secretsmanager/secret:Secret")
        if "replicas" in secret.inputs
    }

    assert replicated == {"us-east-1-secrets-signing": [{"kmsKeyId": key("us-west-2"), "region": "us-west-2"}]}


def test_replicas_come_to_a_secret_that_is_there(regions: Recorded, recorded: Record, site: Site) -> None:
    args = SecretsArgs(key_arn=key("us-east-1"), account_id=ACCOUNT)
    before = recorded(lambda: Secrets("us-east-1-secrets", site, args)).named("us-east-1-secrets-signing", ":Secret")
    after = regions.named("us-east-1-secrets-signing", ":Secret")

    assert after.urn == before.urn
    assert {name: value for name, value in after.inputs.items() if name != "replicas"} == before.inputs


def test_a_further_region_generates_only_the_password_of_its_own_database(regions: Recorded) -> None:
    generated = [each.name for each in regions.of("RandomPassword") if each.name.startswith("us-west-2")]

    assert generated == ["us-west-2-secrets-database"]
    assert not [each for each in regions.of("SecretRotation") if each.name.startswith("us-west-2")]


def test_a_further_region_keeps_homes_values_itself(regions: Recorded) -> None:
    for what in ("application", "cache", "origin", "second-factor"):
        kept = regions.named(f"us-west-2-secrets-{what}", "SecretVersion")
        assert kept.inputs["secretString"] == SECRET
        assert [urn for urn in kept.dependencies if urn.endswith(f"RandomPassword::us-east-1-secrets-{what}")]
    assert SECRET not in json.dumps(regions.inputs("us-west-2-secrets-origin", ":Secret"))


def test_tokens_are_checked_with_the_replica_in_the_same_region(recorded: Record, site: Site) -> None:
    found: list[str] = []

    def build() -> None:
        home = Secrets("us-east-1-secrets", site, SecretsArgs(key_arn=key("us-east-1"), account_id=ACCOUNT))
        home.signing_keys_arn = pulumi.Output.from_input(
            f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:us-east-1-signing-AbCdEf"
        )
        far = replace(site, region="us-west-2")
        there = Secrets(
            "us-west-2-secrets", far, SecretsArgs(key_arn=key("us-west-2"), account_id=ACCOUNT, shared=home)
        )
        there.signing_keys_arn.apply(found.append)
        assert there.arns["signing"] is there.signing_keys_arn

    recorded(build)

    # The name of the secret has home's region in it, and keeps it.
    assert found == [f"arn:aws:secretsmanager:us-west-2:{ACCOUNT}:secret:us-east-1-signing-AbCdEf"]


def test_the_key_of_second_factors_outlives_every_rotation_and_every_change_of_the_program(regions: Recorded) -> None:
    generator = regions.named("us-east-1-secrets-second-factor", "RandomPassword")

    assert generator.options["protect"]
    assert "second-factor" not in set(Rotatable)
    assert not [each for each in regions.of("SecretRotation") if "second-factor" in each.name]
