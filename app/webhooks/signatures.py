"""Signatures of webhooks, as https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.

Secrets are kept nowhere: each is derived from the deployment's key, so that a copy of the database signs nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from uuid import UUID

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
PREFIX = "whsec_"
TOLERANCE_SECONDS = 300
"""A message that is older, or from a later time, is no longer believed."""


class BadSignatureError(Exception):
    """Not signed with a secret of ours, or not now."""


def endpoint_secret(key: bytes, endpoint_id: UUID, version: int) -> bytes:
    """Secret of an endpoint; another one with each version."""
    return hmac.digest(key, b"webhook endpoint" + endpoint_id.bytes + version.to_bytes(4), hashlib.sha256)


def provider_secret(key: bytes, provider: str, version: int) -> bytes:
    """Secret of somebody who calls us; what to enter there is `printable` of it. The first is older than versions."""
    later = b"" if version == 1 else b"\0" + version.to_bytes(4)
    return hmac.digest(key, b"webhook provider" + provider.encode() + later, hashlib.sha256)


def printable(secret: bytes) -> str:
    """A secret as receivers are told it."""
    return PREFIX + base64.b64encode(secret).decode()


def sign(secrets: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The header's value: a signature with each secret, so that a receiver may have the old one or the new one."""
    return " ".join(f"v1,{_digest(secret, message_id, timestamp, body)}" for secret in secrets)


def headers(secrets: Sequence[bytes], message_id: str, body: bytes, now: float | None = None) -> dict[str, str]:
    """The three headers of a message that is sent now."""
    timestamp = int(time.time() if now is None else now)
    return {
        ID: message_id,
        TIMESTAMP: str(timestamp),
        SIGNATURE: sign(secrets, message_id, timestamp, body),
    }


def verify(secrets: Sequence[bytes], given: Mapping[str, str], body: bytes, now: float | None = None) -> str:
    """The id of a message that one of `secrets` signed.

    Args:
        secrets: any of them will do.
        given: the request's headers.
        body: as it came, byte for byte.
        now: to be told in tests.

    Raises:
        BadSignatureError: without the reason, which only a forger could use.
    """
    message_id, timestamp = given.get(ID, ""), given.get(TIMESTAMP, "")
    if not message_id or not (timestamp.isascii() and timestamp.isdigit()):
        raise BadSignatureError
    if abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE_SECONDS:
        raise BadSignatureError
    wanted = [_digest(secret, message_id, int(timestamp), body).encode() for secret in secrets]
    found = [one[3:].encode() for one in given.get(SIGNATURE, "").split(" ") if one.startswith("v1,")]
    # All pairs are compared: how long that takes says nothing.
    matches = [hmac.compare_digest(one, other) for one in wanted for other in found]
    if not any(matches):
        raise BadSignatureError
    return message_id


def secret_of(text: str) -> bytes:
    """A secret as it is printed.

    Raises:
        ValueError: it is none.
    """
    try:
        return base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        msg = "a webhook's secret is whsec_ and base64"
        raise ValueError(msg) from error


def _digest(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    content = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()
