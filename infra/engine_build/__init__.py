"""Getting a Pulumi engine where there is none: the official installer, or a build with Go from pinned sources.

`go.mod` and `go.sum` beside this file pin every source by hash. `go.mod` names the clipboard fork that Pulumi's own
repository replaces the original with; replacements of a dependency do not count for whoever depends on it, so it is
repeated here.
"""

from __future__ import annotations

VERSION = "3.255.0"
"""The engine that is installed or built, and the oldest that is accepted: what the tests run with."""


class UnavailableError(Exception):
    """This way to an engine is closed; the message says why, and what would open it."""
