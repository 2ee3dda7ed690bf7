"""What every benchmark shares: rounds, medians, targets, and one JSON and one SVG as the result.

A benchmark measures with `interleave` (every client once a round, so that what disturbs the
machine disturbs all of them), takes `medians`, and hands `publish` its targets and charts.
Clients and servers run in processes of their own and `pin` themselves to a core each.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# (matplotlib's own annotations are partial)

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import os
import platform
import shutil
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from attrs import frozen

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RESULTS = Path(__file__).parent / "results"
DOCS = Path(__file__).parent.parent / "docs" / "benchmarks"
PACKAGES = ("solvestream", "httptools", "uvloop", "aiohttp", "httpx", "httpcore")
CLIENT_CORE, SERVER_CORE = 0, 1
_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
_OURS, _THEIRS, _INK = "#2f81f7", "#8b949e", "#7d8590"
"""Mid tones without a background: readable on white and on black."""


@frozen(kw_only=True)
class Target:
    """A figure and the bound it must keep.

    Attributes:
        name: number of the target and what is measured, such as `T3 CPU a task / aiohttp recipe`.
        value: as measured. NaN, for what did not finish, falls short.
        limit: the bound, itself allowed.
        at_least: the bound is the least allowed, not the most.
    """

    name: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the figure keeps its bound."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def line(self) -> str:
        """One line for people."""
        sign = ">=" if self.at_least else "<="
        verdict = "holds" if self.holds else "falls short"
        return f"{self.name:<48} {self.value:>12,.3f}  target {sign} {self.limit:<9,g} {verdict}"


@frozen(kw_only=True)
class Bars:
    """A chart of one figure, a bar for each client.

    Attributes:
        title: what is measured.
        unit: of the values.
        values: by name, in the order shown; `None` or NaN is shown as "did not finish". Names
            that begin with `solvestream` stand out.
        log: whether the axis is logarithmic; values must be positive then.
        reference: where a line marks a bound or a floor, if anywhere.
    """

    title: str
    unit: str
    values: Mapping[str, float | None]
    log: bool = False
    reference: float | None = None


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of every benchmark."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument(
        "--rounds", type=int, default=3, help="interleaved rounds (default %(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="tiny: to see that it runs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for JSON and SVG")
    parser.add_argument("--docs", action="store_true", help="show the plot in docs/benchmarks.md")
    return parser


def pin(core: int, pid: int = 0) -> bool:
    """Keep a process (default: this one) on the n-th core it may use; tell whether it worked."""
    if len(_CORES) <= core:
        return False
    try:
        os.sched_setaffinity(pid, {_CORES[core]})
    except OSError:
        return False
    return True


def machine(*packages: str) -> dict[str, object]:
    """Tell what a figure was measured on: no name of a host, only its kind."""
    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cores": len(_CORES) or os.cpu_count(),
        "pinned": len(_CORES) > max(CLIENT_CORE, SERVER_CORE),
        "versions": dict(_versions(packages or PACKAGES)),
    }


def _versions(packages: Sequence[str]) -> Iterator[tuple[str, str]]:
    for package in packages:
        try:
            yield package, importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue


def interleave(
    names: Sequence[str], rounds: int, once: Callable[[str], Mapping[str, float]]
) -> list[dict[str, dict[str, float]]]:
    """Measure everything once a round, in the same order each time; print as it goes."""
    done: list[dict[str, dict[str, float]]] = []
    for number in range(rounds):
        done.append({})
        for name in names:
            figures = dict(once(name))
            done[-1][name] = figures
            shown = "  ".join(f"{key} {value:,.4g}" for key, value in figures.items())
            print(f"  round {number + 1} {name:<34} {shown or 'did not finish'}", flush=True)
    return done


def medians(rounds: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Return the median of each figure of each name.

    A round that lacks a figure, or has NaN there, counts as worse than all others; where most
    rounds are so, the median is NaN.
    """
    table: dict[str, dict[str, float]] = {}
    for name in {name: None for one in rounds for name in one}:
        seen = [one.get(name, {}) for one in rounds]
        keys = {key: None for figures in seen for key in figures}
        table[name] = {key: _median([figures.get(key) for figures in seen]) for key in keys}
    return table


def _median(values: Sequence[float | None]) -> float:
    whole = [math.inf if value is None or math.isnan(value) else value for value in values]
    middle = statistics.median(whole)
    return math.nan if math.isinf(middle) else middle


def publish(
    name: str,
    *,
    targets: Sequence[Target],
    charts: Sequence[Bars],
    facts: Mapping[str, object],
    results: Path = RESULTS,
    copy_to: Path | None = None,
) -> int:
    """Print the targets, write `<name>.json` and `<name>.svg`, return the exit code.

    Args:
        name: of the benchmark.
        targets: what must hold; 1 is returned unless all do.
        charts: what is drawn, from top to bottom.
        facts: everything else worth keeping. `machine` replaces that of `PACKAGES`.
        results: folder for both files.
        copy_to: a further folder for the picture.
    """
    facts = {"machine": machine(), **facts}
    print(f"\n{name}: {json.dumps(facts['machine'])}")
    for target in targets:
        print(target.line())
    verdicts = [
        {
            "name": t.name,
            "value": t.value,
            "limit": t.limit,
            "at_least": t.at_least,
            "holds": t.holds,
        }
        for t in targets
    ]
    results.mkdir(parents=True, exist_ok=True)
    report = _finite({"targets": verdicts, **facts})
    (results / f"{name}.json").write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    picture = results / f"{name}.svg"
    draw(charts, picture)
    if copy_to is not None:
        copy_to.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, copy_to / picture.name)
    return int(not all(target.holds for target in targets))


def _finite(value: object) -> object:
    """JSON has no NaN: what did not finish is null."""
    if isinstance(value, Mapping):
        table = cast("Mapping[object, object]", value)
        return {str(key): _finite(one) for key, one in table.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in cast("Sequence[object]", value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def draw(charts: Sequence[Bars], path: Path) -> None:
    """Draw all charts below each other. The same charts give the same bytes."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib.figure import Figure

    heights = [1.4 + 0.3 * len(chart.values) for chart in charts]
    with mpl.rc_context({"svg.hashsalt": "solvestream", "svg.fonttype": "none"}):
        figure = Figure(figsize=(8, sum(heights)), layout="constrained")
        axes = figure.subplots(len(charts), squeeze=False, height_ratios=heights)[:, 0]
        for chart, axis in zip(charts, axes, strict=True):
            _draw_one(chart, axis)
        figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})


def _draw_one(chart: Bars, axis: Axes) -> None:
    values = {name: math.nan if v is None else v for name, v in chart.values.items()}
    finished = [value for value in values.values() if not math.isnan(value)]
    colors = [_OURS if name.startswith("solvestream") else _THEIRS for name in values]
    start = min(finished, default=1.0) / 3 if chart.log else 0.0
    rows = range(len(values))
    widths = [0.0 if math.isnan(value) else value - start for value in values.values()]
    axis.barh(rows, widths, left=start, color=colors)
    for row, value in enumerate(values.values()):
        lost = math.isnan(value)
        text = "DNF" if lost else f"{value:,.3g}" if value < 1_000 else f"{value:,.0f}"
        place = (start if lost else value, row)
        axis.annotate(text, place, (4, 0), textcoords="offset points", va="center", color=_INK)
    if chart.log:
        axis.set_xscale("log")
    if chart.reference is not None:
        axis.axvline(chart.reference, color=_INK, linestyle="--", linewidth=1)
    axis.set_yticks(rows, list(values))
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.set_title(chart.title, loc="left", color=_INK)
    axis.set_xlabel(chart.unit, color=_INK)
    axis.spines[:].set_visible(False)
    axis.tick_params(which="both", length=0, colors=_INK)
