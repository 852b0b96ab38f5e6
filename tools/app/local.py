"""The application on this machine: its servers, what stands in for AWS, its rows, and the pods' own command."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

import boto3
import click
import psycopg

from app.data.seed import seed
from infra.errors import UserError
from tools.app.do import ENVIRONMENT
from tools.app.environment import CREDENTIALS, Container, Places, containers, local, queues, signing_keys
from tools.app.servers import PgBouncer, Postgres, Redis, Server, as_user, binary, free_port

MARK: Final = "seeded"
"""File that is there once the first start came through; until then there is nothing to keep."""
DURABLE: Final = {"fsync": "on", "full_page_writes": "on", "autovacuum": "on", "shared_buffers": "128MB"}
DATABASE: Final = "headroom"


@dataclass
class Moto(Server):
    """An AWS account in memory: queues, bucket, mail, secrets. It is empty at every start."""

    IS_UNPRIVILEGED: ClassVar[bool] = False

    def command(self) -> list[str]:
        """Moto's server."""
        return [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(self.port)]

    @property
    def url(self) -> str:
        """As `AWS_ENDPOINT_URL`."""
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        """Whether it serves."""
        return _status(f"{self.url}/moto-api/data.json") == 200  # noqa: PLR2004 HTTP's


@dataclass
class Application(Server):
    """`python -m app`, as a container runs it, with nothing in its environment but what the stack says."""

    variables: Mapping[str, str] = field(default_factory=dict)

    IS_UNPRIVILEGED: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Its role."""
        return f"the application's {self.variables['SERVICE_ROLE']}"

    @property
    def environ(self) -> Mapping[str, str]:
        """The stack's, the PATH, and where temporary files go: a killed one leaves them."""
        return {**self.variables, "PATH": os.environ["PATH"], "TMPDIR": str(self.directory)}

    def command(self) -> list[str]:
        """The image's command."""
        return [sys.executable, "-m", "app"]

    @property
    def url(self) -> str:
        """Where it listens, on all of this machine's addresses."""
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        """Whether it would be sent requests."""
        return _status(f"{self.url}/ready") == 200  # noqa: PLR2004 HTTP's


def _status(url: str) -> int | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 this machine
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Local:
    """All that runs.

    Attributes:
        planned: variables of the API's container as the stack has them.
        application: the API's process, and its children.
        worker: what does the jobs that the API leaves, if it was asked for.
    """

    planned: Mapping[str, str]
    postgres: Postgres
    pgbouncer: PgBouncer
    redis: Redis
    moto: Moto
    application: Application
    worker: Application | None

    @property
    def servers(self) -> list[Server]:
        """All of them, in the order of their start."""
        found = (self.postgres, self.pgbouncer, self.redis, self.moto, self.application, self.worker)
        return [one for one in found if one is not None]

    def ended(self) -> Server | None:
        """A server that is no more."""
        return next((one for one in self.servers if one.process is None or one.process.poll() is not None), None)


@contextmanager
def running(directory: Path, port: int, *, has_worker: bool = False, **changes: str) -> Iterator[Local]:
    """Start everything, and stop it at the end; data stays in `directory` for the next time.

    Args:
        directory: of its own.
        port: of the application.
        has_worker: whether jobs are done; a measurement of the API wants nobody beside it.
        changes: variables of the application that shall differ from the stack's.

    Raises:
        UserError: a server is missing or does not start, or another one runs in this directory.
    """
    for name in ("postgres", "redis-server"):
        try:
            binary(name)
        except RuntimeError as error:
            raise UserError(str(error)) from None
    with _claimed(directory), ExitStack() as stack:
        is_new = not (directory / MARK).exists()
        if is_new:
            for path in directory.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
        told = containers()
        postgres = Postgres(free_port(), _directory(directory, "postgres"), settings=DURABLE)
        with _step("PostgreSQL"):
            if is_new:
                postgres.initialise()
            _start(stack, postgres)
            if is_new:
                postgres.create_roles()
        redis = Redis(free_port(), _directory(directory, "redis"), is_durable=True)
        pgbouncer = PgBouncer(free_port(), _directory(directory, "pgbouncer"), postgres_port=postgres.port)
        pgbouncer.configure()
        moto = Moto(free_port(), _directory(directory, "aws"))
        for name, server in {"PgBouncer": pgbouncer, "Redis": redis, "AWS (moto)": moto}.items():
            with _step(name):
                _start(stack, server)
        arn, queue_urls = _account(moto.url, told["api"], directory)
        places = Places(
            postgres=postgres.port,
            pgbouncer=pgbouncer.port,
            redis=redis.port,
            aws=moto.url,
            signing_keys_arn=arn,
            queue_urls=queue_urls,
        )
        secrets = directory / "secrets"
        with _step("schema"):
            _migrate(local(told["migrate"], places, secrets, port))
        if is_new:
            with _step("rows"), psycopg.connect(postgres.url(DATABASE), autocommit=True) as owner:
                seed(owner)
            (directory / MARK).touch()
        variables = {**local(told["api"], places, secrets, port), **changes}
        (directory / ENVIRONMENT).write_text(json.dumps(variables), encoding="utf-8")
        application = _serve(stack, directory, port, variables)
        own = free_port()
        worker = _serve(stack, directory, own, local(told["worker"], places, secrets, own)) if has_worker else None
        yield Local(
            planned=told["api"].environ,
            postgres=postgres,
            pgbouncer=pgbouncer,
            redis=redis,
            moto=moto,
            application=application,
            worker=worker,
        )


@contextmanager
def _claimed(directory: Path) -> Iterator[None]:
    """Keep others out of it."""
    directory.mkdir(parents=True, exist_ok=True)
    if subprocess.run(as_user(["test", "-x", str(directory)]), check=False).returncode:
        msg = f"PostgreSQL does not run as root, and nobody else may enter {directory}"
        raise UserError(msg, ["make app DIRECTORY=/var/tmp/headroom", "or as another user"])
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"it runs already, in {directory}"
            raise UserError(msg, ["stop it with Ctrl-C, or: make app DIRECTORY=..."]) from None
        yield


def _directory(parent: Path, name: str) -> Path:
    """One server's own."""
    path = parent / name
    if not path.is_dir():
        path.mkdir(mode=0o700)
        if os.getuid() == 0:
            shutil.chown(path, "nobody")
    return path


def _start(stack: ExitStack, server: Server) -> None:
    stack.callback(server.stop)
    try:
        server.start()
    except (RuntimeError, TimeoutError) as error:
        lines = [line.removeprefix("- ") for line in str(error).splitlines()[-3:]]
        msg = f"{server.name} does not start; its log: {server.log}"
        raise UserError(msg, lines) from None


def _serve(stack: ExitStack, directory: Path, port: int, variables: Mapping[str, str]) -> Application:
    """Start a role."""
    role = variables["SERVICE_ROLE"]
    application = Application(port, _directory(directory, role), variables=variables)
    with _step(role):
        _start(stack, application)
    return application


@contextmanager
def _step(name: str) -> Iterator[None]:
    click.echo(f"==> {name} ", nl=False, err=True)
    began = time.monotonic()
    try:
        yield
    except BaseException:
        click.echo(err=True)
        raise
    click.echo(f"{time.monotonic() - began:.1f} s", err=True)


def _migrate(environ: Mapping[str, str]) -> None:
    """Run the job that the stack runs before its pods."""
    finished = subprocess.run(
        [sys.executable, "-m", "app"],
        env={**environ, "PATH": os.environ["PATH"]},
        check=False,
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    if finished.returncode:
        msg = "the schema cannot be brought up to date"
        raise UserError(msg, (finished.stdout + finished.stderr).splitlines()[-3:])


def _account(url: str, container: Container, directory: Path) -> tuple[str, dict[str, str]]:
    """Make in the account what the stack has there; the ARN of the signing keys, and the queues' addresses."""
    environ = container.environ
    session = boto3.Session(
        CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"], region_name=environ["AWS_REGION"]
    )

    def client(service: str) -> Any:
        return session.client(service, endpoint_url=url)

    region = environ["AWS_REGION"]
    elsewhere = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    client("s3").create_bucket(Bucket=environ["UPLOADS_BUCKET"], **elsewhere)
    mail = client("sesv2")
    mail.create_email_identity(EmailIdentity=environ["DOMAIN"])
    mail.create_configuration_set(ConfigurationSetName=environ["MAIL_CONFIGURATION_SET"])
    keys = signing_keys(directory / "signing-keys.json")
    arn = client("secretsmanager").create_secret(Name="signing-keys", SecretString=keys)["ARN"]
    sqs = client("sqs")
    names = {variable: variable.removeprefix("QUEUE_URL_").lower().replace("_", "-") for variable in queues(container)}
    return arn, {variable: sqs.create_queue(QueueName=name)["QueueUrl"] for variable, name in names.items()}
