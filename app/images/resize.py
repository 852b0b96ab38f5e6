"""Makes one picture smaller, as a process of its own: `python -m app.images.resize WIDTH ACCEPTED`.

The original comes on standard input, the smaller one goes out on standard output, and the exit code says what became of
it. Decoders are where files of strangers do harm, so a process sees one file: what hangs is killed, what takes too much
memory or time ends by itself, and what breaks leaves nothing behind
(https://pillow.readthedocs.io/en/stable/handbook/security.html has the same advice).
"""

from __future__ import annotations

import io
import math
import resource
import sys
from collections.abc import Mapping
from typing import Any, Final

from PIL import ExifTags, Image, ImageCms

from app.images.terms import FORMATS, Outcome

LARGEST_PIXELS: Final = 32_000_000
"""Of an original."""
LARGEST_SIDE: Final = 16_383
"""Of an original: WebP has no longer ones."""
LARGEST_RESULT_PIXELS: Final = 6_000_000
"""What is very tall comes out narrower than was asked for."""
MEMORY_BYTES: Final = 640 << 20
"""A WebP of `LARGEST_PIXELS` takes 590 MiB, other formats 190 to 390 MiB (measured, Pillow 13.0); a pod has 1 GiB."""
PROCESSOR_SECONDS: Final = 6
"""The slowest of `LARGEST_PIXELS` takes 2.4 s (measured on one core of a shared machine)."""
DECODED: Final = ("AVIF", "GIF", "JPEG", "PNG", "WEBP")
"""What may be decoded, whatever the sender said that it is."""
OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "AVIF": {"quality": 60, "speed": 8, "max_threads": 1},
    "JPEG": {"quality": 82, "optimize": True, "progressive": True},
    "PNG": {},
    "WEBP": {"quality": 80},
}
"""What is written, and how."""
INSTEAD: Final = {"GIF": "PNG", "MPO": "JPEG"}
"""What is not written as it came: an animation's first picture, and the first of several in one JPEG."""
TURNS: Final[Mapping[object, Image.Transpose]] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What puts a picture upright, by its EXIF orientation."""
MODES: Final = {"1": "L", "CMYK": "CMYK", "L": "L"}
"""What is brought to which; everything else to RGB."""
LIMITS: Final = {resource.RLIMIT_CPU: PROCESSOR_SECONDS, resource.RLIMIT_DATA: MEMORY_BYTES, resource.RLIMIT_CORE: 0}
ON_ITS_SIDE: Final = frozenset({5, 6, 7, 8})
"""Orientations with height and width exchanged."""


class TooLargeError(Exception):
    """The original has more pixels than are decoded."""


def resize(original: bytes, width: int, accepted: str) -> tuple[str, bytes]:
    """The media type and content of a picture that is upright, in sRGB, at most `width` wide, and nothing but pixels.

    Raises:
        TooLargeError: it has too many pixels.
        Exception: it is no picture, or a broken one; decoders raise whatever they come upon.
    """
    image = Image.open(io.BytesIO(original), formats=DECODED)
    kind = FORMATS.get(accepted) or INSTEAD.get(image.format or "") or str(image.format)
    if math.prod(image.size) > LARGEST_PIXELS or max(image.size) > LARGEST_SIDE:
        raise TooLargeError
    orientation = _orientation(image)
    size = _fitting(image.size, width, on_its_side=orientation in ON_ITS_SIDE)
    # JPEG can be decoded at a half, a quarter or an eighth of its size.
    image.draft(None, size)
    profile = image.info.get("icc_profile")
    small = _in_full_colours(image).resize(size, Image.Resampling.LANCZOS)
    small = _in_srgb(small, profile)
    turn = TURNS.get(orientation)
    if turn is not None:
        small = small.transpose(turn)
    # Some formats write what came with the original, such as comments.
    small.info = {}
    out = io.BytesIO()
    small.save(out, kind, **OPTIONS[kind])
    return f"image/{kind.lower()}", out.getvalue()


def _orientation(image: Image.Image) -> object:
    """How the camera was held; anything, or None, if its note cannot be read: the picture may be fine."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 as above
        return None


def _fitting(size: tuple[int, int], width: int, *, on_its_side: bool) -> tuple[int, int]:
    """The size to bring the pixels to before they are turned: never a larger one, and at least one pixel."""
    ratio = min(1.0, width / size[on_its_side], math.sqrt(LARGEST_RESULT_PIXELS / math.prod(size)))
    return max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))


def _in_full_colours(image: Image.Image) -> Image.Image:
    """A palette cannot be averaged; what has transparency in any way has it by pixel."""
    if image.mode == "I;16":
        # Converted at once, everything brighter than 255 of 65,535 would be white.
        return image.convert("I").point(lambda value: value / 256).convert("L")
    mode = "RGBA" if image.has_transparency_data else MODES.get(image.mode, "RGB")
    return image if image.mode == mode else image.convert(mode)


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Colours as they are meant, since the profile that says so does not go along; without a good one as they are."""
    if profile and image.mode != "L":
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        try:
            given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, given, ImageCms.createProfile("sRGB"), outputMode=mode)
        except (ImageCms.PyCMSError, OSError):
            pass
        else:
            assert converted is not None  # noqa: S101 it is None only where the image itself is changed
            return converted
    return image.convert("RGB") if image.mode == "CMYK" else image


def main(arguments: list[str]) -> int:
    """Read, resize, write; exit code."""
    width, accepted = arguments
    for kind, limit in LIMITS.items():
        resource.setrlimit(kind, (limit, limit))
    try:
        media_type, content = resize(sys.stdin.buffer.read(), int(width), accepted)
    except (Image.DecompressionBombError, MemoryError, TooLargeError):
        return Outcome.TOO_LARGE
    except Exception:  # noqa: BLE001 decoders raise whatever they come upon
        return Outcome.UNREADABLE
    sys.stdout.buffer.write(media_type.encode() + b"\n" + content)
    return Outcome.DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
