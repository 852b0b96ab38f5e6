"""Users of the application under test, and the requests that they make."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from tools.bench_app.load import Request

USERS: Final = 100
"""Each may ask 1,000 times a minute; so many stay below that at any rate that this machine reaches."""
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
class Account:
    """One user, logged in."""

    email: str
    token: str


@dataclass(frozen=True, slots=True)
class World:
    """What requests are made of.

    Attributes:
        accounts: of their own addresses.
        address_header: has the client's address.
        cursor: where the feed goes on.
        after: time and id of the last post before that.
        slugs: of posts.
    """

    accounts: Sequence[Account]
    address_header: str
    cursor: str
    after: tuple[str, str]
    slugs: Sequence[str]

    def requests(self, name: str) -> Iterator[Request]:
        """Requests of one name, each of another user, for ever."""
        for number in itertools.count():
            account = self.accounts[number % len(self.accounts)]
            yield Request(name, self._message(name, number, account))

    def _message(self, name: str, number: int, account: Account) -> bytes:
        own = {"authorization": f"Bearer {account.token}"}
        if name == "post, create":
            return message("POST", "/api/v1/posts", own, {"title": f"Post {number}", "body": "Some words. " * 20})
        if name == "login":
            # Five a minute from an address.
            body = {"email": account.email, "password": PASSWORD, "delivery": "body"}
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


async def create(url: str, address_header: str, users: int = USERS) -> World:
    """Register users, log them in, and look at the feed.

    Raises:
        httpx.HTTPStatusError: something is refused.
    """
    gate = asyncio.Semaphore(TOGETHER)
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=30) as client:

        async def account(number: int) -> Account:
            email = f"bench{number}@example.com"
            body: dict[str, Any] = {"email": email, "password": PASSWORD}
            headers = {address_header: address(10_000 + number)}
            async with gate:
                await _post(client, "/auth/register", body, headers)
                answer = await _post(client, "/auth/login", {**body, "delivery": "body"}, headers)
                token: str = answer.json()["access_token"]
            return Account(email, token)

        accounts = await asyncio.gather(*(account(number) for number in range(users)))
        answer = await client.get("/feed", headers={"authorization": f"Bearer {accounts[0].token}"})
        feed = answer.raise_for_status().json()
    posts = feed["data"]
    last = posts[-1]
    return World(
        accounts=accounts,
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
