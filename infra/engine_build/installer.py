"""The official installer, as the Automation API runs it. It brings the language hosts along."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

from infra.engine_build import VERSION, UnavailableError
from infra.engine_build.progress import run

INSTALLER_URL = "https://get.pulumi.com/install.sh"
"""What `PulumiCommand.install` downloads (pulumi/automation/_cmd.py)."""

REACH_SECONDS = 5
INSTALL_SECONDS = 240
"""For about 100 MB; `PulumiCommand.install` itself never gives up."""

_INSTALL = """
import sys
from pulumi.automation import PulumiCommand
from semver import VersionInfo
PulumiCommand.install(root=sys.argv[1], version=VersionInfo.parse(sys.argv[2]))
"""


def install(target: Path) -> None:
    """Install the official engine to `target`/bin.

    Raises:
        UnavailableError: no connection, or the installer failed.
    """
    try:
        request = urllib.request.Request(INSTALLER_URL, method="HEAD")
        with urllib.request.urlopen(request, timeout=REACH_SECONDS):  # noqa: S310
            pass
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        reason = getattr(error, "reason", error)
        msg = f"{INSTALLER_URL} does not answer ({reason})"
        raise UnavailableError(msg) from error

    # A process of its own, because the call downloads without any time limit.
    finished = run(
        [sys.executable, "-c", _INSTALL, str(target), VERSION],
        label="installing",
        cwd=target.parent,
        env=os.environ,
        limit_seconds=INSTALL_SECONDS,
        describe=lambda _: f"Pulumi {VERSION}",
    )
    if finished.code is None:
        msg = f"the official installer did not finish in {INSTALL_SECONDS} s"
        raise UnavailableError(msg)
    if finished.code != 0:
        msg = f"the official installer failed: {finished.tail[-1] if finished.tail else f'exit code {finished.code}'}"
        raise UnavailableError(msg)
