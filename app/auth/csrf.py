"""What a page of another site could make a browser send: cookies only, as no browser adds a Bearer header by itself.

Three layers, each enough in most browsers: cookies with SameSite; `Sec-Fetch-Site` or `Origin` must name a page of
ours; and a token that only such a page can read comes back in a header, signed for the one session.
https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from secrets import token_bytes
from uuid import UUID

from app.auth.errors import CrossSiteError
from app.auth.keys import KeyRing

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
CSRF_HEADER = "x-csrf-token"

_PURPOSE = "csrf"


def is_foreign(headers: Mapping[str, str], allowed_origins: frozenset[str]) -> bool:
    """Whether the browser says that another site's page sent this. What is no browser says nothing."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None:
        return origin not in {*allowed_origins, own_origin(headers)}
    return site not in {None, "same-origin", "none"}


def is_own(headers: Mapping[str, str], allowed_origins: frozenset[str]) -> bool:
    """Whether the browser says that a page of ours sent this. Silence is no answer: a cookie came from somewhere."""
    is_told = "origin" in headers or headers.get("sec-fetch-site") == "same-origin"
    return is_told and not is_foreign(headers, allowed_origins)


def own_origin(headers: Mapping[str, str]) -> str:
    """The site that was asked. The CDN asks the origin by another name, and overwrites `X-Forwarded-Host`."""
    return "https://" + headers.get("x-forwarded-host", headers.get("host", ""))


class CsrfTokens:
    """Signed double-submit: `KID.NONCE.MAC`, the MAC over session and nonce."""

    def __init__(self, ring: KeyRing) -> None:
        """Sign with the ring's keys, derived for this purpose."""
        self._ring = ring

    def issue(self, session_id: UUID) -> str:
        """A token for a session, to be set as a cookie that pages can read."""
        kid, key = self._ring.signing(_PURPOSE)
        nonce = urlsafe_b64encode(token_bytes(16)).decode().rstrip("=")
        return f"{kid}.{nonce}.{_mac(key, session_id, nonce)}"

    async def check(self, session_id: UUID, cookie: str | None, header: str | None) -> None:
        """Accept the header if it equals the cookie and was issued for the session.

        Raises:
            CrossSiteError: it does not, or was not.
        """
        if not cookie or not header or not hmac.compare_digest(cookie.encode(), header.encode()):
            raise CrossSiteError
        # A key id of ours has no dot, whatever it is.
        kid, _, signed = header.partition(".")
        nonce, _, mac = signed.partition(".")
        key = await self._ring.find(kid, _PURPOSE)
        if key is None or not hmac.compare_digest(_mac(key, session_id, nonce).encode(), mac.encode()):
            raise CrossSiteError


def _mac(key: bytes, session_id: UUID, nonce: str) -> str:
    return hmac.new(key, session_id.bytes + nonce.encode(), hashlib.sha256).hexdigest()
