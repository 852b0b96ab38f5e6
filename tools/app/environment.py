"""What the smallest stack tells the application's containers, with this machine's servers in the place of AWS'."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra import stack_file
from infra.plan import SECRET, UNKNOWN, make_plan
from infra.stack_file import StackFile
from tools.app.servers import OWNER, PASSWORD

PROJECT: Final = Path(__file__).parents[2]
STACK: Final = "10k"
IMAGE: Final = "123456789012.dkr.ecr.us-east-1.amazonaws.com/headroom@sha256:" + "0" * 64
"""Nothing is pulled; without an image the stack runs another application."""
CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """One container of the stack.

    Attributes:
        environ: its variables, some of them known to AWS only.
        secrets: names of the files in its SECRETS_DIR.
    """

    environ: Mapping[str, str]
    secrets: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Where this machine's servers are: ports of 127.0.0.1, and what was made in the stand-in for AWS."""

    postgres: int
    pgbouncer: int
    redis: int
    aws: str
    signing_keys_arn: str
    queue_urls: Mapping[str, str]


def containers() -> dict[str, Container]:
    """Of the stack's Deployments and Jobs, by role."""
    stored = stack_file.read(stack_file.path_of(STACK, PROJECT))
    raw = {**stored.raw, "headroom:image": IMAGE}
    resources = make_plan(StackFile(stack=stored.stack, raw=raw, encrypted=stored.encrypted)).resources
    objects = {(one.inputs["kind"], one.inputs["metadata"]["name"]): one.inputs for one in resources if _is_data(one)}
    found: dict[str, Container] = {}
    for one in resources:
        if one.inputs.get("kind") not in {"Deployment", "Job"}:
            continue
        pod = one.inputs["spec"]["template"]["spec"]
        for spec in pod["containers"]:
            environ = {item["name"]: item["value"] for item in spec.get("env", ()) if "value" in item}
            if "SERVICE_ROLE" in environ:
                for source in spec.get("envFrom", ()):
                    environ = {**objects["ConfigMap", source["configMapRef"]["name"]]["data"], **environ}
                names = [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume]
                files = frozenset(key for name in names for key in objects["Secret", name]["stringData"])
                found[environ["SERVICE_ROLE"]] = Container(environ=environ, secrets=files)
    return found


def _is_data(resource: Any) -> bool:
    return resource.inputs.get("kind") in {"ConfigMap", "Secret"}


def queues(container: Container) -> list[str]:
    """Variables with the address of a queue."""
    return sorted(name for name in container.environ if name.startswith("QUEUE_URL_"))


def local(container: Container, places: Places, directory: Path, port: int) -> dict[str, str]:
    """The container's environment on this machine, whose secrets are written to `directory`.

    Raises:
        ValueError: a variable's value is known to AWS only, and nothing here stands in for it.
    """
    redis = f"redis://127.0.0.1:{places.redis}"
    is_owner = container.environ["DATABASE_USER"] == OWNER
    instead = {
        "SECRETS_DIR": str(directory),
        "PORT": str(port),
        "DATABASE_WRITER_HOST": "127.0.0.1",
        "DATABASE_READER_HOST": "127.0.0.1",
        "DATABASE_PORT": str(places.postgres if is_owner else places.pgbouncer),
        "DATABASE_TLS": "disable",
        "CACHE_URL": redis,
        "CACHE_WRITER_URL": redis,
        "STATE_URL": redis,
        "SIGNING_KEYS_ARN": places.signing_keys_arn,
        "TRACE_SAMPLE_RATIO": "0",
        **places.queue_urls,
    }
    environ = {name: instead.get(name, value) for name, value in container.environ.items()}
    unknown = sorted(name for name, value in environ.items() if UNKNOWN in value or SECRET in value)
    if unknown:
        msg = f"nothing on this machine stands in for {', '.join(unknown)}"
        raise ValueError(msg)
    write_secrets(container, directory)
    return {**environ, **CREDENTIALS, "AWS_ENDPOINT_URL": places.aws}


def write_secrets(container: Container, directory: Path) -> None:
    """One file each; what is no password is drawn once, and kept."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in container.secrets:
        path = directory / name
        if not path.exists():
            path.write_text(PASSWORD if name.endswith("_password") else secrets.token_hex(32), encoding="ascii")


def signing_keys(path: Path) -> str:
    """What the stack's secret has before its first rotation; drawn once, and kept in a file."""
    if not path.exists():
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        path.touch(mode=0o600)
        path.write_text(json.dumps({"active": "initial", "keys": {"initial": key}}), encoding="ascii")
    return path.read_text(encoding="ascii")
