from __future__ import annotations

import base64
import io
import json
from pathlib import Path

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
    UsageError,
)
from solvestream.cli import lines
from solvestream.cli.lines import BadLine, tasks_of
from tests.cli.conftest import picture

PAGE = {"site_key": "k", "page_url": "https://example.com/p"}
URL = "https://example.com/p"


def jsonl(*records, name: str = "a.jsonl", **options) -> list:
    """Read JSON lines; text stands as it is."""
    text = "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records)
    return list(tasks_of(io.BytesIO(text.encode()), name, **options))


def table(text: str, name: str = "a.csv", **options) -> list:
    """Read a CSV."""
    return list(tasks_of(io.BytesIO(text.encode()), name, **options))


def why(task) -> str:
    """Return why a line is no task."""
    assert isinstance(task, BadLine)
    with pytest.raises(InvalidTask) as caught:
        task.check()
    return str(caught.value)


@pytest.mark.parametrize(
    ("record", "task"),
    [
        ({"image": "a.png"}, ImageToText(Path("a.png"))),
        ({"kind": "image", "path": "a.png", "numeric": 1}, ImageToText(Path("a.png"), numeric=1)),
        ({"kind": "recaptcha_v2", **PAGE, "invisible": True}, RecaptchaV2("k", URL, invisible=True)),
        ({"kind": "recaptcha_v3", **PAGE, "min_score": 0.3}, RecaptchaV3("k", URL, min_score=0.3)),
        ({"kind": "turnstile", **PAGE}, Turnstile("k", URL)),
        ({"kind": "cloudflare_challenge", "page_url": URL}, CloudflareChallenge(URL)),
        ({"kind": "geetest_v3", "gt": "g", "challenge": "c", "page_url": URL}, GeeTestV3("g", "c", URL)),
        ({"kind": "geetest_v4", "captcha_id": "c", "page_url": URL}, GeeTestV4("c", URL)),
        ({"kind": "bls", **PAGE, "code": "c"}, Bls("k", URL, code="c")),
        ({"kind": "raw", "fields": {"method": "m"}}, RawTask({"method": "m"})),
    ],
    ids=lambda one: one.get("kind", "no kind") if isinstance(one, dict) else "",
)  # fmt: skip
def test_a_line_is_a_task_of_its_kind(record, task):
    """With the fields of the task's class; an image where no kind is said."""
    (found,) = jsonl(record)
    place = {"line": 1} | ({"path": "a.png"} if isinstance(task, ImageToText) else {})
    assert found == type(task)(**_fields(task) | {"tag": place})


def _fields(task):
    return {name: getattr(task, name) for name in type(task).__match_args__} | {
        one.name: getattr(task, one.name) for one in task.__attrs_attrs__
    }


def test_what_all_tasks_take_is_taken():
    """Tag, deadline, key and priority; `expected` is another word for `truth`."""
    (one,) = jsonl(
        {
            "image": "a.png",
            "tag": {"id": 7},
            "deadline": 5,
            "job_key": "k",
            "priority": 2,
            "expected": "X1",
        }
    )
    assert one.tag == {"line": 1, "tag": {"id": 7}, "path": "a.png"}
    assert one.tag.truth == "X1"
    assert "X1" not in repr(one) + json.dumps(one.tag)
    assert (one.deadline, one.job_key, one.priority) == (5, "k", 2)


def test_options_of_the_command_are_defaults():
    """A line's own come first; the deadline is for all kinds, the rest for images."""
    one, other, token = jsonl(
        {"image": "a.png"},
        {"image": "a.png", "numeric": 2, "deadline": 1},
        {"kind": "turnstile", **PAGE},
        numeric=1,
        deadline=9.0,
    )
    assert (one.numeric, one.deadline) == (1, 9.0)
    assert (other.numeric, other.deadline) == (2, 1)
    assert token.deadline == 9.0


@pytest.mark.parametrize("head", ["", "data:image/png;base64,"])
def test_an_image_may_stand_in_its_line(head):
    """As base64 of an image file, or as a data: URI; anything else is a path."""
    text = base64.b64encode(picture()).decode()
    (one,) = jsonl({"image": head + text})
    assert one.load(1_000) == picture()
    assert one.tag == {"line": 1}


@pytest.mark.parametrize("path", ["abcd", "dir/name", "/9j/a.jpg", "a b.png", "C:\\a.png"])
def test_what_is_no_base64_of_an_image_is_a_path(path):
    """Whether the file is there or not, which is told when it is read."""
    (one,) = jsonl({"image": path})
    assert one.image == Path(path)


def test_images_of_one_task_are_read(tmp_path):
    """A list of paths or base64."""
    (tmp_path / "a.png").write_bytes(picture(1))
    images = [str(tmp_path / "a.png"), base64.b64encode(picture(2)).decode()]
    (one,) = jsonl({"kind": "bls", **PAGE, "images": images})
    assert one.images == (picture(1), picture(2))


@pytest.mark.parametrize(
    "proxy",
    ["http://us%40er:pw@h.example:8080", {"type": "http", "host": "h.example", "port": 8080, "username": "us@er", "password": "pw"}],
    ids=["url", "object"],
)  # fmt: skip
def test_a_proxy_is_a_url_or_an_object(proxy):
    """With user name and password, or without."""
    one, bare = jsonl(
        {"kind": "turnstile", **PAGE, "proxy": proxy},
        {"kind": "turnstile", **PAGE, "proxy": "socks5://h:1"},
    )
    assert one.proxy == Proxy("http", "h.example", 8080, "us@er", "pw")
    assert bare.proxy == Proxy("socks5", "h", 1)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nonsense", "no JSON"),
        ("[1]", "no JSON object"),
        ("[" * 100_000, "nested too deeply"),
        ({"kind": "image"}, "needs image or path"),
        ({"kind": "nothing"}, "none of image, recaptcha_v2"),
        ({"kind": 3}, "none of image"),
        ({"kind": ["x"]}, "none of image"),
        ({"image": 3}, "as text"),
        ({"image": "a.png", "numric": 1}, "image has no field numric"),
        ({"kind": "turnstile", "page_url": URL}, "turnstile needs site_key"),
        ({"image": "a.png", "numeric": "x"}, "numeric=x: give a number"),
        ({"image": "a.png", "numeric": True}, "numeric=True: give a number"),
        ({"image": "a.png", "phrase": "perhaps"}, "give true or false"),
        ({"image": "a.png", "instructions": 3}, "give text"),
        ({"kind": "turnstile", **PAGE, "proxy": {"pass": "s3cret"}}, "proxy: give TYPE://"),
        ({"kind": "turnstile", **PAGE, "proxy": "http://u:s3cret@h:99999"}, "proxy: give TYPE://"),
        ({"kind": "raw", "fields": 3}, "fields: give a JSON object"),
        ({"kind": "bls", **PAGE, "images": "x"}, "images: give a JSON list"),
        ({"kind": "bls", **PAGE, "images": ["gone.png"]}, "gone.png"),
    ],
    ids=lambda one: str(one)[:40],
)
def test_a_bad_line_is_a_task_that_fails(line, words):
    """It says which line and why, shows no secret, and the next is read."""
    bad, good = jsonl(line, {"image": "a.png"})
    assert why(bad).startswith("line 1: ")
    assert words in why(bad)
    assert "s3cret" not in why(bad)
    assert bad.tag["line"] == 1
    assert good.tag["line"] == 2


def test_a_bad_value_is_told_by_the_task(tmp_path):
    """What a task checks itself is not checked twice."""
    (one,) = jsonl({"image": "a.png", "numeric": 7})
    with pytest.raises(InvalidTask, match="numeric=7"):
        one.check()


def test_odd_bytes_are_a_bad_line():
    """Not UTF-8, or NUL: told, and the next is read."""
    data = b'{"image": "\xff.png"}\n\x00\n{"image": "a.png"}\n'
    one, other, good = tasks_of(io.BytesIO(data), "a.jsonl")
    assert "not UTF-8" in why(one)
    assert "no JSON" in why(other)
    assert good.image == Path("a.png")


def test_a_line_without_end_is_told(monkeypatch):
    """It is not read into memory; the next is read."""
    monkeypatch.setattr(lines, "MAX_BYTES", 100)
    bad, good = jsonl({"image": "a" * 1_000}, {"image": "a.png"})
    assert "longer than" in why(bad)
    assert good.tag == {"line": 2, "path": "a.png"}


def test_empty_lines_are_passed_over():
    """They count as lines; so does a mark of byte order as nothing."""
    one, other = jsonl('\ufeff{"image": "a.png"}', "", "  ", {"image": "b.png"})
    assert [one.tag["line"], other.tag["line"]] == [1, 4]


def test_nothing_is_no_task():
    """An empty file of either kind."""
    assert jsonl() == table("") == list(tasks_of(io.BytesIO(b""), "-")) == []


def test_a_csv_has_fields_by_column():
    """Empty cells are not given; text is read by the type of its field."""
    one, token = table(
        "kind,path,numeric,phrase,deadline,truth,tag,site_key,page_url\n"
        f",a.png,1,yes,2.5,X1,7,,\nturnstile,,,,,,,k,{URL}\n"
    )
    assert one == ImageToText(
        Path("a.png"),
        numeric=1,
        phrase=True,
        deadline=2.5,
        tag={"line": 2, "path": "a.png", "tag": "7"},
    )
    assert token == Turnstile("k", URL, tag={"line": 3})


def test_a_csv_may_have_lines_in_its_cells():
    """The line told is the one where the record ends."""
    one, bad = table('path,truth\na.png,"two\nlines"\nb.png\n')
    assert (one.tag, one.tag.truth) == ({"line": 3, "path": "a.png"}, "two\nlines")
    assert why(bad) == "line 4: it has 1 cells, the first line 2"


def test_a_csv_of_other_columns_is_refused():
    """At once, and by their names: a slip in one would cost money in every row."""
    with pytest.raises(
        UsageError, match=r"my.csv.*numric, colour; give .*path.* and leave other columns out"
    ):
        table("path,numric,colour\na.png,1,red\n", name="my.csv")


@pytest.mark.parametrize("name", ["-", "tasks.txt"])
def test_what_has_no_telling_name_is_known_by_its_first_sign(name):
    """A brace begins JSON lines; anything else is the first line of a CSV."""
    assert jsonl({"image": "a.png"}, name=name)[0].image == Path("a.png")
    assert table("path\na.png\n", name=name)[0].image == Path("a.png")


def test_lines_are_read_one_at_a_time():
    """The first task is there before the second line is."""

    class Typed(io.BytesIO):
        def readline(self, size=-1):
            got.append(1)
            return super().readline(size)

    got: list[int] = []
    found = tasks_of(Typed(b'{"image": "a.png"}\n' * 3), "-")
    next(found)
    assert len(got) == 1
