"""How many planted faults the tests notice: `python -m tests.mutation [ROOM ...] [--all]`.

mutmut changes one thing at a time in the code that decides about money, and the room's tests run
against each change. A change that no test notices has survived. Survivors that change nothing
anybody could see are listed with the reason in `equivalent.txt`, and do not count. The hypothesis
tests of a room are left out, so that a run gives the same score twice.

Everything happens in a copy of the checkout, and mutmut is in a virtual environment of its own
(`.mutation-venv`, made on demand). Without `--all`, a room of more than `--sample` mutants is
measured on a sample that `--seed` draws.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
VENV = ROOT / ".mutation-venv"
PYTHON = str(VENV / "bin" / "python")
TOOL = "mutmut==3.8.1"
SURVIVED, NO_TESTS = 0, 33
"""mutmut's codes; whatever else ended a mutant is a kill."""
CAST = re.compile(r'cast\((?:None|"[^"]*"), ').sub
SQL = re.compile(r'"(?:SELECT|INSERT|DELETE|PRAGMA|BEGIN|COMMIT)\b').search
RANDOM_TESTS = ("test_machine", "test_total", "test_model", "test_kill", "test_cancel_random")
CONFTEST = f"""
def pytest_collection_modifyitems(items):
    out = {RANDOM_TESTS}
    items[:] = [
        item
        for item in items
        if item.path.stem not in out and "\\\\" not in item.nodeid
    ]
"""
"""Leaves out what draws by chance, and what mutmut cannot name: ids with a backslash."""


@frozen
class Room:
    """Code and the tests that guard it.

    Attributes:
        modules: below `solvestream`.
        tests: folders.
        least: share of the mutants that must be noticed.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    least: float = 0.9


ROOMS = {
    "verdict": Room(("_core/verdict",), ("tests/core",), 1.0),
    "planner": Room(("_core/planner",), ("tests/core",)),
    "parsers": Room(
        (
            "providers/_inphp_parse",
            "providers/_codes",
            "providers/_reply",
            "providers/_retry_after",
        ),
        ("tests/providers",),
    ),
    "journal": Room(
        ("_journal/store", "_journal/values", "_journal/journal", "_journal/writer"),
        ("tests/journal",),
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=", ".join(ROOMS))
    parser.add_argument("--all", action="store_true", help="every mutant")
    parser.add_argument("--sample", type=int, default=200, help="of a room (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (default %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default %(default)s)")
    options = parser.parse_args()
    if wrong := set(options.rooms) - set(ROOMS):
        parser.error(f"no such room: {', '.join(wrong)}")
    prepare()
    short = [name for name in options.rooms or ROOMS if not measure(name, ROOMS[name], options)]
    return int(bool(short))


def prepare() -> None:
    """Make the virtual environment if there is none."""
    if Path(PYTHON).exists():
        return
    print(f"making {VENV.name}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    pip = [PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "--upgrade", "pip>=25.1"], check=True)
    subprocess.run([*pip, TOOL, "-e", ".[local]", "--group", "test"], check=True, cwd=ROOT)


def measure(name: str, room: Room, options: argparse.Namespace) -> bool:
    """Measure a room, print what came of it; tell whether enough was noticed."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        copy = Path(place)
        lay_out(copy, room)
        mutmut(copy, options, "no such mutant")  # only plants them
        planted = sorted(codes(copy))
        chosen = planted
        if not options.all and len(planted) > options.sample:
            chosen = random.Random(options.seed).sample(planted, options.sample)
        mutmut(copy, options, *chosen)
        ends = {mutant: code for mutant, code in codes(copy).items() if mutant in set(chosen)}
        left = [one for one, code in ends.items() if code in {SURVIVED, NO_TESTS}]
        shown = changes(copy, left)
        said = "\n".join((copy / "mutmut.log").read_text().splitlines()[-30:])
    if None in ends.values():
        print(f"{name}: mutmut did not finish\n{said}", flush=True)
        return False
    excused = equivalent()
    alive = {
        one: change
        for one, change in shown.items()
        if change not in excused and not means_nothing(change)
    }
    counted = len(chosen) - (len(left) - len(alive))
    score = 1.0 - len(alive) / counted
    for mutant, change in sorted(alive.items()):
        print(f"  survived: {mutant}\n    " + change.replace("\n", "\n    "))
    print(
        f"{name}: {score:.1%} of {counted} noticed (at least {room.least:.0%}), "
        f"{len(left) - len(alive)} equivalent, {len(chosen)} of {len(planted)} mutants, "
        f"{time.monotonic() - started:.0f} s",
        flush=True,
    )
    return score >= room.least


def lay_out(copy: Path, room: Room) -> None:
    """Copy what the tests need, and tell mutmut what to do there."""
    for part in ("src", "tests"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / part, copy / part)
    lines = {
        "source_paths": ["src/"],
        "only_mutate": [f"src/solvestream/{module}.py" for module in room.modules],
        "pytest_add_cli_args_test_selection": room.tests,
        "pytest_add_cli_args": ["-p", "no:cacheprovider"],
        "also_copy": ["conftest.py"],
        "use_git_change_detection": ["false"],
        "track_dependencies": ["false"],
    }
    text = "".join(f"{key}=" + "\n    ".join(values) + "\n" for key, values in lines.items())
    (copy / "conftest.py").write_text(CONFTEST)
    for guard in copy.glob("tests/*/owner.py"):  # a mutant that hangs need not hang for long
        guard.write_text(guard.read_text().replace("WAIT = 20.0", "WAIT = 2.0"))
    (copy / "setup.cfg").write_text(f"[mutmut]\n{text}")


def mutmut(copy: Path, options: argparse.Namespace, *names: str) -> None:
    """Run mutmut over the mutants of these names."""
    command = [PYTHON, "-m", "mutmut", "run", "--max-children", str(options.workers), *names]
    with (copy / "mutmut.log").open("wb") as log:
        subprocess.run(command, cwd=copy, stdout=log, stderr=log, check=False, env=environment())


def environment() -> Mapping[str, str]:
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


def codes(copy: Path) -> dict[str, int | None]:
    """Return how each mutant ended; `None` for one that was not tried."""
    found: dict[str, int | None] = {}
    for meta in copy.glob("mutants/src/**/*.meta"):
        found.update(json.loads(meta.read_text())["exit_code_by_key"])
    return found


def changes(copy: Path, mutants: Sequence[str]) -> dict[str, str]:
    """Return what each mutant changes: its function, then the lines as they were and became."""
    code = (
        "import json, sys; from mutmut.mutation.diff_apply import get_diff_for_mutant as diff;"
        "print(json.dumps({one: diff(one) for one in json.load(sys.stdin)}))"
    )
    done = subprocess.run(
        [PYTHON, "-c", code],
        cwd=copy,
        input=json.dumps(list(mutants)),
        capture_output=True,
        text=True,
        check=True,
    )
    told: dict[str, str] = json.loads(done.stdout)
    return {mutant: change(mutant, diff) for mutant, diff in told.items()}


def change(mutant: str, diff: str) -> str:
    function = mutant.removeprefix("solvestream.").partition("__mutmut_")[0]
    lines = [line for line in diff.splitlines() if line[:1] in {"+", "-"}]
    return "\n".join([function, *(f"{one[0]} {one[1:].strip()}" for one in lines[2:])])


def means_nothing(change: str) -> bool:
    """Whether only the type in a `cast` differs, or upper and lower case of SQL."""
    before, _, after = CAST("cast(", change).partition("\n+")
    before = before.partition("\n-")[2]
    return before == after or (SQL(before) is not None and before.lower() == after.lower())


def equivalent() -> set[str]:
    """Return the changes that are known to change nothing; a line that starts with `#` tells why."""
    text = (HERE / "equivalent.txt").read_text()
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    return {block.strip() for block in lines.split("\n\n") if block.strip()}


if __name__ == "__main__":
    sys.exit(main())
