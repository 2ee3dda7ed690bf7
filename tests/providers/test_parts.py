"""The small parts: multipart bodies, image signatures, code tables, texts that cannot be sent."""

from __future__ import annotations

import json
from email import message_from_bytes
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvestream import tasks
from solvestream.errors import InvalidTask, UsageError
from solvestream.providers import Response, Unknown, capsolver, captchaai
from solvestream.providers._codes import find_code
from solvestream.providers._images import MEDIA_TYPES, sniff
from solvestream.providers._multipart import multipart
from tests.providers.support import ACCOUNTS, IMAGES, image

PAGE = "https://example.com"


def _parts(body: bytes, kind: str) -> list[tuple[str | None, bytes]]:
    message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    found: list[tuple[str | None, bytes]] = []
    for part in message.get_payload():
        assert not isinstance(part, str)
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        found.append((part.get_filename(), data))
    return found


@given(st.binary(), st.text(st.characters(codec="ascii", categories=["L", "N"])))
def test_multipart_gives_back_what_went_in(data: bytes, value: str):
    """The standard library reads the field and the file's bytes as they were."""
    data = b"x" + data + b"y"
    body, kind = multipart([("a", value)], "file", data, "image/png")
    assert body.count(b"\r\n" + data + b"\r\n--") == 1
    assert _parts(body, kind)[0] == (None, value.encode())
    assert _parts(body, kind)[1][0] == "image"


def test_a_boundary_occurs_in_no_part():
    """Data that holds the boundary is given another one, and nothing is cut."""
    first = multipart((), "f", b"x", "image/png")[1].partition("=")[2]
    data = f"x\r\n--{first}--\r\n".encode()
    body, kind = multipart([("a", "solvestream-1")], "f", data, "image/png")
    assert kind.endswith("solvestream-2")
    assert data in body


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("file", "image/png\r\nX-Evil: y"), ("file", "png"), ('f"\r\nX: y', "image/png"), ("", "a/b")],
)
def test_nothing_is_injected_into_a_part(name: str, media_type: str):
    """Names and media types with line ends or quotes are refused (N16)."""
    with pytest.raises(UsageError):
        multipart((), name, b"x", media_type)
    with pytest.raises(UsageError):
        multipart([(name, "x")], "file", b"x", media_type)


@pytest.mark.parametrize("name", ["png", "jpg", "gif", "bmp", "webp", "pdf"])
def test_images_are_known_by_their_first_bytes(name: str):
    """Each type is told by its signature, and a PDF is none of them."""
    found = sniff(IMAGES[name])
    assert (found or "pdf").lower() == name
    assert found is None or MEDIA_TYPES[found].startswith("image/")


@given(st.binary(max_size=40))
def test_sniffing_is_total(data: bytes):
    """Any bytes have a type or none."""
    assert sniff(data) in {None, *MEDIA_TYPES}


@pytest.mark.parametrize("codes", [captchaai.CODES, capsolver.CODES])
def test_tables_are_unambiguous(codes: Any):
    """No code is the beginning of another's words, and each is found as itself."""
    for code in codes:
        refusal = find_code(code, codes)
        assert refusal is not None
        assert (refusal.code, refusal.message) == (code, "")
        waits = {"busy", "throttled", "ban", "trouble"}
        assert (codes[code].wait is not None) == (codes[code].kind in waits)


@given(st.text())
def test_only_codes_are_codes(text: str):
    """What is found as an unlisted code has the shape of one."""
    refusal = find_code(text, {})
    assert refusal is None or text.startswith(refusal.code)
    assert refusal is None or refusal.code.startswith("ERROR_")


@pytest.mark.parametrize(
    ("service", "task"),
    [
        ("captchaai", tasks.RecaptchaV3("k", PAGE, action="a\ud800")),
        ("captchaai", tasks.ImageToText(image("png"), instructions="\udfff")),
        ("captchaai", tasks.RawTask({"a": "\ud800"})),
        ("captchaai", tasks.RawTask({"a": {}})),
        ("captchaai", tasks.RawTask({"a": None})),
        ("captchaai", tasks.RawTask({"a": 10**5000})),
        ("capsolver", tasks.RawTask({"a": float("nan")})),
        ("capsolver", tasks.RawTask({"a": object()})),
        ("capsolver", tasks.RawTask({"a": b"x"})),
        ("capsolver", tasks.RawTask({"a": 10**5000})),
    ],
)
def test_what_cannot_be_sent_is_an_invalid_task(service: str, task: Any):
    """Lone surrogates, and fields that fit no form or no JSON, are refused before the wire."""
    account = ACCOUNTS[service]()
    with pytest.raises(InvalidTask) as caught:
        account.submit(task, image("png"))
    assert caught.value.field
    assert caught.value.fix
    assert caught.value.__context__ is None


def test_a_task_that_contains_itself_is_an_invalid_task():
    """Fields that go round in circles are refused, not followed."""
    fields: dict[str, Any] = {"type": "x"}
    fields["self"] = fields
    with pytest.raises(InvalidTask):
        ACCOUNTS["capsolver"]().submit(tasks.RawTask(fields), None)


@given(st.binary(min_size=1, max_size=300))
def test_base64_survives_forms_and_json(data: bytes):
    """Every byte of an image comes out of the form and the JSON as it went in."""
    picture = IMAGES["png"] + data
    task = tasks.ImageToText(picture)
    import base64
    from urllib.parse import parse_qs

    form = ACCOUNTS["captchaai"]().submit(task, picture).request.body
    assert base64.b64decode(parse_qs(form.decode())["body"][0], validate=True) == picture
    body = ACCOUNTS["capsolver"]().submit(task, picture).request.body
    assert base64.b64decode(json.loads(body)["task"]["body"], validate=True) == picture


def test_a_code_that_may_be_cut_short_is_no_refusal():
    """A reply ended by the connection's end may be the beginning of another code."""
    account = captchaai.CaptchaAI("key")
    task = tasks.ImageToText(b"\x89PNG\r\n\x1a\n")
    read = account.submit(task, task.image).read
    cut = Response(200, body=b"ERROR_NO_SLOT_AV", delimited=False)
    assert isinstance(read(cut), Unknown)
    assert not isinstance(read(Response(200, body=b"ERROR_NO_SLOT_AV")), Unknown)
