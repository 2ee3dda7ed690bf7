"""What faults cost: charges, lost results and shown keys, solvestream beside what a user would pick.

    python benchmarks/trust.py [--only NAME ...] [--faults NAME ...] [--quick]

Every client has 10 jobs solved by a service of its own (`solvestream.server`, simulate) whose
ledger counts what was bought. One fault at a time:

* one reply lost, reply lost: of one job and of ten, every submit is accepted, and then its
  connection is reset without a reply;
* no slot: 3 slots for 10 jobs, and each task holds one for a second;
* ERROR: the answer to every job contains that word;
* failed look: half of the first 10 looks get a 500, the others a reset;
* kill -9: the process is killed when it has three answers, while others are in work and the
  replies to its last two submits are on the way; the same program is then started again.

Nothing of a client is changed but what its module in `clients` says. Root logging is at DEBUG;
whatever its process writes and whatever it raises is searched for the key. Published clients come
from PyPI into environments of their own. A process is stopped after 20 s.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from _report import DOCS, Bars, Target, arguments, machine, publish
from attrs import field, frozen
from clients import notes
from clients.contest import AIOHTTP, HERE, PUBLISHED, Contestant, interpreter
from clients.task import image, site_key

from solvestream.server import Account, Fault, Latency, LocalService, Scripted, Settings

JOBS = 10
LIMIT = 20.0
"""Seconds a process may take."""
AT_ONCE = 3
"""Clients that run at the same time: they mostly wait."""
PREFIX = "clients."
"""Where clients are."""
KEY = "canary0key0shown0nowhere00000000"
"""Made up; 32 characters, as the vendor's own client demands."""
JOURNALED = "solvestream, journal"
ONE_LOST, KILL = "one reply lost", "kill -9"
CLIENTS = (
    Contestant(name="solvestream", module="ours_trusted"),
    Contestant(name=JOURNALED, module="ours_trusted"),
    AIOHTTP,
    Contestant(name="aiohttp recipe, 5 tries", module="retrying_recipe"),
    *PUBLISHED,
    Contestant(
        name="python-rucaptcha, createTask",
        module="rucaptcha_create_client",
        needs=("python-rucaptcha==6.8.2",),
    ),
    Contestant(name="capsolver", module="capsolver_client", needs=("capsolver==1.0.7",)),
)


@frozen(kw_only=True)
class Bad:
    """A bad day.

    Attributes:
        name: as shown.
        settings: of the service.
        jobs: how many there are.
        unheard: positions among accepted submits whose reply never got through.
    """

    name: str
    settings: Settings
    jobs: int = JOBS
    unheard: frozenset[int] = frozenset()


@frozen(kw_only=True)
class Row:
    """What a fault cost with one client.

    Attributes:
        jobs: how many the user had.
        most: charges for one job at most.
        charges: for all jobs together.
        solved: jobs whose right answer the user has.
        lost: answers paid for, whose id the service told the client, that the user never got.
        shown: how often the key was seen.
        ends: what the user was told of the other jobs, and whether the process was stopped.
    """

    fault: str
    client: str
    jobs: int
    most: int
    charges: int
    solved: int
    lost: int
    shown: int
    ends: Mapping[str, int] = field(factory=dict[str, int])


def main() -> int:
    options = parse()
    clients = [one for one in CLIENTS if chosen(one, options.only)]
    for one in clients:
        interpreter(one.needs)  # made before anything is measured
    rows: list[Row] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for bad in days(JOBS):
            if options.faults and bad.name not in options.faults:
                continue
            rows += pool.map(lambda one, bad=bad: endure(one, bad), clients)
            print(f"  {bad.name}: {len(clients)} clients done", flush=True)
    print("\n" + table(rows))
    return publish(
        "trust",
        targets=targets(rows),
        charts=charts(rows),
        facts={
            "machine": machine(),
            "jobs": JOBS,
            "clients": {one.name: one.needs for one in clients},
            "rows": [shown(row) for row in rows],
        },
        results=options.results,
        copy_to=DOCS if options.docs else None,
    )


def parse() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="ours and these")
    parser.add_argument("--faults", nargs="+", metavar="NAME", help="these only")
    options = parser.parse_args()
    if options.quick:
        options.only, options.faults = [AIOHTTP.name], [ONE_LOST]
    return options


def chosen(one: Contestant, only: Sequence[str] | None) -> bool:
    return only is None or one.module == "ours_trusted" or one.name in only


def days(jobs: int) -> list[Bad]:
    """Return the faults."""
    last = (jobs - 2, jobs - 1)
    looks = range(0, jobs, 2), range(1, jobs, 2)
    dropped = settings(Fault(kind="drop", on="submit", probability=1.0))
    return [
        Bad(name=ONE_LOST, settings=dropped, jobs=1, unheard=frozenset(range(1_000))),
        Bad(name="reply lost", settings=dropped, unheard=frozenset(range(1_000))),
        Bad(name="no slot", settings=settings(slots=3, latency=1.0)),
        Bad(name="ERROR", settings=settings(script=each(jobs, lambda n: {"answer": wordy(n)}))),
        Bad(
            name="failed look",
            settings=settings(
                Fault(kind="status", status=500, on="look", at=tuple(looks[0])),
                Fault(kind="drop", on="look", at=tuple(looks[1])),
            ),
        ),
        Bad(
            name=KILL,
            settings=settings(
                Fault(kind="hang", on="submit", at=last, seconds=LIMIT),
                script=each(jobs, lambda n: {"latency": 0.5 if n < jobs // 2 else 4.0}),
            ),
            unheard=frozenset(last),
        ),
    ]


def settings(*faults: Fault, slots: int = 1_000, latency: float = 0.5, **more: Any) -> Settings:
    accounts = (Account(key=KEY, slots=slots),)
    wait = Latency(low=latency)
    return Settings(accounts=accounts, faults=faults, latency=wait, immediate=False, **more)


def each(jobs: int, script: Callable[[int], Mapping[str, Any]]) -> dict[str, Scripted]:
    """Script what becomes of each job, whether it is asked for as an image or as a token."""
    return {subject: Scripted(**script(n)) for n in range(jobs) for subject in subjects(n)}


def subjects(job: int) -> tuple[str, str]:
    """Return how the service names a job."""
    return hashlib.sha256(image(job)).hexdigest(), site_key(job)


def wordy(job: int) -> str:
    return f"NO ERROR {job}"


def right(job: int, answer: str) -> bool:
    text, token = (hashlib.sha256(one).hexdigest() for one in (image(job), site_key(job).encode()))
    return answer in {wordy(job), text[:8], f"token-{token[:24]}"}


def endure(client: Contestant, bad: Bad) -> Row:
    """Let a client have its jobs solved on a bad day."""
    with LocalService(bad.settings) as service, tempfile.TemporaryDirectory() as place:
        told = Path(place) / "notes"
        options: dict[str, Any] = {}
        if client.name == JOURNALED:
            options = {"journal": str(Path(place) / "run.db")}
        orders = {"url": service.url, "key": KEY, "count": bad.jobs, "notes": str(told)}
        orders["options"] = {**client.options, **options}
        kill = bad.name == KILL
        ends = [life(client, orders, service if kill else None, Path(place) / "first")]
        if kill:
            ends.append(life(client, orders, None, Path(place) / "second"))
        ledger = service.ledger(tasks=True)
        shown = sum(path.read_bytes().count(KEY.encode()) for path in Path(place).iterdir())
        return judge(client, bad, ledger["tasks"], list(notes.read(told)), ends, shown)


def life(
    client: Contestant, orders: Mapping[str, Any], victim: LocalService | None, output: Path
) -> str:
    """Run a client's process; return how it ended. With `victim`, kill it in the middle."""
    with output.open("wb") as said:
        child = subprocess.Popen(
            [interpreter(client.needs), "-m", "clients.trial", PREFIX + client.module],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            cwd=HERE.parent,
        )
        try:
            assert child.stdin is not None
            child.stdin.write(json.dumps(orders).encode())
            child.stdin.close()
            if victim is not None:
                return "killed" if middle(child, victim) else "over before the kill"
            child.wait(LIMIT)
        except subprocess.TimeoutExpired:
            return f"stopped after {LIMIT:g} s"
        finally:
            child.kill()
            child.wait()
    return "" if child.returncode == 0 else f"process ended with {child.returncode}"


def middle(child: subprocess.Popen[bytes], service: LocalService) -> bool:
    """Wait for the middle of a run; tell whether there was one."""
    end = time.monotonic() + LIMIT / 2
    while time.monotonic() < end and child.poll() is None:
        counts = service.ledger()["accounts"]["local"]
        if counts["accepted"] >= JOBS and counts["taken"] >= 3:
            time.sleep(0.3)  # let it note what it was told
            break
        time.sleep(0.1)
    return child.poll() is None


def judge(
    client: Contestant,
    bad: Bad,
    tasks: Sequence[Mapping[str, Any]],
    told: Sequence[Mapping[str, Any]],
    ends: Sequence[str],
    shown: int,
) -> Row:
    """Join what the service sold with what the user has."""
    job_of = {subject: n for n in range(bad.jobs) for subject in subjects(n)}
    bought = Counter(job_of[task["subject"]] for task in tasks)
    heard = Counter(job_of[task["subject"]] for n, task in enumerate(tasks) if n not in bad.unheard)
    solved = {
        line["job"] for line in told if "answer" in line and right(line["job"], line["answer"])
    }
    last = {line["job"]: line.get("error", "wrong answer") for line in told}
    said = Counter(kind for job, kind in last.items() if job not in solved)
    said.update({"no word": bad.jobs - len(last)} if len(last) < bad.jobs else {})
    said.update(end for end in ends if end not in {"", "killed"})
    return Row(
        fault=bad.name,
        client=client.name,
        jobs=bad.jobs,
        most=max(bought.values(), default=0),
        charges=bought.total(),
        solved=len(solved),
        lost=sum(max(0, heard[job] - (job in solved)) for job in range(bad.jobs)),
        shown=shown,
        ends=dict(said),
    )


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table in Markdown."""
    lines = [
        "| fault | client | charges a job, at most | charges | solved | lost | key seen | other ends |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ends = ", ".join(f"{end} ({n})" for end, n in row.ends.items())
        lines.append(
            f"| {row.fault} | {row.client} | {row.most} | {row.charges} | {row.solved} of {row.jobs} "
            f"| {row.lost} | {row.shown} | {ends} |"
        )
    return "\n".join(lines)


def shown(row: Row) -> dict[str, object]:
    return {
        "fault": row.fault,
        "client": row.client,
        "charges_a_job": row.most,
        "charges": row.charges,
        "solved": row.solved,
        "lost": row.lost,
        "key_seen": row.shown,
        "other_ends": row.ends,
    }


def targets(rows: Sequence[Row]) -> list[Target]:
    """Judge ours. Without a journal nobody can know after a kill what was bought before it."""
    found: list[Target] = []
    for row in rows:
        if not row.client.startswith("solvestream"):
            continue
        name = f"{row.fault}, {row.client}"
        found.append(Target(name=f"{name}: key seen", value=row.shown, limit=0))
        if row.fault != KILL or row.client == JOURNALED:
            found.append(Target(name=f"{name}: charges a job", value=row.most, limit=1))
            found.append(Target(name=f"{name}: lost", value=row.lost, limit=0))
    return found


def charts(rows: Sequence[Row]) -> list[Bars]:
    def bars(title: str, unit: str, of: Callable[[Row], int], *faults: str) -> Bars:
        values: dict[str, float | None] = {}
        for row in rows:
            if not faults or row.fault in faults:
                values[row.client] = (values.get(row.client) or 0) + of(row)
        return Bars(title=title, unit=unit, values=values)

    drawn = [
        bars("A job whose submits are accepted, and no reply comes", "charges", most, ONE_LOST),
        bars("kill -9 and a second start: charges", f"for {JOBS} jobs", charged, KILL),
        bars("Paid answers lost, over all faults", "answers", lost),
        bars("Key seen in logs and errors, over all faults", "times", seen),
    ]
    return [chart for chart in drawn if chart.values]


def most(row: Row) -> int:
    return row.most


def charged(row: Row) -> int:
    return row.charges


def lost(row: Row) -> int:
    return row.lost


def seen(row: Row) -> int:
    return row.shown


if __name__ == "__main__":
    sys.exit(main())
