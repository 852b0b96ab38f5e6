"""Setting up an account, against moto."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from moto import mock_aws
from moto.iam.models import iam_backends

from infra.account import bootstrap, permissions
from infra.account.bootstrap import Done, Wish
from infra.account.bootstrap_piece import Outcome
from infra.account.bootstrap_state import ALIAS, Key
from infra.account.permissions import ISSUER, PREVIEW, PRICES, UP
from infra.errors import UserError
from infra.verify.facts import Clients
from tests.account.iam import allowed

WISH = Wish("acme/headroom", "us-east-1", ("prod",))
BUCKET = "headroom-state-123456789012-us-east-1"
PROVIDER = f"arn:aws:iam::123456789012:oidc-provider/{ISSUER}"


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    # Moto has AWS's own policies, such as ReadOnlyAccess, only when asked.
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        yield


@lru_cache(maxsize=1)
def _clients() -> Clients:
    """Shared by all tests: a client takes longer to make than to use."""
    return Clients()


def _client(service: str) -> Any:
    return _clients().get(service, "us-east-1")


def _run(wish: Wish = WISH, *, dry: bool = False) -> Done:
    return bootstrap.run(wish, _clients(), dry=dry)


def _outcomes(done: Done) -> dict[str, Outcome]:
    return {one.name: one.outcome for one in done.results}


def _lacked(done: Done) -> dict[str, tuple[str, ...]]:
    return {one.name: one.lacked for one in done.results if one.outcome is not Outcome.KEPT}


def test_an_empty_account_gets_everything() -> None:
    assert set(_outcomes(_run()).values()) == {Outcome.CREATED}


def test_a_second_run_changes_nothing_and_says_so() -> None:
    _run()
    again = _run()
    assert (_lacked(again), again.changed) == ({}, False)
    assert "it was all there: nothing was changed" in bootstrap.lines(again, dry=False)


def test_a_dry_run_says_what_would_be_done_and_does_nothing() -> None:
    done = _run(dry=True)
    assert set(_outcomes(done).values()) == {Outcome.CREATED}
    assert _client("s3").list_buckets()["Buckets"] == []
    assert _client("kms").list_keys()["Keys"] == []
    assert _client("iam").list_roles()["Roles"] == []
    assert _client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"] == []
    assert bootstrap.lines(done, dry=True)[-1] == "nothing was changed: run it without --dry-run"


def test_the_state_is_private_encrypted_versioned_and_behind_tls() -> None:
    _run()
    s3 = _client("s3")
    key = _client("kms").describe_key(KeyId=ALIAS)["KeyMetadata"]
    block = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    assert len(block) == 4
    (rule,) = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key["Arn"]}
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    (ownership,) = s3.get_bucket_ownership_controls(Bucket=BUCKET)["OwnershipControls"]["Rules"]
    assert ownership == {"ObjectOwnership": "BucketOwnerEnforced"}
    (old,) = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert old["NoncurrentVersionExpiration"] == {"NoncurrentDays": 90}
    assert "Expiration" not in old, "the state itself never expires"
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]


def test_the_key_is_rotated() -> None:
    _run()
    kms = _client("kms")
    key = kms.describe_key(KeyId=ALIAS)["KeyMetadata"]
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"]


def test_the_roles_trust_their_environments_alone() -> None:
    _run(Wish("acme/headroom", "us-east-1", ("prod", "staging")))
    subjects = {name: _subjects(name) for name in (PREVIEW, UP, PRICES)}
    assert subjects == {
        PREVIEW: "repo:acme/headroom:environment:preview",
        UP: ["repo:acme/headroom:environment:prod", "repo:acme/headroom:environment:staging"],
        PRICES: "repo:acme/headroom:environment:prices",
    }


def _subjects(role: str) -> Any:
    trust = _client("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    return trust["Statement"][0]["Condition"]["StringEquals"][f"{ISSUER}:sub"]


def test_the_roles_have_their_policies_and_an_up_lasts_three_hours() -> None:
    _run()
    iam = _client("iam")
    attached = {
        role: sorted(one["PolicyName"] for one in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"])
        for role in (PREVIEW, UP, PRICES)
    }
    groups = [f"{UP}-{name}" for name in ("compute", "data", "identity", "network", "operations")]
    assert attached == {PREVIEW: ["ReadOnlyAccess"], UP: sorted(["ReadOnlyAccess", *groups]), PRICES: []}
    prices = iam.get_role_policy(RoleName=PRICES, PolicyName=PRICES)["PolicyDocument"]
    assert allowed([prices], "pricing:GetProducts")
    assert not allowed([prices], "s3:GetObject")
    assert iam.get_role(RoleName=UP)["Role"]["MaxSessionDuration"] == 10800


def _break_alias() -> None:
    _client("kms").delete_alias(AliasName=ALIAS)


def _break_rotation() -> None:
    kms = _client("kms")
    kms.disable_key_rotation(KeyId=kms.describe_key(KeyId=ALIAS)["KeyMetadata"]["KeyId"])


def _break_versions() -> None:
    _client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})


def _break_public_access() -> None:
    _client("s3").delete_public_access_block(Bucket=BUCKET)


def _break_ownership() -> None:
    _client("s3").delete_bucket_ownership_controls(Bucket=BUCKET)


def _break_encryption() -> None:
    _client("s3").delete_bucket_encryption(Bucket=BUCKET)


def _break_lifecycle() -> None:
    _client("s3").delete_bucket_lifecycle(Bucket=BUCKET)


def _break_tls() -> None:
    _client("s3").delete_bucket_policy(Bucket=BUCKET)


def _break_trust() -> None:
    anybody = permissions.document([{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}])
    _client("iam").update_assume_role_policy(RoleName=UP, PolicyDocument=json.dumps(anybody))


def _break_attachment() -> None:
    _client("iam").detach_role_policy(RoleName=UP, PolicyArn=f"arn:aws:iam::123456789012:policy/{UP}-data")


def _break_more_rights() -> None:
    _client("iam").attach_role_policy(RoleName=PREVIEW, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")


def _break_inline() -> None:
    everything = permissions.document([{"Effect": "Allow", "Action": "*", "Resource": "*"}])
    iam = _client("iam")
    iam.put_role_policy(RoleName=PREVIEW, PolicyName=PREVIEW, PolicyDocument=json.dumps(everything))
    iam.put_role_policy(RoleName=UP, PolicyName="more", PolicyDocument=json.dumps(everything))


def _break_policy() -> None:
    everything = json.dumps(permissions.document([{"Effect": "Allow", "Action": "*", "Resource": "*"}]))
    arn = f"arn:aws:iam::123456789012:policy/{UP}-data"
    for _ in range(4):  # as many versions as there may be
        _client("iam").create_policy_version(PolicyArn=arn, PolicyDocument=everything, SetAsDefault=True)


def _break_session() -> None:
    _client("iam").update_role(RoleName=UP, MaxSessionDuration=3600)


KEY_NAME, BUCKET_NAME, UP_NAME, PREVIEW_NAME = f"key {ALIAS}", f"bucket {BUCKET}", f"role {UP}", f"role {PREVIEW}"
BREAKS: list[tuple[Callable[[], None], dict[str, tuple[str, ...]]]] = [
    (_break_alias, {KEY_NAME: ("alias",)}),
    (_break_rotation, {KEY_NAME: ("rotation every year",)}),
    (_break_versions, {BUCKET_NAME: ("versions",)}),
    (_break_public_access, {BUCKET_NAME: ("no public access",)}),
    (_break_ownership, {BUCKET_NAME: ("the owner owns every file",)}),
    (_break_encryption, {BUCKET_NAME: ("encryption with the key",)}),
    (_break_lifecycle, {BUCKET_NAME: ("old versions go after 90 days",)}),
    (_break_tls, {BUCKET_NAME: ("TLS only",)}),
    (_break_trust, {UP_NAME: ("whom it trusts",)}),
    (_break_attachment, {UP_NAME: (f"policy {UP}-data",)}),
    (
        _break_more_rights,
        {PREVIEW_NAME: ("nothing else, such as arn:aws:iam::aws:policy/AdministratorAccess",)},
    ),
    (_break_inline, {PREVIEW_NAME: ("its statements",), UP_NAME: ("nothing else, such as more",)}),
    (_break_policy, {f"policy {UP}-data": ("its statements",)}),
    (_break_session, {UP_NAME: ("sessions of 3 h",)}),
]


@pytest.mark.parametrize(("breaks", "lacked"), BREAKS, ids=lambda value: getattr(value, "__name__", ""))
def test_what_differs_is_named_and_mended_and_only_that(
    breaks: Callable[[], None], lacked: dict[str, tuple[str, ...]]
) -> None:
    _run()
    breaks()
    assert _lacked(_run(dry=True)) == lacked
    assert _lacked(_run(dry=True)) == lacked, "a dry run mends nothing"
    assert _lacked(_run()) == lacked
    assert _lacked(_run()) == {}


def test_a_run_that_broke_off_is_finished_with_the_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """It died between the key and its alias."""
    with monkeypatch.context() as broken:
        broken.setattr(Key, "lacks", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            _run()
    _run()
    assert len(_client("kms").list_keys()["Keys"]) == 1
    assert _lacked(_run()) == {}


def test_the_audience_is_added_and_those_of_others_stay() -> None:
    """Moto has no operation for it, so its own object is changed in its place."""
    _client("iam").create_open_id_connect_provider(Url=f"https://{ISSUER}", ClientIDList=["others"])
    audiences = iam_backends["123456789012"]["aws"].get_open_id_connect_provider(PROVIDER).client_id_list
    clients = Clients()

    def add(*, OpenIDConnectProviderArn: str, ClientID: str) -> None:  # noqa: N803 boto3's names
        assert OpenIDConnectProviderArn == PROVIDER
        audiences.append(ClientID)

    clients.get("iam", "us-east-1").add_client_id_to_open_id_connect_provider = add
    done = bootstrap.run(WISH, clients, dry=False)
    assert _outcomes(done)[f"OIDC provider {ISSUER}"] is Outcome.COMPLETED
    assert audiences == ["others", "sts.amazonaws.com"]
    assert _lacked(_run()) == {}


def test_a_bucket_of_somebody_else_is_a_word_and_nothing_is_put_into_it() -> None:
    """S3 refuses where the owner is not the expected one; moto does not look."""
    _client("s3").create_bucket(Bucket=BUCKET)
    clients = Clients()

    def refuse(*, Bucket: str, ExpectedBucketOwner: str) -> None:  # noqa: N803 boto3's names
        assert (Bucket, ExpectedBucketOwner) == (BUCKET, "123456789012")
        raise ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadBucket")

    clients.get("s3", "us-east-1").head_bucket = refuse
    with pytest.raises(UserError, match="is not this account's") as error:
        bootstrap.run(WISH, clients, dry=False)
    assert any("--region" in mend for mend in error.value.problems)
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        _client("s3").get_bucket_policy(Bucket=BUCKET)


def test_a_refusal_of_aws_is_a_word_that_says_to_run_again() -> None:
    clients = Clients()

    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized"}}, "CreatePolicy")

    clients.get("iam", "us-east-1").create_policy = refuse
    with pytest.raises(UserError, match="not authorized") as error:
        bootstrap.run(WISH, clients, dry=False)
    assert "run the same command again" in error.value.problems[0]


def test_a_key_that_is_to_be_deleted_is_a_word() -> None:
    _run()
    kms = _client("kms")
    kms.schedule_key_deletion(KeyId=kms.describe_key(KeyId=ALIAS)["KeyMetadata"]["KeyId"])
    with pytest.raises(UserError, match="PendingDeletion") as error:
        _run()
    assert "cancel-key-deletion" in error.value.problems[0]


def test_another_region_takes_its_state_there() -> None:
    _run(Wish("acme/headroom", "eu-west-1", ("prod",)))
    place = _client("s3").get_bucket_location(Bucket="headroom-state-123456789012-eu-west-1")
    assert place["LocationConstraint"] == "eu-west-1"


@pytest.mark.parametrize(
    ("repository", "region", "stack"),
    [
        ("acme", "us-east-1", "prod"),
        ("acme/*", "us-east-1", "prod"),
        ("*/headroom", "us-east-1", "prod"),
        ("acme/headroom:environment:prod", "us-east-1", "prod"),
        ("acme/headroom", "mars-1", "prod"),
        ("acme/headroom", "us-east-1", "*"),
        ("acme/headroom", "us-east-1", "preview"),
        ("acme/headroom", "us-east-1", "Prod"),
    ],
)
def test_what_would_open_a_trust_policy_or_cannot_be_is_refused(repository: str, region: str, stack: str) -> None:
    with pytest.raises(UserError) as error:
        bootstrap.wish(repository, region, [stack])
    assert len(error.value.problems) == 1


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(UserError) as error:
        bootstrap.wish("acme", "mars-1", ["*", "preview"])
    assert len(error.value.problems) == 4


def test_the_command_prints_what_to_do_next() -> None:
    said = CliRunner().invoke(bootstrap.command, ["--repository", "acme/headroom", "--stack", "prod"]).output
    backend = f"s3://{BUCKET}?region=us-east-1"
    assert f"pulumi login '{backend}'" in said
    assert "pulumi stack init prod --secrets-provider 'awskms://alias/headroom-pulumi?region=us-east-1'" in said
    assert """gh variable set STACKS --repo acme/headroom --body '["prod"]'""" in said
    assert f"gh variable set PULUMI_BACKEND_URL --repo acme/headroom --body '{backend}'" in said
    role = "arn:aws:iam::123456789012:role/headroom-up"
    assert f"gh variable set AWS_ROLE_ARN --repo acme/headroom --env prod --body {role}" in said


def test_the_json_names_the_same() -> None:
    said = json.loads(CliRunner().invoke(bootstrap.command, ["--repository", "acme/headroom", "--json"]).output)
    assert said["changed"]
    assert said["environments"].keys() == {"preview", "prices", "prod"}
    assert said["variables"]["STACKS"] == ["prod"]


def test_nobody_signed_in_is_a_word(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(UserError, match="nobody is signed in"):
        bootstrap.run(WISH, Clients(), dry=False)
