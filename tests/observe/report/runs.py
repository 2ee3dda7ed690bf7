"""Made-up runs: seeded, as large as asked for."""

from __future__ import annotations

import heapq
import random
from datetime import timedelta, timezone

from solvestream._journal.values import Sample
from solvestream.observe.report.run import Run, Task

BEGIN = 1_790_000_000.0
"""2026-09-21 14:13:20 UTC."""
ZONE = timezone(timedelta(hours=5, minutes=30))


def run_of(count: int, seed: int = 7, *, accounts: int = 2, interval: float = 5.0) -> Run:
    """Return a run of `count` tasks at services with slots, seen at looks, with some failures."""
    draw = random.Random(seed)
    slots = {f"captchaai-{n}": max(4, count // 40) for n in range(accounts)}
    free = {name: [BEGIN] * many for name, many in slots.items()}
    tasks = []
    for number in range(count):
        account = draw.choice(list(slots))
        begin = heapq.heappop(free[account])
        queued = max(BEGIN, begin - draw.expovariate(1 / 20))
        submitted = max(queued, begin) + draw.random() * 0.01
        task = one(number, account, queued, submitted, draw, interval)
        heapq.heappush(free[account], task.ended)
        tasks.append(task)
    tasks.sort(key=lambda task: task.queued)
    run = Run(name="run.db", tasks=tuple(tasks))
    samples = [s for name in slots for s in samples_of(run, name, slots[name], draw)]
    samples.sort(key=lambda sample: sample.at)
    return Run(name="run.db", tasks=tuple(tasks), samples=tuple(samples))


def one(number, account, queued, submitted, draw, interval) -> Task:
    """Return a task that was solved, or failed now and then."""
    accepted = submitted + draw.lognormvariate(-1.6, 0.4)
    looks = max(1, int(draw.lognormvariate(0.9, 0.6)))
    looked = tuple(accepted + interval * (n + 1) + draw.random() * 0.1 for n in range(looks))
    ended = looked[-1] + 0.02
    failed = draw.random() < 0.03
    fault = draw.choice(
        [("TaskFailed", "ERROR_CAPTCHA_UNSOLVABLE"), ("TaskLost", ""), ("DeadlineExceeded", "")]
    )
    return Task(
        name=f"scans/2026/receipt-{number:05}.png",
        task_id=f"{draw.getrandbits(128):032x}",
        account=account,
        kind="image",
        state="failed" if failed else "solved",
        queued=queued,
        submitted=submitted,
        accepted=accepted,
        ended=ended,
        taken=ended + draw.expovariate(20),
        looked=looked,
        looks=looks,
        error=fault[0] if failed else "",
        code=fault[1] if failed else "",
        why="its deadline passed" if failed and fault[0] == "DeadlineExceeded" else "",
        cost=None if failed else 0.0004,
    )


def samples_of(run: Run, name: str, slots: int, draw) -> list[Sample]:
    """Return a sample a second of an account whose gate closes now and then."""
    found, refused, troubles = [], 0, 0
    for number in range(int(run.end - run.begin)):
        closed = number % 20 in {5, 6, 7}
        down = 60 <= number < 70
        refused += closed * draw.randrange(4)
        troubles += down * 2
        found.append(
            Sample(
                at=run.begin + number,
                account=name,
                queued=max(0, 1000 - number),
                in_flight=slots,
                limit=float("inf") if number < 5 else slots + 2 * (number % 20 == 3),
                gate="closed" if closed else "open",
                breaker="open" if down else "half-open" if number == 70 else "closed",
                submits=number * 5,
                refused=refused,
                throttled=number // 50,
                looks=number * 10,
                troubles=troubles,
                spent=number * 0.001,
            )
        )
    return found


def task_of(**options) -> Task:
    """Return a task that was solved in a second, but for what is given."""
    known = {
        "name": "a.png",
        "account": "captchaai",
        "kind": "image",
        "state": "solved",
        "queued": BEGIN,
        "submitted": BEGIN + 0.1,
        "accepted": BEGIN + 0.2,
        "ended": BEGIN + 1.0,
        "taken": BEGIN + 1.1,
    }
    return Task(**known | options)
