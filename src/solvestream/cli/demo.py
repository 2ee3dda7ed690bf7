"""`solvestream demo`: real images read through three protocols at once, by a local service.

Each protocol gets a third of the images, in turn, and a client of its own, so that who reads
what does not depend on chance.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import anyio
from attrs import asdict, frozen
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from solvestream import Client, ImageToText, Result, Text
from solvestream.cli.accounts import SERVICES, Account, at_local
from solvestream.cli.local import local_service
from solvestream.cli.progress import Meter
from solvestream.cli.render import Picture, pictures

GOOD = 0.95
"""Share of exact texts under which the demo has failed."""

IN_FLIGHT = 32
"""Images under way at each protocol: Solvora deletes a task after 30 s, and reading takes CPU."""

SHOWN = 10
"""Misread or failed images that are printed at most."""


@frozen(kw_only=True)
class Score:
    """What one protocol did with its images; times in seconds."""

    tasks: int
    solved: int
    failed: int
    exact: int
    accuracy: float
    per_second: float
    latency_p50: float
    latency_p95: float
    looks_per_task: float


def demo(*, tasks: int, seed: int, as_json: bool) -> int:
    """Run the demo; return 0 if every image was solved and 95 % were read exactly, else 1."""
    images = list(pictures(tasks, seed))
    with local_service() as service:
        accounts = [at_local(name, service.url, service.key) for name in SERVICES]
        began = time.perf_counter()
        results = anyio.run(partial(_read_all, images, accounts))
        elapsed = time.perf_counter() - began
    scores = {name: score(theirs, elapsed) for name, theirs in results.items()}
    together = score([result for theirs in results.values() for result in theirs], elapsed)
    if as_json:
        print(json.dumps(_summary(scores, together, elapsed)), flush=True)
    else:
        _show(results, scores, together, elapsed)
    return 0 if together.failed == 0 and together.accuracy >= GOOD else 1


async def _read_all(
    images: Sequence[Picture], accounts: Sequence[Account]
) -> dict[str, list[Result[Text]]]:
    shares = {account: images[turn :: len(accounts)] for turn, account in enumerate(accounts)}
    totals = {account.name: len(share) for account, share in shares.items()}
    results: dict[str, list[Result[Text]]] = {name: [] for name in totals}
    with Meter(totals, live=sys.stderr.isatty()) as meter:
        async with anyio.create_task_group() as group:
            for account, share in shares.items():
                group.start_soon(_read, account, share, results[account.name], meter)
    return results


async def _read(
    account: Account, images: Sequence[Picture], results: list[Result[Text]], meter: Meter
) -> None:
    tasks = (ImageToText(picture.image, tag=picture) for picture in images)
    async with Client(account) as client, client.stream(tasks, in_flight=IN_FLIGHT) as stream:
        async for result in stream:
            results.append(result)
            meter.count(account.name, ok=result.ok)


def score(results: Sequence[Result[Text]], elapsed: float) -> Score:
    """Return the figures of some results, got within `elapsed` seconds."""
    solved = [result for result in results if result.ok]
    exact = sum(_is_exact(result) for result in solved)
    times = sorted(result.elapsed for result in solved)
    count = max(1, len(results))
    return Score(
        tasks=len(results),
        solved=len(solved),
        failed=len(results) - len(solved),
        exact=exact,
        accuracy=round(exact / count, 4),
        per_second=round(len(solved) / elapsed, 1),
        latency_p50=round(percentile(times, 0.50), 3),
        latency_p95=round(percentile(times, 0.95), 3),
        looks_per_task=round(sum(result.polls for result in results) / count, 2),
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` of the values do not exceed; 0 for none."""
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else 0.0


def _is_exact(result: Result[Text]) -> bool:
    return result.ok and bool(result.solution.text == result.tag.text)


def _summary(scores: dict[str, Score], together: Score, elapsed: float) -> dict[str, Any]:
    return {
        "tasks": together.tasks,
        "solved": together.solved,
        "failed": together.failed,
        "exact": together.exact,
        "accuracy": together.accuracy,
        "accounts": {name: asdict(one) for name, one in scores.items()},
        "elapsed": round(elapsed, 3),
    }


def _show(
    results: dict[str, list[Result[Text]]],
    scores: dict[str, Score],
    together: Score,
    elapsed: float,
) -> None:
    console = Console(highlight=False, markup=False, soft_wrap=True)
    table = Table(box=SIMPLE)
    table.add_column("protocol", min_width=9)
    for heading in ("solved", "failed", "exact", "accuracy", "per s", "p50", "p95", "looks"):
        table.add_column(heading, justify="right")
    for name, one in {**scores, "together": together}.items():
        table.add_row(name, *_cells(one))
    console.print(table)
    wrong = [result for theirs in results.values() for result in theirs if not _is_exact(result)]
    for result in wrong[:SHOWN]:
        got = repr(result.solution.text) if result.ok else str(result.error)
        console.print(f"{result.tag.text!r} came out as {got}")
    console.print(
        f"{together.tasks} images in {elapsed:.1f} s; looks are per task, p50 and p95 in s"
    )


def _cells(one: Score) -> list[str]:
    return [
        str(one.solved),
        str(one.failed),
        str(one.exact),
        f"{one.accuracy:.1%}",
        f"{one.per_second:.1f}",
        f"{one.latency_p50:.2f}",
        f"{one.latency_p95:.2f}",
        f"{one.looks_per_task:.1f}",
    ]
