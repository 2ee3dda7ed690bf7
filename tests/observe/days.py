"""Days at a service in memory, as sinks see them: a good one, and one where all goes wrong."""

from __future__ import annotations

import anyio

from solvestream import CaptchaAI, Client, ImageToText, Pacing, RecaptchaV2, events
from solvestream._wire import Broken, Response, Sent, Trouble
from tests.faults.canary import KEY
from tests.virtual import lost_reply, not_sent

PNG = b"\x89PNG\r\n\x1a\n"
QUICK = Pacing(first_look=2.0, interval=2.0, deadline=120.0)
ANSWER = "canary-answer"
"""Every answer starts with it."""

ENDED = events.TaskEnded(
    at=1.0,
    job_key="k",
    kind="image",
    account="a",
    ok=False,
    error="TaskFailed",
    code="ERROR_CAPTCHA_UNSOLVABLE",
    charged="no",
    elapsed=2.0,
    solving=1.0,
    looks=1,
    cost=None,
    expires_at=None,
    redelivered=False,
)
"""A task that could not be solved."""

SUBMITS = {
    2: "ERROR_NO_SLOT_AVAILABLE",
    4: not_sent(),
    5: lost_reply(),
    6: "ERROR_ZERO_CAPTCHA_FILESIZE",
    7: "<html>busy</html>",
    8: f"ERROR_{KEY}",
    9: Response(503, body=b"down"),
    11: "ERROR_MADE_UP_" + "X" * 60,
}
LOOKS = {
    3: lost_reply(),
    5: Broken(Trouble.TIMEOUT, Sent.ALL, "127.0.0.1:1: no reply in time"),
    7: f"ERROR_SOMETHING about {KEY}",
    8: "ERROR_CAPTCHA_UNSOLVABLE",
    9: Response(200, body=b"\xff\xfe"),
}


def account(**options):
    """Return an account whose key must be seen nowhere."""
    return CaptchaAI(KEY, pacing=QUICK, **options)


async def good_day(service, sink, *, tasks=20, slots=5):
    """Solve tasks through few slots; return the results."""
    service.slots = slots
    service.solve = lambda: 3.0
    service.answer = lambda task_id: f"{ANSWER}-{task_id}"
    async with Client(account(), on_event=sink) as client:
        return [one async for one in client.stream([ImageToText(PNG, tag="t")] * tasks)]


async def bad_day(service, sink):
    """Let all go wrong: the wire, the service, the tasks, the caller, the account, the end."""
    service.solve = lambda: 3.0
    service.answer = lambda task_id: f"{ANSWER}-{task_id}"
    service.on_submit = SUBMITS.get
    service.on_look = lambda ids, n: LOOKS.get(n)
    tasks = [ImageToText(PNG, deadline=200.0) for _ in range(20)]
    tasks += [ImageToText(b""), RecaptchaV2("site", "https://example.com")]
    async with Client(account(), on_event=sink) as client:
        results = [one async for one in client.stream(tasks)]
        service.slots = 0
        with anyio.move_on_after(2):
            await client.solve(ImageToText(PNG))  # it finds no slot, and goes
        service.slots = 99
        ticket = await client.submit(ImageToText(PNG))
    async with Client(account(), on_event=sink) as client:
        results.append(await client.wait(ticket))
        service.on_submit = lambda n: f"ERROR_KEY_DOES_NOT_EXIST {KEY}"
        results += [one async for one in client.stream([ImageToText(PNG)] * 50)]
    return results
