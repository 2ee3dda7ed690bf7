from __future__ import annotations

import pytest

from solvestream.server import Account
from solvestream.server.book import Book, Family, Task
from solvestream.server.work import Answer, Reason, Refusal

ANSWER = Answer(texts=("42",))


def accept(book: Book, family: Family = Family.INPHP, now: float = 0.0) -> Task | Refusal:
    """Submit one task that costs a tenth of a USD, or a solve."""
    holder = book.holder("k")
    assert not isinstance(holder, Refusal)
    return book.accept(holder, family, kind="image", subject="s", usd=0.1, now=now)


def opened(**account) -> Book:
    """Return the book of one account."""
    return Book([Account(key="k", name="mine", **account)])


def test_money_is_exact_over_many_charges():
    """A thousand charges of a tenth leave exactly nothing of a hundred."""
    book = opened(usd=100.0)
    for _ in range(1_000):
        assert isinstance(accept(book), Task)
    assert accept(book) == Refusal(Reason.ZERO_BALANCE)
    counts = book.ledger(0.0)["accounts"]["mine"]
    assert (counts["balance"], counts["charged"]) == (0.0, 100.0)
    assert counts["submitted"] == counts["accepted"] + sum(counts["refused"].values())


def test_a_slot_is_held_from_start_to_finish():
    """A task whose end is not known holds its slot until finish."""
    book = opened(slots=1)
    task = accept(book)
    book.start(task, 0.0)
    assert accept(book, now=1.0) == Refusal(Reason.NO_SLOT)
    assert task.ready(1.0) is None
    book.finish(task, ANSWER, 2.0)
    assert task.ready(2.0) == ANSWER
    assert isinstance(accept(book, now=2.0), Task)


def test_a_failed_task_gives_its_price_back():
    """Only answers cost, in USD and in solves."""
    book = opened(usd=1.0, solves=1)
    for family in (Family.INPHP, Family.SOLVORA):
        task = accept(book, family)
        assert task.charged > 0
        book.plan(task, 5.0, Refusal(Reason.UNSOLVABLE), 0.0)
        assert task.charged == 0
    counts = book.ledger(0.0)["accounts"]["mine"]
    assert (counts["balance"], counts["solves"], counts["charged"]) == (1.0, 1, 0.0)


@pytest.mark.parametrize(
    ("family", "seconds"),
    [(Family.INPHP, 900.0), (Family.SOLVORA, 30.0), (Family.CREATETASK, 300.0)],
)
def test_tasks_are_deleted_after_the_family_s_time(family, seconds):
    """Each family keeps a task its own time, and memory is given back at the next submit."""
    book = opened()
    task = accept(book, family)
    holder = task.holder
    assert book.look(holder, family, task.id, seconds - 0.1) is task
    assert book.look(holder, family, task.id, seconds) == Refusal(Reason.UNKNOWN_TASK)
    accept(book, family, now=seconds)
    assert len(book._tasks) == 1


def test_an_id_of_one_family_is_unknown_to_another():
    """The three protocols do not see each other's tasks."""
    book = opened()
    task = accept(book)
    found = book.look(task.holder, Family.SOLVORA, task.id, 0.0)
    assert found == Refusal(Reason.UNKNOWN_TASK)


def test_the_ledger_lists_tasks_and_never_keys():
    """What was looked at, taken and reported stands by task; accounts go by name."""
    book = Book([Account(key="top-made-up-key", name="mine")], seed=1)
    holder = book.holder("top-made-up-key")
    task = book.accept(holder, Family.CREATETASK, kind="image", subject="s", usd=0.1, now=0.0)
    book.plan(task, 0.0, ANSWER, 0.0)
    for now in (1.5, 2.5):
        book.look(holder, Family.CREATETASK, task.id, now)
        book.take(task, now)
    book.report(task, good=False)
    told = book.ledger(0.0, tasks=True)
    assert told["tasks"] == [
        {
            "id": task.id,
            "account": "mine",
            "family": "createtask",
            "kind": "image",
            "subject": "s",
            "charged": 0.1,
            "looks": 2,
            "taken": True,
            "taken_after": 1.5,
            "reported": "bad",
        }
    ]
    assert (told["accounts"]["mine"]["looks"], told["accounts"]["mine"]["taken"]) == (2, 1)
    assert "top-made-up-key" not in f"{told!r}{holder!r}"


@pytest.mark.parametrize("key", ["", "\x00", "ключ", "k" * 129])
def test_keys_of_the_wrong_shape_are_told_from_unknown_ones(key):
    """ERROR_WRONG_USER_KEY and ERROR_KEY_DOES_NOT_EXIST are two errors."""
    book = opened()
    assert book.holder(key) == Refusal(Reason.MALFORMED_KEY)
    assert book.holder("unknown") == Refusal(Reason.UNKNOWN_KEY)
