"""The bucket of uploads: requests signed for others, and what is in it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import UUID

from botocore.exceptions import ClientError

UPLOAD_SECONDS = 900
"""From asking for an upload to its end. A large video on a slow line takes longer, but S3 only looks when it begins
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html)."""
LINK_SECONDS = 3_600
"""A link for reading. It ends earlier when the credentials that signed it do, which is hours after they were given."""
YEAR = "private, max-age=31536000, immutable"
"""An object never changes: another file has another key."""
DELETED_AT_ONCE = 1_000
"""What S3 takes in one call."""
_NOT_FOUND = 404

PREFIXES = {"image": "images", "video": "videos", "file": "files"}
"""Of objects by what they are."""
PUBLIC = "public"
"""Of images that anybody may see: where those who resize may read, and nowhere else."""
EXPORTS = "exports"


class Form(NamedTuple):
    """A form that a browser posts with the file as its last field, `file`."""

    url: str
    fields: Mapping[str, str]


class Stored(NamedTuple):
    """An object as S3 has it; `sha256` is S3's own sum, None if the uploader sent none."""

    size_bytes: int
    content_type: str
    sha256: bytes | None


def key_of(kind: str, user_id: UUID, upload_id: UUID, *, public: bool = False) -> str:
    """Where an upload is: what it is, whose it is, which one. Nothing of the file's name, which says too much."""
    return f"{PUBLIC if public else PREFIXES[kind]}/{user_id}/{upload_id}"


class Storage:
    """The bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        """Take an aiobotocore client of `s3`, which signs by version 4."""
        self._s3, self._bucket = s3, bucket

    async def form(self, key: str, *, content_type: str, size_bytes: int, sha256: bytes) -> Form:
        """A form for exactly this file: S3 takes no other size and type at no other key, and checks the content.

        That it checks sums that come as fields of a form was not tried on AWS; `find` tells whether it did.
        """
        fields = {
            "Content-Type": content_type,
            "Cache-Control": YEAR,
            "x-amz-checksum-algorithm": "SHA256",
            "x-amz-checksum-sha256": base64.b64encode(sha256).decode(),
        }
        made = await self._s3.generate_presigned_post(
            Bucket=self._bucket,
            Key=key,
            Fields=dict(fields),
            Conditions=[*({name: value} for name, value in fields.items()), self._exactly(size_bytes)],
            ExpiresIn=UPLOAD_SECONDS,
        )
        return Form(made["url"], made["fields"])

    @staticmethod
    def _exactly(size_bytes: int) -> list[str | int]:
        return ["content-length-range", size_bytes, size_bytes]

    async def link(self, key: str, name: str, *, inline: bool = False) -> str:
        """A URL that gives the object for `LINK_SECONDS`: to be saved under `name`, or `inline` to be shown."""
        disposition = "inline" if inline else f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        parameters = {"Bucket": self._bucket, "Key": key, "ResponseContentDisposition": disposition}
        url: str = await self._s3.generate_presigned_url("get_object", Params=parameters, ExpiresIn=LINK_SECONDS)
        return url

    async def find(self, key: str) -> Stored | None:
        """What is there; None if nothing is."""
        try:
            found = await self._s3.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == _NOT_FOUND:
                return None
            raise
        checksum = found.get("ChecksumSHA256")
        return Stored(found["ContentLength"], found["ContentType"], base64.b64decode(checksum) if checksum else None)

    async def put(self, key: str, body: Any, content_type: str) -> None:
        """Write an object."""
        await self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=content_type)

    async def delete(self, key: str) -> None:
        """Delete an object; none is fine, too."""
        await self._s3.delete_object(Bucket=self._bucket, Key=key)

    async def delete_all(self, user_id: UUID) -> int:
        """Delete all objects of a user; their number.

        The bucket keeps versions: what is deleted is out of reach at once, and gone when the bucket's lifecycle says.

        Raises:
            OSError: S3 kept some.
        """
        number = 0
        for prefix in (*PREFIXES.values(), PUBLIC, EXPORTS):
            async for keys in self._keys(f"{prefix}/{user_id}/"):
                objects = [{"Key": key} for key in keys]
                answer = await self._s3.delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})
                if failed := answer.get("Errors"):
                    msg = f"{len(failed)} objects were not deleted"
                    raise OSError(msg)
                number += len(keys)
        return number

    async def _keys(self, prefix: str) -> AsyncIterator[list[str]]:
        """From the start again each time, since the last ones are gone by then."""
        while True:
            page = await self._s3.list_objects_v2(Bucket=self._bucket, Prefix=prefix, MaxKeys=DELETED_AT_ONCE)
            keys = [one["Key"] for one in page.get("Contents", ())]
            if not keys:
                return
            yield keys
