"""Right configurations, and what becomes of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from infra.config import KEYS, ROOT, SECRETS, Environment, Settings
from infra.cost.usage import Usage
from infra.errors import UserError
from infra.settings_fields import ZONE_LETTERS
from stacks.phase import PhaseName, Sizing
from stacks.phases import PHASES
from tests.config.bad import GOOD
from tests.config.conftest import Stack


def settings(**changes: str) -> Settings:
    return Settings.parse({**GOOD, **{f"headroom:{key}": value for key, value in changes.items()}}, stack="prod")


def test_the_required_keys_are_enough() -> None:
    it = settings()

    assert (it.stack, it.phase, it.sizing, it.environment) == ("prod", "10k", Sizing.EFFICIENT, Environment.PRODUCTION)
    assert it.regions == ("us-east-1",)
    assert it.network_cidr == "10.64.0.0/14"
    assert it.cluster_access_cidrs == ()
    assert it.image is None
    assert it.spec == PHASES[PhaseName.P10K][Sizing.EFFICIENT]


@pytest.mark.parametrize("name", PhaseName)
def test_a_stack_ships_for_every_phase(name: PhaseName) -> None:
    it = Settings.of(name.value)

    assert it.spec == PHASES[name][Sizing.EFFICIENT]
    assert (it.environment, it.domain) == (Environment.PRODUCTION, "example.com")
    assert Path(f"{ROOT}/Pulumi.{name}.yaml").read_text().startswith("# yaml-language-server: $schema=schema/")


def test_overrides_change_what_they_name_and_nothing_else() -> None:
    it = settings(overrides='{"compute": {"pods": {"api": {"maximum": 8}}}, "targets": {"uptimePercent": "99.9"}}')
    usual = PHASES[PhaseName.P10K][Sizing.EFFICIENT]

    assert it.spec.compute.pods["api"].maximum == 8
    assert it.spec.compute.pods["api"].minimum == usual.compute.pods["api"].minimum
    assert it.spec.compute.pods["worker"] == usual.compute.pods["worker"]
    assert it.spec.targets.uptime_percent == 99.9
    assert it.spec.database == usual.database


def test_assumptions_about_usage_are_taken_as_numbers_or_as_the_text_that_pulumi_stores() -> None:
    usage = settings(usage='{"dailyShare": "0.25", "storedGib": 64, "uploadMib": 1.5, "sentry": "none"}').usage
    profile = Usage(PHASES[PhaseName.P10K][Sizing.EFFICIENT], overrides=usage).profile

    assert settings().usage == {}
    assert (str(profile.daily_share), str(profile.upload_mib)) == ("0.25", "1.5")
    assert (int(profile.stored_gib), profile.sentry) == (64, "none")


def test_a_volume_that_crosses_400_gib_gets_its_baseline_and_loses_it_below() -> None:
    grown = settings(overrides='{"database": {"storageGib": 500, "maxStorageGib": 900}}').spec.database
    shrunk = settings(phase="250k", overrides='{"database": {"storageGib": 200}}').spec.database

    assert (grown.iops, grown.throughput_mibps) == (12_000, 500)
    assert (shrunk.iops, shrunk.throughput_mibps) == (None, None)


def test_another_home_region_takes_the_place_of_the_phases_own() -> None:
    raw = {**GOOD, "headroom:regions": '["eu-west-1"]', "aws:region": "eu-west-1"}

    it = Settings.parse(raw, stack="prod")

    assert it.spec.regions == it.regions == ("eu-west-1",)
    assert it.spec.home_region == "eu-west-1"


def test_zones_are_a_b_and_c_where_none_are_named() -> None:
    it = settings(availabilityZones='["us-east-1b", "us-east-1d", "us-east-1f"]')

    assert it.zones("us-east-1") == ("b", "d", "f")
    assert it.zones("eu-west-1") == ("a", "b", "c")
    assert all({"a", "b", "c"} <= set(letters) for letters in ZONE_LETTERS.values())


def test_a_development_stack_may_be_called_from_a_laptop() -> None:
    it = settings(environment="development", allowedOrigins='["http://localhost:5173"]')

    assert it.allowed_origins == ("http://localhost:5173",)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("domain", "example.co.uk"),
        ("domain", "xn--bcher-kva.example"),
        ("domain", "api.com"),
        ("image", f"123456789012.dkr.ecr.us-east-1.amazonaws.com/prod/app:v1.2@sha256:{'ab' * 32}"),
        ("image", f"localhost:5000/app@sha256:{'0' * 64}"),
        ("networkCidr", "172.24.0.0/14"),
        ("clusterAccessCidrs", '["203.0.113.7/32", "198.51.100.0/24"]'),
        ("operatorRoleArns", '["arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/eu-west-1/Admin_1a2b"]'),
        ("anonymousApiPaths", '["/api/v1/posts/*", "/api/v1/categories"]'),
        ("allowedOrigins", '["https://admin.example.com", "https://example.com:8443"]'),
        ("alertEmails", '["On.Call+prod@team.example.com"]'),
        ("owner", "Team A / platform"),
    ],
)
def test_a_right_value_is_taken(key: str, value: str) -> None:
    taken = getattr(settings(**{key: value}), KEYS[key])

    assert taken == (tuple(json.loads(value)) if value.startswith("[") else value)


def test_keys_of_others_pass() -> None:
    raw = {**GOOD, "aws:profile": "prod", "cloudflare:apiToken": "x", "kubernetes:context": "y", "pulumi:tags": "{}"}

    assert Settings.parse(raw, stack="prod") == settings()


def test_values_of_secrets_never_arrive() -> None:
    secret = "https://planted-91b2.example.com"
    raw = {**GOOD, **{f"headroom:{key}": secret for key in SECRETS}}

    it = Settings.parse(raw, stack="prod", encrypted={f"headroom:{key}" for key in SECRETS})

    assert it.secret_keys == SECRETS
    assert secret not in repr(it) + it.model_dump_json()


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        settings().domain = "other.com"  # type: ignore[misc]


def test_edge_workers_are_content_with_an_account(stack: Stack) -> None:
    stack.raw |= {"headroom:phase": "1m", "headroom:cloudflareAccountId": "0" * 32}

    assert stack.problems() == []


def test_a_stack_without_file_is_told_the_stacks_there_are(tmp_path: Path) -> None:
    for name in ("10k", "prod"):
        (tmp_path / f"Pulumi.{name}.yaml").write_text("config: {}")
    (tmp_path / "Pulumi.yaml").write_text("name: headroom")

    with pytest.raises(UserError, match=r"^no stack staging \(Pulumi.staging.yaml\); the stacks are 10k, prod$"):
        Settings.of("staging", tmp_path)


def test_a_name_that_is_a_path_is_no_stack(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no name of a stack"):
        Settings.of("../../etc\x00", tmp_path)


def test_of_a_stack_with_its_organization_the_last_part_counts() -> None:
    assert Settings.of("acme/headroom/10k") == Settings.of("10k")


def test_a_running_program_reads_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    import pulumi
    from pulumi.runtime import config

    monkeypatch.setattr(pulumi, "get_stack", lambda: "prod")
    before = config.CONFIG.set({**GOOD, "headroom:sentryDsn": "https://planted.example.com"})
    secrets = config._SECRET_KEYS.set({"headroom:sentryDsn"})
    try:
        it = Settings.current()
    finally:
        config.CONFIG.reset(before)
        config._SECRET_KEYS.reset(secrets)

    assert it == settings().model_copy(update={"secret_keys": ("sentryDsn",)})
