"""What clients send and get for uploads."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, model_validator

from app.api.fields import Asked, Name

MIB = 1 << 20
SIZES = {"image": 10 * MIB, "video": 5 * 1024 * MIB, "file": 100 * MIB}
"""The largest file by kind. 5 GiB is what S3 takes in one request; the others are ours."""
TYPES = {
    "image": re.compile(r"image/(avif|gif|jpeg|png|webp)"),
    "video": re.compile(r"video/(mp4|quicktime|webm)"),
    "file": re.compile(r"application/(pdf|zip|json)|text/(csv|plain)"),
}
"""What may be uploaded. Nothing that a browser runs, such as HTML or SVG."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class New(Asked):
    """What a client says of a file before it sends it."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f/\\]+$")]
    """As it is called on the user's machine, and when it is saved again."""
    content_type: Annotated[str, StringConstraints(max_length=100)]
    size_bytes: Annotated[int, Field(ge=1, le=max(SIZES.values()))]
    sha256: Sha256
    """In hexadecimal digits."""

    def fit(self, kind: str) -> Self:
        """Check type and size against what `kind` may be."""
        if TYPES[kind].fullmatch(self.content_type) is None:
            msg = "is no type that may be uploaded"
            raise ValueError(msg)
        if self.size_bytes > SIZES[kind]:
            msg = "is too large"
            raise ValueError(msg)
        return self


class NewUpload(New):
    """An image or another file."""

    kind: Literal["image", "file"]
    public: bool = False
    """Anybody may see it, in the sizes that pages show; for images only, and for good."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.public and self.kind != "image":
            msg = "only images can be public"
            raise ValueError(msg)
        return self.fit(self.kind)


class NewVideo(New):
    """A video."""

    title: Name

    @model_validator(mode="after")
    def _fits(self) -> Self:
        return self.fit("video")


class UploadForm(BaseModel):
    """Where to post the file to, within `expires_in_seconds`: `fields`, then the file as `file`."""

    id: UUID
    url: str
    fields: dict[str, str]
    expires_in_seconds: int


class Upload(BaseModel):
    """A file; `url` gives it for an hour, and is null until the upload was completed.

    `public_url` gives a public image to anybody: with `?w=` and one of 160, 320, 640, 960, 1280 and 1920, the width in
    pixels. It is null for what is not public, and where nothing resizes images.
    """

    id: UUID
    kind: Literal["image", "video", "file"]
    name: str
    content_type: str
    size_bytes: int
    created_at: datetime
    completed_at: datetime | None
    url: str | None
    public_url: str | None
