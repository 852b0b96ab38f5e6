"""Uploads: a form for the file, then word that it is there, then links to it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Request

from app.api.context import TheHere, TheOwn
from app.api.envelope import COMMON, PERSONAL, Answer, answer, refusals
from app.api.writing import NotFoundError
from app.aws import Aws
from app.data.connection import Row, Writing
from app.limits.policies import STANDARD, VIDEO_UPLOAD, Exemption, Policy
from app.ops.errors import AppError
from app.uploads.models import New, NewUpload, NewVideo, Upload, UploadForm
from app.uploads.storage import PUBLIC, UPLOAD_SECONDS, Storage, key_of
from app.worker.jobs import enqueue

LIMITS: dict[str, Policy | Exemption] = {
    "POST /api/v1/uploads": STANDARD,
    "POST /api/v1/uploads/videos": VIDEO_UPLOAD,
    "POST /api/v1/uploads/{upload_id}/complete": STANDARD,
    "GET /api/v1/uploads/{upload_id}": STANDARD,
    "DELETE /api/v1/uploads/{upload_id}": STANDARD,
}
SWEEP = "DELETE FROM uploads WHERE completed_at IS NULL AND created_at < now() - interval '1 day'"
"""For a job: uploads that were never completed."""
_COLUMNS = "id, kind, name, content_type, size_bytes, sha256, object_key, created_at, completed_at"
_ONE = f"SELECT {_COLUMNS} FROM uploads WHERE id = $1 AND user_id = $2"  # noqa: S608 of this file
_COMPLETE = f"""UPDATE uploads SET completed_at = now() WHERE id = $1 AND user_id = $2 AND completed_at IS NULL
RETURNING {_COLUMNS}"""  # noqa: S608 of this file

_routes = APIRouter(prefix="/api/v1/uploads", tags=["uploads"], responses={**COMMON, **PERSONAL})


async def storage(request: Request, here: TheHere) -> Storage:
    """The bucket, by the process's own client."""
    aws: Aws = request.state.aws
    return Storage(await aws.client("s3"), here.settings.uploads_bucket)


TheStorage = Annotated[Storage, Depends(storage)]


class NotThereError(AppError):
    """The file was not sent yet."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(HTTPStatus.CONFLICT, "upload_missing", "The file is not there yet: post it first.")


class OtherFileError(AppError):
    """What was sent is not what was announced."""

    def __init__(self) -> None:
        """Say what to do."""
        message = "Another file arrived than was announced; ask for a new upload."
        super().__init__(HTTPStatus.UNPROCESSABLE_ENTITY, "upload_mismatch", message)


def router() -> APIRouter:
    """The routes, with full paths."""
    return _routes


@_routes.post("", status_code=HTTPStatus.CREATED)
async def begin_upload(body: NewUpload, request: Request, own: TheOwn, bucket: TheStorage) -> Answer[UploadForm]:
    """A form to post an image or another file with."""
    async with own.writing() as writing:
        form = await _begin(writing, own.user_id, body, body.kind, bucket, public=body.public)
    return answer(request, form)


@_routes.post("/videos", status_code=HTTPStatus.CREATED)
async def begin_video(body: NewVideo, request: Request, own: TheOwn, bucket: TheStorage) -> Answer[UploadForm]:
    """A form to post a video with; the video itself is there at once, with the status `uploaded` until it is ready."""
    async with own.writing() as writing:
        form = await _begin(writing, own.user_id, body, "video", bucket)
        await writing.execute(
            "INSERT INTO videos (id, user_id, title, object_key) VALUES ($1, $2, $3, $4)",
            form.id,
            own.user_id,
            body.title,
            key_of("video", own.user_id, form.id),
        )
    return answer(request, form)


@_routes.post("/{upload_id}/complete", responses=refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
async def complete_upload(
    upload_id: UUID, request: Request, here: TheHere, own: TheOwn, bucket: TheStorage
) -> Answer[Upload]:
    """Say that the file was posted. What S3 has is compared with what was announced; a second time changes nothing."""
    async with own.reading() as reading:
        row = await reading.fetchrow(_ONE, upload_id, own.user_id)
    if row is None:
        raise NotFoundError
    if row["completed_at"] is None:
        found = await bucket.find(row["object_key"])
        if found is None:
            raise NotThereError
        if (found.size_bytes, found.content_type, found.sha256) != (
            row["size_bytes"],
            row["content_type"],
            row["sha256"],
        ):
            await bucket.delete(row["object_key"])
            raise OtherFileError
        async with own.writing() as writing:
            completed = await writing.fetchrow(
                _COMPLETE,
                upload_id,
                own.user_id,
            )
            if completed is not None and row["kind"] == "video":
                await enqueue(writing, "video", own.user_id, {"video_id": str(upload_id)})
            row = completed or await writing.fetchrow(_ONE, upload_id, own.user_id)
        if row is None:
            raise NotFoundError
    return answer(request, await _shown(row, bucket, here.settings.images_url))


@_routes.get("/{upload_id}", responses=refusals(HTTPStatus.NOT_FOUND))
async def read_upload(
    upload_id: UUID, request: Request, here: TheHere, own: TheOwn, bucket: TheStorage
) -> Answer[Upload]:
    """A file of the user, with a link."""
    async with own.reading() as reading:
        row = await reading.fetchrow(_ONE, upload_id, own.user_id)
    if row is None:
        raise NotFoundError
    return answer(request, await _shown(row, bucket, here.settings.images_url))


@_routes.delete("/{upload_id}", status_code=HTTPStatus.NO_CONTENT, responses=refusals(HTTPStatus.NOT_FOUND))
async def delete_upload(upload_id: UUID, own: TheOwn, bucket: TheStorage) -> None:
    """Delete a file; of a video, what is known of it too."""
    async with own.writing() as writing:
        key = await writing.fetchval(
            "DELETE FROM uploads WHERE id = $1 AND user_id = $2 RETURNING object_key", upload_id, own.user_id
        )
        if key is None:
            raise NotFoundError
        await writing.execute("DELETE FROM videos WHERE id = $1 AND user_id = $2", upload_id, own.user_id)
        # Before the commit: a row without an object can be deleted again, an object without a row nobody finds.
        await bucket.delete(key)


async def _begin(
    writing: Writing, user_id: UUID, new: New, kind: str, bucket: Storage, *, public: bool = False
) -> UploadForm:
    upload_id = uuid4()
    key, sha256 = key_of(kind, user_id, upload_id, public=public), bytes.fromhex(new.sha256)
    await writing.execute(
        "INSERT INTO uploads (id, user_id, object_key, kind, content_type, size_bytes, sha256, name) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        upload_id,
        user_id,
        key,
        kind,
        new.content_type,
        new.size_bytes,
        sha256,
        new.name,
    )
    form = await bucket.form(key, content_type=new.content_type, size_bytes=new.size_bytes, sha256=sha256)
    return UploadForm(id=upload_id, url=form.url, fields=dict(form.fields), expires_in_seconds=UPLOAD_SECONDS)


async def _shown(row: Row, bucket: Storage, images_url: str | None) -> Upload:
    url = public_url = None
    if row["completed_at"] is not None:
        key = row["object_key"]
        url = await bucket.link(key, row["name"], inline=row["kind"] == "image")
        if images_url and key.startswith(f"{PUBLIC}/"):
            public_url = images_url + key.removeprefix(PUBLIC)
    known = {name: row[name] for name in Upload.model_fields if not name.endswith("url")}
    return Upload(**known, url=url, public_url=public_url)
