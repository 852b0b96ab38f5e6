"""Users of the application under test, and the requests that they make."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tools.bench_app.load import Request

USERS: Final = 100
"""Each may ask 1,000 times a minute; so many stay below that at any rate that this machine reaches."""
LOGINS: Final = 20
"""Further ones, who do nothing but log in: the sixth login of a user ends the session of the first, whose token would
be refused from then on. Each may try a hundred times in a quarter of an hour."""
TOGETHER: Final = 2
ATTEMPTS: Final = 5
PASSWORD: Final = "a long sentence of mine"  # noqa: S105 of accounts that nobody keeps
SHARES: Final[Mapping[str, float]] = {
    "feed": 0.66,
    "feed, further": 0.12,
    "post": 0.08,
    "search": 0.05,
    "post, create": 0.05,
    "health": 0.035,
    "login": 0.005,
}
"""What is asked for under load. Ours: nobody says what users of a product like this one do."""


@dataclass(frozen=True, slots=True)
class World:
    """What requests are made of.

    Attributes:
        tokens: of users who are logged in.
        logins: addresses of those who log in, and nothing else.
        address_header: has the client's address.
        cursor: where the feed goes on.
        after: time and id of the last post before that.
        slugs: of posts.
    """

    tokens: Sequence[str]
    logins: Sequence[str]
    address_header: str
    cursor: str
    after: tuple[str, str]
    slugs: Sequence[str]
    _numbers: defaultdict[str, Iterator[int]] = field(default_factory=lambda: defaultdict(itertools.count), init=False)

    def requests(self, name: str) -> Iterator[Request]:
        """Requests of one name, each of another user, for ever; where a call before this one ended, it goes on."""
        for number in self._numbers[name]:
            yield Request(name, self._message(name, number))

    def _message(self, name: str, number: int) -> bytes:
        own = {"authorization": f"Bearer {self.tokens[number % len(self.tokens)]}"}
        if name == "post, create":
            return message("POST", "/api/v1/posts", own, {"title": f"Post {number}", "body": "Some words. " * 20})
        if name == "login":
            # Five a minute from an address.
            body = {"email": self.logins[number % len(self.logins)], "password": PASSWORD, "delivery": "body"}
            return message("POST", "/api/v1/auth/login", {self.address_header: address(number)}, body)
        if name == "posts":
            # Of nobody who is logged in: 100 a minute from an address.
            return message("GET", "/api/v1/posts", {self.address_header: address(number)})
        paths = {
            "feed": "/api/v1/feed",
            "feed, further": f"/api/v1/feed?cursor={self.cursor}",
            "post": f"/api/v1/posts/{self.slugs[number % len(self.slugs)]}",
            "search": "/api/v1/search?q=growth",
            "health": "/health",
            "redirect": "/api/v1/auth/paywall?to=/reports",
        }
        return message("GET", paths[name], own)


def message(method: str, path: str, headers: Mapping[str, str], body: object = None) -> bytes:
    """A request as it goes over the wire."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", *(f"{key}: {value}" for key, value in headers.items())]
    if body is not None:
        lines += ["content-type: application/json", f"content-length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


def address(number: int) -> str:
    """One of a network that is for measurements (RFC 2544)."""
    return f"198.18.{number // 250 % 250}.{number % 250 + 1}"


def email(number: int) -> str:
    """Of a user."""
    return f"bench{number}@example.com"


async def create(url: str, address_header: str, users: int = USERS) -> World:
    """Register users and log them in, and those who only log in; look at the feed.

    Raises:
        httpx.HTTPStatusError: something is refused.
    """
    gate = asyncio.Semaphore(TOGETHER)
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=30) as client:

        async def account(number: int) -> str:
            """Register, and log in; the token."""
            body: dict[str, Any] = {"email": email(number), "password": PASSWORD}
            headers = {address_header: address(10_000 + number)}
            async with gate:
                await _post(client, "/auth/register", body, headers)
                if number >= users:
                    return ""
                answer = await _post(client, "/auth/login", {**body, "delivery": "body"}, headers)
            token: str = answer.json()["access_token"]
            return token

        tokens = await asyncio.gather(*(account(number) for number in range(users + LOGINS)))
        answer = await client.get("/feed", headers={"authorization": f"Bearer {tokens[0]}"})
        feed = answer.raise_for_status().json()
    posts = feed["data"]
    last = posts[-1]
    return World(
        tokens=tokens[:users],
        logins=[email(number) for number in range(users, users + LOGINS)],
        address_header=address_header,
        cursor=feed["meta"]["page"]["next_cursor"],
        after=(last["published_at"].replace("Z", "+00:00"), last["id"]),
        slugs=[post["slug"] for post in posts],
    )


async def _post(client: httpx.AsyncClient, path: str, body: Any, headers: Mapping[str, str]) -> httpx.Response:
    """Until it is done: without an answer of Redis in its 0.1 s, which a busy machine exceeds, nobody may log in."""
    answer = await client.post(path, json=body, headers=headers)
    for _ in range(ATTEMPTS):
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        await asyncio.sleep(float(answer.headers["retry-after"]))
        answer = await client.post(path, json=body, headers=headers)
    return answer.raise_for_status()
