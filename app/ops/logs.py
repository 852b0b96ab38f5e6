"""One JSON object a line on standard output, of fields that are known to be harmless.

An allow-list, because a deny-list forgets: a field that `FIELDS` does not name is dropped, and so is a value that does
not look as its field should. Texts are never logged as they are: an event is a name, an exception its type and where it
was raised (messages quote what users sent), a library's record where in its code it was written.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TextIO

import orjson
import structlog

_NAME = re.compile(r"[a-z][a-z_]{0,39}")
_WORD = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_CLASS = re.compile(r"([A-Z][A-Za-z]{0,59})?")
_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ROUTE = re.compile(r"(/([a-z][a-z0-9_.-]{0,39}|\{[a-z_]{1,40}\})?){1,12}|unmatched")
_METHOD = re.compile(r"[A-Z]{3,7}")
_CODE = re.compile(r"[A-Za-z_./<][\w./<>-]{0,160}:\d{1,6}( [\w<>.]{1,80})?")

FIELDS: Mapping[str, re.Pattern[str] | None] = {
    "check": _NAME,
    "count": None,
    "database": _WORD,
    "duration_ms": None,
    "error_type": _CLASS,
    "job_type": _WORD,
    "method": _METHOD,
    "process": None,
    "queue": _WORD,
    "reason": _WORD,
    "region": _WORD,
    "request_id": _ID,
    "role": _WORD,
    "route": _ROUTE,
    "schema": re.compile(r"\d{4}"),
    "session_id": _ID,
    "shard": None,
    "signal": None,
    "status": None,
    "trace_id": _ID,
    "user_id": _ID,
}
"""What may be logged, and how a text has to look; without a pattern only numbers and booleans may be."""
LARGEST = 1_000_000_000
"""Of numbers: a telephone number has more digits."""
_FRAMES = 12

Event = MutableMapping[str, Any]
_context: ContextVar[Mapping[str, str]] = ContextVar("log_context", default=MappingProxyType({}))


class _Sink:
    """Where lines go. One object for the life of the process, so that loggers may be kept by whoever has one."""

    stream: TextIO = sys.stdout
    constant: Mapping[str, str] = MappingProxyType({})

    def write(self, line: str) -> None:
        """Write a line at once; a container that is killed has told all it knew."""
        self.stream.write(line)
        self.stream.flush()

    debug = info = warning = error = critical = msg = write


_sink = _Sink()


def configure(stream: TextIO | None = None, **constant: str) -> None:
    """Send all logs of the process to `stream` (standard output), with `constant` fields such as `role`.

    Libraries that log by `logging` are included from WARNING on: without its text a lesser line says nothing.
    """
    _sink.stream, _sink.constant = stream or sys.stdout, constant
    structlog.configure(
        processors=[
            _stamp,
            _exception,
            allow,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=_logger,
        # A logger that is made anew for every line costs more than the line.
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [Libraries()]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def begin(**fields: str) -> None:
    """From now on every line of this task, such as a request's, has these fields and no earlier ones.

    One variable for all of them: the library's own has one for each field that any task ever bound, and looks through
    all variables of the process at every line.
    """
    _context.set(fields)


def bind(**fields: str) -> None:
    """Have further fields in every line of this task."""
    _context.set({**_context.get(), **fields})


def allow(_: object, __: str, event: Event) -> Event:
    """Keep what `FIELDS` knows; the names of what was dropped stay, so that their absence explains itself."""
    kept: Event = {key: value for key, value in event.items() if _is_harmless(key, value)}
    if len(kept) < len(event):
        kept.setdefault("event", "unnamed")
        if dropped := sorted(key for key in event.keys() - kept.keys() if _NAME.fullmatch(key)):
            kept["dropped"] = dropped
    return kept


class Libraries(logging.Handler):
    """Turns records of `logging` into our own, without their text: it may quote anything."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log where the record comes from, and the exception that it tells of."""
        log = structlog.get_logger()
        write = (
            log.info
            if record.levelno < logging.WARNING
            else log.warning
            if record.levelno < logging.ERROR
            else log.error
        )
        if record.exc_info and record.exc_info[1] is not None:
            write("library", exc_info=record.exc_info[1])
        else:
            write("library", stack=[_place(record.pathname, record.lineno, record.funcName)])


def _is_harmless(key: str, value: object) -> bool:
    if isinstance(value, str):
        return _looks_right(key, value)
    if key == "stack":
        return isinstance(value, list) and all(isinstance(line, str) and _CODE.fullmatch(line) for line in value)
    return FIELDS.get(key, _NAME) is None and isinstance(value, int | float) and abs(value) < LARGEST


@lru_cache(maxsize=4_096)
def _looks_right(key: str, text: str) -> bool:
    """Kept, since the same routes and names come again and again."""
    pattern = _NAME if key == "event" else FIELDS.get(key)
    return pattern is not None and pattern.fullmatch(text) is not None


def _logger(*_: object) -> _Sink:
    return _sink


def _stamp(_: object, __: str, event: Event) -> Event:
    return {**_context.get(), **event, **_sink.constant}


def _exception(_: object, __: str, event: Event) -> Event:
    """Replace an exception by its type and the innermost places of its stack: no message, no source line."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["error_type"] = type(error).__name__
        frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
        event["stack"] = [_place(frame.filename, frame.lineno or 0, frame.name) for frame in frames]
    return event


def _place(path: str, line: int, function: str | None) -> str:
    """`app/ops/logs.py:12 emit`: the last three parts of the path, as long as it is a plain one."""
    where = f"{'/'.join(path.split('/')[-3:])}:{line} {function or ''}".rstrip()
    return where if _CODE.fullmatch(where) else "unknown:0"


def _render(_: object, __: str, event: Event) -> str:
    return orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE).decode()
