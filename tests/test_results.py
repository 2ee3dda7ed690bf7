"""Tickets, results and errors as values."""

from __future__ import annotations

import json
import pickle

import pytest

from solvestream import InvalidTask, Result, TaskFailed, Text, Ticket, UsageError, errors

TICKET = Ticket(account="a", task_id="007", job_key="k", kind="image", submitted_at=12.5)


def test_a_ticket_survives_json_as_text_bytes_and_value():
    """Ids with leading zeros stay as they are."""
    text = TICKET.to_json()
    for form in (text, text.encode(), json.loads(text)):
        assert Ticket.from_json(form) == TICKET


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"account":"a","task_id":7,"job_key":"k","kind":"image","submitted_at":1}',
        '{"account":"a","task_id":"","job_key":"k","kind":"image","submitted_at":1}',
        '{"account":"a","task_id":"7","job_key":"k","kind":"image","submitted_at":"now"}',
        '{"account":"a","task_id":"7","job_key":"k","kind":"image","submitted_at":NaN}',
        '{"account":"a","task_id":"7","job_key":"k","kind":"image","submitted_at":true}',
        "[" * 100_000,
    ],
)
def test_a_broken_ticket_is_a_usage_error(broken):
    """Whatever was stored in its place, the error speaks of the ticket."""
    with pytest.raises(UsageError, match="ticket"):
        Ticket.from_json(broken)


def test_unwrap_gives_the_solution_or_raises_the_error():
    """One call for those who want exceptions."""
    assert Result(ok=True, solution=Text("x")).unwrap() == Text("x")
    error = TaskFailed("no")
    with pytest.raises(TaskFailed) as caught:
        Result(ok=False, error=error).unwrap()
    assert caught.value is error


def test_every_error_is_a_solvestream_error():
    """One except clause catches them all."""
    classes = [
        c for c in vars(errors).values() if isinstance(c, type) and c.__module__ == errors.__name__
    ]
    assert len(classes) == 15
    assert all(issubclass(c, errors.SolvestreamError) for c in classes)


def test_errors_survive_pickling():
    """They cross to other processes with everything they know."""
    one = InvalidTask(field="image", value=b"xyz", fix="give a file", code="E", ticket=TICKET)
    two = pickle.loads(pickle.dumps(one))
    assert type(two) is InvalidTask
    assert str(two) == str(one) == "image=<3 bytes>: give a file"
    assert vars(two) == vars(one)


def test_values_in_errors_are_one_short_line():
    """A long value loses its middle, line breaks are escaped."""
    shown = errors.shorten("a" * 500 + "\n" + "z" * 500)
    assert len(shown) == 80
    assert shown.isprintable()
    assert shown.startswith("'aaa")
    assert shown.endswith("zzz'")
