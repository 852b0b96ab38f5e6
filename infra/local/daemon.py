"""The process that is the local cloud: moto's AWS, and a gRPC server for each Pulumi provider.

Started by `infra.local.cloud.start` as `python -m infra.local.daemon ROOT`; ends on SIGTERM.
"""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from moto.server import ThreadedMotoServer

from infra.local.aws.moto_setup import prepare_moto
from infra.local.aws_provider import AwsProvider
from infra.local.cloud import ALREADY_RUNNING, Cloud, Paths, write
from infra.local.cloudflare import CloudflareProvider
from infra.local.faults import Faults
from infra.local.kubernetes import KubernetesProvider
from infra.local.ledger import Ledger
from infra.local.provider import serve
from infra.local.random import RandomProvider

HOST: Final = "127.0.0.1"
GRACE_SECONDS: Final = 5.0
LOCK_SECONDS: Final = 1.0


def main(root: Path) -> int:
    """Run the cloud of the project at `root` until SIGTERM or SIGINT."""
    paths = Paths(root)
    paths.home.mkdir(parents=True, exist_ok=True)
    with paths.lock.open("wb") as lock:
        if not _alone(lock):
            return ALREADY_RUNNING
        paths.info.unlink(missing_ok=True)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        _run(paths, stop)
    return 0


def _alone(lock: IO[bytes]) -> bool:
    """Take the lock; a little patience, as whoever asks whether a cloud runs holds it for a moment."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(LOCK_SECONDS / 20)
        else:
            return True


def _run(paths: Paths, stop: threading.Event) -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # It logs every request otherwise.
    port = _port(paths)
    prepare_moto()
    moto = ThreadedMotoServer(HOST, port, verbose=False)
    moto.start()
    endpoint = f"http://{HOST}:{port}"
    providers = (AwsProvider(endpoint), CloudflareProvider(), KubernetesProvider(), RandomProvider())
    faults = Faults(paths.faults)
    for provider in providers:
        provider.faults = faults
        # What is random is in the state and nowhere else.
        provider.ledger = None if isinstance(provider, RandomProvider) else Ledger()
    served = {provider.package: serve(provider) for provider in providers}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    # botocore's models alone are a million objects that stay: the collector need not look at them again, nor often.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    write(paths, Cloud(uuid.uuid4().hex, os.getpid(), endpoint, {name: s[1] for name, s in served.items()}, now))
    print(f"{now} the local cloud listens: AWS at {endpoint}")  # noqa: T201 - standard output is the log
    stop.wait()
    print(f"{datetime.now(UTC).isoformat(timespec='seconds')} told to stop")  # noqa: T201
    for stopped in [server.stop(GRACE_SECONDS) for server, _ in served.values()]:
        stopped.wait()
    paths.info.unlink(missing_ok=True)
    moto.stop()


def _port(paths: Paths) -> int:
    """Moto's port: the one of the last time when it is free, otherwise any free one."""
    kept = paths.port.read_text(encoding="utf-8").strip() if paths.port.exists() else ""
    for wanted in (int(kept) if kept.isdigit() else 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, wanted))
            except OSError:
                continue
            port = int(probe.getsockname()[1])
            paths.port.write_text(str(port), encoding="utf-8")
            return port
    msg = f"no free port on {HOST}"
    raise OSError(msg)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
