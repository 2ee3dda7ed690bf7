"""A process to be killed: takes jobs through their steps, and says which it saw written.

    python victim.py PATH LIFE [naive]

Each line is `step key`: printed by `done`, so after the commit of that step. A naive one does
not wait for the commit of an answer: it must be found out.
"""

from __future__ import annotations

import os
import queue
import random
import sys
from functools import partial

from solvestream import SubmitUnknown, Text
from solvestream._journal.journal import Journal


class Victim:
    """Runs callbacks in its main thread, as a loop would."""

    def __init__(self, path, life, *, naive):
        self.calls = queue.SimpleQueue()
        self.chance = random.Random(life)
        self.naive = naive
        self.journal = Journal.open(path, keep=5_000, pace=0.1 if naive else 0.0)
        self.life = life
        self.count = 0

    def run(self):
        for entry in self.journal.left():
            if entry.state == "intent":
                doubt = SubmitUnknown("it was about to be sent")
                done = partial(self.said, "unknown", entry.row, entry.job_key)
                self.journal.ended(entry.row, at=4.0, error=doubt, done=done)
            elif entry.state == "accepted":
                self.solve(entry.row, entry.job_key)
            else:
                self.take(entry.row, entry.job_key)
        self.journal.start(self.calls.put)
        for _ in range(40 - len(self.journal.left())):
            self.begin()
        while True:
            self.calls.get()()

    def begin(self):
        self.count += 1
        key = f"{self.life}-{self.count}"
        options = {"account": "a", "kind": "image", "queued_at": 1.0, "submitted_at": 2.0}
        rows = []
        rows.append(
            self.journal.intent(
                job_key=key, done=lambda error: self.noted(error, rows[0], key), **options
            )
        )

    def say(self, step, key):
        os.write(1, f"{step} {key}\n".encode())

    def noted(self, error, row, key):
        assert error is None
        self.say("intent", key)
        if self.chance.random() < 0.1:
            self.journal.refused(row)
            self.begin()
            return
        done = partial(self.said, "accepted", row, key)
        self.journal.accepted(row, at=3.0, task_id=f"id-{key}", done=done)

    def said(self, step, row, key, error):
        assert error is None
        self.say(step, key)
        if step == "accepted":
            self.solve(row, key)
        elif step == "acked":
            self.begin()
        else:
            self.take(row, key)

    def solve(self, row, key):
        done = partial(self.said, "solved", row, key)
        if self.naive:
            self.calls.put(partial(done, None))
            done = None
        self.journal.ended(row, at=4.0, solution=Text(f"answer-{key}"), looks=1, done=done)

    def take(self, row, key):
        self.journal.acked(row, at=5.0, done=partial(self.said, "acked", row, key))


if __name__ == "__main__":
    Victim(sys.argv[1], int(sys.argv[2]), naive="naive" in sys.argv).run()
