"""A visitor who needs no account: fetches each address of `URLS`, and fails if one does not answer in time with 200."""

import os
import time
import urllib.request

SECONDS = 10
"""How long an answer may take."""


def handler(_event: object, _context: object) -> str:
    """Fetch them all, so that the log names every address that failed.

    Raises:
        RuntimeError: with what failed; CloudWatch counts the run as failed.
    """
    failures = [failure for failure in map(_fetch, os.environ["URLS"].split()) if failure]
    if failures:
        raise RuntimeError("; ".join(failures))
    return "all answered"


def _fetch(url: str) -> str | None:
    """What is wrong with `url`; None when nothing is."""
    request = urllib.request.Request(url, headers={"User-Agent": "headroom-canary"})  # noqa: S310 - our own addresses
    start = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            answer.read()
            status = answer.status
    except OSError as error:
        return f"{url}: {error}"
    print(f"{url}: {status} in {time.monotonic() - start:.3f} s")  # noqa: T201 - the canary's log
    return None if status == 200 else f"{url}: status {status}"  # noqa: PLR2004
