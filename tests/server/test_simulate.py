from __future__ import annotations

from random import Random
from statistics import quantiles

import pytest

from solvestream.server import Latency, Scripted, Settings, simulated_text, simulated_token
from solvestream.server.simulate import Simulator, draw_latency
from solvestream.server.work import Answer, Kind, Reason, Refusal, Work
from tests.server.support import Caller, picture

IMAGE = Work(kind=Kind.IMAGE, subject="abc", images=(picture(),))


def test_the_same_seed_gives_the_same_plans():
    """Two simulators of one seed agree; another seed differs."""
    latency = Latency(shape="uniform", low=2.0, high=6.0)

    def plans(seed):
        simulator = Simulator(Settings(seed=seed, latency=latency, failure_rate=0.3))
        return [simulator.begin(IMAGE, 0.0) for _ in range(50)]

    assert plans(1) == plans(1)
    assert plans(1) != plans(2)


def test_latencies_follow_their_shapes():
    """Fixed is one value, uniform keeps its bounds, lognormal its median and 95 % point."""
    chance = Random(7)
    assert draw_latency(Latency(low=3.0), chance) == 3.0
    uniform = [draw_latency(Latency(shape="uniform", low=2, high=6), chance) for _ in range(1_000)]
    assert 2.0 <= min(uniform) < 2.1
    assert 5.9 < max(uniform) <= 6.0
    log = Latency(shape="lognormal", low=4, high=20)
    parts = quantiles((draw_latency(log, chance) for _ in range(20_000)), n=20)
    assert parts[9] == pytest.approx(4.0, rel=0.05)
    assert parts[18] == pytest.approx(20.0, rel=0.1)


def test_answers_depend_on_the_image_alone():
    """Each image has its own answer, so that mixed-up results show."""
    outcome = Simulator(Settings()).begin(IMAGE, 0.0).outcome
    assert outcome == Answer(texts=(simulated_text(picture()),), confidence=0.99)
    assert simulated_text(picture(1)) != simulated_text(picture(2))


@pytest.mark.parametrize("subject", ["abc", "image", "*"])
def test_a_script_is_looked_up_by_subject_kind_or_star(subject):
    """The nearest entry decides: this image, images, anything."""
    script = {subject: Scripted(answer="42", latency=2.5), "turnstile": "no"}
    plan = Simulator(Settings(script=script)).begin(IMAGE, 10.0)
    assert (plan.ready_at, plan.outcome.text) == (12.5, "42")


def test_a_share_of_tasks_fails_when_asked_to():
    """failure_rate=1 fails each one; scripted answers are exempt."""
    settings = Settings(failure_rate=1.0, script={"turnstile": "42"})
    simulator = Simulator(settings)
    assert simulator.begin(IMAGE, 0.0).outcome == Refusal(Reason.UNSOLVABLE)
    token = Work(kind=Kind.TURNSTILE, subject="site")
    assert simulator.begin(token, 0.0).outcome == Answer(texts=("42",))


@pytest.mark.anyio
async def test_a_script_may_be_a_function_in_process():
    """create_app(script=) decides by looking at the work; None leaves it to chance."""
    caller = Caller(
        script_function=lambda work: "seven" if work.kind is Kind.IMAGE else None,
    )
    task_id = (await caller.put_image())[3:]
    assert await caller.ask("get", id=task_id) == "OK|seven"
    fields = {"method": "turnstile", "sitekey": "k", "pageurl": "https://a.example"}
    task_id = (await caller.put(**fields))[3:]
    assert await caller.ask("get", id=task_id) == f"OK|{simulated_token('k')}"
