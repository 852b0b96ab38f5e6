"""A command of an operator's in the application that `make app` runs, as `kubectl exec` does it in a pod."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import click

from infra.errors import UserError

ENVIRONMENT: Final = "environment.json"
"""File with the variables of the application that runs, or ran last; none of them is a secret."""


def main() -> int:
    """Do it; the command's exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.app.do", description=(__doc__ or "").strip())
    parser.add_argument("--directory", type=Path, default=Path(".headroom/app"), help="as for `make app`")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="such as: administrator add ada@example.com")
    arguments = parser.parse_args()
    try:
        variables = json.loads((arguments.directory / ENVIRONMENT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        msg = f"no application has run in {arguments.directory}"
        click.echo(f"error: {UserError(msg, ['start it, and leave it running: make app'])}", err=True)
        return UserError.exit_code
    command = [sys.executable, "-m", "app", *(arguments.command or ["--help"])]
    return subprocess.run(command, env={**variables, "PATH": os.environ["PATH"]}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
