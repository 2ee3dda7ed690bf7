"""`LogEvents`: levels, structured extras, floods, and what must not be in a log."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import get_args

import pytest
from pythonjsonlogger.json import JsonFormatter

from solvestream import UsageError, events
from solvestream.observe import logs
from solvestream.observe.logs import LogEvents
from tests.faults.canary import shows
from tests.observe.days import ANSWER, ENDED, bad_day, good_day

pytestmark = pytest.mark.anyio


class Lines(logging.Handler):
    """Keeps records and what a JSON formatter makes of them."""

    def __init__(self):
        super().__init__()
        self.records = []
        self.texts = []
        self.setFormatter(JsonFormatter("%(levelname)s %(name)s %(message)s"))

    def emit(self, record):
        self.records.append(record)
        self.texts.append(self.format(record))


@pytest.fixture
def lines():
    """Hear the default logger, at every level."""
    logger, handler = logging.getLogger("solvestream.events"), Lines()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def levels(lines):
    return {(r.solvestream["event"], r.levelname) for r in lines.records}


async def test_each_event_is_a_line_of_its_level(service, lines):
    """Steps are DEBUG, answers INFO, a gate that closes a WARNING."""
    seen = []
    await good_day(service, [LogEvents(burst=math.inf), seen.append])
    assert [r.solvestream["event"] for r in lines.records] == [type(e).__name__ for e in seen]
    assert levels(lines) == {
        ("TaskQueued", "DEBUG"),
        ("TaskSubmitted", "DEBUG"),
        ("TaskAccepted", "DEBUG"),
        ("TaskRefused", "DEBUG"),
        ("TasksLooked", "DEBUG"),
        ("TaskEnded", "INFO"),
        ("TaskTaken", "DEBUG"),
        ("GateChanged", "WARNING"),
        ("GateChanged", "INFO"),
    }


async def test_what_goes_wrong_is_a_warning_and_a_lost_account_an_error(service, lines):
    """Failures are WARNINGs, an account that is refused an ERROR."""
    await bad_day(service, LogEvents())
    assert {
        ("TaskEnded", "WARNING"),
        ("AccountChanged", "ERROR"),
        ("TaskWithdrawn", "INFO"),
        ("TaskAdopted", "INFO"),
    } <= levels(lines)


async def test_lines_are_json_with_the_fields_of_the_event(service, lines):
    """python-json-logger writes the event as one object, which strict JSON reads back."""
    await good_day(service, LogEvents(), tasks=1)
    read = [json.loads(text, parse_constant=pytest.fail) for text in lines.texts]
    queued, *_, ended, _ = [one["solvestream"] for one in read]
    assert (queued["event"], queued["kind"], queued["tag"]) == ("TaskQueued", "image", "t")
    assert (ended["event"], ended["ok"], ended["account"]) == ("TaskEnded", True, "captchaai")
    assert ended["job_key"] == queued["job_key"]
    assert read[-2]["message"].startswith(f"task '{ended['job_key']}' solved by captchaai in ")


async def test_no_key_and_no_answer_is_in_a_line(service, lines):
    """Through all faults, at DEBUG, neither is in a message, an argument or an extra."""
    await bad_day(service, LogEvents(burst=math.inf))
    told = "\n".join(lines.texts) + repr([vars(record) for record in lines.records])
    assert len(lines.records) > 200
    assert not shows(told)
    assert ANSWER not in told


async def test_a_handler_that_raises_harms_no_task(service, lines):
    """All tasks are solved, though nothing can be logged."""

    def emit(record):
        raise OSError(28, "No space left on device")

    lines.emit = emit
    results = await good_day(service, LogEvents())
    assert all(one.ok for one in results)
    assert len(results) == 20


def test_equal_failures_do_not_flood(lines):
    """Of 1,000 alike, 20 are written, and how many were left out when the window is over."""
    sink = LogEvents()
    for number in range(1_000):
        sink(_at(ENDED, number * 0.01))
    assert len(lines.records) == 20
    sink(_at(ENDED, 61.0))
    assert len(lines.records) == 22
    told = lines.records[20]
    assert told.getMessage() == "a: TaskFailed ERROR_CAPTCHA_UNSOLVABLE: 980 more lines like it"
    assert (told.levelname, told.solvestream["count"]) == ("WARNING", 980)


def test_flush_tells_what_the_last_window_left_out(lines):
    """It is said once."""
    sink = LogEvents(burst=1)
    for _ in range(3):
        sink(ENDED)
    sink.flush()
    sink.flush()
    assert [record.getMessage()[-20:] for record in lines.records[1:]] == ["2 more lines like it"]


def test_a_hostile_service_s_codes_take_no_room(lines):
    """Codes beyond the first 50 share one count, so memory and lines stay bounded."""
    sink = LogEvents(burst=2)
    for number in range(10_000):
        sink(_at(ENDED, 1.0, code=f"ERROR_{number}"))
    assert len(lines.records) == 52
    assert len(sink._alike) == 51


def test_a_line_cannot_be_forged(lines):
    """Line breaks in a code or a key of one's own do not break the line."""
    LogEvents()(_at(ENDED, 1.0, code="E\nINFO forged" + "x" * 999, job_key="k\nINFO"))
    (record,) = lines.records
    assert "\n" not in record.getMessage()
    assert len(record.getMessage()) < 250


@pytest.mark.parametrize(
    ("event", "level", "words"),
    [
        (events.BreakerChanged(at=1, account="a", state="open"), "WARNING", "left in peace"),
        (events.BreakerChanged(at=1, account="a", state="half-open"), "DEBUG", "probed"),
        (events.BreakerChanged(at=1, account="a", state="closed"), "INFO", "answers again"),
        (events.AccountChanged(at=1, account="a", down="E"), "ERROR", "refused by its service: E"),
        (events.AccountChanged(at=1, account="a", down=None), "INFO", "good again"),
        (events.GateChanged(at=1, account="a", open=False, limit=3), "WARNING", "no slot"),
        (events.GateChanged(at=1, account="a", open=True, limit=math.inf), "INFO", "limit inf"),
    ],
)
def test_changes_of_an_account(lines, event, level, words):
    """Each has its level and says what it means."""
    LogEvents()(event)
    (record,) = lines.records
    assert record.levelname == level
    assert words in record.getMessage()
    json.loads(lines.texts[0], parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("tag", "shown"),
    [(7, 7), ("x" * 999, "x" * 100), (Path("a.png"), "a.png"), ({"password": 1}, None)],
)
def test_a_tag_is_shown_where_it_is_plain(lines, tag, shown):
    """Strings, numbers and paths are; what may hold anything is not."""
    LogEvents()(events.TaskQueued(at=1.0, job_key="k", kind="image", tag=tag))
    assert lines.records[0].solvestream["tag"] == shown


def test_a_level_spares_the_lines_below(lines):
    """With `level=INFO` no step is written, though the logger would take it."""
    sink = LogEvents(level=logging.INFO)
    sink(events.TaskSubmitted(at=1.0, job_key="k", account="a"))
    sink(ENDED)
    assert [record.levelname for record in lines.records] == ["WARNING"]


def test_a_logger_of_one_s_own(caplog):
    """Lines go where they are told to."""
    with caplog.at_level(logging.INFO, "mine"):
        LogEvents(logging.getLogger("mine"))(ENDED)
    assert [record.name for record in caplog.records] == ["mine"]


def test_every_event_has_a_line():
    """No event is without one."""
    assert set(logs._LINES) == set(get_args(events.Event))


@pytest.mark.parametrize("options", [{"burst": 0}, {"burst": math.nan}, {"window": 0}])
def test_bad_bounds_are_refused(options):
    """They are a UsageError that names the field."""
    with pytest.raises(UsageError, match=next(iter(options))):
        LogEvents(**options)


def _at(event, at, **changes):
    from attrs import evolve

    return evolve(event, at=at, **changes)
