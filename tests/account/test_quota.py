"""What the four phases need of AWS's service quotas."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws

from infra import stack_file
from infra.account import quota_command
from infra.account.quota import Counts, Line, lines, quotas
from infra.cidr import REGIONS
from infra.errors import UserError
from infra.verify.facts import Clients

ROOT = Path(__file__).parents[2]
PHASES = ("10k", "50k", "250k", "1m")


@lru_cache(maxsize=4)
def _needed(phase: str) -> Counts:
    return quota_command.of_plan(stack_file.read(ROOT / f"Pulumi.{phase}.yaml"))


def _missing(phase: str) -> set[tuple[str, str]]:
    return {(line.region, line.quota.key) for line in lines(_needed(phase)) if not line.fits}


def test_a_new_account_lacks_only_cores_in_every_phase() -> None:
    """Five vCPUs are a new account's default; everything else fits, and the documentation says so."""
    home = ("us-east-1", "on-demand-vcpus")
    assert _missing("10k") == {home}
    assert _missing("50k") == {home}
    assert _missing("250k") == {home, ("us-east-1", "spot-vcpus")}
    assert _missing("1m") == {
        (region, key) for region in ("us-east-1", "us-west-2", "eu-west-1") for key in ("on-demand-vcpus", "spot-vcpus")
    }


@pytest.mark.parametrize("phase", PHASES)
def test_the_load_balancers_group_is_nearly_full_as_a_prefix_list_counts_by_its_weight(phase: str) -> None:
    assert 55 <= _needed(phase)["us-east-1", "rules-per-group"] <= 60


def test_the_needs_of_the_largest_phase_are_those_of_its_design() -> None:
    needed = _needed("1m")
    expected = {
        "vpcs": 1,
        "elastic-ips": 3,
        "nat-gateways-per-zone": 1,
        "peerings-per-vpc": 2,
        "db-instances": 5,
        "replicas-per-primary": 4,
        "db-storage-gb": 5000,
        "cache-nodes": 10,
        "cache-nodes-per-cluster": 8,
        "clusters": 1,
        "search-nodes-per-domain": 3,
        "interface-endpoints-per-vpc": 2,
    }
    for region in ("us-east-1", "us-west-2", "eu-west-1"):
        assert {key: needed[region, key] for key in expected} == expected, region
    assert needed["", "roles"] > 50
    assert {region for region, _ in needed} <= {"", *REGIONS}


@pytest.mark.parametrize(("smaller", "larger"), [("10k", "50k"), ("50k", "250k"), ("250k", "1m")])
def test_a_larger_phase_needs_at_least_as_many_things(smaller: str, larger: str) -> None:
    fewer, more = (
        Counter({place: need for place, need in _needed(phase).items() if "vcpus" not in place[1]})
        for phase in (smaller, larger)
    )
    assert {place for place, need in fewer.items() if more[place] < need} <= {("us-east-1", "policies-per-role")}


def test_the_documentation_has_the_cores_of_every_phase() -> None:
    page = (ROOT / "docs/account.md").read_text(encoding="utf-8")
    for phase in PHASES:
        needed = _needed(phase)
        on_demand, spot = needed["us-east-1", "on-demand-vcpus"], needed["us-east-1", "spot-vcpus"]
        assert f"| {phase} | {on_demand} vCPUs | {f'{spot} vCPUs ' if spot else ''}|" in page
        places = {place for place in needed if place[1] in {"on-demand-vcpus", "spot-vcpus"}}
        assert {needed[place] for place in places} <= {on_demand, spot}, "the same in each region"


def test_every_quota_has_its_source_and_is_needed_by_some_phase() -> None:
    used = {key for phase in PHASES for _, key in _needed(phase)}
    assert used == set(quotas())
    for quota in quotas().values():
        assert quota.source.startswith("https://docs.aws.amazon.com/")
        assert quota.default > 0
        assert quota.code is None or quota.code.startswith("L-")
    codes = [quota.code for quota in quotas().values() if quota.code]
    assert len(codes) == len(set(codes))


def test_a_missing_quota_comes_with_the_command_that_asks_for_it() -> None:
    (line,) = lines(Counter({("us-east-1", "elastic-ips"): 6}))
    assert not line.fits
    assert line.command == (
        "aws service-quotas request-service-quota-increase --region us-east-1 "
        "--service-code ec2 --quota-code L-0263D0A3 --desired-value 6"
    )


def test_what_aws_never_raises_has_no_command() -> None:
    (line,) = lines(Counter({("us-east-1", "log-resource-policies"): 11}))
    assert (line.fits, line.command) == (False, None)


def test_the_accounts_own_value_counts_where_it_was_asked() -> None:
    place = ("us-east-1", "on-demand-vcpus")
    assert lines(Counter({place: 12}), {place: 64}) == [
        Line("us-east-1", quotas()["on-demand-vcpus"], 12, 64, asked=True)
    ]


def test_the_account_is_asked_and_what_it_does_not_know_is_left_to_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Moto knows the quotas of VPCs alone."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr(boto3.Session, "client", _without_default_quotas(boto3.Session.client))
    vpcs, cores = ("eu-west-1", "vpcs"), ("us-east-1", "on-demand-vcpus")
    with mock_aws():
        found = quota_command.asked([vpcs, cores, ("", "web-acl-capacity")], Clients())
    assert found == {vpcs: 5}


def _without_default_quotas(make: Callable[..., Any]) -> Callable[..., Any]:
    """Moto has no `GetAWSDefaultServiceQuota`; AWS would not know the quota either."""

    def client(*arguments: Any, **options: Any) -> Any:
        made = make(*arguments, **options)
        if "service-quotas" in arguments:
            made.get_aws_default_service_quota = made.get_service_quota
        return made

    return client


def test_without_credentials_the_defaults_stand_in_and_the_report_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _signed_out(monkeypatch, tmp_path)
    assert quota_command.asked([("us-east-1", "vpcs")], Clients()) is None
    answer = CliRunner().invoke(quota_command.command, ["10k"])
    assert answer.exit_code == 1
    assert "The account was not asked" in answer.output
    assert "--service-code ec2 --quota-code L-1216C47A --desired-value" in answer.output


def _signed_out(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "none"))


def test_an_account_that_may_not_be_asked_is_a_word_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import ClientError

    class _Refusing:
        def get_service_quota(self, **_: str) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetServiceQuota")

        get_aws_default_service_quota = get_service_quota

    clients = Clients()
    monkeypatch.setattr(clients, "get", lambda *_: _Refusing())
    with pytest.raises(UserError, match="cannot be read") as error:
        quota_command.asked([("us-east-1", "vpcs")], clients)
    assert any("--defaults" in mend for mend in error.value.problems)


def test_the_json_has_every_quota() -> None:
    answer = CliRunner().invoke(quota_command.command, ["10k", "--defaults", "--json"])
    said = json.loads(answer.output)
    assert (answer.exit_code, said["fits"], said["askedAccount"]) == (1, False, False)
    assert len(said["quotas"]) == len(_needed("10k"))
