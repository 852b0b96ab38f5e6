"""Originals out of the bucket, resized one after the other, each in a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import OrderedDict
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from app.api.writing import NotFoundError
from app.images.terms import Outcome
from app.ops.errors import AppError
from app.ops.metrics import Counter, Histogram
from app.uploads.models import SIZES

SECONDS = 8
"""For waiting, reading and resizing: less than the server gives a request."""
WAITING = 24
"""Pictures that are resized or wait for it: what is done in time if each takes a third of a second, as one of a
telephone does. A page full of new ones asks for all at once."""
REMEMBERED = 1_000
"""Files that could not be resized: whoever asks for one again shall not cost as much again."""
RESIZER = ("-m", "app.images.resize")
_GONE = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
"""S3 says 403 of what is not there to whoever may not list the bucket, and this role may not
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html#API_GetObject_RequestSyntax)."""

resized = Counter("images_resized_total", "Pictures by what became of them.", ("outcome",))
duration = Histogram("image_resize_duration_seconds", "Time of the process that resizes.", ("outcome",))
_log = structlog.get_logger()


class UnreadableError(AppError):
    """No picture, or a broken one."""

    def __init__(self) -> None:
        """Say so."""
        message = "The file is no picture that can be read."
        super().__init__(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unreadable_image", message)


class ImageTooLargeError(AppError):
    """More bytes, pixels or work than a picture may have."""

    def __init__(self) -> None:
        """Say so."""
        message = "The picture is too large to be resized."
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "image_too_large", message)


class BusyError(AppError):
    """Not now: too many pictures wait, this one took too long to come to its turn, or S3 does not answer."""

    def __init__(self) -> None:
        """Say when."""
        message = "Pictures cannot be resized right now: try again."
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, "images_busy", message, {"Retry-After": "2"})


class ResizerError(Exception):
    """The process could not do its work; with its exit code."""


class Original(NamedTuple):
    """An object; `etag` is S3's, and changes with the content."""

    key: str
    etag: str


class Wanted(NamedTuple):
    """What to make of an original: at most so wide, in the format of a media type or, for `*/*`, its own."""

    original: Original
    width: int
    accepted: str


class Picture(NamedTuple):
    """A resized one."""

    media_type: str
    content: bytes


class Bucket:
    """The originals."""

    def __init__(self, s3: Any, name: str) -> None:
        """Take an aiobotocore client of `s3`."""
        self._s3, self._name = s3, name

    async def find(self, key: str) -> Original:
        """What is there.

        Raises:
            NotFoundError: nothing.
            ImageTooLargeError: too many bytes.
            BusyError: S3 does not answer.
        """
        found = await self._ask(self._s3.head_object(Bucket=self._name, Key=key))
        if found["ContentLength"] > SIZES["image"]:
            raise ImageTooLargeError
        return Original(key, found["ETag"])

    async def read(self, original: Original) -> bytes:
        """Its content.

        Raises:
            NotFoundError: it was deleted, or another is there, since it was found.
            BusyError: S3 does not answer.
        """
        found = await self._ask(self._s3.get_object(Bucket=self._name, Key=original.key, IfMatch=original.etag))
        async with found["Body"] as body:
            content: bytes = await body.read()
        return content

    @staticmethod
    async def _ask(call: Any) -> Any:
        try:
            return await call
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if status in _GONE or status == HTTPStatus.PRECONDITION_FAILED:
                raise NotFoundError from None
            _log.warning("originals_unavailable", status=status or 0)
            raise BusyError from None
        except BotoCoreError as error:
            _log.warning("originals_unavailable", error_type=type(error).__name__)
            raise BusyError from None


class Pictures:
    """Resizes for one process: one at a time, since one may take more than half of a pod's memory.

    Whoever asks for what is being made already gets the same.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self._making: dict[Wanted, asyncio.Task[Picture]] = {}
        self._bad: OrderedDict[Original, Outcome] = OrderedDict()
        self._turn = asyncio.Lock()

    async def get(self, bucket: Bucket, wanted: Wanted) -> Picture:
        """The picture, made now.

        Raises:
            UnreadableError: the original is none.
            ImageTooLargeError: it takes too much.
            NotFoundError: it is gone.
            BusyError: not in time.
        """
        if outcome := self._bad.get(wanted.original):
            raise _error(outcome)
        task = self._making.get(wanted)
        if task is None:
            if len(self._making) >= WAITING:
                resized.add(1, "busy")
                raise BusyError
            task = self._making[wanted] = asyncio.create_task(self._make(bucket, wanted))
            task.add_done_callback(partial(self._made, wanted))
        # Others may wait for it as well: it goes on when one of them goes away.
        return await asyncio.shield(task)

    def _made(self, wanted: Wanted, task: asyncio.Task[Picture]) -> None:
        del self._making[wanted]
        if not task.cancelled():
            # Looked at, or asyncio complains of it when all who waited have gone away.
            task.exception()

    async def _make(self, bucket: Bucket, wanted: Wanted) -> Picture:
        try:
            async with asyncio.timeout(SECONDS), self._turn:
                content = await bucket.read(wanted.original)
                begin = time.perf_counter()
                outcome, out = await _run(content, wanted)
        except TimeoutError:
            resized.add(1, "busy")
            raise BusyError from None
        resized.add(1, outcome.name.lower())
        duration.observe(time.perf_counter() - begin, outcome.name.lower())
        if outcome is not Outcome.DONE:
            self._bad[wanted.original] = outcome
            if len(self._bad) > REMEMBERED:
                self._bad.popitem(last=False)
            raise _error(outcome)
        media_type, _, picture = out.partition(b"\n")
        return Picture(media_type.decode(), picture)


async def _run(content: bytes, wanted: Wanted) -> tuple[Outcome, bytes]:
    """Start the process, and end it if nobody waits for it any longer."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *RESIZER, str(wanted.width), wanted.accepted),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        # Nothing of ours: not even where this pod's AWS credentials are to be had.
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        out, _ = await process.communicate(content)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    code = await process.wait()
    if code < 0:
        _log.warning("resizer_killed", signal=-code)
        # By the kernel at its limit of processor time, or for what the decoder did.
        return (Outcome.TOO_LARGE if code == -signal.SIGKILL else Outcome.UNREADABLE), b""
    try:
        return Outcome(code), out
    except ValueError:
        # Not the file's fault, so nothing that a client could mend.
        raise ResizerError(code) from None


def _error(outcome: Outcome) -> AppError:
    return ImageTooLargeError() if outcome is Outcome.TOO_LARGE else UnreadableError()
