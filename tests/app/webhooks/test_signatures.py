from __future__ import annotations

import socket
from uuid import UUID

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from app.webhooks.sender import ForbiddenAddressError, PublicResolver, Sender, UndeliveredError, check_url, is_public
from app.webhooks.signatures import (
    ID,
    SIGNATURE,
    TIMESTAMP,
    TOLERANCE_SECONDS,
    BadSignatureError,
    endpoint_secret,
    headers,
    printable,
    provider_secret,
    secret_of,
    sign,
    verify,
)

SECRET = secret_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
MESSAGE, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
EXPECTED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
GIVEN = {ID: MESSAGE, TIMESTAMP: str(AT), SIGNATURE: EXPECTED}


def test_a_signature_is_the_one_that_the_reference_libraries_test_against() -> None:
    """Secret, message and signature of https://github.com/standard-webhooks/standard-webhooks's libraries."""
    assert sign([SECRET], MESSAGE, AT, BODY) == EXPECTED
    assert verify([SECRET], GIVEN, BODY, now=AT) == MESSAGE


@pytest.mark.parametrize(
    "changes",
    [
        {ID: "msg_other"},
        {ID: ""},
        {TIMESTAMP: str(AT + 1)},
        {TIMESTAMP: "now"},
        {TIMESTAMP: "-1"},
        {TIMESTAMP: "\u0661"},
        {SIGNATURE: ""},
        {SIGNATURE: EXPECTED[3:]},
        {SIGNATURE: EXPECTED.replace("v1", "v2")},
        {SIGNATURE: "v1,"},
        {SIGNATURE: "v1,\u00e9"},
    ],
)
def test_whatever_is_changed_the_signature_no_longer_holds(changes: dict[str, str]) -> None:
    with pytest.raises(BadSignatureError):
        verify([SECRET], {**GIVEN, **changes}, BODY, now=AT)


def test_another_body_or_secret_is_refused() -> None:
    with pytest.raises(BadSignatureError):
        verify([SECRET], GIVEN, BODY + b" ", now=AT)
    with pytest.raises(BadSignatureError):
        verify([b"other"], GIVEN, BODY, now=AT)
    with pytest.raises(BadSignatureError):
        verify([], GIVEN, BODY, now=AT)


@pytest.mark.parametrize("seconds", [-TOLERANCE_SECONDS - 1, TOLERANCE_SECONDS + 1])
def test_an_old_message_is_not_believed_again(seconds: int) -> None:
    with pytest.raises(BadSignatureError):
        verify([SECRET], GIVEN, BODY, now=AT + seconds)


def test_while_a_secret_changes_both_the_old_and_the_new_one_hold() -> None:
    old, new = (endpoint_secret(b"k" * 32, UUID(int=1), version) for version in (1, 2))
    sent = headers([new, old], "msg_1", BODY)

    assert old != new
    assert verify([old], sent, BODY) == verify([new], sent, BODY) == "msg_1"


def test_secrets_differ_by_key_endpoint_and_purpose() -> None:
    one = UUID(int=1)
    found = [
        endpoint_secret(b"k" * 32, one, 1),
        endpoint_secret(b"l" * 32, one, 1),
        endpoint_secret(b"k" * 32, UUID(int=2), 1),
        provider_secret(b"k" * 32, "payment", 1),
        provider_secret(b"k" * 32, "payment", 2),
        provider_secret(b"k" * 32, "mail", 1),
    ]

    assert len(set(found)) == len(found)
    assert secret_of(printable(found[0])) == found[0]
    with pytest.raises(ValueError, match="whsec_"):
        secret_of("whsec_ no")


@given(st.binary(max_size=200), st.text(min_size=1, max_size=20), st.binary(min_size=1))
def test_what_is_signed_is_what_is_verified(body: bytes, message: str, secret: bytes) -> None:
    assert verify([secret], headers([secret], message, body, now=AT), body, now=AT) == message


PRIVATE = [
    "0.0.0.0",  # noqa: S104 nothing listens on it
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "169.254.170.23",
    "172.16.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:a00:1::",
    "2001:0:1::1",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "nothing",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_not_called(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_a_public_address_is(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://",
        "https:///path",
        "https://example.com:8443/",
        "https://example.com:99999/",
        "https://user:password@example.com/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://[fd00:ec2::254]/",
        "https://localhost/",
        "https://kubernetes/",
        "https://[broken/",
    ],
)
def test_a_url_that_leads_inside_is_refused_by_its_text(url: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        check_url(url)


def test_a_url_of_the_internet_is_not() -> None:
    check_url("https://hooks.example.com/path?x=1")
    check_url("https://1.1.1.1/")


class Names(AbstractResolver):
    """Answers with what it is told."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del family
        return [
            ResolveResult(hostname=host, host=one, port=port, family=socket.AF_INET, proto=0, flags=0)
            for one in self.addresses
        ]

    async def close(self) -> None:
        return


@pytest.mark.anyio
@pytest.mark.parametrize("addresses", [("10.0.0.1",), ("1.1.1.1", "127.0.0.1"), ()])
async def test_a_name_with_any_address_inside_is_refused_as_a_whole(addresses: tuple[str, ...]) -> None:
    with pytest.raises(ForbiddenAddressError):
        await PublicResolver(Names(*addresses), is_public).resolve("example.com")


@pytest.mark.anyio
async def test_a_request_is_not_sent_to_what_a_name_leads_to_inside() -> None:
    async with Sender(resolver=Names("127.0.0.1")) as sender:
        with pytest.raises(ForbiddenAddressError):
            await sender.post("https://example.com/", b"{}", {})


@pytest.mark.anyio
async def test_nobody_there_is_no_answer() -> None:
    async with Sender(resolver=Names("127.0.0.1"), allowed=lambda _: True) as sender:
        with pytest.raises(UndeliveredError):
            await sender.post("https://example.com/", b"{}", {})
