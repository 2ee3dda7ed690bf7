"""Images with known text, for the demo: labels, meter readings and receipt lines.

Pure and seeded: one seed gives the same images, byte by byte, on the same Pillow. The fonts come
from the packages of the extra `demo` and from Pillow itself, as a machine may have none.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files

from attrs import frozen
from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

FACES: tuple[tuple[str, str], ...] = (
    ("", "Pillow's own"),
    ("font_hanken_grotesk", "HankenGrotesk-Regular.otf"),
    ("font_hanken_grotesk", "HankenGrotesk-SemiBold.otf"),
    ("font_source_serif_pro", "SourceSerifPro-Regular.ttf"),
    ("font_source_serif_pro", "SourceSerifPro-Semibold.ttf"),
)
"""Package and file of each font."""

SIZES = (18, 22, 28, 36, 48)
"""Heights of the fonts in pixels."""

_SERIAL = "ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Letters of serial numbers: printers of labels leave out I and O, which look like digits."""

_LABELS = ("Batch", "Invoice", "Lot", "Model", "Order", "Parcel", "Serial", "Shelf")
_UNITS = ("kWh", "m3", "MWh")
_GOODS = ("Apples", "Bread", "Butter", "Coffee", "Honey", "Milk", "Pasta", "Rice", "Tea", "TOTAL")
_PAPERS = ("white", "#fbf6e6", "#eef3f7")
_INKS = ("black", "#1d2b4f", "#4a2412")


@frozen(kw_only=True)
class Picture:
    """An image file and the text in it.

    Attributes:
        kind: `label`, `meter` or `receipt`.
        text: the truth, one line.
        image: the file's bytes, PNG or JPEG.
    """

    kind: str
    text: str
    image: bytes


def pictures(count: int, seed: int) -> Iterator[Picture]:
    """Render `count` pictures; the first ones are the same whatever the count."""
    draw = random.Random(seed)  # noqa: S311 - a seeded choice, no secret
    for number in range(count):
        kind = _KINDS[number % len(_KINDS)]
        text = _TEXTS[kind](draw)
        yield Picture(kind=kind, text=text, image=_picture(kind, text, draw))


def _label(draw: random.Random) -> str:
    serial = "".join(draw.choices(_SERIAL, k=2))
    return f"{draw.choice(_LABELS)} {serial}-{draw.randrange(10_000):04}"


def _meter(draw: random.Random) -> str:
    reading = f"{draw.randrange(1_000_000):06}"
    return draw.choice((reading, f"{reading}.{draw.randrange(10)} {draw.choice(_UNITS)}"))


def _receipt(draw: random.Random) -> str:
    price = f"{draw.randrange(1, 100)}.{draw.randrange(100):02}"
    return f"{draw.choice(_GOODS)} {price} EUR"


_TEXTS: dict[str, Callable[[random.Random], str]] = {
    "label": _label,
    "meter": _meter,
    "receipt": _receipt,
}
_KINDS = tuple(_TEXTS)


def _picture(kind: str, text: str, draw: random.Random) -> bytes:
    """Draw one line: meters light on dark, receipts as JPEG, the rest dark on light."""
    font = _font(*draw.choice(FACES), draw.choice(SIZES))
    paper, ink = draw.choice(_PAPERS), draw.choice(_INKS)
    if kind == "meter":
        paper, ink = ink, paper
    left, top, right, bottom = font.getbbox(text)
    margin = draw.randrange(8, 24)
    image = Image.new(
        "RGB", (round(right - left) + 2 * margin, round(bottom - top) + 2 * margin), paper
    )
    ImageDraw.Draw(image).text((margin - left, margin - top), text, fill=ink, font=font)
    file = io.BytesIO()
    image.save(file, "JPEG" if kind == "receipt" else "PNG", quality=90)
    return file.getvalue()


@cache
def _font(package: str, name: str, size: int) -> Font:
    if not package:
        return ImageFont.load_default(size)
    return ImageFont.truetype(io.BytesIO(files(package).joinpath("files", name).read_bytes()), size)
