"""Any order of records, closings and crashes, against a model of what must be there."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from solvestream import SubmitUnknown, TaskFailed, Text, Token
from solvestream._journal.store import read_journal
from tests.journal.owner import Owner

TEXT = st.text(st.characters(), max_size=8)
SOLUTIONS = st.builds(Text, TEXT, st.none() | st.floats(0, 1)) | st.builds(Token, TEXT)
ERRORS = st.builds(TaskFailed, TEXT, code=st.none() | TEXT) | st.builds(SubmitUnknown, TEXT)
TAGS = st.none() | st.integers() | TEXT | st.lists(st.booleans())


class Records(RuleBasedStateMachine):
    """Rows of the model: what was noted of each, and whether it was told to be written."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.lives = 0
        self.rows = {}
        self.written = {}
        self.fresh = 0
        self.one = Owner(self.folder / "0.db")

    def teardown(self):
        self.one.close()
        shutil.rmtree(self.folder)

    def pick(self, data, *states):
        rows = [row for row, known in self.rows.items() if known["state"] in states]
        return data.draw(st.sampled_from(sorted(rows))) if rows else None

    @rule(tag=TAGS, name=TEXT)
    def intent(self, tag, name):
        self.fresh += 1
        key = f"{self.fresh}{name}"
        row = self.one.journal.intent(
            job_key=key,
            account=name,
            kind="image",
            tag=tag,
            queued_at=1.0,
            submitted_at=2.0,
            done=lambda error: None,
        )
        assert row not in self.rows
        self.rows[row] = {"state": "intent", "key": key, "tag": tag, "account": name}

    @rule(data=st.data())
    def accepted(self, data):
        if (row := self.pick(data, "intent")) is not None:
            self.one.accept(row)
            self.rows[row]["state"] = "accepted"

    @rule(data=st.data())
    def refused(self, data):
        if (row := self.pick(data, "intent")) is not None:
            self.one.journal.refused(row)
            del self.rows[row]

    @rule(data=st.data(), solution=SOLUTIONS)
    def solved(self, data, solution):
        if (row := self.pick(data, "accepted")) is not None:
            self.one.solve(row, solution=solution)
            self.rows[row] |= {"state": "solved", "solution": solution}

    @rule(data=st.data(), error=ERRORS)
    def failed(self, data, error):
        if (row := self.pick(data, "intent", "accepted")) is not None:
            self.one.journal.ended(row, at=4.0, error=error)
            state = "failed" if isinstance(error, TaskFailed) else "unknown"
            self.rows[row] |= {"state": state, "error": error}

    @rule(data=st.data())
    def acked(self, data):
        if (row := self.pick(data, "solved", "failed", "unknown")) is not None:
            self.one.ack(row)
            self.rows[row] |= {"ended": self.rows[row]["state"], "state": "acked", "solution": None}

    @rule()
    def flush(self):
        assert self.one.flush() is None
        self.written = {row: dict(known) for row, known in self.rows.items()}
        self.compare(read_journal(self.one.journal.path), self.written)

    @rule()
    def close_and_open(self):
        self.one.close()
        self.one = Owner(self.one.journal.path)
        self.written = {row: dict(known) for row, known in self.rows.items()}
        self.left()

    @precondition(lambda self: self.rows)
    @rule()
    def crash(self):
        """Go on from a copy of the files as they are: what was told written is in it."""
        assert self.one.flush() is None
        self.lives += 1
        target = self.folder / f"{self.lives}.db"
        for end in ("", "-wal"):
            shutil.copyfile(f"{self.one.journal.path}{end}", f"{target}{end}")
        self.one.close()
        self.one = Owner(target)
        self.left()

    def left(self):
        open_rows = {row: one for row, one in self.rows.items() if one["state"] != "acked"}
        self.compare(self.one.journal.left(), open_rows)
        for row, known in open_rows.items():
            assert self.one.journal.row_of(known["key"]) == row

    def compare(self, entries, rows):
        found = {e.row: e for e in entries if not e.job_key.startswith("flush-")}
        assert set(found) == set(rows)
        for row, known in rows.items():
            entry = found[row]
            assert entry.state == known.get("ended", known["state"])
            assert (entry.taken_at is not None) == (known["state"] == "acked")
            assert (entry.job_key, entry.account) == (known["key"], known["account"])
            assert entry.tag == known["tag"]
            assert entry.solution == known.get("solution")
            assert str(entry.error) == str(known.get("error"))

    @invariant()
    def writes(self):
        assert self.one.journal.failure is None


Records.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestRecords = Records.TestCase
TestRecords.__doc__ = "No order of records, closings and crashes loses or invents anything."
