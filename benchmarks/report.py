"""The page of a run in a real browser: how soon 50,000 tasks can be read, and how large it is.

    python benchmarks/report.py [--quick]

Needs Chromium (`apt-get install -y chromium-headless-shell`). The page takes the time itself:
from the start of its loading to the first drawing of its list. Each round opens it in a new
tab. Making the page is told too, and has no bound.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from _report import DOCS, Bars, Target, arguments, interleave, medians, publish

sys.path.insert(0, str(Path(__file__).parents[1]))

from solvestream.observe.report import page
from tests.observe.report.browser import INSTALL, Browser, find
from tests.observe.report.runs import ZONE, run_of

COUNTS = (1_000, 10_000, 50_000)
QUICK = (10, 100, 1_000)


def main() -> int:
    options = arguments(__doc__).parse_args()
    program = find()
    if program is None:
        print(f"this needs a browser: {INSTALL}")
        return 2
    counts = QUICK if options.quick else COUNTS
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        made = {f"{count:,} tasks": make(count, Path(folder)) for count in counts}
        browser = Browser(program, Path(folder) / "profile")
        try:
            rounds = interleave(
                tuple(made), options.rounds, lambda name: opened(browser, made[name][0])
            )
        finally:
            browser.close()
        sizes = {name: path.stat().st_size / 1e3 for name, (path, _) in made.items()}
    ms = {name: figures["ms"] for name, figures in medians(rounds).items()}
    largest = list(made)[-1]
    return publish(
        "report",
        targets=[
            Target(name=f"ms until {largest} can be read", value=ms[largest], limit=2_000.0),
            Target(name=f"kB of the page of {largest}", value=sizes[largest], limit=2_000.0),
        ],
        charts=[
            Bars(
                title="From the start of loading to the list of tasks (line: 2 s)",
                unit="ms",
                values=ms,
                reference=2_000.0,
            )
        ],
        facts={
            "ms": ms,
            "kB": sizes,
            "seconds to make": {name: seconds for name, (_, seconds) in made.items()},
            "rounds": rounds,
        },
        results=options.results,
        copy_to=DOCS if options.docs else None,
    )


def make(count: int, folder: Path) -> tuple[Path, float]:
    """Write the page of a made-up run; give its path and the seconds that took."""
    run = run_of(count)
    begun = time.perf_counter()
    content = page(run, zone=ZONE)
    took = time.perf_counter() - begun
    path = folder / f"{count}.html"
    path.write_bytes(content)
    return path, took


def opened(browser: Browser, path: Path) -> dict[str, float]:
    """Open a page in a new tab, and give the milliseconds that it took."""
    tab = browser.open(path)
    tab.close()
    return {"ms": tab.ready}


if __name__ == "__main__":
    sys.exit(main())
