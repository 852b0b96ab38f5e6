"""What the stacks tell a container, read once at its start: environment variables, and secrets as files.

The names are those that `components/workloads.py` sets; a test compares both sides over every phase.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Json, SecretStr, ValidationError
from pydantic import model_validator as check
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

Service = Literal[
    "analytics",
    "auth",
    "campaigns",
    "companies",
    "conversations",
    "email",
    "leads",
    "search",
    "subscriptions",
    "video",
]
"""Parts of the API that have pods of their own in the larger phases."""
Role = Literal["api", "realtime", "worker", "images", Service]
MIGRATE = "migrate"
"""The role of the job that runs before all others; it reads `MigrationSettings`."""
UPKEEP = "upkeep"
"""The role of the job that runs once a day; it reads `UpkeepSettings`."""
WITHOUT_SECRETS = "images"
"""The role that works on files of strangers, and gets no secret."""
REQUIRED_SECRETS = ("database_password", "cache_password", "second_factor_key")
"""Of every other role."""
SECOND_FACTOR_KEY_BYTES = 32
QUEUE_PREFIX = "QUEUE_URL_"
_DSN = re.compile(r"https?://[^@/\s]+@[^@/\s]+(/[^@/\s]+)*/\d+")


class SettingsError(Exception):
    """The environment is not what the application needs.

    Attributes:
        problems: one line each, with the name of the variable; never its value.
    """

    def __init__(self, problems: list[str]) -> None:
        """Keep every problem."""
        super().__init__("the environment is not what the application needs:\n" + "\n".join(f"- {p}" for p in problems))
        self.problems = problems


def _split(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _valkey(value: str) -> str:
    if not value.startswith(("rediss://", "redis://")):
        msg = "must be rediss://HOST:PORT (redis:// on one's own machine)"
        raise ValueError(msg)
    return value


def _origin(value: str) -> str:
    if not value.startswith(("https://", "http://")) or value.count("/") > 2:  # noqa: PLR2004 those of the scheme
        msg = "each must be an origin, such as https://www.example.com"
        raise ValueError(msg)
    return value


Name = Annotated[str, Field(min_length=1)]
Port = Annotated[int, Field(ge=1, le=65_535)]
Seconds = Annotated[int, Field(ge=1, le=3_600)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_split)]
ValkeyUrl = Annotated[str, AfterValidator(_valkey)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(_split)]
Slots = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]
"""A range, both ends included."""


class Shard(BaseModel):
    """One logical shard: a database, and the ranges of slots whose rows it has."""

    model_config = ConfigDict(frozen=True)

    id: Annotated[int, Field(ge=0)]
    database: Name
    primary: Name
    region: Name
    slots: tuple[Slots, ...]


class Move(BaseModel):
    """Slots on their way to another shard: read at `source`, and not written at all."""

    model_config = ConfigDict(frozen=True)

    slots: Slots
    source: Annotated[int, Field(ge=0, alias="from")]
    target: Annotated[int, Field(ge=0, alias="to")]


class ShardMap(BaseModel):
    """Where users' rows are. A user's slot is the first byte of SHA-256 of the id."""

    model_config = ConfigDict(frozen=True)

    slots: Literal[256]
    hash: Literal["sha256-first-byte"]
    shards: Annotated[tuple[Shard, ...], Field(min_length=1)]
    moving: tuple[Move, ...]

    @check(mode="after")
    def _is_complete(self) -> Self:
        owned = sorted(slot for shard in self.shards for first, last in shard.slots for slot in range(first, last + 1))
        if owned != list(range(self.slots)):
            msg = f"must give each of the {self.slots} slots to exactly one shard"
            raise ValueError(msg)
        return self


class _FromEnvironment(BaseModel):
    """Frozen; a field's variable is its name in capitals, a secret's file its name."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    secrets_dir: Path
    """Where the secrets are, one file each."""
    database_writer_host: Name
    database_port: Port
    database_user: Name


class Settings(_FromEnvironment):
    """What every role but the migration is told."""

    service_role: Role
    environment: Literal["development", "staging", "production"]
    domain: Name
    client_address_header: Name
    """Header with the address of whoever asks. Every way in writes it over, so that nobody can claim another's."""
    aws_region: Name
    home_region: Name
    allowed_origins: Origins
    """Web origins that may call the API beside the product's own."""

    port: Port
    web_concurrency: Annotated[int, Field(ge=1, le=64)]
    """Processes."""
    web_threads: Annotated[int, Field(ge=1, le=256)]
    """Threads of each process, for what would block its loop."""
    keep_alive_seconds: Annotated[int, Field(gt=60, le=600)]
    """More than the load balancer's 60 s, or it sends a request into a connection that is being closed: a 502."""
    request_timeout_seconds: Seconds
    graceful_shutdown_seconds: Seconds
    """From SIGTERM until what is still running is cancelled."""

    database_reader_host: Name
    database_name: Name
    """Database of the first logical shard."""
    database_password: SecretStr | None = None
    database_pool_size: Annotated[int, Field(ge=1, le=1_000)]
    """Client connections of a process to a pooler."""
    database_pool_overflow: Annotated[int, Field(ge=0, le=1_000)]
    database_pool_timeout_seconds: Seconds
    database_pool_idle_seconds: Seconds
    database_pool_recycle_seconds: Seconds
    """A connection is not kept for longer: a pooler that stops waits for its clients to leave."""
    shard_map: Json[ShardMap]

    cache_url: ValkeyUrl
    """May forget anything at any time."""
    cache_writer_url: ValkeyUrl
    """Where to write and invalidate: the home region's cache, which is copied to the others."""
    state_url: ValkeyUrl
    """Sessions, limits and revocations: never evicted."""
    cache_user: Name
    cache_password: SecretStr | None = None

    signing_keys_arn: Name
    """Secret with the keys that sign access tokens. They rotate, so the application reads it from AWS."""
    signing_keys: SecretStr | None = None
    """The same as a file, which is asked for instead: where there is no AWS."""
    uploads_bucket: Name
    images_url: str | None = None
    """Where public images are to be had in all sizes, if anything resizes them."""
    mail_configuration_set: Name
    queue_urls: Annotated[dict[str, str], Field(min_length=1)]
    """By job type."""
    job_types: Names = ()
    """Of the queues that this role reads."""

    trace_sample_ratio: Annotated[float, Field(ge=0, le=1)]
    otel_exporter_otlp_endpoint: str | None = None
    sentry_dsn: SecretStr | None = None
    second_factor_key: SecretStr | None = None
    """At least 32 bytes, in every region the same and for ever: second factors are kept under it."""
    grpc_port: Port | None = None
    grpc_max_connection_age_seconds: Seconds | None = None
    events_topic_arn: str | None = None
    event_stream_name: str | None = None
    search_endpoint: str | None = None
    search_role_arn: str | None = None
    model_endpoint: str | None = None

    @property
    def deployment_key(self) -> bytes:
        """`second_factor_key`, of which all that this deployment signs and derives is made; empty without one."""
        return self.second_factor_key.get_secret_value().encode() if self.second_factor_key else b""


class OwnerSettings(_FromEnvironment):
    """What the jobs are told that speak to a primary themselves, as the owner of its databases."""

    database_names: Annotated[Names, Field(min_length=1)]
    """One a logical shard."""
    database_tls: Literal["verify-full", "disable"]
    database_ca_file: Path | None = None
    database_password: SecretStr


class UpkeepSettings(OwnerSettings):
    """What the daily job is told."""

    service_role: Literal["upkeep"]


class MigrationSettings(OwnerSettings):
    """What the migration is told; databases that are missing are created."""

    service_role: Literal["migrate"]
    application_user: Name
    """Database role of the pods, created here."""
    application_password: SecretStr


OWNERS: Mapping[str, type[MigrationSettings | UpkeepSettings]] = {MIGRATE: MigrationSettings, UPKEEP: UpkeepSettings}
"""The roles that read something else than `Settings`."""


def read(environ: Mapping[str, str]) -> Settings | MigrationSettings | UpkeepSettings:
    """Settings of a process.

    Raises:
        SettingsError: with every problem.
    """
    kind = OWNERS.get(environ.get("SERVICE_ROLE", ""), Settings)
    values = {**_variables(kind, environ), **_secrets(kind, environ.get("SECRETS_DIR"))}
    problems = list(_disagreements(values) if kind is Settings else _owner_gaps(values))
    try:
        settings = kind.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise SettingsError(sorted([*problems, *map(_problem, found)])) from None
    if problems:
        raise SettingsError(sorted(problems))
    return settings


def _disagreements(values: Mapping[str, Any]) -> Iterator[str]:
    """What no field can say for itself; told together with what is wrong with single fields."""
    if values.get("service_role") != WITHOUT_SECRETS:
        yield from (f"SECRETS_DIR has no file {name}" for name in REQUIRED_SECRETS if not values.get(name))
        if 0 < len(values.get("second_factor_key", "").encode()) < SECOND_FACTOR_KEY_BYTES:
            yield f"second_factor_key must have at least {SECOND_FACTOR_KEY_BYTES} bytes"
    if values.get("sentry_dsn") and not _DSN.fullmatch(values["sentry_dsn"]):
        yield "sentry_dsn must be https://KEY@HOST/PROJECT"
    wanted = _split(values.get("job_types", ""))
    yield from (
        f"JOB_TYPES names a job that has no {QUEUE_PREFIX}..." for job in wanted if job not in values["queue_urls"]
    )


def _owner_gaps(values: Mapping[str, Any]) -> Iterator[str]:
    if values.get("database_tls") == "verify-full" and not values.get("database_ca_file"):
        yield "DATABASE_CA_FILE must name a file for DATABASE_TLS=verify-full"


def is_secret(field: FieldInfo) -> bool:
    """Whether a field is read from a file, and from nowhere else: an environment is too easily printed."""
    return SecretStr in (field.annotation, *get_args(field.annotation))


def _variables(kind: type[BaseModel], environ: Mapping[str, str]) -> dict[str, Any]:
    names = {name.upper(): name for name, field in kind.model_fields.items() if not is_secret(field)}
    found: dict[str, Any] = {name: environ[variable] for variable, name in names.items() if variable in environ}
    if "queue_urls" in kind.model_fields:
        found["queue_urls"] = {
            key.removeprefix(QUEUE_PREFIX).lower().replace("_", "-"): url
            for key, url in environ.items()
            if key.startswith(QUEUE_PREFIX)
        }
    return found


def _secrets(kind: type[BaseModel], directory: str | None) -> dict[str, str]:
    names = [name for name, field in kind.model_fields.items() if is_secret(field)]
    files = [Path(directory, name) for name in names if directory]
    return {path.name: _content(path) for path in files if path.is_file()}


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError([f"{path.name} cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise SettingsError([f"{path.name} is not UTF-8"]) from None


def _problem(error: ErrorDetails) -> str:
    name, *path = error["loc"] or ("",)
    where = str(name).upper() + "".join(f"[{part}]" for part in path)
    if error["type"] == "missing" and not path:
        return f"{where} is not set"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
