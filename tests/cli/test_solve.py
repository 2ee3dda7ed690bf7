from __future__ import annotations

import json
import os

import pytest

from solvestream import Result, Text, Texts, Ticket
from solvestream.cli.render import pictures
from solvestream.cli.rows import row
from tests.cli.conftest import picture, spawn

FIELDS = [
    *("line", "tag", "path", "ok", "text", "confidence", "error"),
    *("account", "elapsed", "polls", "cost", "expires_at", "ticket", "redelivered"),
    *("truth", "correct", "solution", "key"),
]


def test_all_solved(command, accounts, service, images):
    """A line of JSON for each image, and exit code 0."""
    directory, texts = images
    done = command("solve", "--service", "capsolver", "--base-url", service.url, directory)
    assert done.code == 0
    assert {name: one["text"] for name, one in done.by_name.items()} == texts
    for one in done.lines:
        assert list(one) == FIELDS
        assert (one["ok"], one["error"], one["account"]) == (True, None, "capsolver")
    assert done.err.splitlines()[-1] == "5/5 done, 0 failed"


def test_in_order(command, accounts, service, images):
    """`--ordered` gives results as the images were named, one at a time here."""
    directory, _ = images
    names = [directory / f"{number}.png" for number in (3, 0, 4, 1, 2)]
    to = ("--service", "capsolver", "--base-url", service.url)
    done = command("solve", *to, "--ordered", "--in-flight", 1, *names)
    assert [one["path"] for one in done.lines] == [str(name) for name in names]


def test_one_bad_image_costs_the_others_nothing(command, accounts, service, images):
    """Empty, missing, no image, oversized, nothing found: a line each that names it, and 1."""
    directory, texts = images
    (directory / "empty.png").write_bytes(b"")
    (directory / "words.png").write_bytes(b"no image")
    (directory / "huge.png").write_bytes(picture() + bytes(11 << 20))
    bad = {
        "empty.png": "empty",
        "words.png": "no image",
        "huge.png": "over the",
        "gone.png": "No such file",
        "*.tiff": "no image file",
    }
    before = service.ledger()["accounts"]["local"]["submitted"]
    to = ("--service", "capsolver", "--base-url", service.url)
    done = command("solve", *to, directory, directory / "gone.png", directory / "*.tiff")
    assert done.code == 1
    assert len(done.lines) == len(texts) + len(bad)
    found = done.by_name
    for name, words in bad.items():
        assert found[name]["error"]["type"] == "InvalidTask"
        assert found[name]["error"]["charged"] == "no"
        assert words in found[name]["error"]["message"]
    assert {name: found[name]["text"] for name in texts} == texts
    assert service.ledger()["accounts"]["local"]["submitted"] == before + len(texts)


def test_a_service_that_refuses_the_key(command, accounts, service, images, monkeypatch):
    """Every image fails as the account does, and the key is shown nowhere."""
    monkeypatch.setenv("CAPSOLVER_API_KEY", "made-up-wrong-key-1234567890")
    directory, _ = images
    done = command("solve", "--service", "capsolver", "--base-url", service.url, directory)
    assert done.code == 1
    assert {one["error"]["type"] for one in done.lines} == {"AccountError"}
    assert len(done.lines) == 5
    assert "made-up-wrong" not in done.out + done.err


def test_a_service_that_is_not_there(command, accounts, images):
    """The address is named, with port; nothing is charged."""
    directory, _ = images
    to = ("--service", "capsolver", "--base-url", "http://127.0.0.1:1", "--deadline", "1.5")
    done = command("solve", *to, directory / "0.png")
    assert done.code == 1
    assert done.lines[0]["error"]["charged"] == "no"


def test_a_local_service_for_the_run(command, tmp_path):
    """`--local` needs no key, and reads for real."""
    truth = {}
    for number, one in enumerate(pictures(6, 7)):
        (tmp_path / f"{number}.png").write_bytes(one.image)
        truth[f"{number}.png"] = one.text
    done = command("solve", "--local", tmp_path)
    assert done.code == 0
    assert {name: one["text"] for name, one in done.by_name.items()} == truth
    assert all(one["confidence"] > 0.5 for one in done.lines)


def test_a_line_holds_the_ticket():
    """It can be waited on later: `Ticket.from_json` takes it as it is."""
    ticket = Ticket(account="a", task_id="1", job_key="k", kind="image", submitted_at=1.0)
    told = json.loads(json.dumps(row(Result(tag="a.png", ok=True, ticket=ticket))))
    assert Ticket.from_json(told["ticket"]) == ticket


@pytest.mark.parametrize(
    ("solution", "text"), [(Text("ünï 12"), "ünï 12"), (Text(""), ""), (Texts(("1", "2")), "1 2")]
)
def test_a_line_is_plain_ascii(solution, text):
    """So that it goes through any pipe; a file name of odd bytes too."""
    told = json.dumps(row(Result(tag="odd\udcff.png", ok=True, solution=solution)))
    assert told.isascii()
    assert json.loads(told)["text"] == text


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_reader_that_leaves_ends_it_quietly(slow, images):
    """As `head` does: no traceback, and tickets of all that was paid and not printed."""
    directory, texts = images
    with spawn("solve", "--service", "solvora", directory) as child:
        child.stdout.close()
        err = child.stderr.read()
        assert child.wait(30) == 1
    assert b"Traceback" not in err
    assert b"BrokenPipe" not in err
    assert sum(line.startswith(b"{") for line in err.splitlines()) == len(texts)
