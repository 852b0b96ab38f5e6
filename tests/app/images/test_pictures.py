"""`/img/`: who may see what, in which sizes, and what a busy or broken resizer answers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from app.api.writing import NotFoundError
from app.aws import Aws
from app.images import pictures
from app.images.pictures import Bucket
from app.images.routes import CACHED, WIDTHS
from app.main import create_app
from app.ops.metrics import render
from app.uploads.models import SIZES
from app.uploads.storage import PREFIXES, PUBLIC, Storage, key_of
from tests.app.environment import settings
from tests.app.images.samples import opened, picture, png_bomb, saved
from tests.app.wired import started
from tests.app.worker.conftest import REGION, aws_url

__all__ = ["aws_url"]
pytestmark = pytest.mark.anyio

BUCKET = "uploads"
WEBP = {"accept": "image/webp"}
HANGS = ("-c", "import time; time.sleep(60)")


def put(content: bytes, prefix: str = PUBLIC) -> str:
    """Store an original; the path of its sizes."""
    path = f"{uuid4()}/{uuid4()}"
    boto3.client("s3", region_name=REGION).put_object(Bucket=BUCKET, Key=f"{prefix}/{path}", Body=content)
    return f"/img/{path}"


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def count(outcome: str) -> int:
    """How many came to this, in this process."""
    lines = [line for line in render().splitlines() if line.startswith(f'images_resized_total{{outcome="{outcome}"}}')]
    return int(lines[0].rpartition(" ")[2]) if lines else 0


@asynccontextmanager
async def served(directory: Path) -> AsyncIterator[httpx.AsyncClient]:
    given = settings(directory, SERVICE_ROLE="images", SECRETS_DIR=str(directory / "nowhere"))
    async with started(create_app(given)) as app:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://cdn.example.com") as client:
            yield client


@pytest.fixture(autouse=True)
def _bucket(aws_url: str) -> None:
    assert aws_url
    boto3.client("s3", region_name=REGION).create_bucket(Bucket=BUCKET)


@pytest.fixture
async def cdn(anyio_backend: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """What asks the resizer."""
    async with served(tmp_path) as client:
        yield client


async def test_a_public_picture_comes_in_every_width(cdn: httpx.AsyncClient) -> None:
    path = put(saved(picture(2_000, 1_000), "JPEG"))
    for width in WIDTHS:
        answer = await cdn.get(f"{path}?w={width}", headers=WEBP)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
        assert opened(answer.content).size == (int(width), int(width) // 2)


async def test_it_may_be_kept_and_is_not_made_for_whoever_has_it(cdn: httpx.AsyncClient) -> None:
    path = put(saved(picture(), "JPEG"))
    answer = await cdn.get(f"{path}?w=160", headers=WEBP)
    assert answer.headers["cache-control"] == CACHED
    assert "Accept" in answer.headers["vary"].split(", ")
    assert answer.headers["x-content-type-options"] == "nosniff"
    tag, made = answer.headers["etag"], count("done")
    again = await cdn.get(f"{path}?w=160", headers={**WEBP, "if-none-match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert again.headers["cache-control"] == CACHED
    assert count("done") == made
    other = await cdn.get(f"{path}?w=320", headers={**WEBP, "if-none-match": tag})
    assert other.status_code == 200
    tags = {
        (await cdn.get(f"{path}?w=160", headers={"accept": kind})).headers["etag"] for kind in ("*/*", "image/avif")
    }
    assert len({tag, other.headers["etag"], *tags}) == 4


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("image/avif,image/webp,*/*;q=0.8", "image/avif"),
        ("IMAGE/WEBP", "image/webp"),
        ("*/*", "image/jpeg"),
        ("text/html", "image/jpeg"),
        ("", "image/jpeg"),
    ],
)
async def test_the_format_is_the_best_that_is_accepted(cdn: httpx.AsyncClient, accept: str, expected: str) -> None:
    answer = await cdn.get(f"{put(saved(picture(), 'JPEG'))}?w=160", headers={"accept": accept})
    assert answer.headers["content-type"] == expected


async def test_what_is_not_public_is_not_there(cdn: httpx.AsyncClient) -> None:
    content = saved(picture(), "JPEG")
    for prefix in (*PREFIXES.values(), "exports"):
        assert code(await cdn.get(f"{put(content, prefix)}?w=160")) == (404, "not_found"), prefix
    assert code(await cdn.get(f"/img/{uuid4()}/{uuid4()}?w=160")) == (404, "not_found")
    private = put(content, "images").removeprefix("/img/")
    for path in (f"../images/{private}", f"..%2Fimages%2F{private}", f"images/{private}", private.replace("/", "//")):
        assert (await cdn.get(f"/img/{path}?w=160")).status_code in {404, 422}, path


async def test_a_picture_has_one_address_for_each_width(cdn: httpx.AsyncClient) -> None:
    """Each other would be a copy of its own in the CDN, and cost as much again."""
    path = put(saved(picture(), "JPEG"))
    made = count("done")
    for query in ("", "?w=", "?w=161", "?w=0160", "?w=160.0", "?w=%2B160", "?w=160%20", "?w=99999999999", "?width=160"):
        answer = await cdn.get(path + query)
        assert code(answer) == (422, "invalid_request"), query
    for query in ("?w=160&w=160", "?w=320&w=160", "?w=160&q=1", "?w=1%360", "?w=160&"):
        assert (await cdn.get(path + query)).status_code == 404, query
    upper, plain = path.upper().replace("/IMG", "/img"), path.replace("-", "")
    for other in (upper, plain, f"{path[:-1]}%{ord(path[-1]):x}", f"{path}/", path.replace("/img/", "//img/")):
        assert (await cdn.get(f"{other}?w=160")).status_code in {307, 404, 422}, other
    assert count("done") == made
    for method in ("POST", "PUT", "DELETE"):
        assert (await cdn.request(method, f"{path}?w=160")).status_code == 405


async def test_what_cannot_be_resized_is_refused_once_and_for_all(cdn: httpx.AsyncClient) -> None:
    original = saved(picture(), "PNG")
    for content, expected in (
        (b"<svg onload='alert(1)'/>", (415, "unreadable_image")),
        (b"", (415, "unreadable_image")),
        (original[: len(original) // 2], (415, "unreadable_image")),
        (saved(picture(), "JPEG")[:900], (415, "unreadable_image")),
        (saved(picture(), "BMP"), (415, "unreadable_image")),
        (png_bomb(30_000, 30_000), (413, "image_too_large")),
        (png_bomb(8_000, 4_001), (413, "image_too_large")),
    ):
        path = put(content)
        first = await cdn.get(f"{path}?w=160")
        assert code(first) == expected
        assert first.headers["cache-control"] == "no-store"
        refused = count("unreadable") + count("too_large")
        assert code(await cdn.get(f"{path}?w=320", headers=WEBP)) == expected
        assert count("unreadable") + count("too_large") == refused


async def test_a_file_of_too_many_bytes_is_not_even_read(cdn: httpx.AsyncClient) -> None:
    path = put(saved(picture(), "PNG") + bytes(SIZES["image"]))
    assert code(await cdn.get(f"{path}?w=160")) == (413, "image_too_large")


async def test_what_is_asked_for_by_many_at_once_is_made_once(cdn: httpx.AsyncClient) -> None:
    path = put(saved(picture(3_000, 2_000), "JPEG"))
    made = count("done")
    answers = await asyncio.gather(*(cdn.get(f"{path}?w=640", headers=WEBP) for _ in range(30)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert count("done") == made + 1


async def test_pictures_are_made_one_after_the_other(cdn: httpx.AsyncClient) -> None:
    path = put(saved(picture(3_000, 2_000), "JPEG"))
    before = set(children())
    asking = asyncio.gather(*(cdn.get(f"{path}?w={width}", headers=WEBP) for width in WIDTHS))
    most = 0
    while not asking.done():
        most = max(most, len(set(children()) - before))
        await asyncio.sleep(0.005)
    assert [answer.status_code for answer in await asking] == [200] * len(WIDTHS)
    assert most == 1


def children() -> list[int]:
    """Processes that this one started and that still run."""
    found = []
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(one) for one in (thread / "children").read_text().split()]
    return found


async def test_what_takes_too_long_is_ended_and_may_be_tried_again(
    cdn: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, before = put(saved(picture(), "JPEG")), set(children())
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "SECONDS", 1)
        patch.setattr(pictures, "RESIZER", HANGS)
        answer = await cdn.get(f"{path}?w=160")
        assert code(answer) == (503, "images_busy")
        assert int(answer.headers["retry-after"]) >= 1
        assert set(children()) <= before
    assert (await cdn.get(f"{path}?w=160")).status_code == 200


async def test_no_more_wait_than_come_to_their_turn(
    cdn: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    waits = f"import os, time\nwhile not os.path.exists({str(go_on)!r}): time.sleep(0.01)\nprint('image/png')"
    monkeypatch.setattr(pictures, "RESIZER", ("-c", waits))
    monkeypatch.setattr(pictures, "SECONDS", 60)
    monkeypatch.setattr(pictures, "WAITING", 3)
    paths = [put(saved(picture(), "JPEG")) for _ in range(4)]
    asking = [asyncio.ensure_future(cdn.get(f"{path}?w=160")) for path in paths]
    [refused], others = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    go_on.touch()
    assert code(refused.result()) == (503, "images_busy")
    assert [answer.status_code for answer in await asyncio.gather(*others)] == [200] * 3


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("import os; os.kill(os.getpid(), 9)", (413, "image_too_large")),
        ("import os; os.abort()", (415, "unreadable_image")),
        ("import sys; sys.exit(1)", (500, "internal_error")),
    ],
)
async def test_a_process_that_breaks_breaks_nothing_else(
    cdn: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, program: str, expected: tuple[int, str]
) -> None:
    path = put(saved(picture(), "JPEG"))
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "RESIZER", ("-c", program))
        assert code(await cdn.get(f"{path}?w=160")) == expected
    assert (await cdn.get(f"{put(saved(picture(), 'JPEG'))}?w=160")).status_code == 200


async def test_the_process_gets_nothing_of_the_servers_environment(
    cdn: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials")
    monkeypatch.setattr(pictures, "RESIZER", ("-c", r"import os; print('image/png\n' + '\n'.join(os.environ))"))
    answer = await cdn.get(f"{put(b'any')}?w=160")
    assert set(answer.text.split()) <= {"PYTHONPATH", "LC_CTYPE"}


async def test_without_s3_it_says_when_to_try_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    async with served(tmp_path) as cdn:
        answer = await cdn.get(f"/img/{uuid4()}/{uuid4()}?w=160")
    assert code(answer) == (503, "images_busy")
    assert "retry-after" in answer.headers


async def test_what_s3_refuses_is_not_there() -> None:
    """Whoever may not list the bucket is told 403 of what is missing; moto says 404 to everybody."""

    class Refusing:
        async def head_object(self, **_: Any) -> None:
            raise ClientError({"ResponseMetadata": {"HTTPStatusCode": 403}}, "HeadObject")

    with pytest.raises(NotFoundError):
        await Bucket(Refusing(), BUCKET).find("public/a/b")


async def test_what_was_deleted_is_not_there_any_more(cdn: httpx.AsyncClient) -> None:
    user, upload = uuid4(), uuid4()
    s3 = boto3.client("s3", region_name=REGION)
    s3.put_object(Bucket=BUCKET, Key=key_of("image", user, upload, public=True), Body=saved(picture(), "JPEG"))
    path = f"/img/{user}/{upload}?w=160"
    assert (await cdn.get(path)).status_code == 200
    async with Aws(REGION) as aws:
        assert await Storage(await aws.client("s3"), BUCKET).delete_all(UUID(str(user))) == 1
    assert (await cdn.get(path)).status_code == 404


async def test_the_metrics_tell_what_was_made(cdn: httpx.AsyncClient) -> None:
    path = put(saved(picture(), "JPEG"))
    assert (await cdn.get(f"{path}?w=160")).status_code == 200
    page = (await cdn.get("/metrics")).text
    assert 'images_resized_total{outcome="done"}' in page
    assert 'image_resize_duration_seconds_count{outcome="done"}' in page
    assert 'route="/img/{user_id}/{upload_id}"' in page
    assert path.rpartition("/")[2] not in page


def test_the_server_itself_decodes_nothing() -> None:
    """Its memory is for originals, and a decoder that breaks must not take it along."""
    program = "import sys, app.main; sys.exit('PIL' in sys.modules)"
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    assert subprocess.run([sys.executable, "-c", program], env=environ, check=False).returncode == 0
