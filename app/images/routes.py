"""`/img/USER/UPLOAD?w=WIDTH`: pictures that users made public, as small as a page shows them.

The CDN keeps each answer, so there are few to each picture: widths from a list, one format of three, and one way to
write its address. It hands on nothing of a request but that and the format.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from app.api.envelope import UNMODIFIED, refusals
from app.api.etags import unchanged
from app.api.writing import NotFoundError
from app.aws import Aws
from app.images.pictures import Bucket, Pictures, Wanted
from app.images.terms import ANY, FORMATS
from app.limits.policies import Exemption, Policy
from app.settings import Settings
from app.uploads.storage import PUBLIC

Width = Literal["160", "320", "640", "960", "1280", "1920"]
"""As text: a number can be written in many ways, and each would be a copy of its own in the CDN."""
WIDTHS: tuple[Width, ...] = get_args(Width)
Id = Annotated[str, Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
LIMITS: dict[str, Policy | Exemption] = {
    "GET /img/{user_id}/{upload_id}": Exemption(
        "the CDN answers all but the first, and tells no address; what is made at once is bounded here, "
        "and what an address may ask for by the firewall"
    ),
}
CACHED = "public, max-age=604800, immutable"
"""A week: nothing else ever comes at this address, but what its owner deletes is to be gone from the CDN soon."""
VERSION = b"1"
"""Of how pictures are made; another one makes all of them anew."""
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture: AVIF or WebP for those who accept it, otherwise in its own format.",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}} for kind in (*FORMATS, "image/jpeg", "image/png")
        },
    },
    **UNMODIFIED,
    **refusals(404, 413, 415),
}


def router() -> APIRouter:
    """The route, with the pictures that are being made."""
    routes, pictures = APIRouter(tags=["images"]), Pictures()

    @routes.get("/img/{user_id}/{upload_id}", response_class=Response, responses=_ANSWERS)
    async def read_image(user_id: Id, upload_id: Id, request: Request, w: Annotated[Width, Query()]) -> Response:
        """A public picture, at most so many pixels wide: never enlarged, upright, and without what a camera noted."""
        if not _is_spelled_as(request, f"/img/{user_id}/{upload_id}", f"w={w}"):
            raise NotFoundError
        settings: Settings = request.state.settings
        aws: Aws = request.state.aws
        bucket = Bucket(await aws.client("s3"), settings.uploads_bucket)
        wanted = Wanted(await bucket.find(f"{PUBLIC}/{user_id}/{upload_id}"), int(w), _accepted(request))
        headers = {"Cache-Control": CACHED, "ETag": _tag(wanted), "Vary": "Accept"}
        known = unchanged(request, headers)
        if known is not None:
            return known
        picture = await pictures.get(bucket, wanted)
        return Response(picture.content, headers=headers, media_type=picture.media_type)

    return routes


def _is_spelled_as(request: Request, path: str, query: str) -> bool:
    """An escaped letter, or a parameter twice, is the same picture at another address."""
    asked: bytes = request.scope["raw_path"]
    return asked.decode("latin-1") == path and request.url.query == query


def _accepted(request: Request) -> str:
    """The best format that is named, as the CDN's function leaves it; or any."""
    named = request.headers.get("accept", "").lower()
    return next((kind for kind in FORMATS if kind in named), ANY)


def _tag(wanted: Wanted) -> str:
    """By what the picture is made of, so that it need not be made to know it."""
    parts = (VERSION, wanted.original.etag.encode(), str(wanted.width).encode(), wanted.accepted.encode())
    return f'"{hashlib.blake2b(b" ".join(parts), digest_size=12).hexdigest()}"'
