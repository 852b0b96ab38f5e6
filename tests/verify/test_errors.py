"""What stands in the way of a verification is said in one message, or is a finding itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from infra.errors import UserError
from infra.verify import run
from infra.verify.facts import Clients, Fact, Probe, Scope, Verdict, equal
from stacks.phase_10k import EFFICIENT


@pytest.fixture
def scope() -> Scope:
    return Scope(
        region="us-east-1",
        outputs={"regions": {"us-east-1": {"vpcId": "vpc-1"}}},
        phase=EFFICIENT,
        domain="example.com",
        protected=True,
        # Nothing listens there: port 1 needs rights that no server of ours has.
        clients=Clients("http://127.0.0.1:1"),
    )


def _raising(error: Exception) -> Probe:
    def facts() -> Iterator[Fact]:
        yield equal("read before the error", expected=1, actual=1)
        raise error

    return Probe("network", "vpc-1", facts)


def _client_error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "DescribeVpcs")


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (
            "UnauthorizedOperation",
            "User: arn:aws:iam::1:user/me is not authorized to perform: ec2:DescribeVpcs because no policy allows it",
            "allowed: ec2:DescribeVpcs",
        ),
        ("AccessDeniedException", "no", "allowed: the permission for DescribeVpcs"),
        ("AccessDenied", "Access Denied", "allowed: the permission for DescribeVpcs"),
        ("403", "Forbidden", "allowed: the permission for DescribeVpcs"),
    ],
)
def test_a_refused_call_names_the_permission(
    scope: Scope, monkeypatch: pytest.MonkeyPatch, code: str, message: str, expected: str
) -> None:
    monkeypatch.setattr(run, "STACK", (lambda _: iter([_raising(_client_error(code, message))]),))
    monkeypatch.setattr(run, "EVERY_REGION", ())
    monkeypatch.setattr(run, "FULL_REGION", ())
    monkeypatch.setattr(run, "HOME_REGION", ())
    kept, refused = (finding.fact for finding in run.verify(scope))
    assert kept.verdict is Verdict.HOLDS
    assert (refused.expected, refused.actual, refused.verdict) == (expected, "access denied", Verdict.DIFFERS)


def test_any_other_refusal_is_a_finding_with_what_aws_said(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    error = _client_error("Throttling", "Rate exceeded")
    monkeypatch.setattr(run, "STACK", (lambda _: iter([_raising(error)]),))
    monkeypatch.setattr(run, "EVERY_REGION", ())
    monkeypatch.setattr(run, "FULL_REGION", ())
    monkeypatch.setattr(run, "HOME_REGION", ())
    assert run.verify(scope)[1].fact.actual == "DescribeVpcs: Throttling: Rate exceeded"


def test_without_credentials_there_is_one_message_that_says_how_to_sign_in(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "STACK", (lambda _: iter([_raising(NoCredentialsError())]),))
    monkeypatch.setattr(run, "EVERY_REGION", ())
    monkeypatch.setattr(run, "FULL_REGION", ())
    monkeypatch.setattr(run, "HOME_REGION", ())
    with pytest.raises(UserError, match="AWS cannot be asked") as raised:
        run.verify(scope)
    assert "aws sso login" in raised.value.problems[0]


def test_where_nothing_answers_there_is_one_message(scope: Scope) -> None:
    with pytest.raises(UserError, match="nothing answers") as raised:
        run.verify(scope)
    assert "headroom local status" in raised.value.problems[0]
