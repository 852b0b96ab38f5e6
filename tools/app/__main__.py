"""The application on this machine, as the smallest stack would run it, until Ctrl-C: `make app`."""

from __future__ import annotations

import argparse
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Final, NoReturn

import click

from infra.errors import UserError
from tools.app.local import Local, running
from tools.app.servers import free_port
from tools.bench_app.processes import memory_mib

PORT: Final = 8080
"""Unless it is taken."""
CREDENTIALS: Final = '{"email": "ada@example.com", "password": "a long sentence of mine", "delivery": "body"}'
CALLS: Final = (
    """curl -s $APP/api/v1/auth/register -H 'content-type: application/json' \\
    -d '{"email": "ada@example.com", "password": "a long sentence of mine"}'""",
    f"""TOKEN=$(curl -s $APP/api/v1/auth/login -H 'content-type: application/json' \\
    -d '{CREDENTIALS}' \\
    | python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')""",
    """curl -s $APP/api/v1/feed -H "authorization: Bearer $TOKEN\"""",
)
"""What to try first; the README has them, too."""
POLL_SECONDS: Final = 0.5


def main() -> int:
    """Run it; exit code."""
    parser = argparse.ArgumentParser(prog="make app", description=(__doc__ or "").strip())
    parser.add_argument("--port", type=int, help=f"{PORT}, or where that is taken any other")
    parser.add_argument("--directory", type=Path, default=Path(".headroom/app"), help="keeps its data")
    arguments = parser.parse_args()
    # Whoever ends it by a signal wants nothing to be left. Ctrl-C too, which shells let background jobs ignore.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        with running(arguments.directory.resolve(), _port(arguments.port), has_worker=True) as local:
            show(local)
            while (ended := local.ended()) is None:
                time.sleep(POLL_SECONDS)
            click.echo(f"error: {ended.name} ended; its log: {ended.log}", err=True)
        return UserError.exit_code
    except KeyboardInterrupt:
        click.echo("\nstopped")
        return 0
    except UserError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_code


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _port(wanted: int | None) -> int:
    """The wanted one, or one that is free.

    Raises:
        UserError: the wanted one is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", wanted or PORT))  # noqa: S104 as the application will
        except OSError as error:
            if wanted:
                msg = f"--port {wanted}: {error.strerror}"
                raise UserError(msg) from None
            return free_port()
    return wanted or PORT


def show(local: Local) -> None:
    """Say where it is, and what to try."""
    click.echo(f"\nThe application listens; Ctrl-C stops it.\n\nexport APP={local.application.url}")
    click.echo("\n".join(CALLS))
    click.echo("\nMemory and logs:")
    for server in local.servers:
        if server.process is not None:
            click.echo(f"{memory_mib(server.process.pid):5.0f} MiB  {server.log}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
