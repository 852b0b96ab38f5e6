"""A complete environment, as a stack gives it, for tests that need settings but no plan."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.settings import Settings, read

ROOT = Path(__file__).parents[2]

SHARD_MAP: dict[str, Any] = {
    "slots": 256,
    "hash": "sha256-first-byte",
    "shards": [
        {"id": 0, "database": "headroom", "primary": "us-east-1-db-0", "region": "us-east-1", "slots": [[0, 255]]}
    ],
    "moving": [],
}
SIGNING_KEYS = json.dumps({"active": "initial", "keys": {"initial": base64.b64encode(b"s" * 32).decode()}})
VARIABLES = {
    "SERVICE_ROLE": "api",
    "ENVIRONMENT": "production",
    "DOMAIN": "example.com",
    "CLIENT_ADDRESS_HEADER": "cf-connecting-ip",
    "AWS_REGION": "us-east-1",
    "HOME_REGION": "us-east-1",
    "ALLOWED_ORIGINS": "https://app.example.com, https://admin.example.com",
    "PORT": "8080",
    "WEB_CONCURRENCY": "1",
    "WEB_THREADS": "4",
    "KEEP_ALIVE_SECONDS": "75",
    "REQUEST_TIMEOUT_SECONDS": "10",
    "GRACEFUL_SHUTDOWN_SECONDS": "40",
    "DATABASE_WRITER_HOST": "pooler-writer.example",
    "DATABASE_READER_HOST": "pooler-reader.example",
    "DATABASE_PORT": "6543",
    "DATABASE_NAME": "headroom",
    "DATABASE_USER": "headroom_app",
    "DATABASE_POOL_SIZE": "20",
    "DATABASE_POOL_OVERFLOW": "0",
    "DATABASE_POOL_TIMEOUT_SECONDS": "30",
    "DATABASE_POOL_IDLE_SECONDS": "30",
    "DATABASE_POOL_RECYCLE_SECONDS": "300",
    "SHARD_MAP": json.dumps(SHARD_MAP),
    "CACHE_URL": "rediss://cache.example:6379",
    "CACHE_WRITER_URL": "rediss://cache.example:6379",
    "STATE_URL": "rediss://state.example:6379",
    "CACHE_USER": "headroom",
    "SIGNING_KEYS_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:signing",
    "UPLOADS_BUCKET": "uploads",
    "MAIL_CONFIGURATION_SET": "mail",
    "QUEUE_URL_EMAIL_FEEDBACK": "https://sqs.example/email-feedback",
    "TRACE_SAMPLE_RATIO": "0.1",
}


def environment(directory: Path, **changes: str | None) -> dict[str, str]:
    """`VARIABLES` with some changed, or taken away by None, and a directory with the secrets."""
    for name in ("database_password", "cache_password"):
        (directory / name).write_text(f"{name}-value\n")
    (directory / "second_factor_key").write_text("k" * 40)
    (directory / "signing_keys").write_text(SIGNING_KEYS)
    given = {**VARIABLES, "SECRETS_DIR": str(directory), **changes}
    return {key: value for key, value in given.items() if value is not None}


def settings(directory: Path, **changes: str | None) -> Settings:
    """The same, read."""
    found = read(environment(directory, **changes))
    assert isinstance(found, Settings)
    return found


def command(given: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m app` with arguments, as an operator runs it in a pod with this environment."""
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=ROOT,
        env={**given, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
