"""Pictures of all kinds, made by the tests."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image, ImageDraw

RED, BLUE = (255, 0, 0), (0, 0, 255)


def picture(width: int = 400, height: int = 200, mode: str = "RGB") -> Image.Image:
    """Red, with a blue quarter at the top left: so that it can be seen how it was turned."""
    image = Image.new("RGB", (width, height), RED)
    ImageDraw.Draw(image).rectangle((0, 0, width // 2 - 1, height // 2 - 1), BLUE)
    return image.convert(mode)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """As a file."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def opened(content: bytes) -> Image.Image:
    """A file's picture, decoded."""
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def png_bomb(width: int, height: int) -> bytes:
    """A small file that says that it has a great many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    rows = zlib.compress(bytes(10_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
