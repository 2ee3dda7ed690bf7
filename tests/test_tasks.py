"""Tasks: what is refused before a byte leaves, and how images are read."""

from __future__ import annotations

import base64
import math
import os

import pytest

from solvestream import (
    Bls,
    CloudflareChallenge,
    GeeTestV3,
    GeeTestV4,
    ImageToText,
    InvalidTask,
    Proxy,
    RawTask,
    RecaptchaV2,
    RecaptchaV3,
    Turnstile,
)

PAGE = "https://example.com/page"
PNG = b"\x89PNG\r\n\x1a\nabc"
GOOD = [
    ImageToText(PNG, numeric=4, min_length=1, max_length=20, language=2, score=0.8),
    ImageToText(PNG, min_length=5, max_length=5, case_sensitive=True, phrase=False, calc=True),
    RecaptchaV2("key", PAGE, invisible=True, proxy=Proxy("HTTP", "host", 1, "u", "p")),
    RecaptchaV3("key", PAGE, action="login", min_score=0.0, enterprise=True),
    Turnstile("key", "http://localhost:8000"),
    CloudflareChallenge(PAGE, proxy=Proxy("socks5", "1.2.3.4", 65535)),
    GeeTestV3("gt", "challenge", PAGE, api_server="api.example.com"),
    GeeTestV4("id", PAGE),
    Bls("key", PAGE, instructions="664", code="x"),
    RawTask({"method": "new"}, kind="turnstile", tag=1, deadline=5, job_key="k", priority=-1),
]
BAD = [
    ("image", ImageToText(b"")),
    ("image", ImageToText("")),
    ("image", ImageToText(None)),
    ("numeric", ImageToText(PNG, numeric=5)),
    ("numeric", ImageToText(PNG, numeric="1")),
    ("language", ImageToText(PNG, language=-1)),
    ("min_length", ImageToText(PNG, min_length=0)),
    ("max_length", ImageToText(PNG, max_length=21)),
    ("min_length", ImageToText(PNG, min_length=6, max_length=5)),
    ("score", ImageToText(PNG, score=0.5)),
    ("website_url", ImageToText(PNG, website_url="example.com")),
    ("proxy", ImageToText(PNG, proxy=Proxy("http", "host", 1))),
    ("deadline", ImageToText(PNG, deadline=0)),
    ("deadline", ImageToText(PNG, deadline=math.nan)),
    ("deadline", ImageToText(PNG, deadline="soon")),
    ("job_key", ImageToText(PNG, job_key="")),
    ("job_key", ImageToText(PNG, job_key="x" * 201)),
    ("priority", ImageToText(PNG, priority="high")),
    ("site_key", RecaptchaV2(" ", PAGE)),
    ("page_url", RecaptchaV2("key", "example.com/no-scheme")),
    ("page_url", RecaptchaV2("key", "ftp://example.com")),
    ("page_url", Turnstile("key", None)),
    ("page_url", Turnstile("key", "https://[bad")),
    ("min_score", RecaptchaV3("key", PAGE, min_score=1.5)),
    ("proxy", Turnstile("key", PAGE, proxy="http://host:1")),
    ("proxy.type", Turnstile("key", PAGE, proxy=Proxy("ftp", "host", 1))),
    ("proxy.host", Turnstile("key", PAGE, proxy=Proxy("http", "user@host", 1))),
    ("proxy.port", Turnstile("key", PAGE, proxy=Proxy("http", "host", "8080"))),
    ("proxy.port", Turnstile("key", PAGE, proxy=Proxy("http", "host", 0))),
    ("proxy.username", Turnstile("key", PAGE, proxy=Proxy("http", "host", 1, "user"))),
    ("gt", GeeTestV3("", "challenge", PAGE)),
    ("challenge", GeeTestV3("gt", "", PAGE)),
    ("captcha_id", GeeTestV4("", PAGE)),
    ("page_url", CloudflareChallenge("")),
    ("site_key", Bls("", PAGE)),
    ("fields", RawTask({})),
    ("fields", RawTask({"key": "secret", "method": "x"})),
    ("proxy", RawTask({"proxy": "x"}, kind="image")),
]


@pytest.mark.parametrize("task", GOOD, ids=lambda task: type(task).__name__)
def test_good_tasks_pass(task):
    """Values at the edges of their ranges are taken."""
    task.check()


@pytest.mark.parametrize(("field", "task"), BAD, ids=lambda value: str(value)[:40])
def test_bad_tasks_name_field_value_and_fix(field, task):
    """Each refusal says which field, what was in it, and what to do; nothing is charged."""
    with pytest.raises(InvalidTask) as caught:
        task.check()
    error = caught.value
    assert error.field == field
    assert error.fix
    assert str(error).startswith(f"{field}=")
    assert error.charged == "no"


def test_images_come_as_bytes_files_base64_and_data_uris(tmp_path):
    """All forms of one image give the same bytes; line breaks in base64 do not matter."""
    path = tmp_path / "image.png"
    path.write_bytes(PNG)
    text = base64.b64encode(PNG).decode()
    broken = "\n".join(text[n : n + 5] for n in range(0, len(text), 5))
    forms = [PNG, path, text, broken, f"data:image/png;base64,{text}"]
    assert {ImageToText(form).load(1000) for form in forms} == {PNG}


def test_images_that_cannot_be_had_say_why(tmp_path):
    """Missing, empty, a directory, no base64: each names the file or the text, and the fix."""
    empty = tmp_path / "empty.png"
    empty.touch()
    cases = {
        tmp_path / "none.png": "No such file",
        tmp_path: "it is no file",
        empty: "empty.png: it is empty",
        "photo.png": "for a file give a Path",
        "data:image/png,abc": ";base64,",
        "data:image/png": ";base64,",
    }
    for image, words in cases.items():
        with pytest.raises(InvalidTask, match=words):
            ImageToText(image).load(1000)


def test_a_huge_file_is_not_read_whole(tmp_path):
    """One byte more than the limit is enough to know that it is too large."""
    path = tmp_path / "huge.png"
    path.write_bytes(b"x" * 10_000)
    assert len(ImageToText(path).load(100)) == 101


def test_reprs_show_neither_images_nor_passwords():
    """A log line with a task in it stays short and keeps secrets."""
    task = ImageToText(b"x" * 50_000)
    proxy = Proxy("http", "host", 1, "user", "pa55word")
    assert len(repr(task)) < 400
    assert "pa55word" not in repr(RecaptchaV2("key", PAGE, proxy=proxy))
    assert "value" not in repr(RawTask({"name": "value"}))


def test_what_is_no_file_is_not_waited_for(tmp_path):
    """A pipe without a writer would block for ever; it is refused by its path."""
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    with pytest.raises(InvalidTask, match=r"pipe\.png: it is no file"):
        ImageToText(pipe).load(1000)
