"""The scheduler as a state machine: any order of replies, trouble and time keeps the promises."""

from __future__ import annotations

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from solvestream._core.actions import Look, Submit
from solvestream._core.lifecycle import State
from solvestream._core.scheduler import Scheduler
from solvestream._outcomes import (
    Accepted,
    AccountDown,
    Busy,
    Failed,
    Lost,
    Mismatch,
    Pending,
    Solved,
    Throttled,
    Unknown,
)
from solvestream._wire import Broken, Sent, Trouble
from solvestream.solutions import Text
from tests.core.support import FakePace, FakeTraits, make_job

BROKEN = [Broken(Trouble.RESET, sent, "it broke") for sent in Sent]
SUBMITS = ["accept", "accept", "accept", "repeat id", Solved(Text("x")), Busy("E"), Throttled("E")]
SUBMITS += [Failed("E"), Failed("E", "input"), Unknown("?"), AccountDown("E", "ban", 9.0), *BROKEN]
LOOKS = [Pending(), Pending(), Solved(Text("x")), Throttled("E", 2.0), Unknown("?"), Failed("E")]
LOOKS += [Lost("E"), AccountDown("E", "ban", 9.0)]
PAID = {"accept", "repeat id"}


class Jobs(RuleBasedStateMachine):
    """Drives a scheduler of three accounts and books what a service would see."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.scheduler = Scheduler(random=random.Random(1).random)
        pace = FakePace(first_look=2, interval=2, deadline=60)
        self.scheduler.open(
            {
                "one": FakeTraits(pacing=pace),
                "many": FakeTraits(pacing=pace, max_batch=4),
                "quick": FakeTraits(pacing=pace, retention=20.0),
            }
        )
        self.scheduler.share(9)
        self.jobs = []
        self.wire = []
        self.ids = 0
        self.risky = {}
        self.ends = {}

    @rule(count=st.integers(1, 5), deadline=st.sampled_from([float("inf"), 5.0, 50.0]))
    def hand_over(self, count, deadline):
        for _ in range(count):
            job = make_job(len(self.jobs), deadline=self.now + deadline)
            self.jobs.append(job)
            self.scheduler.add(job, self.now)

    @rule()
    def start(self):
        while isinstance((pair := self.scheduler.next_action(self.now))[1], Submit | Look):
            self.wire.append(pair)

    @precondition(lambda self: self.wire)
    @rule(data=st.data())
    def reply(self, data):
        planner, action = self.wire.pop(data.draw(st.integers(0, len(self.wire) - 1)))
        if isinstance(action, Submit):
            self.reply_submit(planner, action, data.draw(st.sampled_from(SUBMITS)))
        else:
            self.reply_look(planner, action, data)

    def reply_submit(self, planner, action, outcome):
        if outcome in PAID:
            known = sorted(planner.jobs)
            repeated = outcome == "repeat id" and known
            self.ids += 1
            outcome = Accepted(known[0] if repeated else f"id-{self.ids}")
        may_be_paid = isinstance(outcome, Accepted | Solved | Unknown) or (
            isinstance(outcome, Broken) and outcome.sent in {Sent.ALL, Sent.UNKNOWN}
        )
        if may_be_paid:
            self.risky[action.job] = self.risky.get(action.job, 0) + 1
        planner.submitted(action, outcome, self.now)

    def reply_look(self, planner, action, data):
        choice = data.draw(st.sampled_from(["each", "broken", "mismatch"]))
        if choice == "broken":
            reply = data.draw(st.sampled_from(BROKEN))
        elif choice == "mismatch":
            reply = Mismatch("?")
        else:
            reply = [data.draw(st.sampled_from(LOOKS)) for _ in action.jobs]
        planner.looked(action, reply, self.now)

    @rule(seconds=st.sampled_from([0.01, 0.5, 2.0, 30.0]))
    def wait(self, seconds):
        self.now += seconds
        self.scheduler.tick(self.now)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def withdraw(self, data):
        job = data.draw(st.sampled_from(self.jobs))
        if self.scheduler.withdraw(job):
            self.ends[job] = None

    @invariant()
    def every_job_ends_once(self):
        while self.scheduler.ended:
            ended = self.scheduler.ended.popleft()
            assert ended.job not in self.ends
            assert ended.job.state.final
            self.ends[ended.job] = ended.end
        assert {job for job in self.jobs if job.state.final} == set(self.ends)

    @invariant()
    def no_job_is_bought_twice(self):
        assert all(count <= 1 for count in self.risky.values())

    @invariant()
    def the_books_add_up(self):
        submits = [action.job for _, action in self.wire if isinstance(action, Submit)]
        looks = [job for _, action in self.wire if isinstance(action, Look) for job in action.jobs]
        assert len(set(submits + looks)) == len(submits + looks)
        by_state = {state: [j for j in self.jobs if j.state is state] for state in State}
        assert set(by_state[State.SUBMITTING]) == set(submits)
        assert set(by_state[State.LOOKING]) == set(looks)
        assert len(by_state[State.QUEUED]) == len(self.scheduler.backlog)
        waiting = by_state[State.WAITING] + by_state[State.LOOKING]
        paid = [job for p in self.scheduler.planners.values() for job in p.jobs.values()]
        assert set(paid) == set(waiting)
        assert self.scheduler.in_flight == len(submits) + len(paid)

    @invariant()
    def exchanges_are_bounded(self):
        for name, planner in self.scheduler.planners.items():
            mine = [action for one, action in self.wire if one is planner]
            assert planner.on_wire == len(mine) <= 3, name

    def teardown(self):
        """However it went, with a service that is well again every job ends."""
        for _ in range(2000):
            self.start()
            self.every_job_ends_once()
            if len(self.ends) == len(self.jobs):
                return
            for planner, action in self.wire:
                if isinstance(action, Submit):
                    self.reply_submit(planner, action, "accept")
                else:
                    planner.looked(action, [Solved(Text("x")) for _ in action.jobs], self.now)
            self.wire.clear()
            self.wait(1.0)
        raise AssertionError([job for job in self.jobs if not job.state.final])


Jobs.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestJobs = Jobs.TestCase
