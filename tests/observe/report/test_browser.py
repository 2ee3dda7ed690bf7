"""The page in a real browser: it opens at once, says nothing on the console, and answers."""

from __future__ import annotations

import json

import pytest

from solvestream.observe.report.run import Run
from tests.observe.report.runs import BEGIN, run_of, task_of

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\u202e"

ROW, TOP = 18, 24  # as in page.js


@pytest.mark.parametrize(
    "options", [{}, {"dark": True}, {"width": 400}, {"scripts": False}], ids=str
)
def test_the_page_says_nothing_on_the_console_and_asks_for_nothing(opened, options, tmp_path):
    """Light, dark, narrow, without script: no error, no warning, no request but its own."""
    tab = opened(run_of(300), **options)
    picture = tab.picture()
    assert tab.complaints() == []
    assert [url for url in tab.requests() if not url.startswith(("file:", "data:"))] == []
    assert len(picture) > 20_000


def test_dark_is_dark(opened):
    """The first row of pixels is the paper's colour in each scheme."""
    run = run_of(20)
    assert opened(run).evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    dark = opened(run, dark=True)
    assert dark.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 24)"


def test_fifty_thousand_tasks_are_listed(opened, large, large_page):
    """All of them, in a list that draws the few in view."""
    tab = opened(large_page)
    assert tab.complaints() == []
    assert tab.evaluate("document.getElementById('count').textContent") == "50,000 tasks"
    assert tab.evaluate("document.getElementById('scroll').scrollHeight") > 50_000 * ROW
    tab.evaluate("document.getElementById('scroll').scrollTop = 1e9")
    assert tab.evaluate("document.getElementsByTagName('*').length") < 6_000


def text(tab, selector: str) -> str:
    """Return what stands somewhere in the page."""
    return tab.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")


def choose(tab, name: str, value: str):
    """Pick an option, or write into a field, as a hand does."""
    tab.evaluate(
        f"""(() => {{
          const one = document.getElementById({json.dumps(name)});
          one.value = {json.dumps(value)};
          one.dispatchEvent(new Event(one.tagName === "INPUT" ? "input" : "change"));
        }})()"""
    )


def test_a_task_says_why_it_took_so_long(opened):
    """41 s: 30 s of it waiting to be sent, and its looks in seconds from acceptance."""
    slow = task_of(
        submitted=BEGIN + 30,
        accepted=BEGIN + 30.2,
        ended=BEGIN + 41,
        taken=BEGIN + 41.5,
        looked=(BEGIN + 35.2, BEGIN + 40.9),
        looks=2,
    )
    tab = opened(Run(name="run.db", tasks=(slow, task_of(name="fast"))))
    why = text(tab, "#why")
    assert "41.5 s, 72 % of it waiting to be sent" in why
    assert "2 looks, after 5 s, 10.7 s; the last came 5.7 s after the one before" in why
    assert "19:43:20.000 to 19:43:50.000" in why, "half past five hours east of UTC"
    assert "image at captchaai" in why


def test_tasks_are_found_by_tag_and_id(opened):
    """Whole or in part, in any case; what is not there is said."""
    tab = opened(run_of(200))
    choose(tab, "find", "RECEIPT-00123")
    assert text(tab, "#count") == "1 of 200 tasks"
    assert "receipt-00123" in text(tab, "#why")
    known = run_of(200).tasks[17]
    choose(tab, "find", known.task_id)
    assert known.name in text(tab, "#why")
    choose(tab, "find", "nothing of that kind")
    assert text(tab, "#count") == "0 of 200 tasks"
    assert text(tab, "#why") == "No task is found."


def test_an_id_is_found_where_ids_are_cut(opened, large, large_page):
    """The page keeps the first characters only, and a pasted whole id finds its task."""
    tab = opened(large_page)
    assert "ids are cut to 10 characters" in text(tab, "#browse")
    choose(tab, "find", large.tasks[4711].task_id)
    assert text(tab, "#count") == "1 of 50,000 tasks"
    assert large.tasks[4711].name in text(tab, "#why")


def test_tasks_are_filtered_and_ordered(opened):
    """By how they ended, by account, by what they waited for."""
    run = run_of(200)
    tab = opened(run)
    choose(tab, "show", "failed")
    failed = [task for task in run.tasks if task.error]
    assert text(tab, "#count") == f"{len(failed)} of 200 tasks"
    slowest = max(failed, key=lambda task: task.seconds)
    assert slowest.name in text(tab, "#why")
    assert slowest.error in text(tab, "#why")
    choose(tab, "show", "all")
    choose(tab, "account", "0")
    first = [task for task in run.tasks if task.account == run.tasks[0].account]
    assert text(tab, "#count") == f"{len(first)} of 200 tasks"
    choose(tab, "account", "-1")
    choose(tab, "order", "looks")
    assert max(run.tasks, key=lambda task: task.looks).looks == int(
        text(tab, "#why").partition(" looks")[0].split()[-1]
    )
    for order in ("wait", "solve", "take", "first"):
        choose(tab, "order", order)
        assert text(tab, "#count") == "200 tasks"


def test_a_click_and_the_arrow_keys_choose(opened):
    """The row under the mouse; then down, to the end and back, with the list moving along."""
    tab = opened(run_of(100))
    order = sorted(run_of(100).tasks, key=lambda task: -task.seconds)
    tab.evaluate("document.getElementById('scroll').scrollIntoView()")
    x, y = tab.evaluate(
        "(() => { const r = document.getElementById('scroll').getBoundingClientRect();"
        " return [r.x, r.y]; })()"
    )
    tab.click(x + 400, y + TOP + 2 * ROW + 9)
    assert order[2].name in text(tab, "#why")
    tab.evaluate("document.getElementById('scroll').focus()")
    tab.key("ArrowDown")
    assert order[3].name in text(tab, "#why")
    tab.key("End")
    assert order[-1].name in text(tab, "#why")
    assert tab.evaluate("document.getElementById('scroll').scrollTop") > 0
    tab.key("Home")
    assert order[0].name in text(tab, "#why")
    assert tab.complaints() == []


def test_the_list_can_be_read_by_the_clock(opened):
    """The axis turns to times of day, with no complaint, whatever is in view."""
    tab = opened(run_of(100))
    choose(tab, "align", "clock")
    choose(tab, "order", "first")
    drawn = "document.getElementById('canvas').toDataURL().length"
    assert (
        tab.evaluate(f"new Promise((done) => requestAnimationFrame(() => done({drawn})))") > 5_000
    )
    assert tab.complaints() == []


def test_what_comes_from_outside_stays_text(opened):
    """A tag, an id, an account, a kind and a code full of markup run nothing and break nothing."""
    task = task_of(
        name=HOSTILE,
        task_id=HOSTILE,
        account=HOSTILE,
        kind=HOSTILE,
        state="failed",
        error="TaskFailed",
        code=HOSTILE,
    )
    tab = opened(Run(name=HOSTILE, tasks=(task,)))
    assert tab.complaints() == []
    assert tab.evaluate("document.images.length") == 0
    assert tab.evaluate("document.title").startswith("</script><img src=x")
    assert "</script><img src=x" in text(tab, "#why")
    assert [url for url in tab.requests() if not url.startswith(("file:", "data:"))] == []


def test_a_script_of_somebody_elses_would_not_run(opened):
    """The policy names the page's own script and style by their hashes, and nothing else."""
    tab = opened(run_of(5))
    tab.evaluate(
        """(() => {
          const one = document.createElement("script");
          one.textContent = "window.broken = true";
          document.body.append(one);
        })()"""
    )
    assert tab.evaluate("window.broken") is None
    assert "Content Security Policy" in "".join(tab.complaints())


def test_without_script_the_slowest_are_there(opened):
    """A drawing of a hundred rows, open, in place of the list."""
    tab = opened(run_of(300), scripts=False)
    assert tab.call("DOM.enable") == {}
    root = tab.call("DOM.getDocument", depth=0)["root"]["nodeId"]

    def count(selector):
        return len(tab.call("DOM.querySelectorAll", nodeId=root, selector=selector)["nodeIds"])

    assert count("#slowest[open] svg g") == 100
    assert count("#browse[hidden]") == 1


def test_an_empty_journal_is_a_page_too(opened):
    """It says that nothing is there."""
    tab = opened(Run(name="run.db"))
    assert tab.complaints() == []
    assert "Nothing is in this journal yet." in text(tab, "body")
