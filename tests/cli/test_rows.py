from __future__ import annotations

import json

import pytest

from solvestream import (
    Clearance,
    GeeTestV4Solution,
    ImageToText,
    Result,
    TaskFailed,
    Text,
    Texts,
    Ticket,
    Token,
)
from solvestream.cli.fields import Place
from solvestream.cli.rows import COLUMNS, flat, row

TICKET = Ticket(account="a", task_id="1", job_key="k", kind="image", submitted_at=1.0)


def place(truth=None, **items) -> Place:
    """Return where a task came from."""
    found = Place(**items)
    found.truth = truth
    return found


def test_a_row_holds_the_ticket():
    """It can be waited on later: `Ticket.from_json` takes it as it is, in a column too."""
    told = json.loads(json.dumps(row(Result(tag="a.png", ok=True, ticket=TICKET))))
    assert Ticket.from_json(told["ticket"]) == TICKET
    assert Ticket.from_json(flat(told)["ticket"]) == TICKET


@pytest.mark.parametrize(
    ("solution", "text"),
    [
        (Text("ünï 12"), "ünï 12"),
        (Text(""), ""),
        (Texts(("1", "2")), "1 2"),
        (Token("t"), "t"),
        (Clearance("c"), "c"),
        (GeeTestV4Solution("a", "b", "c", "d", "e"), None),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_row_is_plain_ascii(solution, text):
    """So that it goes through any pipe; a file name of odd bytes too."""
    told = json.dumps(row(Result(tag="odd\udcff.png", ok=True, solution=solution)))
    assert told.isascii()
    assert json.loads(told)["text"] == text
    assert json.loads(told)["path"] == "odd\udcff.png"


def test_an_answer_of_several_parts_is_whole():
    """Under a name of its own, by its class."""
    told = row(Result(ok=True, solution=Token("t", "agent")))
    assert told["solution"]["fields"] == {"token": "t", "user_agent": "agent"}
    assert json.loads(flat(told)["solution"]) == told["solution"]
    assert row(Result(ok=True, solution=Text("x")))["solution"] is None


def test_the_place_of_a_line_is_in_its_row():
    """Line, tag, path and truth, as the input had them."""
    tag = place("X1", line=7, tag={"id": 1}, path="a.png")
    told = row(Result(tag=tag, ok=True, solution=Text("X1")))
    assert {name: told[name] for name in tag} == tag
    assert (told["truth"], told["correct"]) == ("X1", True)
    assert flat(told)["tag"] == '{"id": 1}'


@pytest.mark.parametrize(("tag", "name"), [("a.png", "path"), (3, "tag"), ({"my": 1}, "tag")])
def test_a_tag_of_the_librarys_is_shown(tag, name):
    """Text is a path, as `solve` tags its images; anything else is a tag."""
    told = row(Result(tag=tag, ok=True))
    assert told[name] == tag
    assert told["line"] is None


@pytest.mark.parametrize(
    ("truth", "text", "correct"),
    [("12", "12", True), (12, "12", True), ("12", "13", False), ("12", None, False), (None, "1", None)],
)  # fmt: skip
def test_an_answer_is_compared_with_the_truth(truth, text, correct):
    """Exactly; no answer is wrong, and without a truth nobody knows."""
    tag = place(truth, line=1)
    solution = None if text is None else Text(text)
    assert row(Result(tag=tag, ok=text is not None, solution=solution))["correct"] is correct


def test_an_error_is_an_object_or_columns():
    """The same facts in both."""
    error = TaskFailed("it could not", code="E1", charged="yes")
    told = row(Result(ok=False, error=error))
    assert told["error"] == {
        "type": "TaskFailed",
        "message": "it could not",
        "code": "E1",
        "charged": "yes",
        "resumable": False,
    }
    columns = flat(told)
    assert (columns["error"], columns["message"]) == ("TaskFailed", "it could not")
    assert (columns["code"], columns["charged"], columns["resumable"]) == ("E1", "yes", False)


def test_columns_are_always_all_there_and_typed():
    """Whatever a result is like."""
    for one in (Result(ok=False), Result(ok=True, solution=Text("x", 1), ticket=TICKET, cost=1)):
        columns = flat(row(one))
        assert list(columns) == list(COLUMNS)
        assert all(v is None or type(v) is COLUMNS[name] for name, v in columns.items())


def test_the_key_is_the_tasks_own():
    """That of the ticket is the client's, where the task was given none."""
    assert row(Result(task=ImageToText(b"x"), ok=True, ticket=TICKET))["key"] is None
    assert row(Result(task=ImageToText(b"x", job_key="mine"), ok=True))["key"] == "mine"
    assert row(Result(ok=True, ticket=TICKET))["key"] == "k"
