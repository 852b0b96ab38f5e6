"""Clients of AWS' services: one a service and process, made at first use, closed with the lifespan."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Self

from aiobotocore.config import AioConfig  # type: ignore[import-untyped]
from aiobotocore.session import get_session  # type: ignore[import-untyped]

CONNECT_SECONDS = 2
READ_SECONDS = 25
"""SQS answers a long poll after 20 s at the latest."""
ATTEMPTS = 3
ONCE = frozenset({"sesv2"})
"""Services whose calls are made once: a mail whose answer got lost would be sent again."""
SIGNATURES = {"s3": "s3v4"}
"""Presigned requests are signed in the old way otherwise, which S3 refuses for objects under a KMS key
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html)."""
CONNECTIONS = 25
"""To a service."""


class Aws:
    """Clients by the names that botocore has for services, such as `sqs`. An async context manager.

    Credentials and, where `AWS_ENDPOINT_URL` is set, another address than AWS' are botocore's to find.
    """

    def __init__(self, region: str) -> None:
        """Open nothing yet."""
        self._region = region
        self._session = get_session()
        self._clients: dict[str, Any] = {}
        self._stack = AsyncExitStack()
        self._making = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Nothing is connected before it is asked."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        self._clients.clear()
        await self._stack.aclose()

    async def client(self, service: str) -> Any:
        """The client of a service; callers raise and catch `botocore.exceptions` themselves."""
        async with self._making:
            found = self._clients.get(service)
            if found is None:
                config = AioConfig(
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=READ_SECONDS,
                    retries={"mode": "standard", "total_max_attempts": 1 if service in ONCE else ATTEMPTS},
                    signature_version=SIGNATURES.get(service),
                    max_pool_connections=CONNECTIONS,
                    # A service's description is a large file, whose reading would hold up the loop.
                    warm_up_loader_caches=True,
                )
                making = self._session.create_client(service, region_name=self._region, config=config)
                found = self._clients[service] = await self._stack.enter_async_context(making)
            return found
