"""One account's planner: which exchange to start next, and what its reply means for the jobs.

It owns the number of exchanges on the wire, so nothing ever queues inside an HTTP pool, and
it waits for nothing itself: `next_action(now)` answers what to do, or until when there is
nothing to do.

Order of business: looks before submits; among looks, first those whose answer is deleted
soonest, then by when they fell due. Looks that fall due together share one request of up to
`max_batch` ids. No job has two looks out at once.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Sequence
from heapq import heappop, heappush

from attrs import define, field

from solvestream._core.actions import IDLE, Action, Idle, Look, Submit, Wait
from solvestream._core.backlog import Backlog
from solvestream._core.backoff import Random, full_jitter
from solvestream._core.budget import Budget
from solvestream._core.counts import Counts
from solvestream._core.doubt import Doubt
from solvestream._core.health import Health, why
from solvestream._core.job import (
    Abandoned,
    End,
    Ended,
    Expired,
    Job,
    NoReply,
    OverBudget,
    Traits,
    Unfit,
)
from solvestream._core.lifecycle import State, Step, advance
from solvestream._core.pacing import first_look, next_look
from solvestream._core.slots import SlotGate
from solvestream._core.verdict import Verdict, judge
from solvestream._core.wheel import Wheel
from solvestream._outcomes import (
    Accepted,
    AccountDown,
    Busy,
    Failed,
    LookOutcome,
    Lost,
    Mismatch,
    Pending,
    Solved,
    SubmitOutcome,
    Throttled,
    Unknown,
)
from solvestream._wire import Broken, Sent, Trouble
from solvestream.errors import AccountError

SLACK = 0.02
"""Seconds a look may be late so that looks are taken out of the calendar in one piece."""
BATCH_SLACK = 0.2
"""The same where one request looks at many ids: what is due within it shares a request."""
RESUBMITS = 2
"""Submits of one job at most after such as may have been paid, where the user allows any."""
PAST, PAST_SECONDS = 10_000, 300.0
"""Ids of ended jobs that are remembered, and for how many seconds from their acceptance, to know
a reply that a cache gave out again. Longer would mistake a service that counts from 1 anew."""
ADVICE = 5.0
"""Seconds that services advise to wait for a slot; the gate knows better, so only more counts."""
CONFIRMED = 5
"""Looks that must see the same answer, where only the connection's end says that it is whole."""
HINTS, HINT_SECONDS = 1_000, 10.0
"""Hints kept at most for ids that are not known yet, and for how long (`faults.json` B02)."""
AGAIN_BASE, AGAIN_CAP = 0.5, 5.0
"""Seconds of backoff before the next submit after one that did not get through."""


@define(eq=False)
class Planner:
    """Decides for one account.

    Attributes:
        name: of the account.
        traits: what its service can do.
        backlog: where it takes jobs from, shared with the other accounts.
        random: draws from [0, 1).
        exchanges: on the wire at once at most.
        resubmit_unknown: send again what may have been paid; the user's own choice.
        deadlines: the calendar of deadlines, shared; kept by the scheduler.
        budget: what may be spent; shared.
        refusal: the code that last said that there is no slot.
        ended: where ended jobs go; shared, emptied by the engine.
    """

    name: str
    traits: Traits
    backlog: Backlog
    random: Random
    deadlines: Wheel[Job]
    ended: deque[Ended]
    exchanges: int = 1
    resubmit_unknown: bool = False
    budget: Budget = field(factory=Budget)
    gate: SlotGate = field(init=False)
    health: Health = field(init=False)
    counts: Counts = field(factory=Counts)
    doubt: Doubt = field(factory=Doubt)
    on_wire: int = 0
    jobs: dict[str, Job] = field(factory=dict[str, Job])
    refusal: str | None = None
    _hold: float = -math.inf
    _price: float = field(init=False)
    _vain: int = 0
    _past: OrderedDict[str, float] = field(factory=OrderedDict[str, float])
    _alone: set[Job] = field(factory=set[Job])
    _cut: set[Job] = field(factory=set[Job])
    _unsure: dict[Job, tuple[object, int]] = field(factory=dict[Job, tuple[object, int]])
    _hints: dict[str, float] = field(factory=dict[str, float])
    _looks: Wheel[Job] = field(init=False)
    _due: list[tuple[float, int, int, Job]] = field(factory=list[tuple[float, int, int, Job]])

    def __attrs_post_init__(self) -> None:
        self._price = self.traits.price or 0.0
        self.gate = SlotGate(self.random, known=self.traits.slots)
        self.health = Health(self.random, self.counts)
        self._looks = Wheel(SLACK if self.traits.max_batch == 1 else BATCH_SLACK)

    def __repr__(self) -> str:
        return (
            f"<Planner {self.name} jobs={len(self.jobs)} on_wire={self.on_wire} "
            f"limit={self.gate.limit} {self.health.breaker!r}>"
        )

    # What to do

    def next_action(self, now: float, *, room: bool = True) -> Action:
        """Return what to do now. `room`: the client may have one more task under way."""
        if self.on_wire >= self.exchanges:
            return IDLE
        ready = self.health.breaker.ready_at()
        if ready > now:
            return _wait(ready)
        self._surface(now)
        if self._due:
            breaker = self.health.breaker
            look = Look(self._take_due(), breaker.epoch, probe=breaker.is_open)
            return self._start(look, now)
        open_at = self._submit_at() if room else math.inf
        if open_at <= now and (taken := self.backlog.pop(self.name)) is not None:
            job, route = taken
            job.state = advance(job.state, Step.SUBMIT)
            self.gate.start(now)
            self.counts.submits += 1
            return self._start(Submit(job, route, self.health.breaker.epoch, now), now)
        return _wait(min(self._looks.next, open_at))

    def urgency(self, now: float) -> tuple[float, int] | None:
        """Return how urgent its first due look is, or `None` when none may start now."""
        self._surface(now)
        if not self._due or self.on_wire >= self.exchanges or self.health.breaker.ready_at() > now:
            return None
        return self._due[0][:2]

    def more(self, now: float) -> bool:
        """Whether another exchange could start at once beside those on the wire."""
        if self.on_wire >= self.exchanges or self.health.breaker.ready_at() > now:
            return False
        return bool(self._due) or self._submit_at() <= now

    def _submit_at(self) -> float:
        """Return when a submit may go; infinity while none is to go, or may."""
        if self.closed() is not None or not self.backlog.has(self.name):
            return math.inf
        if self.health.breaker.is_probing or not self.budget.affords(self._price):
            return math.inf
        return max(self.gate.ready_at(), self._hold)

    def closed(self) -> AccountDown | OverBudget | None:
        """Return why no submit is sent any more; `None` in good times."""
        if self._price and self.health.down is None and self.budget.exhausted(self._price):
            return OverBudget(self.budget.limit, self.budget.spent)
        return self.health.down

    @property
    def reserved(self) -> float:
        """USD that the tasks under way here may cost."""
        return self._price * self.gate.under_way if self._price else 0.0

    def _start(self, action: Submit | Look, now: float) -> Submit | Look:
        if self.health.breaker.is_open:
            self.health.breaker.start(now)
        self.on_wire += 1
        self.counts.requests += 1
        return action

    def _surface(self, now: float) -> None:
        """Move what has fallen due from the calendar to the queue, most urgent first."""
        if self._looks.next <= now:
            for tick, jobs in self._looks.pop_due(now):
                for job in jobs:
                    if job.tick == tick and job.state is State.WAITING:
                        heappush(self._due, (job.perish, tick, job.seq, job))
        while self._due and self._due[0][3].state is not State.WAITING:
            heappop(self._due)

    def _take_due(self) -> list[Job]:
        """Take the most urgent job, and with it what may share its request; a probe is alone."""
        due, limit = self._due, 1 if self.health.breaker.is_open else self.traits.max_batch
        job = heappop(due)[3]
        job.state = advance(job.state, Step.LOOK)
        jobs = [job]
        while len(jobs) < limit and due and job not in self._alone:
            job = due[0][3]
            if job.state is State.WAITING:
                if job in self._alone:
                    break
                job.state = advance(job.state, Step.LOOK)
                jobs.append(job)
            heappop(due)
        self.counts.looks += len(jobs)
        return jobs

    # What came of it

    def submitted(self, action: Submit, reply: Broken | SubmitOutcome, now: float) -> None:
        """Take what came of a submit."""
        self.on_wire -= 1
        self.health.take_submit(action.epoch, reply, now)
        if isinstance(reply, Broken):
            self._not_taken(action, judge(reply.sent), reply, now)
            return
        known = isinstance(reply, Accepted | Solved) and self._knows(reply.task_id, now)
        verdict = judge(Sent.ALL, reply, known=known)
        match verdict, reply:
            case Verdict.ACCEPTED, Accepted() | Solved():
                self._taken(action.job, reply, now)
            case Verdict.REJECTED, Busy(code=code, retry_after=wait, or_broke=or_broke):
                self.gate.refused(action.started, now)
                if or_broke:
                    self.doubt.refused(code, action.started)
                if wait is not None and wait > ADVICE:
                    self._hold = max(self._hold, now + wait)
                self.counts.refused += 1
                self.refusal = code
                self._requeue(action, code, now)
            case Verdict.REJECTED, Throttled(retry_after=wait):
                self.gate.dropped()
                self._hold = max(self._hold, now + (wait or 0.0))
                self._requeue(action, None, now)
            case Verdict.REJECTED, AccountDown():
                self.gate.dropped()
                self._requeue(action, None, now)
            case Verdict.REJECTED, Failed(blame=blame):
                self.gate.dropped()
                self._end(action.job, Step.FAIL if blame == "task" else Step.REJECT, reply)
            case _:
                self._not_taken(action, verdict, reply, now)

    def looked(
        self, action: Look, reply: Broken | Mismatch | Sequence[LookOutcome], now: float
    ) -> None:
        """Take what came of a look: an outcome for each of its jobs, in their order."""
        self.on_wire -= 1
        if isinstance(reply, Broken):
            self.health.take(action.epoch, reply, now)
            for job in action.jobs:
                self._look_again(job, now)
        elif isinstance(reply, Mismatch):
            self.health.breaker.succeeded(action.epoch)
            for job in action.jobs:
                self._alone.add(job)
                self._wait_until(now, job, now)
        else:
            self.health.take_all(action.epoch, reply, now)
            for job, outcome in zip(action.jobs, reply, strict=True):
                self._take_look(job, outcome, now)

    def unsent(self, action: Submit, end: Unfit) -> None:
        """Take back a submit whose task proved unfit here, before a byte left.

        Another account may take it; the job ends when none is left.
        """
        self.on_wire -= 1
        self.health.breaker.dropped(action.epoch)
        self.gate.dropped()
        if others := action.route - {self.name}:
            action.job.state = advance(action.job.state, Step.REQUEUE)
            self.backlog.push(action.job, others)
            return
        self._end(action.job, Step.REJECT, end)

    def _taken(self, job: Job, outcome: Accepted | Solved, now: float) -> None:
        self.gate.accepted(at_once=isinstance(outcome, Solved))
        self.doubt.taken()
        self.counts.accepted += 1
        self._vain = 0
        job.attempts += 1
        job.account = self.name
        if isinstance(outcome, Solved):
            job.accepted_at = now
            job.task_id = outcome.task_id or ""
            self.gate.ended()
            self._end(job, Step.SOLVE, outcome)
            return
        if not outcome.verified:
            self._cut.add(job)
        job.state = advance(job.state, Step.ACCEPT)
        self._keep(job, outcome.task_id, now)
        if now >= job.deadline:
            self._expire(job, now, DEADLINE_PASSED)
        elif now - self._hints.pop(outcome.task_id, -math.inf) <= HINT_SECONDS:
            self._look_at(job, now)
        else:
            self._look_at(job, first_look(job, self.traits.pace(job.kind)))

    def _not_taken(
        self, action: Submit, verdict: Verdict, reply: Broken | SubmitOutcome, now: float
    ) -> None:
        """Take a submit that got no proper reply: again, or the end of the job."""
        self.gate.dropped()
        job = action.job
        reason, code = why(reply)
        final = isinstance(reply, Broken) and reply.trouble in {Trouble.TLS, Trouble.CLOSED}
        if verdict is not Verdict.NOT_SENT:
            job.attempts += 1
        again = not final and (
            verdict is Verdict.NOT_SENT
            or (verdict is Verdict.INCOMPLETE and job.attempts <= 1)
            or (verdict is Verdict.UNKNOWN and self.resubmit_unknown and job.doubts < RESUBMITS)
        )
        if again:
            if verdict is Verdict.UNKNOWN:
                job.doubts += 1
                self.budget.doubted(self._price)
            self._vain += 1
            wait = full_jitter(self._vain, self.random, base=AGAIN_BASE, cap=AGAIN_CAP)
            self._hold = now + wait
            self._requeue(action, None, now)
        elif verdict is Verdict.UNKNOWN:
            self._end(job, Step.DOUBT, Unknown(reason, code))
        elif isinstance(reply, Broken) and reply.trouble is Trouble.CLOSED and not job.attempts:
            job.state = advance(job.state, Step.REQUEUE)
            self._end(job, Step.ABANDON, Abandoned())
        else:
            self._end(job, Step.REJECT, NoReply(reason, incomplete=bool(job.attempts)))

    def _take_look(self, job: Job, outcome: LookOutcome, now: float) -> None:
        job.looks += 1
        match outcome:
            case Pending():
                pace = self.traits.pace(job.kind)
                if job.looks >= pace.max_looks:
                    self._expire(job, now, f"it was not ready after {job.looks} looks")
                else:
                    due = next_look(job, pace, self.traits.min_interval, now)
                    self._wait_until(due, job, now)
            case Solved() if outcome.verified or self._confirmed(job, outcome):
                self._end(job, Step.SOLVE, outcome)
            case Failed():
                self._end(job, Step.FAIL, outcome)
            case Lost(code=code) if job in self._cut:
                self._end(job, Step.DOUBT, Unknown(CUT_SHORT, code))
            case Lost():
                self._end(job, Step.LOSE, outcome)
            case _:
                self._look_again(job, now)

    def _confirmed(self, job: Job, outcome: Solved) -> bool:
        """Whether an answer that may be cut short was seen often enough to be whole."""
        answer, times = self._unsure.get(job, (outcome.solution, 0))
        times = times + 1 if answer == outcome.solution else 1
        self._unsure[job] = (outcome.solution, times)
        return times >= CONFIRMED

    def _knows(self, task_id: str | None, now: float) -> bool:
        """Whether an id belongs to another job: one under way, or one that ended just now."""
        if not task_id:
            return False
        return task_id in self.jobs or now < self._past.get(task_id, -math.inf) + PAST_SECONDS

    # Jobs

    def adopt(self, job: Job, task_id: str, accepted_at: float, now: float) -> None:
        """Take in a job that was paid for before: by another process, or an earlier call."""
        job.state = advance(job.state, Step.ADOPT)
        job.account = self.name
        self.gate.adopted()
        self._keep(job, task_id, accepted_at)
        self._look_at(job, max(now, first_look(job, self.traits.pace(job.kind))))

    def hint(self, task_id: str, now: float) -> bool:
        """Look at a job now, as something says that its answer is there.

        `False` for an id that is not known; it is remembered for a moment, as the call may be
        faster than the reply to the submit.
        """
        job = self.jobs.get(task_id)
        if job is None:
            self.counts.stray_hints += 1
            self._hints[task_id] = now
            if len(self._hints) > HINTS:
                del self._hints[next(iter(self._hints))]
            return False
        self.counts.hints += 1
        if job.state is State.WAITING:
            self._look_at(job, now)
        return True

    def expire(self, job: Job, now: float) -> None:
        """End a waiting job whose deadline has passed; one on the wire ends with its reply."""
        self._expire(job, now, DEADLINE_PASSED)

    def told(self, amount: float, unit: str) -> None:
        """Take the account's balance: one that buys no task closes it, one that does opens it."""
        if unit == "USD" and amount < self._price:
            words = f"{amount} USD are left, a task costs {self._price}"
            self.health.down = AccountDown("low balance", "funds", message=words)
        elif amount > 0:
            self.health.down = None

    def warned(self, error: AccountError, now: float) -> None:
        """Take what a balance or a report was refused with: it holds for submits and looks too."""
        if error.cause is not None:
            down = AccountDown(error.code or "", error.cause, error.retry_after)
            self.health.take(self.health.breaker.epoch, down, now)

    def must_ask(self, now: float) -> bool:
        """Whether to ask the account for its threads, as a refusal may mean that it is broke."""
        return self.health.down is None and self.doubt.ask(now)

    def told_threads(self, said: object, now: float) -> None:
        """Take what the account said of its threads, or the error instead."""
        down = self.doubt.answered(said, now)
        if isinstance(said, AccountError):
            self.warned(said, now)
        if self.health.down is None:
            self.health.down = down
        self.gate.invited(self.doubt.probe_at())

    def close(self, reason: str | None) -> None:
        """End every paid job without its answer, as the client closes."""
        for job in list(self.jobs.values()):
            self._end(job, Step.ABANDON, Abandoned(reason))

    def _keep(self, job: Job, task_id: str, accepted_at: float) -> None:
        job.task_id = task_id
        job.accepted_at = accepted_at
        if self.traits.retention is not None:
            job.perish = accepted_at + self.traits.retention
        if job.deadline == math.inf:
            job.deadline = accepted_at + self.traits.pace(job.kind).deadline
            self.deadlines.add(job.deadline, job)
        self.jobs[task_id] = job

    def _look_at(self, job: Job, due: float) -> None:
        job.tick = self._looks.add(due, job)

    def _look_again(self, job: Job, now: float) -> None:
        """Wait for the next look at a job, as its pace says."""
        pace = self.traits.pace(job.kind)
        self._wait_until(next_look(job, pace, self.traits.min_interval, now), job, now)

    def _wait_until(self, due: float, job: Job, now: float) -> None:
        if now >= job.deadline:
            self._expire(job, now, DEADLINE_PASSED)
            return
        job.state = advance(job.state, Step.AGAIN)
        job.tick = self._looks.add(due, job)

    def _requeue(self, action: Submit, code: str | None, now: float) -> None:
        job = action.job
        job.said = code or job.said
        job.state = advance(job.state, Step.REQUEUE)
        if not job.wanted:
            self._end(job, Step.ABANDON, Abandoned())
        elif now >= job.deadline:
            reason = f"{DEADLINE_PASSED}{self.health.trouble_now()}"
            self._end(job, Step.EXPIRE, Expired(reason, resumable=False))
        else:
            self.backlog.push(job, action.route)

    def _expire(self, job: Job, now: float, reason: str) -> None:
        if now >= job.perish:
            self._end(job, Step.LOSE, Lost("", DELETED))
        else:
            trouble = self.health.trouble_now()
            self._end(job, Step.EXPIRE, Expired(f"{reason}{trouble}", resumable=True))

    def _end(self, job: Job, step: Step, end: End) -> None:
        before = job.state
        job.state = advance(before, step)
        if before in _AT_SERVICE:
            del self.jobs[job.task_id]
            self.gate.ended()
            self._alone.discard(job)
            self._cut.discard(job)
            self._unsure.pop(job, None)
        if job.task_id:
            self._past[job.task_id] = job.accepted_at
            if len(self._past) > PAST:
                self._past.popitem(last=False)
        if before is not State.QUEUED:
            self.budget.ended(step, end, self._price)
        self.counts.ended(step, end)
        self.ended.append(Ended(job, end, self.name))


DEADLINE_PASSED = "its deadline passed"
CUT_SHORT = "the submit's reply was cut short, and the service does not know the id in it"
DELETED = "the service deleted it before an answer was seen"

_AT_SERVICE = {State.WAITING, State.LOOKING}


def _wait(until: float) -> Wait | Idle:
    return IDLE if until == math.inf else Wait(until)
