"""The page: one file of HTML that needs nothing else and lets nothing else in.

Style and script are its own, named by their hashes in its content security policy; whatever
got into it from outside could neither run nor reach anybody.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import tzinfo
from importlib.resources import files

import solvestream
from solvestream.observe.report.charts import Charts
from solvestream.observe.report.draw import legend
from solvestream.observe.report.latency import latency
from solvestream.observe.report.markup import Markup, element, empty, join
from solvestream.observe.report.pack import Packed, pack
from solvestream.observe.report.run import Run
from solvestream.observe.report.scales import Clock, seconds
from solvestream.observe.report.slowest import COUNT, slowest
from solvestream.observe.report.tables import errors, figures, money

LIMIT = 2_000_000
"""Bytes of a page, which it stays below."""
BARE = 8_000
"""Bytes kept for the head of the page and its controls."""
DRAWN = 6
"""Accounts that are drawn, those with most tasks."""

WAY = (
    ("wait", "waits to be sent"),
    ("send", "submit and its reply"),
    ("solve", "solving"),
    ("look", "a look"),
    ("take", "waits for its reader"),
)


def page(run: Run, *, zone: tzinfo | None = None) -> bytes:
    """Return the report of a run as HTML in UTF-8, of less than 2,000,000 bytes.

    Args:
        run: what is shown.
        zone: of its times; `None`: this machine's own.
    """
    clock = Clock.at(run.begin, zone)
    style, script = _own("page.css"), _own("page.js")
    charts = Charts.of(run, clock)
    before, after = _frame(run, clock, charts)
    drawn = slowest(run.tasks)
    used = len(_encoded(before + drawn + after)) + len(style) + len(script)
    packed = pack(run, clock.offset, LIMIT - BARE - used)
    whole = join(
        Markup("<!doctype html>\n"),
        _head(run, style, script),
        before,
        _browse(run, packed, drawn),
        after,
        element("script", Markup(packed.text), type="text/plain", id="data"),
        element("script", Markup(script)),
        Markup("\n"),
    )
    return _encoded(whole)


def _own(name: str) -> str:
    return files("solvestream.observe.report").joinpath(name).read_text(encoding="utf-8")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _head(run: Run, style: str, script: str) -> Markup:
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return join(
        empty("meta", charset="utf-8"),
        empty("meta", http_equiv="Content-Security-Policy", content=policy),
        empty("meta", name="viewport", content="width=device-width, initial-scale=1"),
        empty("meta", name="color-scheme", content="light dark"),
        empty("link", rel="icon", href="data:,"),
        element("title", f"{run.name}: report of a run"),
        element("style", Markup(style)),
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _frame(run: Run, clock: Clock, charts: Charts) -> tuple[Markup, Markup]:
    """Return what stands before the list of tasks, and what comes after it."""
    accounts = run.accounts()
    more = len(accounts) - DRAWN
    hidden = f"{more} accounts with fewer tasks are not drawn." if more > 0 else ""
    before = join(
        _title(run, clock),
        figures(run),
        _section("Throughput", charts.throughput()),
        _section(
            "In flight, refusals and gates",
            *(_account(name, charts) for name in accounts[:DRAWN]),
            element("p", hidden, class_="hint") if hidden else "",
        ),
        _section("Latency", latency(run.tasks)),
    )
    after = join(
        _section("Errors", errors(run.tasks)),
        _section("Spend", money(run), charts.spend()),
        element(
            "footer",
            f"solvestream {solvestream.__version__}. The journal keeps the last 100,000 tasks "
            "that were taken, without their answers; what was certainly not bought is not in it.",
        ),
    )
    return before, after


def _title(run: Run, clock: Clock) -> Markup:
    title = element("h1", f"Run of {run.name}")
    if not run.tasks and not run.samples:
        return join(title, element("p", "Nothing is in this journal yet."))
    times = f"{clock.write(run.begin)} to {clock.write(run.end)}"
    span = seconds(run.end - run.begin)
    return join(title, element("p", f"{times}, {span}. All times are {clock.zone}."))


def _account(name: str, charts: Charts) -> Markup:
    return join(element("h3", name), charts.account(name))


def _section(title: str, *inside: str) -> Markup:
    wide = element("div", *inside, class_="wide")
    return element("section", element("h2", title), wide)


def _browse(run: Run, packed: Packed, drawn: Markup) -> Markup:
    """Return the list of all tasks, hidden until its script runs, and the slowest ones."""
    slow = element(
        "details",
        element("summary", f"The {COUNT} slowest, as a drawing"),
        drawn,
        id="slowest",
        open="",
    )
    return _section("Tasks, from hand-over to taken", legend(WAY), _list(run, packed), slow)


def _list(run: Run, packed: Packed) -> Markup:
    show = {"all": "all", "failed": "without answer", "open": "under way", "left": "not taken"}
    order = {
        "slowest": "slowest first",
        "wait": "longest wait to be sent",
        "solve": "longest solving",
        "take": "longest wait for a reader",
        "looks": "most looks",
        "first": "as handed over",
    }
    align = {"own": "from hand-over", "clock": "on the clock"}
    find = empty(
        "input", id="find", type="search", placeholder="tag, key or id", aria_label="Search"
    )
    controls = element(
        "div",
        find,
        _select("show", "Which tasks", show),
        _select("account", "Account", {"-1": "all accounts"}),
        _select("order", "Order", order),
        _select("align", "Axis", align),
        element("span", id="count", role="status"),
        class_="controls",
    )
    rows = element(
        "div",
        element("canvas", id="canvas"),
        element("div", id="space"),
        id="scroll",
        tabindex="0",
        role="group",
        aria_label="Tasks; the arrow keys choose one",
    )
    why = element("div", id="why", aria_live="polite")
    return element("div", controls, _left_out(run, packed), rows, why, id="browse", hidden="")


def _select(name: str, label: str, options: dict[str, str]) -> Markup:
    made = (element("option", words, value=value) for value, words in options.items())
    return element("select", *made, id=name, aria_label=label)


def _left_out(run: Run, packed: Packed) -> Markup:
    """Say what of the tasks is not in the page, so that nobody looks for it."""
    detail = packed.detail
    said: list[str] = []
    if packed.tasks < len(run.tasks):
        said.append(
            f"{packed.tasks:,} of {len(run.tasks):,} tasks are here: those without answer, "
            "then the slowest"
        )
    if any(len(task.task_id) > detail.ids for task in run.tasks):
        said.append(f"ids are cut to {detail.ids} characters")
    if any(len(task.looked) > detail.looks for task in run.tasks):
        said.append(f"of each task's looks the last {detail.looks} are here")
    if detail.unit > 0.001:
        said.append(f"times are rounded to {seconds(detail.unit)}")
    text = f"To keep the page small, {'; '.join(said)}." if said else ""
    return element("p", text, class_="hint") if text else Markup()
