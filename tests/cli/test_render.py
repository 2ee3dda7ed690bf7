from __future__ import annotations

import io
import re

from PIL import Image

from solvestream.cli.render import FACES, SIZES, pictures


def test_one_seed_gives_one_set_of_images():
    """Byte by byte; another seed gives others."""
    assert list(pictures(30, 7)) == list(pictures(30, 7))
    assert list(pictures(30, 7)) != list(pictures(30, 8))


def test_more_images_begin_with_the_same():
    """The count changes nothing about the first ones."""
    assert list(pictures(30, 7))[:10] == list(pictures(10, 7))


def test_kinds_take_turns():
    """A third of each."""
    kinds = [picture.kind for picture in pictures(9, 7)]
    assert kinds == ["label", "meter", "receipt"] * 3


def test_texts_look_like_what_they_are():
    """Serial numbers have no letters that look like digits."""
    shapes = {
        "label": r"[A-Z][a-z]+ [A-HJ-NP-Z]{2}-\d{4}",
        "meter": r"\d{6}(\.\d (kWh|m3|MWh))?",
        "receipt": r"\w+ \d{1,2}\.\d\d EUR",
    }
    for picture in pictures(90, 7):
        assert re.fullmatch(shapes[picture.kind], picture.text), picture.text


def test_images_are_small_files_all_services_take():
    """PNG and JPEG, far below CaptchaAI's 100 KB, in several sizes."""
    heights = set()
    for picture in pictures(60, 7):
        with Image.open(io.BytesIO(picture.image)) as image:
            assert image.format == ("JPEG" if picture.kind == "receipt" else "PNG")
            heights.add(image.height)
        assert len(picture.image) < 50_000
    assert len(heights) > 10


def test_there_are_several_fonts_and_sizes():
    """From three families."""
    assert len({package for package, _ in FACES}) == 3
    assert len(SIZES) == 5
