from __future__ import annotations

import math

import pytest
from attrs import evolve

from solvestream import AccountStatistics, CapSolver, Client, SolvestreamError, errors
from solvestream.cli import view
from solvestream.cli.view import ADVICE, Figures, duration
from solvestream.observe.tally import OTHER, Tally

NOTHING = Client(CapSolver("made-up")).statistics().accounts["capsolver"]


def account(**more) -> AccountStatistics:
    """Return what happened at an account."""
    return evolve(NOTHING, **{"in_flight": 18, "limit": 20.0, "refused": 7} | more)


def figures(tally: Tally | None = None, **more) -> Figures:
    """Return a moment."""
    plain = {"total": 1_000, "skipped": 0, "now": 500.0, "gone": 125.0, "rate": 12.34}
    accounts = {"accounts": {"captchaai": account()}}
    return Figures(tally=Tally() if tally is None else tally, **accounts | plain | more)


def busy() -> Tally:
    """Return a tally with something of everything."""
    tally = Tally(solved=200, failed=50, spent=0.25, looks_of_ended=500)
    tally._queued.update(map(str, range(980)))
    tally._flying.update({"a": 459.0, "b": 480.0})
    for seconds in range(1, 101):
        tally.latency.add(seconds / 10)
    tally.errors.update({("TaskFailed", "ERROR_UNSOLVABLE"): 40, ("Busy", None): 10})
    return tally


def text(lines) -> str:
    """Return lines without their styles."""
    return "\n".join(line for _, line in lines)


def test_a_frame_tells_all():
    """Progress, queue, flight, rate, oldest, account, percentiles, looks, money, errors, advice."""
    told = text(view.screen(figures(busy())))
    for words in (
        *("250/1,000  25%", "2:05", "left", "queued 980", "in flight 2", "12.3/s", "failed 50"),
        *("oldest 41 s", "captchaai", "p95", "9.6", "2.0 looks a task"),
        *("spent $0.2500, about $1.0000 in all", "$0.00100 a task"),
        *("40 TaskFailed ERROR_UNSOLVABLE", ADVICE["TaskFailed"], "10 Busy", ADVICE["Busy"]),
    ):
        assert words in told, words
    (row,) = [line for line in told.splitlines() if line.startswith("captchaai")]
    assert row.split() == ["captchaai", "18", "20", "open", "closed", "7", "0", "0", "-"]


def test_a_frame_fits_a_screen():
    """At most 28 lines of 80 columns, whatever goes wrong."""
    tally = busy()
    tally.errors.update({(f"Error{n}", "X" * 500): 5 for n in range(90)})
    accounts = {name: account(down="KEY") for name in ("captchaai", "solvora", "capsolver")}
    lines = list(view.screen(figures(tally, accounts=accounts, stopping="stopping " * 20)))
    assert len(lines) <= 28
    assert max(len(line) for _, line in lines) <= 80
    assert "others" in text(lines)


def test_an_account_in_trouble_stands_out():
    """A closed gate in yellow, a breaker or a refused key in red, with its code."""
    shown = {
        "gate": account(gate="closed"),
        "breaker": account(breaker="half-open", limit=math.inf),
        "down": account(down="ERROR_\x1b[2JKEY"),
    }
    lines = list(view.screen(figures(accounts=shown)))
    styles = {line.split()[0]: style for style, line in lines if line.strip()}
    assert (styles["gate"], styles["breaker"], styles["down"]) == ("yellow", "red", "red")
    assert "the service refuses down: 'ERROR_\\x1b[2JKEY'" in text(lines)
    assert "breaker gives no proper replies, or asks for a pause" in text(lines)


def test_nothing_from_outside_can_move_the_cursor():
    """Codes of a hostile service are shown as what they are."""
    tally = Tally(failed=1)
    tally.errors["TaskFailed", "\x1b[2J\nowned"] = 1
    assert "owned" in text(view.screen(figures(tally)))
    assert all(line.isprintable() for _, line in view.screen(figures(tally)))


def test_an_endless_run_has_no_end():
    """Neither a bar nor a projection, where nobody knows how many will come."""
    told = text(view.screen(figures(busy(), total=None)))
    assert told.startswith("250 done")
    assert "left" not in told.splitlines()[0]
    assert "in all" not in told


def test_the_first_moment_is_not_divided_by():
    """Nothing done, no rate, no time gone."""
    empty = figures(accounts={}, gone=0.0, rate=0.0)
    assert "0/1,000" in text(view.screen(empty))
    assert "solved 0" in text(view.table(empty))
    assert view.progress(empty) == "0/1000 done, 0 failed, 0 in flight, 0 queued, 0.0/s"


def test_what_was_finished_before_counts_as_done():
    """On the bar; the last line tells both."""
    shown = figures(busy(), skipped=750)
    assert "1,000/1,000 100%" in text(view.screen(shown))
    assert view.last(shown) == (
        "250/250 done, 50 failed, 750 skipped: an earlier run finished them"
    )


def test_a_line_of_progress():
    """One line with what a log needs."""
    assert view.progress(figures(busy(), total=None)) == (
        "250 done, 50 failed, 2 in flight, 980 queued, 12.3/s, p95 9.6 s, $0.2500"
    )


def test_a_line_of_progress_tells_why_nothing_moves():
    """A service that does not answer, and an account that is refused; a full one is no news."""
    shown = {"a": account(breaker="open"), "b": account(down="X"), "c": account(gate="closed")}
    assert view.progress(figures(accounts=shown)).endswith("12.3/s, a is in trouble, b is refused")


def test_the_table_tells_the_accuracy():
    """Where the truth was given."""
    tally = busy()
    for number in range(200):
        tally.grade(correct=number > 0)
    assert "accuracy 99.50% (199 of 200)" in text(view.table(figures(tally)))
    assert "accuracy" not in text(view.table(figures(busy())))


def test_every_error_of_a_result_has_an_advice():
    """All that a task may end with; what is the caller's own bug aside."""
    names = {one.__name__ for one in vars(errors).values() if _is_error(one)}
    own = {"SolvestreamError", "ClientClosed", "WrongLoop"}
    assert names - own == set(ADVICE)
    assert OTHER[0] not in ADVICE


def _is_error(one: object) -> bool:
    return isinstance(one, type) and issubclass(one, SolvestreamError)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0.0 s"), (0.34, "0.3 s"), (12, "12 s"), (185, "3:05"), (7385, "2:03:05")],
)
def test_time_is_told_as_people_do(seconds, words):
    """In one or two units."""
    assert duration(seconds) == words
