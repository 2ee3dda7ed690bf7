from __future__ import annotations

import struct
import zlib

import pytest
from PIL import Image, ImageDraw

from solvestream.server import Settings, create_app
from solvestream.server.read import Reader, band_heights, decode, fits, image_size, single_line
from solvestream.server.work import Answer, Kind, Reason, Refusal, Work
from tests.server.support import KEY, PAGE, Caller, encoded, in_base64, picture, rendered

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def reader():
    """Return one reader for all: its model takes a second to load."""
    reader = Reader(Settings(engine="read"))
    yield reader
    reader.close()


def image(data: bytes, **options) -> Work:
    """Return the work of reading one image."""
    return Work(kind=Kind.IMAGE, subject="s", images=(data,), **options)


@pytest.mark.parametrize("text", ["0047318", "TOTAL 12.50 EUR", "W9h5K", "minimum"])
@pytest.mark.parametrize("size", [14, 24, 48])
def test_lines_of_text_are_read(reader, text, size):
    """Meter digits, receipt lines and codes come out as they went in."""
    answer = reader.read(image(rendered(text, size)))
    assert isinstance(answer, Answer)
    assert answer.text == text
    assert answer.confidence > 0.8


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP"])
def test_every_format_is_read(reader, form):
    """The types of PROTOCOLS.md 1 and 2."""
    assert reader.read(image(rendered("Ref 7X4", form=form))).text == "Ref 7X4"


def test_transparency_is_read_as_white(reader):
    """Black text on nothing is black text on white."""
    drawn = Image.open(__import__("io").BytesIO(rendered("A7 B8"))).convert("L")
    clear = Image.new("RGBA", drawn.size, (0, 0, 0, 0))
    clear.putalpha(drawn.point(lambda value: 255 - value))
    assert reader.read(image(encoded(clear))).text == "A7 B8"


def test_several_lines_are_read_line_by_line(reader):
    """A text of several lines keeps its line ends."""
    text = "First line\nsecond line 42\nthird"
    assert reader.read(image(rendered(text))).text == text


def test_single_lines_do_not_pay_for_detection(monkeypatch):
    """One clear line never asks for the detection model."""
    reader = Reader(Settings(engine="read"))
    asked = []
    load = reader._model

    def model(*, detect):
        asked.append(detect)
        return load(detect=detect)

    monkeypatch.setattr(reader, "_model", model)
    reader.read(image(rendered("0047318")))
    assert asked == [False]
    reader.close()


def test_an_empty_image_is_unsolvable_and_a_damaged_one_unreadable(reader):
    """No text and no picture are two refusals; neither is a guess."""
    white = Image.new("RGB", (120, 40), "white")
    assert reader.read(image(encoded(white))) == Refusal(Reason.UNSOLVABLE)
    whole = rendered("Ref 7X4")
    assert reader.read(image(whole[: len(whole) // 2])) == Refusal(Reason.UNREADABLE)


@pytest.mark.parametrize(
    ("options", "solved"),
    [
        ({"numeric": 1}, False),
        ({"numeric": 2}, False),
        ({"min_length": 7}, False),
        ({"max_length": 5}, False),
        ({"min_length": 6, "max_length": 6}, True),
        ({"score": 0.99999}, False),
        ({"score": 0.5}, True),
    ],
)
def test_an_answer_that_is_not_what_was_asked_for_is_no_answer(reader, options, solved):
    """Bounds and scores refuse a text; they never bend it."""
    outcome = reader.read(image(rendered("Ref 7X4"), **options))
    assert isinstance(outcome, Answer) == solved


def test_fits_counts_without_spaces():
    """Digits stay digits with spaces between them."""
    assert fits(image(b"", numeric=1), "00 47")
    assert fits(image(b"", numeric=2), "ab")
    assert not fits(image(b""), " ")


def bomb(width: int, height: int) -> bytes:
    """Return a small PNG that claims to be huge."""

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = zlib.compress(bytes(1_000_000), 9)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bomb(100_000, 100_000), Reason.TOO_BIG),
        (bomb(12_000, 12_000), Reason.TOO_BIG),
        (bomb(4_000, 10), Reason.TOO_BIG),
        (bomb(10, 4_000), Reason.TOO_BIG),
        (bytes(102_401), Reason.TOO_BIG),
        (b"", Reason.EMPTY_IMAGE),
        (b"plain words", Reason.NOT_AN_IMAGE),
        (picture(), Reason.NOT_AN_IMAGE),
        (b"BM" + bytes(60), Reason.NOT_AN_IMAGE),
    ],
)
def test_what_should_not_be_decoded_is_refused_by_its_header(reader, data, reason):
    """Bombs, ribbons, blanks and words are refused before a pixel is decoded."""
    assert reader.check(image(data)) == Refusal(reason)


def test_header_and_decoder_take_no_other_formats():
    """A TIFF is none of the four types, to both."""
    tiff = encoded(Image.new("RGB", (10, 10)), "TIFF")
    assert image_size(tiff) is None
    assert decode(tiff) is None


def test_bands_tell_one_line_from_two():
    """Dots and underlines are low bands; two tall ones are two lines."""
    assert band_heights([True, False, True, True]) == [1, 2]
    assert single_line(decode(rendered("mini jij"))) is not None
    assert single_line(decode(rendered("one\ntwo"))) is None
    assert single_line(decode(encoded(Image.new("RGB", (9, 9))))) is None


def test_a_framed_label_is_one_line(reader):
    """A box around a label does not make it several lines."""
    drawn = Image.open(__import__("io").BytesIO(rendered("LOT 2291", 28)))
    ImageDraw.Draw(drawn).rectangle((1, 1, drawn.width - 2, drawn.height - 2), outline="black")
    assert "LOT 2291" in reader.read(image(encoded(drawn))).text


async def test_the_three_protocols_read_the_same_image():
    """One service, one image, three ways to the same text."""
    caller = Caller(engine="read")
    data = rendered("W9h5K")
    task_id = (await caller.put_image(data))[3:]
    solvora_id = (await caller.upload(data)).json()["task_id"]
    reply = (await caller.create(data)).json()
    assert reply["solution"]["text"] == "W9h5K"
    await caller.app.desk.wait_all()
    assert await caller.ask("get", id=task_id) == "OK|W9h5K"
    assert (await caller.fetch(solvora_id)).json()["result"] == "W9h5K"
    body = in_base64(data)
    one_shot = {"key": KEY, "method": "base64", "body": body}
    assert (await caller.http.post("/solve.php", data=one_shot)).text == "OK|W9h5K"
    await caller.app.desk.aclose()


async def test_a_reader_refuses_tokens_and_what_it_cannot_read_by_the_service_s_codes():
    """Tokens are not supported; damage and blanks have each family's code and are free."""
    caller = Caller(engine="read")
    token = {"method": "turnstile", "sitekey": "k", "pageurl": PAGE}
    assert await caller.put(**token) == "ERROR_BAD_PARAMETERS"
    assert await caller.put_image(rendered("3 + 4"), calc=1) == "ERROR_BAD_PARAMETERS"
    task = {"type": "AntiTurnstileTaskProxyLess", "websiteKey": "k", "websiteURL": PAGE}
    reply = await caller.post("/createTask", task=task)
    assert reply.json()["errorCode"] == "ERROR_TASK_NOT_SUPPORTED"
    whole = rendered("Ref 7X4")
    damaged = whole[: len(whole) // 2]
    assert (await caller.create(damaged)).json()["errorCode"] == "ERROR_PARSE_IMAGE_FAIL"
    task_id = (await caller.put_image(damaged))[3:]
    await caller.app.desk.wait_all()
    assert await caller.ask("get", id=task_id) == "ERROR_CAPTCHA_UNSOLVABLE"
    assert await caller.put_image(bomb(9_000, 9_000)) == "ERROR_TOO_BIG_CAPTCHA_FILESIZE"
    counts = caller.ledger()
    assert (counts["charged"], counts["working"]) == (0.0, 0)
    await caller.app.desk.aclose()


async def test_a_slot_is_held_while_an_image_is_read():
    """With one slot the second image is refused until the first is read."""
    caller = Caller(engine="read", account={"slots": 1})
    data = rendered("0047318")
    assert (await caller.put_image(data)).startswith("OK|")
    assert await caller.put_image(data) == "ERROR_NO_SLOT_AVAILABLE"
    await caller.app.desk.wait_all()
    assert (await caller.put_image(data)).startswith("OK|")
    await caller.app.desk.aclose()


def test_a_reader_is_quiet(capfd):
    """Neither loading nor reading writes a line."""
    reader = create_app(Settings(engine="read")).desk.engine
    reader.read(image(rendered("First\nSecond")))
    reader.close()
    assert capfd.readouterr() == ("", "")
