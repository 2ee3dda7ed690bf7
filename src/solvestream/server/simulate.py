"""The engine that solves nothing: scripted or made-up answers after a drawn latency.

What an image "says" is a pure function of its bytes (`simulated_text`), so that a client can
tell whether each task got its own answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from random import Random

from .desk import Planned
from .settings import Latency, Scripted, Settings
from .work import Answer, Kind, Outcome, Reason, Refusal, Work, check_image

Script = Callable[[Work], Scripted | str | None]
"""What a work comes to; `None` leaves it to chance."""

USER_AGENT = "Mozilla/5.0 (solvestream local service)"
"""The browser that simulated clearances claim."""


def simulated_text(image: bytes) -> str:
    """Return what the simulated service reads in `image`: 8 hex digits of its SHA-256."""
    return hashlib.sha256(image).hexdigest()[:8]


def simulated_token(subject: str) -> str:
    """Return the simulated token for a site key, captcha id or gt."""
    return "token-" + hashlib.sha256(subject.encode()).hexdigest()[:24]


class Simulator:
    """Draws latencies and answers from a seed; the same calls give the same results."""

    def __init__(self, settings: Settings, script: Script | None = None) -> None:
        self._settings = settings
        self._script = script or self._look_up
        self._chance = Random(settings.seed)

    def check(self, work: Work) -> Refusal | None:
        """Refuse images that are empty, too big or no images by their first bytes."""
        refusals = (check_image(image, self._settings.max_image_bytes) for image in work.images)
        return next((refusal for refusal in refusals if refusal), None)

    def begin(self, work: Work, now: float) -> Planned:
        """Decide now when the work will be ready, and with what."""
        scripted = self._script(work) or Scripted()
        if isinstance(scripted, str):
            scripted = Scripted(answer=scripted)
        drawn = draw_latency(self._settings.latency, self._chance)
        fails = self._chance.random() < self._settings.failure_rate
        latency = drawn if scripted.latency is None else scripted.latency
        return Planned(now + latency, _outcome(work, scripted, fails=fails))

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""

    def _look_up(self, work: Work) -> Scripted | None:
        script = self._settings.script
        if not script:
            return None
        return script.get(work.subject) or script.get(work.kind) or script.get("*")


def draw_latency(latency: Latency, chance: Random) -> float:
    """Draw seconds from a latency's distribution."""
    if latency.shape == "uniform":
        return chance.uniform(latency.low, latency.high)
    if latency.shape == "lognormal":
        return latency.low * chance.lognormvariate(0.0, latency.sigma)
    return latency.low


def _outcome(work: Work, scripted: Scripted, *, fails: bool) -> Outcome:
    if scripted.error is not None:
        return Refusal(scripted.error)
    if scripted.answer is not None:
        return Answer(texts=(scripted.answer,) * max(1, len(work.images)))
    if fails:
        return Refusal(Reason.UNSOLVABLE)
    if work.kind is Kind.IMAGE:
        return Answer(texts=tuple(simulated_text(image) for image in work.images), confidence=0.99)
    return _token(work)


def _token(work: Work) -> Answer:
    token = simulated_token(work.subject)
    digest = token.removeprefix("token-")
    if work.kind is Kind.GEETEST_V3:
        parts = {"challenge": digest, "validate": digest[::-1], "seccode": f"{digest[::-1]}|jordan"}
        return Answer(parts=parts)
    if work.kind is Kind.GEETEST_V4:
        parts = {
            "captcha_id": work.subject,
            "lot_number": digest,
            "pass_token": digest[::-1],
            "gen_time": "1700000000",
            "captcha_output": f"{digest}==",
        }
        return Answer(parts=parts)
    if work.kind is Kind.CLOUDFLARE:
        return Answer(parts={"cf_clearance": token, "user_agent": USER_AGENT})
    return Answer(texts=(token,))
