"""OpenSearch: one index a kind, searched with requests that are signed as a role of the stack's.

The role is assumed for an hour at a time. A failure opens nothing and closes nothing: the caller asks PostgreSQL, and
this engine is left alone for a moment.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID

import aiohttp
import orjson
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from app.api.context import Own
from app.api.search import KINDS, Found, Query
from app.aws import Aws
from app.settings import Settings

TIMEOUT_SECONDS = 1.0
"""A search has 300 ms; a slower engine leaves PostgreSQL enough of the request's time."""
PAUSE_SECONDS = 5.0
"""After a failure nobody waits for the engine again so soon."""
RENEW_SECONDS = 300
"""Before they expire, credentials are fetched anew."""
PREFIX = "headroom"
"""Of the indexes' names."""
MISSING = 404
UNREADABLE = "unreadable"
OUTDATED = 409
MAPPING: Mapping[str, Any] = {
    "mappings": {
        "dynamic": False,
        "properties": {
            "user_id": {"type": "keyword"},
            # Completion of the last word: https://docs.opensearch.org/2.19/field-types/supported-field-types/search-as-you-type/
            "title": {"type": "search_as_you_type"},
            "text": {"type": "text"},
        },
    }
}
"""Of each index. `user_id` is on what is the user's own alone; a post has none, and is everybody's."""


class EngineError(Exception):
    """The engine did not answer as it should; the text has a status or the name of an error, and nothing sent."""


class Engine:
    """The engine of this region. An async context manager; one a process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Open nothing yet."""
        self._clock = clock
        self._http: aiohttp.ClientSession | None = None
        self._credentials: Credentials | None = None
        self._renew_at = datetime.min.replace(tzinfo=UTC)
        self._renewing = asyncio.Lock()
        self._rests_until = float("-inf")

    async def __aenter__(self) -> Self:
        """Nothing is connected before it is asked."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()

    def is_resting(self) -> bool:
        """Whether it failed a moment ago."""
        return self._clock() < self._rests_until

    async def find(self, settings: Settings, aws: Aws, own: Own, query: Query) -> list[Found]:
        """The best first, all kinds ranked together.

        Raises:
            EngineError: no answer, or none that can be used.
        """
        indexes = ",".join(f"{PREFIX}-{kind}" for kind in query.kinds)
        path = f"/{indexes}/_search?ignore_unavailable=true"
        body = {
            "size": query.limit,
            "_source": False,
            "query": {
                "bool": {
                    "must": {
                        "multi_match": {
                            "query": " ".join(query.words),
                            "type": "bool_prefix",
                            "operator": "and",
                            "fields": ["title^2", "title._2gram", "title._3gram", "text"],
                        }
                    },
                    "filter": {
                        "bool": {
                            "should": [
                                {"term": {"user_id": str(own.user_id)}},
                                {"bool": {"must_not": {"exists": {"field": "user_id"}}}},
                            ]
                        }
                    },
                }
            },
        }
        answer = await self.ask(settings, aws, "POST", path, body)
        try:
            return [
                Found(kind, UUID(hit["_id"]), float(hit["_score"]))
                for hit in answer["hits"]["hits"]
                for kind in KINDS
                if hit["_index"] == f"{PREFIX}-{kind}"
            ]
        except (KeyError, TypeError, ValueError):
            raise self._failed(UNREADABLE) from None

    async def ask(
        self,
        settings: Settings,
        aws: Aws,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        accepted: frozenset[int] = frozenset(),
        seconds: float = TIMEOUT_SECONDS,
    ) -> Any:
        """One signed request.

        Args:
            settings: where the engine is, and as whom to ask.
            aws: gives the role's credentials.
            method: of HTTP.
            path: with its query.
            body: to be sent as JSON, or as it is.
            accepted: statuses beside 2xx that are no failure.
            seconds: for everything.

        Returns:
            The answer, parsed.

        Raises:
            EngineError: anything else.
        """
        endpoint = settings.search_endpoint or ""
        url = (endpoint if "://" in endpoint else f"https://{endpoint}") + path
        data = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        try:
            async with asyncio.timeout(seconds):
                credentials = await self._signer(settings, aws)
                request = AWSRequest(method, url, {"Content-Type": "application/json"}, data)
                SigV4Auth(credentials, "es", settings.aws_region).add_auth(request)
                if self._http is None:
                    self._http = aiohttp.ClientSession()
                async with self._http.request(
                    method, request.url, data=data, headers=dict(request.headers.items()), allow_redirects=False
                ) as answer:
                    text = await answer.read()
            found = orjson.loads(text) if text else None
        except Exception as error:  # noqa: BLE001 whatever botocore, aiohttp or the parser raise, there is no answer
            raise self._failed(type(error).__name__) from None
        if not answer.ok and answer.status not in accepted:
            raise self._failed(str(answer.status))
        return found

    def _failed(self, reason: str) -> EngineError:
        self._rests_until = self._clock() + PAUSE_SECONDS
        return EngineError(reason)

    async def _signer(self, settings: Settings, aws: Aws) -> Credentials:
        async with self._renewing:
            if self._credentials is None or datetime.now(UTC) >= self._renew_at:
                client = await aws.client("sts")
                answer = await client.assume_role(RoleArn=settings.search_role_arn, RoleSessionName="headroom-search")
                given = answer["Credentials"]
                self._credentials = Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
                self._renew_at = given["Expiration"] - timedelta(seconds=RENEW_SECONDS)
            return self._credentials
