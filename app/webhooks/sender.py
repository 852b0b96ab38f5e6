"""HTTP to addresses that users gave us: to the public internet, and to nothing of ours.

A name is resolved, judged and connected to in one step: what is judged is the very address that is connected to, so a
name that changes in between helps nobody. Redirects are not followed.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

TIMEOUT = aiohttp.ClientTimeout(total=15, connect=5)
"""Receivers should answer first and work afterwards."""
PORT = 443
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.ip_network("2002::/16")
_LOW_32 = 0xFFFFFFFF


class ForbiddenAddressError(Exception):
    """No address of the public internet."""


class UndeliveredError(Exception):
    """There was no answer: no connection, no TLS, no time."""


def is_public(text: str) -> bool:
    """Whether an address is one of the public internet, also in what it wraps: a mapped or translated one."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & _LOW_32)
        elif address in _SIX_TO_FOUR:
            inner = ipaddress.IPv4Address(int(address) >> 80 & _LOW_32)
        elif address.teredo is not None:
            return False
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast and not address.is_reserved


def check_url(url: str) -> None:
    """Refuse what no webhook should be, as far as its text tells; names are judged when they are called.

    Raises:
        ForbiddenAddressError: it is none of `https://HOST/...` on port 443 without user and password.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ForbiddenAddressError from None
    if parts.scheme != "https" or not host or port not in {None, PORT} or "@" in parts.netloc:
        raise ForbiddenAddressError
    literal: str | None = host if ":" in host else None
    # inet_aton's forms too: 127.1, 0x7f000001, 2130706433.
    with suppress(OSError, UnicodeError):
        literal = socket.inet_ntoa(socket.inet_aton(host))
    if literal is not None and not is_public(literal):
        raise ForbiddenAddressError
    if literal is None and "." not in host.rstrip("."):
        raise ForbiddenAddressError  # `localhost`, and names inside of the cluster


class PublicResolver(AbstractResolver):
    """Resolves names to public addresses only; a name with any other one is refused as a whole."""

    def __init__(self, inner: AbstractResolver, allowed: Callable[[str], bool]) -> None:
        """Judge by `allowed` what `inner` finds."""
        self._inner, self._allowed = inner, allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Addresses of a name.

        Raises:
            ForbiddenAddressError: one of them is not public.
        """
        found = await self._inner.resolve(host, port, family)
        if not found or not all(self._allowed(one["host"]) for one in found):
            raise ForbiddenAddressError
        return found

    async def close(self) -> None:
        """Close the inner one."""
        await self._inner.close()


class Sender:
    """Posts to others; an async context manager.

    Attributes:
        check: refuses URLs by their text.
        allowed: judges addresses.
    """

    def __init__(
        self,
        *,
        check: Callable[[str], None] = check_url,
        allowed: Callable[[str], bool] = is_public,
        resolver: AbstractResolver | None = None,
        ssl: Any = True,
    ) -> None:
        """Take other judges, names and certificates only in tests."""
        self._check, self._allowed, self._inner, self._ssl = check, allowed, resolver, ssl
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open; nothing of the environment, such as a proxy, is used."""
        resolver = PublicResolver(self._inner or ThreadedResolver(), self._allowed)
        connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True, ssl=self._ssl)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        if self._session is not None:
            await self._session.close()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Post JSON; the status of the answer, whose body is not read.

        Raises:
            ForbiddenAddressError: it would go where it must not; nothing was sent.
            UndeliveredError: there was no answer.
        """
        assert self._session is not None, "open it first"  # noqa: S101
        self._check(url)
        sent = {"content-type": "application/json", "user-agent": "Headroom-Webhooks", **headers}
        try:
            async with self._session.post(url, data=body, headers=sent, allow_redirects=False) as answer:
                return answer.status
        except (TimeoutError, aiohttp.ClientError, OSError, UnicodeError, ValueError) as error:
            raise UndeliveredError(type(error).__name__) from None
