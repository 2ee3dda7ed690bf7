"""What goes into the journal comes out of it as it was: answers, errors, tags, any text."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
from attrs import define, frozen
from hypothesis import given
from hypothesis import strategies as st

from solvestream import (
    AccountError,
    Busy,
    Clearance,
    DeadlineExceeded,
    GeeTestV3Solution,
    GeeTestV4Solution,
    InvalidTask,
    ProtocolError,
    SolvestreamError,
    SubmitUnknown,
    TaskFailed,
    TaskLost,
    Text,
    Texts,
    Ticket,
    Token,
    TransportError,
)
from solvestream._journal import values
from solvestream._journal.values import Entry, StoredSolution
from solvestream.solutions import Solution

ANY = st.text(st.characters())  # lone surrogates and NUL included
TICKET = Ticket(account="a", task_id="7", job_key="k", kind="image", submitted_at=3.0)


@frozen
class Own(Solution):
    """A plug-in's own answer."""

    points: tuple[tuple[int, int], ...]
    _private: str = ""


@frozen
class Raw(Solution):
    """One whose list JSON would give back as a tuple."""

    points: list[int]


class _Shy:
    def __repr__(self):
        raise RuntimeError


@define(slots=False)
class Odd(Solution):
    """One that holds what JSON does not."""

    inner: object


@dataclasses.dataclass(frozen=True)
class Data(Solution):
    """An answer that is no attrs class."""

    text: str


def back(solution):
    text = values.encode_solution(solution)
    assert text.isascii()
    return values.decode_solution(text)


def row(**columns):
    names = "id job_key account kind tag queued_at submitted_at accepted_at task_id ended_at"
    empty = dict.fromkeys([*names.split(), "looks", "cost", "expires_at", "error", "solution"])
    start = {"id": 1, "job_key": b"k", "account": b"a", "kind": b"image", "taken_at": None}
    return empty | start | {"queued_at": 1.0, "submitted_at": 2.0} | columns


@pytest.mark.parametrize(
    "solution",
    [
        Text("007 ", 0.25),
        Text("\ud800\0\u2028", math.inf),
        Texts(("a", "")),
        Token("t" * 2_000, "agent"),
        GeeTestV3Solution("c", "v", "s"),
        GeeTestV4Solution("c", "l", "p", "g", "o"),
        Clearance("c", None),
        Solution(),
        Own(((1, 2), (3, 4)), "p"),
        Data("x"),
        StoredSolution("gone.Type", {"a": [1]}),
    ],
    ids=repr,
)
def test_every_answer_comes_back_equal(solution):
    """Every class of ours, and a user's own."""
    assert back(solution) == solution
    assert type(back(solution)) is type(solution)


def test_every_public_class_of_answers_is_tried_above():
    """A class added later must be added here."""
    ours = {kind for kind in Solution.__subclasses__() if kind.__module__ == Solution.__module__}
    tried = {Text, Texts, Token, GeeTestV3Solution, GeeTestV4Solution, Clearance}
    assert ours == tried


def test_what_json_does_not_give_back_is_shown():
    """The class by name, the fields as far as they go; never a wrong value of the right class."""
    assert back(Raw([1, 2])) == StoredSolution(f"{__name__}.Raw", {"points": [1, 2]})
    assert back(Odd({1, 2})) == StoredSolution(f"{__name__}.Odd", {"inner": "{1, 2}"})
    assert back(Odd(_Shy())).fields == {"inner": "<_Shy>"}
    loop = []
    loop.append(loop)
    assert back(Odd(loop)).fields == {"inner": "[[...]]"}


def test_an_answer_of_a_class_that_is_gone_or_changed_is_stored():
    """Nothing is imported to read a journal, and nothing is lost for that."""
    text = '{"type":"no.such.Answer","fields":{"a":1}}'
    assert values.decode_solution(text) == StoredSolution("no.such.Answer", {"a": 1})
    text = '{"type":"solvestream.solutions.Text","fields":{"a":1}}'
    assert values.decode_solution(text).fields == {"a": 1}
    again = values.encode_solution(values.decode_solution(text))
    assert values.decode_solution(again).fields == {"a": 1}


DETAILS = {"code": "E_1", "account": "a", "job_key": "k", "task_id": "7", "charged": "maybe"}


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (TaskFailed("no \ud800", verdict="accepted", ticket=TICKET, **DETAILS), "failed"),
        (ProtocolError("bad"), "failed"),
        (SolvestreamError("?"), "failed"),
        (InvalidTask("the service refused", **DETAILS), "rejected"),
        (AccountError("banned", retry_after=60.0, **DETAILS), "rejected"),
        (Busy("no slot"), "rejected"),
        (TransportError("cut"), "rejected"),
        (TaskLost("gone", **DETAILS), "lost"),
        (SubmitUnknown("cut", verdict="unknown", **DETAILS), "unknown"),
        (DeadlineExceeded("late", resumable=True, ticket=TICKET, **DETAILS), "expired"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_redelivered_failure_is_the_same_error(error, state):
    """Class, message and all that it tells of money and identity."""
    text = values.encode_error(error)
    assert text.isascii()
    entry = values.decode(row(ended_at=4.0, looks=1, error=text.encode()))
    assert entry.state == state
    assert type(entry.error) is type(error)
    assert str(entry.error) == str(error)
    assert vars(entry.error) == vars(error)


def test_a_bought_task_that_the_service_refuses_later_has_failed():
    """`rejected` is for what was never accepted."""
    error = values.encode_error(InvalidTask("bad image")).encode()
    assert values.decode(row(accepted_at=3.0, ended_at=4.0, error=error)).state == "failed"


def test_an_error_of_a_users_own_class_comes_back_as_ours():
    """The nearest class of the library's own."""

    class Mine(TaskFailed):
        pass

    entry = values.decode(row(ended_at=4.0, error=values.encode_error(Mine("x")).encode()))
    assert type(entry.error) is TaskFailed
    stranger = b'{"type":"annotations","message":"m"}'
    assert type(values.decode(row(ended_at=1.0, error=stranger)).error) is SolvestreamError


def test_the_value_of_a_bad_field_is_not_stored():
    """It may be an image, or a proxy's password."""
    text = values.encode_error(InvalidTask(field="proxy", value="s3cret", fix="leave it out"))
    assert "s3cret" not in text
    error = values.decode(row(ended_at=4.0, error=text.encode())).error
    assert (str(error), error.field, error.value) == ("proxy: leave it out", "proxy", "None")


@pytest.mark.parametrize("tag", [0, "", "\ud800", 1.5, True, [1, "a"], {"id": [None]}, 10**30])
def test_a_tag_that_json_gives_back_is_kept(tag):
    """Numbers, strings, lists, objects."""
    entry = values.decode(row(tag=values.encode_tag(tag).encode()))
    assert entry.tag == tag
    assert type(entry.tag) is type(tag)


@pytest.mark.parametrize(
    "tag", [None, object(), (1, 2), {1: 2}, {"a": (1,)}, b"x", [10**5_000], math.nan], ids=type
)
def test_any_other_tag_is_left_out(tag):
    """It comes back as `None`, not as something else."""
    assert values.encode_tag(tag) is None


@given(ANY)
def test_any_text_comes_back(text):
    """Lone surrogates and NUL included."""
    stored = values.encode_text(text)
    data = stored if isinstance(stored, bytes) else stored.encode()
    assert values.decode(row(job_key=data)).job_key == text


@pytest.mark.parametrize(
    "columns",
    [
        {"tag": b"{"},
        {"tag": b"\xff\xfe\xfd"},
        {"job_key": None, "solution": b"[]"},
        {"solution": b"1"},
        {"error": b"{}", "ended_at": 1.0},
        {"error": b"[" * 9_000, "ended_at": 1.0},
        {"error": b'{"type":"TaskLost","message":"m","ticket":"{}"}', "ended_at": 1.0},
        {"kind": b"\xff"},
    ],
    ids=str,
)
def test_what_was_never_written_so_is_a_value_error(columns):
    """One kind of error for all that may stand in a broken row."""
    with pytest.raises(ValueError):  # noqa: PT011 - its text is the parser's
        values.decode(row(**columns))


def test_an_entry_is_the_result_it_was():
    """Identity, money and times; and that it comes again."""
    entry = Entry(
        row=1,
        state="solved",
        job_key="k",
        account="a",
        kind="image",
        tag=5,
        queued_at=1.0,
        submitted_at=2.0,
        accepted_at=3.0,
        ended_at=9.0,
        task_id="7",
        solution=Text("x"),
        looks=4,
        cost=0.001,
        expires_at=100.0,
    )
    result = entry.result()
    assert (result.ok, result.unwrap(), result.tag, result.ticket) == (True, Text("x"), 5, TICKET)
    assert (result.submitted_at, result.solved_at, result.elapsed) == (3.0, 9.0, 8.0)
    assert (result.polls, result.cost, result.expires_at) == (4, 0.001, 100.0)
    assert result.redelivered


def test_a_job_answered_at_once_has_a_ticket_by_its_key():
    """As the client makes it where a service gives no id."""
    known = {"job_key": "k", "account": "a", "kind": "image", "queued_at": 1.0}
    entry = Entry(row=1, state="intent", submitted_at=2.0, **known)
    assert entry.ticket is None
    entry = Entry(row=1, state="accepted", submitted_at=2.0, accepted_at=3.0, **known)
    assert entry.ticket.task_id == "k"


def test_an_entry_is_a_line_of_json():
    """For programs that read `solvestream journal`; what is not known is left out."""
    known = {"account": "a", "kind": "image", "queued_at": 1.0, "submitted_at": 2.0, "looks": 0}
    entry = Entry(row=1, state="solved", job_key="\ud800\n", solution=Text("x", 0.5), **known)
    line = entry.to_json()
    assert line.isascii()
    assert "\n" not in line
    answer = {"type": "solvestream.solutions.Text", "fields": {"text": "x", "confidence": 0.5}}
    assert json.loads(line) == known | {
        "row": 1,
        "state": "solved",
        "job_key": "\ud800\n",
        "solution": answer,
    }
    failed = Entry(row=1, state="failed", job_key="k", error=TaskFailed("no", code="E"), **known)
    assert json.loads(failed.to_json())["error"]["code"] == "E"
