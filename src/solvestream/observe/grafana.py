"""A Grafana board for the metrics of `PrometheusEvents`, as JSON to import.

    python -m solvestream.observe.grafana > board.json
    python -m solvestream.observe.grafana myprefix > board.json

It asks for a Prometheus data source, and can be narrowed down to some accounts.
"""

from __future__ import annotations

import json
import sys
from itertools import count
from typing import Any

from attrs import frozen

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_MINE = 'account=~"$account"'
_COLUMNS = 24
"""Width of a Grafana board."""


@frozen(kw_only=True)
class _Panel:
    """One panel: `queries` maps legends to PromQL, in which `P` is the prefix of all metrics."""

    title: str
    what: str
    queries: dict[str, str]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    states: tuple[str, ...] = ()


def _rate(metric: str, by: str = "", match: str = "") -> str:
    """Return events a second, summed up by labels."""
    labels = ",".join(part for part in (_MINE, match) if part)
    group = f" by ({by})" if by else ""
    return f"sum{group} (rate(P_{metric}{{{labels}}}[$__rate_interval]))"


def _quantile(share: float, metric: str, by: str = "") -> str:
    labels = ", ".join(part for part in ("le", by) if part)
    return f"histogram_quantile({share}, {_rate(f'{metric}_seconds_bucket', labels)})"


def _quantiles(metric: str, by: str = "") -> dict[str, str]:
    legend = f"{{{{{by}}}}} " if by else ""
    return {f"{legend}p{share * 100:.0f}": _quantile(share, metric, by) for share in (0.5, 0.95)}


_SOLVED = _rate("tasks_ended_total", match='error=""')
_PANELS = (
    _Panel(
        title="Solved a second",
        what="Answers that came, of all accounts shown.",
        queries={"solved": _SOLVED},
        kind="stat",
        width=4,
    ),
    _Panel(
        title="Solved share",
        what="Of the tasks that ended.",
        queries={"share": f"{_SOLVED} / {_rate('tasks_ended_total')}"},
        unit="percentunit",
        kind="stat",
        width=4,
    ),
    _Panel(
        title="In flight",
        what="Submits on the wire and tasks at the service.",
        queries={"in flight": f"sum (P_in_flight{{{_MINE}}})"},
        kind="stat",
        width=4,
    ),
    _Panel(
        title="Queued",
        what="Tasks handed over and not yet submitted, for all accounts together.",
        queries={"queued": "sum (P_queued)"},
        kind="stat",
        width=4,
    ),
    _Panel(
        title="Solving, p95",
        what="Seconds from acceptance to the answer.",
        queries={"p95": _quantile(0.95, "solving")},
        unit="s",
        kind="stat",
        width=4,
    ),
    _Panel(
        title="USD an hour",
        what="At the present rate, where services tell what they take.",
        queries={"USD": f"{_rate('spent_usd_total')} * 3600"},
        unit="currencyUSD",
        kind="stat",
        width=4,
    ),
    _Panel(
        title="Tasks a second",
        what="Handed over, and how they ended; `no error` is solved.",
        queries={
            "handed over": "sum (rate(P_tasks_queued_total[$__rate_interval]))",
            "ended: {{error}}": _rate("tasks_ended_total", "error"),
        },
        unit="ops",
        width=12,
    ),
    _Panel(
        title="In flight against the limit",
        what="The limit is known or learned; there is none before the first refusal.",
        queries={
            "{{account}}": f"sum by (account) (P_in_flight{{{_MINE}}})",
            "{{account}} limit": f"sum by (account) (P_limit{{{_MINE}}} < Inf)",
        },
        width=12,
    ),
    _Panel(
        title="Solving",
        what="Seconds from acceptance to the answer.",
        queries=_quantiles("solving", "account"),
        unit="s",
    ),
    _Panel(
        title="Waiting for a slot",
        what="Seconds from hand-over to the submit that was taken.",
        queries=_quantiles("queue", "account"),
        unit="s",
    ),
    _Panel(
        title="Exchanges",
        what="Seconds of a request, on the wire and at the service.",
        queries=_quantiles("exchange", "exchange"),
        unit="s",
    ),
    _Panel(
        title="Failures by code",
        what="As the service sent it; `other` stands for all after the first 50.",
        queries={"{{error}} {{code}}": _rate("failures_total", "error, code")},
        unit="ops",
    ),
    _Panel(
        title="Refusals by code",
        what="Submits that bought nothing and go out again.",
        queries={"{{account}} {{code}}": _rate("refusals_total", "account, code")},
        unit="ops",
    ),
    _Panel(
        title="Looks a task, and looks without a reply",
        what="How often a paid task is asked for, and what came in the way of replies.",
        queries={
            "looks a task": f"{_rate('looks_total')} / {_rate('accepted_total')}",
            "{{account}} {{trouble}} a second": _rate("look_troubles_total", "account, trouble"),
        },
    ),
    _Panel(
        title="Breakers",
        what="Open while a service that does not answer properly is left in peace.",
        queries={"{{account}}": f"max by (account) (P_breaker{{{_MINE}}})"},
        kind="state-timeline",
        states=("closed", "half-open", "open"),
    ),
    _Panel(
        title="Gates and accounts",
        what="A gate is closed while there is no slot; an account is down while it is refused.",
        queries={
            "{{account}} gate closed": f"max by (account) (P_gate_closed{{{_MINE}}})",
            "{{account}} down": f"max by (account) (P_down{{{_MINE}}})",
        },
        kind="state-timeline",
        states=("no", "yes"),
    ),
    _Panel(
        title="Spent",
        what="USD since the start of each process, where services tell.",
        queries={"{{account}}": f"sum by (account) (P_spent_usd_total{{{_MINE}}})"},
        unit="currencyUSD",
    ),
)


def board(prefix: str = "solvestream") -> dict[str, Any]:
    """Return the board as what JSON knows, for metrics of this prefix."""
    ids, column, row, panels = count(1), 0, 0, list[dict[str, Any]]()
    for panel in _PANELS:
        height = 4 if panel.kind == "stat" else 8
        place = {"x": column, "y": row, "w": panel.width, "h": height}
        panels.append(_panel(panel, prefix) | {"id": next(ids), "gridPos": place})
        column += panel.width
        if column == _COLUMNS:
            column, row = 0, row + height
    return {
        "title": "solvestream",
        "uid": prefix,
        "tags": ["solvestream"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": _variables(prefix)},
        "panels": panels,
    }


def _panel(panel: _Panel, prefix: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.kind == "timeseries":
        options = {"tooltip": {"mode": "multi", "sort": "desc"}}
    if panel.states:
        colors = ("green", "red") if len(panel.states) == 2 else ("green", "orange", "red")
        states = enumerate(zip(panel.states, colors, strict=True))
        words = {str(value): {"text": text, "color": color} for value, (text, color) in states}
        defaults["mappings"] = [{"type": "value", "options": words}]
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.what,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": _SOURCE,
                "expr": query.replace("P_", f"{prefix}_"),
                "legendFormat": legend,
                "range": True,
            }
            for number, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def _variables(prefix: str) -> list[dict[str, Any]]:
    query = f"label_values({prefix}_submits_total, account)"
    return [
        {"name": "datasource", "label": "Source", "type": "datasource", "query": "prometheus"},
        {
            "name": "account",
            "label": "Account",
            "type": "query",
            "datasource": _SOURCE,
            "query": {"query": query, "refId": "accounts"},
            "refresh": 2,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        },
    ]


if __name__ == "__main__":
    json.dump(board(*sys.argv[1:2]), sys.stdout, indent=2)
    sys.stdout.write("\n")
