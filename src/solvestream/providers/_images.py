"""What an image is, by its first bytes, and whether a service takes it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from solvestream.errors import InvalidTask

ImageType = Literal["PNG", "JPG", "GIF", "BMP", "WebP"]

MEDIA_TYPES: dict[ImageType, str] = {
    "PNG": "image/png",
    "JPG": "image/jpeg",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "WebP": "image/webp",
}


def sniff(data: bytes) -> ImageType | None:
    """Return the type of an image by its signature; `None` for anything else."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"BM") and len(data) > 26:
        return "BMP"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP"
    return None


def check_image(data: bytes, types: Collection[ImageType], limit: int, account: str) -> ImageType:
    """Return the image's type. Raises `InvalidTask` for what the service would refuse.

    Args:
        data: the image.
        types: what the service reads.
        limit: bytes it takes, the account's `max_image_bytes`.
        account: its name, for the message.
    """
    found = sniff(data)
    taken = ", ".join(types)
    if not data:
        fix = "it is empty; give the image's bytes"
    elif found is None:
        fix = f"these bytes are no image; {account} reads {taken}"
    elif found not in types:
        fix = f"it is {found}; convert it, {account} reads {taken}"
    elif len(data) > limit:
        fix = (
            f"it is over the {limit} bytes that {account} takes; make it smaller, or raise "
            "the account's max_image_bytes if your plan allows"
        )
    else:
        return found
    raise InvalidTask(field="image", value=data, fix=fix, account=account)
