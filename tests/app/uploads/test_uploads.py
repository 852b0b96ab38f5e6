from __future__ import annotations

import base64
import hashlib
from typing import Any
from uuid import uuid4

import boto3
import psycopg
import pytest

from app.settings import Settings
from app.uploads.models import SIZES
from tests.app.api.world import Somebody
from tests.app.uploads.world import BUCKET, World, policy, stored, world
from tests.app.worker.conftest import REGION

CONTENT = b"\x89PNG and so on"
IMAGE = {
    "kind": "image",
    "name": "me.png",
    "content_type": "image/png",
    "size_bytes": len(CONTENT),
    "sha256": hashlib.sha256(CONTENT).hexdigest(),
}


def put(key: str, content: bytes = CONTENT, content_type: str = "image/png", *, summed: bool = True) -> None:
    """What a browser does with the form."""
    checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
    sums = {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": checksum} if summed else {}
    s3 = boto3.client("s3", region_name=REGION)
    s3.put_object(Bucket=BUCKET, Key=key, Body=content, ContentType=content_type, **sums)


async def begun(user: Somebody, **changes: Any) -> tuple[str, str]:
    """Id and key of an upload."""
    form = await user.made("uploads", **{**IMAGE, **changes})
    return form["id"], form["fields"]["key"]


@pytest.mark.anyio
async def test_a_form_is_for_exactly_one_file(there: World) -> None:
    user = await there.user()
    form = await user.made("uploads", **IMAGE)
    conditions = policy(form["fields"])["conditions"]
    checksum = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()

    assert ["content-length-range", len(CONTENT), len(CONTENT)] in conditions
    assert {"Content-Type": "image/png"} in conditions
    assert {"x-amz-checksum-sha256": checksum} in conditions
    assert {"key": f"images/{user.user_id}/{form['id']}"} in conditions
    assert {"bucket": BUCKET} in conditions
    assert {"Cache-Control": "private, max-age=31536000, immutable"} in conditions
    # Whatever is a condition is a field too, or S3 refuses the form.
    named = {name for one in conditions if isinstance(one, dict) for name in one} - {"bucket"}
    assert named <= set(form["fields"])
    # The old signature is refused for objects under a KMS key.
    assert form["fields"]["x-amz-algorithm"] == "AWS4-HMAC-SHA256"


@pytest.mark.anyio
async def test_a_file_that_is_there_is_given_by_a_link_that_ends(there: World) -> None:
    user = await there.user()
    upload, key = await begun(user)
    assert (await user.got(f"uploads/{upload}"))["url"] is None
    put(key)

    for _ in range(2):
        answer = await user.post(f"uploads/{upload}/complete")
        assert answer.status_code == 200, answer.text
    url = (await user.got(f"uploads/{upload}"))["url"]
    assert "X-Amz-Expires=3600" in url
    assert "X-Amz-Signature" in url


@pytest.mark.anyio
async def test_what_was_not_sent_is_not_complete(there: World) -> None:
    user = await there.user()
    upload, _ = await begun(user)

    answer = await user.post(f"uploads/{upload}/complete")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "upload_missing")


OTHERS: tuple[dict[str, Any], ...] = (
    {"content": b"\x89PNG but other"},
    {"content": CONTENT + b"more"},
    {"content_type": "text/html"},
    {"summed": False},
)
FORBIDDEN: tuple[dict[str, Any], ...] = (
    {"content_type": "text/html"},
    {"content_type": "image/svg+xml"},
    {"content_type": "application/pdf"},
    {"size_bytes": SIZES["image"] + 1},
    {"size_bytes": 0},
    {"sha256": "0"},
    {"name": "../etc/passwd"},
    {"name": 'a"\r\nx: y'},
    {"kind": "video"},
    {"kind": "file", "content_type": "text/csv", "public": True},
    {"public": "perhaps"},
)


@pytest.mark.anyio
async def test_another_file_than_was_announced_is_refused_and_deleted(there: World) -> None:
    user = await there.user()
    for sent in OTHERS:
        upload, key = await begun(user)
        put(key, **sent)

        answer = await user.post(f"uploads/{upload}/complete")
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "upload_mismatch"), sent
        assert stored(key) is None, sent


@pytest.mark.anyio
async def test_what_may_not_be_uploaded_gets_no_form(there: World) -> None:
    user = await there.user()
    for changes in FORBIDDEN:
        assert (await user.post("uploads", json={**IMAGE, **changes})).status_code == 422, changes


@pytest.mark.anyio
async def test_nobody_reaches_the_uploads_of_others(there: World) -> None:
    mine, theirs = await there.user(), await there.user()
    upload, key = await begun(mine)
    put(key)
    await mine.post(f"uploads/{upload}/complete")

    assert (await theirs.get(f"uploads/{upload}")).status_code == 404
    assert (await theirs.post(f"uploads/{upload}/complete")).status_code == 404
    assert (await theirs.delete(f"uploads/{upload}")).status_code == 404
    assert (await mine.get(f"uploads/{uuid4()}")).status_code == 404
    assert stored(key) == CONTENT


@pytest.mark.anyio
async def test_a_video_is_ready_once_its_file_is_there(there: World) -> None:
    user = await there.user()
    video = {key: value for key, value in IMAGE.items() if key != "kind"}
    form = await user.made("uploads/videos", **{**video, "content_type": "video/mp4", "title": "Mine"})
    put(form["fields"]["key"], content_type="video/mp4")
    assert (await user.post(f"uploads/{form['id']}/complete")).status_code == 200

    assert await there.do("video") == 1
    query = "SELECT id, status FROM videos WHERE user_id = %s"
    ((video_id, status),) = there.owner.execute(query, (user.user_id,)).fetchall()
    assert (str(video_id), status) == (form["id"], "ready")


@pytest.mark.anyio
async def test_a_deleted_upload_leaves_no_object(there: World) -> None:
    user = await there.user()
    upload, key = await begun(user)
    put(key)

    assert (await user.delete(f"uploads/{upload}")).status_code == 204
    assert stored(key) is None
    assert (await user.get(f"uploads/{upload}")).status_code == 404


@pytest.mark.anyio
async def test_where_nothing_resizes_images_what_is_public_has_no_address_either(there: World) -> None:
    user = await there.user()
    upload, key = await begun(user, public=True)
    put(key)
    answer = await user.post(f"uploads/{upload}/complete")
    assert (answer.status_code, answer.json()["data"]["public_url"]) == (200, None)


@pytest.mark.anyio
async def test_what_is_public_has_an_address_for_all_once_it_is_there(
    aws_url: str, given: Settings, owner: psycopg.Connection
) -> None:
    assert aws_url
    resizing = given.model_copy(update={"images_url": "https://cdn.example.com/img"})
    async with world(resizing, owner) as there:
        user = await there.user()
        private, private_key = await begun(user)
        public, key = await begun(user, public=True)
        assert key == f"public/{user.user_id}/{public}"
        assert (await user.got(f"uploads/{public}"))["public_url"] is None
        for upload, where in ((private, private_key), (public, key)):
            put(where)
            assert (await user.post(f"uploads/{upload}/complete")).status_code == 200
        assert (await user.got(f"uploads/{private}"))["public_url"] is None
        address = f"https://cdn.example.com/img/{user.user_id}/{public}"
        assert (await user.got(f"uploads/{public}"))["public_url"] == address
        assert (await user.delete(f"uploads/{public}")).status_code == 204
        assert stored(key) is None
