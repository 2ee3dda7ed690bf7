"""The figures at the head of a report, and its tables: errors, and money by account."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from solvestream.observe.report.markup import Markup, element, join
from solvestream.observe.report.run import Run, Task
from solvestream.observe.report.scales import amount, seconds
from solvestream.observe.report.series import Spread

ERRORS = 100
"""Kinds of errors shown, the most frequent ones."""
ACCOUNTS = 50
"""Accounts in the table of spending, those with most tasks."""


def figures(run: Run) -> Markup:
    """Return the figures that tell most of a run."""
    ended = [task for task in run.tasks if task.ended is not None]
    solved = sum(task.state == "solved" for task in ended)
    whole = Spread.of(task.ended - task.queued for task in ended if task.ended is not None)
    open_ = len(run.tasks) - len(ended)
    left = sum(task.taken is None for task in ended)
    costs = [task.cost for task in run.tasks if task.cost is not None]
    rate = len(ended) / max(run.end - run.begin, 0.001)
    pairs = [
        ("Tasks", f"{len(run.tasks):,}", f"{open_:,} under way, {left:,} not taken"),
        ("Answered", _share(solved, len(ended)), f"{len(ended) - solved:,} without answer"),
        ("Ended", f"{amount(rate)}/s", f"over {seconds(run.end - run.begin)}"),
    ]
    if ended:
        p50, p95 = seconds(whole.percentile(0.5)), seconds(whole.percentile(0.95))
        pairs.append(("Hand-over to answer", p50, f"half take longer; 5 % over {p95}"))
    if costs:
        said = f"said for {len(costs):,} tasks"
        pairs.append(("Spent", f"{amount(sum(costs))} USD", said))
    return element("dl", *(_figure(*pair) for pair in pairs), class_="figures")


def _figure(name: str, value: str, more: str) -> Markup:
    return element("div", element("dt", name), element("dd", value, element("small", more)))


def _share(part: int, of: int) -> str:
    return f"{100 * part / of:.3g} %" if of else "-"


def errors(tasks: Sequence[Task]) -> Markup:
    """Return how many tasks ended without an answer, by class of error and code."""
    found = Counter((task.error, task.code, task.why) for task in tasks if task.error)
    if not found:
        return element("p", "No task ended with an error.", class_="hint")
    total, most = found.total(), max(found.values())
    rows = (
        (name, code or why or "-", f"{count:,}", f"{100 * count / total:.3g} %", _bar(count / most))
        for (name, code, why), count in found.most_common(ERRORS)
    )
    head = ("error", "code, or what it says", "tasks", "of errors", "")
    more = len(found) - ERRORS
    said = element("p", f"{more:,} rarer kinds are not shown.", class_="hint") if more > 0 else ""
    return join(_table(head, rows, words=2), said)


def _bar(share: float) -> Markup:
    width = 160 * share
    bar = element("rect", width=max(1.0, width), height=12, class_="failed")
    return element("svg", bar, width=160, height=12, aria_hidden="true")


def money(run: Run) -> Markup:
    """Return what each account was asked for, answered and took."""
    by: defaultdict[str, list[Task]] = defaultdict(list)
    for task in run.tasks:
        by[task.account].append(task)
    names = [name for name in run.accounts() if by[name]][:ACCOUNTS]
    if not names:
        return element("p", "No task is in this journal.", class_="hint")
    head = ("account", "tasks", "answered", "USD said", "said for", "USD per 1,000 answers")
    return _table(head, (_account(name, by[name]) for name in names), words=1)


def _account(name: str, tasks: Sequence[Task]) -> tuple[str, ...]:
    solved = [task for task in tasks if task.state == "solved"]
    costs = [task.cost for task in tasks if task.cost is not None]
    priced = [task.cost for task in solved if task.cost is not None]
    each = f"{1000 * sum(priced) / len(priced):.4g}" if priced else "-"
    spent = f"{sum(costs):.4f}" if costs else "not said"
    return name, f"{len(tasks):,}", f"{len(solved):,}", spent, f"{len(costs):,}", each


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, words: int) -> Markup:
    """Return a table of numbers, whose first columns are words."""
    kinds = ["words" if place < words else None for place in range(len(head))]
    top = (element("th", text, class_=kind) for text, kind in zip(head, kinds, strict=True))
    body = (
        element(
            "tr", *(element("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True))
        )
        for row in rows
    )
    return element(
        "table",
        element("thead", element("tr", *top)),
        element("tbody", *body),
        class_="numbers",
    )
