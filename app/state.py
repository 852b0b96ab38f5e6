"""What the lifespan makes and every request finds as `request.state`; there are no globals."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from app.data.database import Database
from app.ops.drain import Drain
from app.ops.health import Readiness
from app.settings import Settings


class State(TypedDict):
    """Of one process.

    Attributes:
        settings: as read at its start.
        drain: whether it is stopping; whoever holds work open listens to it.
        readiness: what it knows of its dependencies.
        database: all shards; the role that resizes images has none.
    """

    settings: Settings
    drain: Drain
    readiness: Readiness
    database: NotRequired[Database]
