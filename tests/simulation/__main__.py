"""`python -m tests.simulation`: simulate many jobs, or replay one seed."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.simulation.campaign import build, campaign
from tests.simulation.checker import check


def main() -> int:
    """Run, print, and tell by the exit code whether anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=main.__doc__)
    parser.add_argument("--jobs", type=int, default=100_000, help="jobs to simulate (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="first seed (%(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--one", type=int, metavar="SEED", help="replay one seed, with its trace")
    options = parser.parse_args()
    if options.one is not None:
        return replay(options.one)
    print(f"seeds from {options.seed}")
    summary = campaign(options.seed, options.jobs, options.processes)
    print(summary)
    return bool(summary.failed)


def replay(seed: int) -> int:
    """Print the trace of one seed, what was found in it, and its digest."""
    with tempfile.TemporaryDirectory() as folder:
        run = build(seed, Path(folder), keep=True).go()
    print("\n".join(run.story.lines))
    for host, service in run.services.items():
        print(f"{host}: {service.weather}")
    print(f"{run.options}, lives: {[life.end for life in run.story.lives]}")
    found = check(run)
    print("\n".join(found) or "nothing was found")
    print(f"digest {run.story.digest}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
