"""The page as bytes: small, whole, escaped, and with nothing in it that is nobody's business."""

from __future__ import annotations

import base64
import html
import json
import random
import re
import zlib
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from attrs import evolve

from solvestream.observe.report import page
from solvestream.observe.report.page import LIMIT
from solvestream.observe.report.run import Run
from tests.observe.report.runs import BEGIN, ZONE, run_of, task_of

HOSTILE = "</script></svg><b onclick='x'>\"&\x00\x1b[2J\u202e\ud800"
EMPTY = {"meta", "link", "input"}


class Tree(HTMLParser):
    """Checks that what is opened is closed, in order."""

    def __init__(self):
        super().__init__()
        self.open, self.names = [], set()

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def packed(content: bytes) -> dict:
    """Return what the page's script gets."""
    text = re.search(rb'id="data">([^<]*)<', content)[1]
    return json.loads(zlib.decompress(base64.b64decode(text)))


def test_fifty_thousand_tasks_are_less_than_two_megabytes(large_page):
    """With the moment of each look to the millisecond, and what of the ids has room."""
    assert len(large_page) < LIMIT
    data = packed(large_page)
    assert (len(data["name"]), data["unit"]) == (50_000, 0.001)


def test_what_does_not_fit_is_left_out_and_that_is_said():
    """Long names that do not shrink: those without answer and the slowest stay."""
    draw = random.Random(1)
    tasks = tuple(
        task_of(
            name=f"{draw.getrandbits(480):0120x}",
            state="failed" if number == 4_711 else "solved",
            error="TaskFailed" if number == 4_711 else "",
            queued=BEGIN + number,
            submitted=BEGIN + number,
            accepted=BEGIN + number,
            ended=BEGIN + number + 1 + draw.random(),
        )
        for number in range(30_000)
    )
    content = page(Run(name="run.db", tasks=tasks), zone=ZONE)
    assert len(content) < LIMIT
    names = packed(content)["name"]
    assert f"{len(names):,} of 30,000 tasks are here" in content.decode()
    assert tasks[4_711].name in names
    assert max(tasks, key=lambda task: task.seconds).name in names


def test_a_page_is_whole():
    """Every element is closed in its order, and every drawing is XML."""
    content = page(run_of(200), zone=ZONE).decode()
    tree = Tree()
    tree.feed(content)
    assert tree.open == []
    drawings = re.findall(r"<svg.*?</svg>", content, re.DOTALL)
    assert len(drawings) > 10
    for drawing in drawings:
        ET.fromstring(drawing)


def test_strings_from_outside_are_escaped():
    """No element of theirs, no control character, and text that UTF-8 does not know is no error."""
    strange = {"name": HOSTILE, "task_id": HOSTILE, "account": HOSTILE, "kind": HOSTILE}
    errors = {"error": HOSTILE, "code": HOSTILE, "why": HOSTILE, "state": "failed"}
    content = page(Run(name=HOSTILE, tasks=(task_of(**strange, **errors),)), zone=ZONE)
    tree = Tree()
    tree.feed(content.decode())
    assert tree.open == []
    assert "b" not in tree.names
    assert content.count(b"</script>") == 2


def test_times_say_their_zone():
    """All of them are in one zone, whose offset is named."""
    content = page(run_of(50), zone=ZONE).decode()
    assert "All times are UTC+05:30." in content
    assert "2026-09-21 19:43:20 to " in content


def test_axes_name_their_units():
    """Rates a second, tasks, durations with their unit, money in USD."""
    content = page(run_of(50), zone=ZONE).decode()
    for words in ("tasks a second", ">tasks<", "refusals a second", "USD spent so far", " (tasks)"):
        assert words in content


def test_no_label_of_an_axis_is_cut_off():
    """Those near the edge end there; a letter is 6.5 pixels wide at most."""
    for count in (1, 3, 10, 50, 200):
        content = page(run_of(count), zone=ZONE).decode()
        for x, kind, label in re.findall(
            r'<text x="([\d.]+)" y="[\d.]+" class="tick ?(\w*)">([^<]*)<', content
        ):
            share = {"": 1.0, "bad": 1.0, "mid": 0.5, "end": 0.0}[kind]
            assert float(x) + 6.5 * len(label) * share <= 900, label


def test_nothing_is_loaded_from_elsewhere():
    """No address in it but the namespaces that SVG in HTML does not need."""
    content = page(run_of(50), zone=ZONE).decode()
    assert "http" not in content.replace('http-equiv="Content-Security-Policy"', "")
    assert "default-src 'none'" in html.unescape(content)


def test_a_journal_of_an_older_release_has_a_page():
    """Without samples and moments of looks, the rest is there, and what is missing is said."""
    run = run_of(50)
    tasks = tuple(evolve(task, looked=()) for task in run.tasks)
    content = page(evolve(run, tasks=tasks, samples=()), zone=ZONE).decode()
    assert content.count("are not in this journal") == 2
    assert "Tasks in flight at captchaai-0" in content


def test_a_limit_far_above_is_told_in_words():
    """It would press what was in flight to the ground."""
    run = run_of(50)
    samples = tuple(evolve(sample, limit=5_000.0) for sample in run.samples)
    content = page(evolve(run, samples=samples), zone=ZONE).decode()
    assert content.count("limit up to 5,000, above the plot") == 2


def test_many_accounts_are_six_drawn_and_all_told():
    """Those with most tasks are drawn; the table has every one."""
    content = page(run_of(400, accounts=9), zone=ZONE).decode()
    assert content.count("<title>Tasks in flight at ") == 6
    assert "3 accounts with fewer tasks are not drawn." in content
    assert all(f'<td class="words">captchaai-{n}</td>' in content for n in range(9))


def test_money_that_nobody_told_is_not_nought():
    """It is called not said, and no line is drawn for it."""
    content = page(Run(name="run.db", tasks=(task_of(),)), zone=ZONE).decode()
    assert "not said" in content
    assert "USD spent so far" not in content


@pytest.mark.parametrize("cost", [0.0, 1e-300, 1e-6, 999_999.0])
def test_any_price_can_be_shown(cost):
    """Nothing, next to nothing, and a fortune."""
    assert page(Run(name="run.db", tasks=(task_of(cost=cost),) * 3), zone=ZONE)


def test_errors_are_counted_by_class_and_code():
    """The most frequent first, with our own words where there is no code."""
    failed = {"state": "failed", "error": "TaskFailed"}
    tasks = [task_of(**failed, code="ERROR_A")] * 3
    tasks += [task_of(state="expired", error="DeadlineExceeded", why="its deadline passed")]
    content = page(Run(name="run.db", tasks=(*tasks, task_of())), zone=ZONE).decode()
    rows = re.findall(
        r"<tr><td class=\"words\">(\w+)</td><td class=\"words\">(.*?)</td><td>(\d)", content
    )
    assert rows[:2] == [
        ("TaskFailed", "ERROR_A", "3"),
        ("DeadlineExceeded", "its deadline passed", "1"),
    ]


@pytest.mark.parametrize("moment", [0.001, 1e9, 4e9, 3.2e10])
def test_any_moment_can_be_shown(moment):
    """Also those of clocks that are wrong by decades."""
    shift = moment - BEGIN
    names = ("queued", "submitted", "accepted", "ended", "taken")
    odd = {name: getattr(task_of(), name) + shift for name in names}
    assert page(Run(name="run.db", tasks=(task_of(**odd), task_of())), zone=ZONE)
    assert page(Run(name="run.db", tasks=(task_of(**odd),)))


@pytest.mark.parametrize(
    "odd",
    [
        {"accepted": None, "ended": None, "taken": None},
        {"ended": None, "taken": None},
        {"taken": None},
        {"accepted": None},
        {"ended": BEGIN - 5},
        {"queued": BEGIN, "submitted": BEGIN, "accepted": BEGIN, "ended": BEGIN, "taken": BEGIN},
    ],
    ids=str,
)
def test_every_stage_of_a_task_can_be_shown(odd, opened):
    """Under way, not taken, never accepted, or with a clock that went back."""
    tab = opened(Run(name="run.db", tasks=(task_of(**odd),)))
    assert tab.complaints() == []
    assert "a.png" in tab.evaluate("document.getElementById('why').innerText")
