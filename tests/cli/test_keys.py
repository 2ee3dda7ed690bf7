from __future__ import annotations

import os
from pathlib import Path

from attrs import evolve

from solvestream import Bls, ImageToText, Proxy, RawTask, RecaptchaV2, Turnstile
from solvestream.cli.keys import Keyed
from solvestream.cli.lines import BadLine
from tests.cli.conftest import picture

URL = "https://example.com/p"


def keys(*tasks) -> list[str | None]:
    """Return the keys that tasks get, in a run of their own."""
    return [task.job_key for task in Keyed(set()).of(tasks)]


def test_every_run_gives_the_same_keys():
    """A key may be written into a file, and is short."""
    tasks = [ImageToText(picture(n)) for n in range(3)]
    assert keys(*tasks) == keys(*tasks)
    assert len(set(keys(*tasks))) == 3
    assert keys(ImageToText(b"x")) == ["1d71a27643db1594b77b18a58eb546c7"]


def test_an_image_is_known_by_its_bytes(tmp_path):
    """Moved, copied or touched, it is the same; written anew, it is another."""
    one, other = tmp_path / "a.png", tmp_path / "b.png"
    one.write_bytes(picture(1))
    other.write_bytes(picture(1))
    before = keys(ImageToText(one))
    os.utime(one, ns=(1, 1))
    assert before == keys(ImageToText(one)) == keys(ImageToText(other))
    one.write_bytes(picture(2))
    assert before != keys(ImageToText(one))


def test_options_are_part_of_it():
    """Another question about the same image is another task; its tag and urgency are not."""
    plain = ImageToText(b"x")
    aside = evolve(plain, tag={"line": 7}, deadline=5, priority=3)
    assert keys(plain) == keys(aside)
    assert keys(plain) != keys(evolve(plain, numeric=1))


def test_other_kinds_have_keys():
    """All their fields count, a proxy's too; of what cannot be written as JSON, its bytes."""
    tasks = [
        Turnstile("k", URL),
        RecaptchaV2("k", URL),
        RecaptchaV2("k", URL, proxy=Proxy("http", "h", 1, "u", "one")),
        RecaptchaV2("k", URL, proxy=Proxy("http", "h", 1, "u", "two")),
        RawTask({"method": "m"}),
        Bls("k", URL, images=(b"1", b"2")),
        Bls("k", URL, images=(b"1", b"3")),
    ]
    assert None not in keys(*tasks)
    assert len(set(keys(*tasks))) == len(tasks)


def test_the_same_task_again_has_a_key_of_its_own():
    """Ten tokens for one page are ten; in another order of lines they are the same ten."""
    token, image = Turnstile("k", URL), ImageToText(b"x")
    found = keys(token, token, image, token)
    assert len(set(found)) == 4
    assert set(found) == set(keys(image, token, token, token))


def test_what_fails_by_itself_has_none():
    """It costs nothing, and is tried in every run."""
    assert keys(BadLine(error="no")) == [None]
    assert keys(ImageToText(Path("/gone.png"))) == [None]
    assert keys(ImageToText(b"x", numeric=9)) == [None]


def test_a_key_of_ones_own_is_kept():
    """Whoever gives one knows better."""
    assert keys(ImageToText(b"x", job_key="mine")) == ["mine"]


def test_what_is_finished_is_left_out():
    """And counted; of tasks that are all the same, only as many as were finished."""
    token = Turnstile("k", URL)
    first, second, third = keys(token, token, token)
    run = Keyed({first, second, "mine"})
    assert [
        task.job_key for task in run.of([token, evolve(token, job_key="mine"), token, token])
    ] == [third]
    assert run.skipped == 3
