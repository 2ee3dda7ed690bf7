"""`kill -9` of the real client, again and again, joined with the ledger of the service.

    python -m tests.client.kill --cycles 500 [--seed 2026] [--naive]

One process listens as the service. A second one has imported everything, and forks a victim for
each life: a client with a journal that is killed at a seeded moment, wherever it is by then. Each
life is first given what the earlier ones left (`resume`), then the tasks that have no outcome yet,
under the same keys. The last life only resumes. A naive victim has no journal.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field

from solvestream import CaptchaAI, Client, ImageToText, Pacing, SubmitUnknown
from solvestream._journal.journal import Journal
from tests.faults.service import Service, picture

IN_FLIGHT = 60
DOUBT = SubmitUnknown.__name__
WORDS = 300
"""A victim is killed after it said so many words at most, six a task: a slow machine kills no
sooner. With none it is opening its journal."""
MOMENT = 0.02
"""Seconds after that word at most, so that the kill falls between words too."""


# The victim


def say(*words):
    """Tell the parent, in one piece however soon the end comes."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Told(Journal):
    """A journal that tells what it is asked to write, and what it has committed."""

    def intent(self, *, job_key, **options):
        say("intended", job_key)
        return super().intent(job_key=job_key, **options)

    def accepted(self, row, **options):
        key = self._keys[row]
        super().accepted(row, done=lambda error: say("bought", key), **options)

    def refused(self, row):
        say("refused", self._keys[row])
        super().refused(row)

    def acked(self, row, *, at, done=None):
        key, asked = self._keys[row], time.monotonic()
        say("acked", key)

        def settled(error):
            assert error is None
            say("settled", key, round(1000 * (time.monotonic() - asked), 1))

        super().acked(row, at=at, done=settled)


async def live(order):
    """Live one life, and say what it is handed."""
    pacing = Pacing(first_look=0.02, interval=0.02, deadline=60.0, max_looks=10_000)
    account = CaptchaAI("made-up", base_url=order["url"], pacing=pacing)
    async with Client(account, journal=order["path"]) as client:
        given = set()
        if order["path"]:
            given = {tell(result) async for result in client.resume()}
        numbers = itertools.chain(order["again"], itertools.count(order["next"]))
        if order["last"]:
            numbers = ()
        tasks = (
            ImageToText(picture(number), job_key=f"k-{number}")
            for number in numbers
            if f"k-{number}" not in given
        )
        async for result in client.stream(tasks, in_flight=IN_FLIGHT):
            tell(result)


def tell(result):
    """Say what came, as it is in the user's hands from here on; return its key."""
    key = result.ticket.job_key if result.ticket else result.error.job_key
    text = result.solution.text.replace(" ", "-") if result.ok else type(result.error).__name__
    say("given", key, "again" if result.redelivered else "first", text)
    return key


def mother():
    """Fork a victim for each line of orders, and say when it was born and when it is dead."""
    from solvestream._journal import journal

    journal.Journal = Told
    for line in sys.stdin:
        child = os.fork()
        if not child:
            asyncio.run(live(json.loads(line)))
            os._exit(0)
        say("born", child)
        say("dead", os.waitpid(child, 0)[1])


# The parent


@define
class Books:
    """What all victims said.

    Attributes:
        given: what was handed over, by key: `first` or `again`, and the text or the error.
        settled: keys whose acknowledgement was committed.
        windows: milliseconds from each acknowledgement to its commit.
        flying: keys whose submit may be on the wire in this life.
        in_doubt: keys whose submit may have been on the wire at a kill.
        in_window: redelivered, as the acknowledgement was not committed at the kill.
    """

    given: dict[str, list[tuple[str, str]]] = field(factory=dict)
    acked: Counter[str] = field(factory=Counter)
    settled: Counter[str] = field(factory=Counter)
    windows: list[float] = field(factory=list)
    flying: set[str] = field(factory=set)
    in_doubt: set[str] = field(factory=set)
    in_window: int = 0
    begun: int = 0
    wrong: list[str] = field(factory=list)

    def hear(self, word, key, *rest):
        """Take in one line."""
        if word == "intended":
            self.flying.add(key)
            self.begun = max(self.begun, int(key[2:]) + 1)
        elif word in {"bought", "refused"}:
            self.flying.discard(key)
        elif word == "acked":
            self.acked[key] += 1
        elif word == "settled":
            self.settled[key] += 1
            self.windows.append(float(rest[0]))
        elif word == "given":
            self._give(key, *rest)

    def _give(self, key, how, text):
        if self.settled[key]:
            self.wrong.append(f"{key} was given after its acknowledgement was committed")
        if self.acked[key]:
            self.in_window += 1
        if key in self.given and how != "again" and text != DOUBT:
            self.wrong.append(f"{key} was given twice and not marked")
        self.given.setdefault(key, []).append((how, text))

    def killed(self):
        """Count what may have been on the wire."""
        self.in_doubt |= self.flying
        self.flying.clear()

    @property
    def again(self):
        """Numbers of tasks that were begun and have no outcome."""
        return [number for number in range(self.begun) if f"k-{number}" not in self.given]

    def check(self, service):
        """Join with the ledger; returns what is wrong, and the figures."""
        wrong = list(self.wrong)
        for number, times in service.charges.items():
            key = f"k-{number}"
            texts = {text for _, text in self.given.get(key, ())}
            if times > 1:
                wrong.append(f"{key} was charged {times} times")
            if not texts:
                wrong.append(f"{key} was charged and lost")
            if bad := texts - {service.words(number).replace(" ", "-"), DOUBT}:
                wrong.append(f"{key} ended as {bad}")
        unknown = {key for key, got in self.given.items() if ("first", DOUBT) in got}
        wrong += [f"{key} is unknown, and was not on its way" for key in unknown - self.in_doubt]
        again = sum(how == "again" for got in self.given.values() for how, _ in got)
        figures = {
            "tasks": len(service.charges),
            "charged twice": sum(times > 1 for times in service.charges.values()),
            "lost": sum(f"k-{number}" not in self.given for number in service.charges),
            "unknown": len(unknown),
            "submits in flight at the kills": len(self.in_doubt),
            "redelivered": again,
            "of these taken, and not yet committed": self.in_window,
            "wrong": len(wrong),
        }
        if self.windows:
            figures["ms to the commit, median"] = statistics.median(self.windows)
            figures["ms to the commit, most"] = max(self.windows)
        return wrong, figures


@contextmanager
def serving():
    """Run the service in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    service = Service(solve=0.03)

    def run(call):
        return asyncio.run_coroutine_threadsafe(call, loop).result(10)

    run(service.start())
    try:
        yield service
    finally:
        run(service.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def mothering():
    """Run the process that forks victims."""
    words = [sys.executable, "-m", "tests.client.kill", "--mother"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, text=True, bufsize=1, **pipes) as process:
        try:
            yield process
            process.stdin.close()
            complaints = process.stderr.read()
        except BaseException:
            process.kill()
            raise
    assert complaints == ""


def one_life(process, order, words, moment, books):
    """Have one victim live, kill it a moment after so many words, and hear it out."""
    process.stdin.write(json.dumps(order) + "\n")
    _, born = process.stdout.readline().split()
    timer = threading.Timer(moment, os.kill, (int(born), signal.SIGKILL))
    if words == 0:
        timer.start()
    for count, line in enumerate(process.stdout, 1):
        word, *rest = line.split()
        if word == "dead":
            break
        books.hear(word, *rest)
        if count == words:
            timer.start()
    if not order["last"]:
        timer.join()
    books.killed()
    assert rest == ["0" if order["last"] else "9"], f"a victim ended by itself: {rest}"


def run(cycles, *, seed=2026, naive=False):
    """Run so many lives and a last one that only resumes; returns what is wrong, and figures."""
    chance, books = random.Random(seed), Books()
    with tempfile.TemporaryDirectory() as folder, serving() as service, mothering() as process:
        url = f"http://127.0.0.1:{service.port}"
        path = None if naive else str(Path(folder) / "run.db")
        for cycle in range(cycles + 1):
            last = cycle == cycles
            order = {"url": url, "path": path, "again": books.again, "next": books.begun}
            words = -1 if last else chance.randrange(WORDS)
            one_life(process, order | {"last": last}, words, chance.uniform(0, MOMENT), books)
        return books.check(service)


def main():
    """Run from the command line; the exit code is 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--naive", action="store_true", help="a client without a journal")
    parser.add_argument("--mother", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.mother:
        mother()
        return 0
    started = time.perf_counter()
    wrong, figures = run(options.cycles, seed=options.seed, naive=options.naive)
    print("\n".join(wrong[:20]))
    print(f"{options.cycles} kills in {time.perf_counter() - started:.0f} s")
    for name, figure in figures.items():
        print(f"{figure:>10,} {name}")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
