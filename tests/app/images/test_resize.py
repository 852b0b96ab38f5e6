"""What comes out of a picture, and what does not; the process that does it, and its limits."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin, UnidentifiedImageError

from app.images import resize as module
from app.images.resize import LARGEST_PIXELS, LARGEST_RESULT_PIXELS, LARGEST_SIDE, TooLargeError, resize
from app.images.routes import WIDTHS
from app.images.terms import ANY, FORMATS, Outcome
from tests.app.images.samples import BLUE, RED, opened, picture, png_bomb, saved

ROOT = Path(__file__).parents[3]
KINDS = ("AVIF", "GIF", "JPEG", "PNG", "WEBP")
PLACE = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)}


def close(found: object, expected: tuple[int, int, int], by: int = 40) -> bool:
    assert isinstance(found, tuple)
    return all(abs(a - b) <= by for a, b in zip(found[:3], expected, strict=True))


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[ExifTags.Base.Orientation] = orientation
    made[ExifTags.Base.Model] = "Someone's camera"
    made.get_ifd(ExifTags.IFD.GPSInfo).update(PLACE)
    return made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("accepted", [*FORMATS, ANY])
def test_every_kind_comes_in_the_format_that_is_accepted_or_in_its_own(kind: str, accepted: str) -> None:
    media_type, content = resize(saved(picture(), kind), 160, accepted)
    small = opened(content)
    own = {"GIF": "PNG"}.get(kind, kind)
    assert small.format == FORMATS.get(accepted, own)
    assert media_type == f"image/{str(small.format).lower()}"
    assert small.size == (160, 80)
    small = small.convert("RGB")
    assert close(small.getpixel((20, 10)), BLUE)
    assert close(small.getpixel((140, 60)), RED)


def test_nothing_is_enlarged() -> None:
    assert opened(resize(saved(picture(100, 50), "PNG"), 1920, ANY)[1]).size == (100, 50)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_stands_upright_whichever_way_the_camera_was_held(orientation: int) -> None:
    upright = picture()
    turn = module.TURNS.get(orientation)
    # As a camera stores it: what its note undoes.
    undo = {
        Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270,
        Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90,
    }
    held = upright if turn is None else upright.transpose(undo.get(turn, turn))
    small = opened(resize(saved(held, "JPEG", exif=exif(orientation)), 160, ANY)[1])
    assert small.size == (160, 80)
    assert close(small.getpixel((20, 10)), BLUE)
    assert all(close(small.getpixel(place), RED) for place in ((140, 10), (20, 70), (140, 70)))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_note_that_cannot_be_read_does_not_spoil_the_picture() -> None:
    strange = Image.Exif()
    strange[ExifTags.Base.Orientation] = 77
    text = exif(6).tobytes().replace(b"\x01\x12\x00\x03", b"\x01\x12\x00\x02")
    for note in (strange.tobytes(), text, b"Exif\x00\x00nonsense", b"Exif\x00\x00MM\x00*\xff\xff\xff\xff"):
        assert opened(resize(saved(picture(), "JPEG", exif=note), 160, ANY)[1]).size == (160, 80), note


@pytest.mark.parametrize("kind", ["AVIF", "JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("accepted", [*FORMATS, ANY])
def test_nothing_that_a_camera_or_a_program_noted_goes_along(kind: str, accepted: str) -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Author", "planted")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    own: dict[str, dict[str, Any]] = {"PNG": {"pnginfo": notes}, "JPEG": {"comment": b"planted"}}
    more = own.get(kind, {})
    original = saved(picture(), kind, exif=exif(1), xmp=b"<x:xmpmeta>planted</x:xmpmeta>", icc_profile=profile, **more)
    assert opened(original).getexif().get_ifd(ExifTags.IFD.GPSInfo)[2] == PLACE[2]

    content = resize(original, 160, accepted)[1]
    small = opened(content)
    assert dict(small.getexif()) == {}
    assert {"exif", "xmp", "icc_profile", "comment", "Author"} & set(small.info) == set()
    for word in (b"planted", b"camera", b"Exif", b"GPS", b"ICC"):
        assert word not in content


def test_colours_of_another_profile_are_the_same_in_srgb() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    grey = Image.new("RGB", (64, 64), (128, 128, 128))
    swapped = swapping_profile(srgb.tobytes())
    kept = opened(resize(saved(grey, "PNG", icc_profile=srgb.tobytes()), 160, ANY)[1])
    assert close(kept.getpixel((5, 5)), (128, 128, 128), by=1)
    red = Image.new("RGB", (64, 64), (200, 30, 30))
    found = opened(resize(saved(red, "PNG", icc_profile=swapped), 160, ANY)[1]).getpixel((5, 5))
    assert close(found, (30, 200, 30), by=30)


def swapping_profile(profile: bytes) -> bytes:
    """A profile whose red is green and the other way round."""
    content = bytearray(profile)
    count = int.from_bytes(content[128:132], "big")
    entries = {bytes(content[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, green = entries[b"rXYZ"], entries[b"gXYZ"]
    content[red : red + 4], content[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(content)


def test_a_profile_that_is_none_changes_nothing() -> None:
    small = opened(resize(saved(picture(), "PNG", icc_profile=b"nonsense" * 30), 160, ANY)[1])
    assert close(small.getpixel((20, 10)), BLUE, by=2)


def test_transparency_stays_and_does_not_stain_the_edges() -> None:
    image = Image.new("RGBA", (400, 400), (0, 255, 0, 0))
    image.paste((*RED, 255), (200, 0, 400, 400))
    for accepted in (*FORMATS, ANY):
        small = opened(resize(saved(image, "PNG"), 160, accepted)[1]).convert("RGBA")
        assert small.getpixel((20, 80))[3] == 0  # type: ignore[index]
        edge = small.getpixel((81, 80))
        assert close(edge, RED)


def test_a_transparent_palette_stays_transparent() -> None:
    image = Image.new("P", (200, 200), 0)
    image.putpalette([0, 255, 0, *RED, *BLUE])
    image.paste(1, (100, 0, 200, 200))
    for kind in ("GIF", "PNG"):
        small = opened(resize(saved(image, kind, transparency=0), 160, ANY)[1]).convert("RGBA")
        assert small.getpixel((20, 80))[3] == 0  # type: ignore[index]
        assert small.getpixel((140, 80)) == (*RED, 255)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "I;16"])
def test_every_mode_of_a_png_is_read(mode: str) -> None:
    if mode == "I;16":
        image = Image.new("I;16", (400, 200), 32_768)
        expected = (128, 128, 128)
    else:
        image, expected = Image.new("L", (400, 200), 255).convert(mode), (255, 255, 255)
    for accepted in (*FORMATS, ANY):
        small = opened(resize(saved(image, "PNG"), 160, accepted)[1]).convert("RGB")
        assert close(small.getpixel((80, 40)), expected, by=3), accepted


def test_a_picture_for_print_is_shown_in_the_colours_of_a_screen() -> None:
    small = opened(resize(saved(picture(mode="CMYK"), "JPEG"), 160, ANY)[1])
    assert small.mode == "RGB"
    assert close(small.getpixel((140, 60)), RED)


@pytest.mark.parametrize("kind", ["AVIF", "GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_picture_stays(kind: str) -> None:
    frames = [Image.new("RGB", (200, 200), colour) for colour in (BLUE, RED)]
    original = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    assert getattr(opened(original), "n_frames", 1) == 2
    small = opened(resize(original, 160, ANY)[1])
    assert getattr(small, "n_frames", 1) == 1
    assert close(small.convert("RGB").getpixel((80, 80)), BLUE)


def test_of_several_pictures_in_a_jpeg_the_first_stays() -> None:
    original = saved(picture(), "MPO", save_all=True, append_images=[Image.new("RGB", (400, 200), BLUE)])
    assert opened(original).format == "MPO"
    media_type, content = resize(original, 160, ANY)
    assert media_type == "image/jpeg"
    assert close(opened(content).getpixel((140, 60)), RED)


def test_what_is_very_tall_comes_out_narrower() -> None:
    original = saved(Image.new("L", (1_900, 16_000)), "PNG")
    small = opened(resize(original, 1_920, ANY)[1])
    assert small.width * small.height <= LARGEST_RESULT_PIXELS * 1.01
    assert opened(resize(saved(Image.new("L", (1, 5_000)), "PNG"), 160, ANY)[1]).size == (1, 5_000)


def test_no_picture_of_too_many_pixels_is_decoded() -> None:
    with pytest.raises(TooLargeError):
        resize(png_bomb(LARGEST_PIXELS // 4_000 + 1, 4_000), 160, ANY)
    with pytest.raises(TooLargeError):
        resize(png_bomb(LARGEST_SIDE + 1, 1), 160, ANY)


def test_only_the_kinds_that_may_be_uploaded_are_decoded() -> None:
    for kind in ("BMP", "TIFF", "PPM", "ICO", "TGA", "PCX", "PDF", "EPS"):
        with pytest.raises(UnidentifiedImageError):
            resize(saved(picture(), kind), 160, ANY)


def started(content: bytes, *arguments: str, limits: str = "") -> subprocess.CompletedProcess[bytes]:
    """The process as the server starts it, or with other limits."""
    command = ["-m", "app.images.resize"]
    if limits:
        program = f"import resource, sys; from app.images import resize as r; r.LIMITS = {{resource.{limits}}}; "
        command = ["-c", program + "sys.exit(r.main(sys.argv[1:]))"]
    return subprocess.run(
        [sys.executable, *command, *arguments],
        input=content,
        capture_output=True,
        check=False,
        timeout=60,
        env={"PYTHONPATH": str(ROOT)},
    )


def test_the_process_hands_back_a_picture_or_says_why_not() -> None:
    original = saved(picture(), "PNG")
    done = started(original, "160", "image/webp")
    assert done.returncode == Outcome.DONE
    media_type, _, content = done.stdout.partition(b"\n")
    assert (media_type, opened(content).size) == (b"image/webp", (160, 80))
    for content, outcome in (
        (b"", Outcome.UNREADABLE),
        (b"<html>", Outcome.UNREADABLE),
        (original[:200], Outcome.UNREADABLE),
        (png_bomb(60_000, 60_000), Outcome.TOO_LARGE),
    ):
        refused = started(content, "160", ANY)
        assert (refused.returncode, refused.stdout, refused.stderr) == (outcome, b"", b"")


def test_what_takes_too_much_memory_or_time_ends() -> None:
    original = saved(Image.new("RGBA", (5_000, 4_000)), "PNG", compress_level=1)
    assert started(original, "160", ANY).returncode == Outcome.DONE
    assert started(original, "160", ANY, limits="RLIMIT_DATA: 100 << 20").returncode == Outcome.TOO_LARGE
    slow = saved(Image.effect_noise((1_900, 3_000), 90).convert("RGB"), "PNG", compress_level=1)
    assert started(slow, "1920", "image/avif", limits="RLIMIT_CPU: 1").returncode == -9


def test_the_largest_that_is_taken_fits_into_the_limits() -> None:
    """WebP takes the most memory."""
    side = int(LARGEST_PIXELS**0.5)
    original = io.BytesIO()
    Image.linear_gradient("L").resize((side, side)).convert("RGBA").save(original, "WEBP", method=0, lossless=True)
    assert started(original.getvalue(), WIDTHS[-1], "image/avif").returncode == Outcome.DONE
