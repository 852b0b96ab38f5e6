"""An OpenSearch that keeps documents, finds what a test wants and knows what it was asked; and an STS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from app.api.search_fill import STATE
from app.aws import Aws

ROLE = "arn:aws:iam::123456789012:role/search-client"


class Asked(NamedTuple):
    """A request."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Document(NamedTuple):
    """What is kept, and in which version."""

    version: int
    source: Any


class Server:
    """What it answers: `status`, or as OpenSearch does; `hits` are what every search finds.

    Versions, conflicts and statuses are as the REST API says: https://docs.opensearch.org/2.19/api-reference/document-apis/.
    """

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.status = 200
        self.hits: list[dict[str, Any]] = []
        self.indexes: dict[str, dict[str, Document]] = {}
        self.refused: set[str] = set()
        """Ids that a bulk request does not get in."""
        self.url = ""

    @property
    def searches(self) -> list[Asked]:
        """Requests that were searches."""
        return [one for one in self.asked if one.path.partition("?")[0].endswith("/_search")]

    def fill(self, *shards: int) -> None:
        """As if these shards' rows were all there."""
        done = Document(1, {"begun_at": 0.0, "kind": None, "after": "0" * 32, "rows": 0})
        self.indexes[STATE] = {str(shard): done for shard in shards}

    async def answer(self, request: web.Request) -> web.Response:  # noqa: PLR0911 a line for each kind of request
        data = await request.read()
        lines = [orjson.loads(line) for line in data.splitlines()]
        body: Any = lines[0] if len(lines) == 1 else lines or None
        self.asked.append(Asked(request.method, request.path_qs, dict(request.headers), body))
        if self.status != 200:
            return web.json_response({}, status=self.status)
        match request.method, *request.path.strip("/").split("/"):
            case "POST", "_bulk":
                return web.json_response({"items": list(self._bulk(lines))})
            case "POST", index, "_mget" if index not in self.indexes:
                # The whole request is answered; each document has the error.
                return web.json_response({"docs": [{"_id": one, "error": {}} for one in body["ids"]]})
            case "POST", index, "_mget":
                return web.json_response({"docs": [self._shown(index, one) for one in body["ids"]]})
            case "PUT", index:
                is_new = index not in self.indexes
                self.indexes.setdefault(index, {})
                return web.json_response({}, status=200 if is_new else 400)
            case "DELETE", index:
                return web.json_response({}, status=404 if self.indexes.pop(index, None) is None else 200)
            case "PUT", index, "_doc", key:
                version = request.query.get("version")
                entry = {"_index": index, "_id": key, **({"version": int(version)} if version else {})}
                return web.json_response({}, status=self._take(entry, body))
            case "GET", index, "_doc", key:
                shown = self._shown(index, key)
                return web.json_response(shown, status=200 if shown["found"] else 404)
            case "DELETE", index, "_doc", key:
                return web.json_response({}, status=self._drop(index, key))
        return web.json_response({"hits": {"hits": self.hits}})

    def _bulk(self, lines: list[Any]) -> Iterable[dict[str, Any]]:
        left = iter(lines)
        for line in left:
            if "delete" in line:
                yield {"delete": {"status": self._drop(line["delete"]["_index"], line["delete"]["_id"])}}
            else:
                yield {"index": {"status": self._take(line["index"], next(left))}}

    def _take(self, entry: dict[str, Any], source: Any) -> int:
        documents = self.indexes.setdefault(entry["_index"], {})
        known = documents.get(entry["_id"])
        if entry["_id"] in self.refused:
            return 429
        if known and entry.get("version", known.version) < known.version:
            return 409
        documents[entry["_id"]] = Document(entry.get("version", 1), source)
        return 201

    def _drop(self, index: str, key: str) -> int:
        return 404 if self.indexes.get(index, {}).pop(key, None) is None else 200

    def _shown(self, index: str, key: str) -> dict[str, Any]:
        found = self.indexes.get(index, {}).get(key)
        return {"_id": key, "found": False} if found is None else {"_id": key, "found": True, "_source": found.source}


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """On a port of its own."""
    server = Server()
    app = web.Application(client_max_size=10 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        server.url = f"http://{host}:{port}"
        yield server
    finally:
        await runner.cleanup()


class Sts(Aws):
    """In place of `app.aws.Aws`: credentials for an hour."""

    def __init__(self) -> None:
        super().__init__("us-east-1")
        self.roles: list[str] = []
        self.life = timedelta(hours=1)

    async def client(self, service: str) -> Sts:
        assert service == "sts"
        return self

    async def assume_role(self, **given: str) -> dict[str, Any]:
        self.roles.append(given["RoleArn"])
        return {
            "Credentials": {
                "AccessKeyId": "AKIATEST",
                "SecretAccessKey": "secret-of-the-role",
                "SessionToken": "session-of-the-role",
                "Expiration": datetime.now(UTC) + self.life,
            }
        }
