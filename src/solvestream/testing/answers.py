"""What a fake service answers: by task, in order, or as a function of yours says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias, cast

from attrs import define, evolve, field
from attrs.validators import ge, le

from solvestream.errors import UsageError, shorten
from solvestream.server import Latency, Scripted
from solvestream.server.simulate import draw_latency
from solvestream.server.work import Reason, Work, image_subject
from solvestream.tasks import Bls, ImageToText, Task

Said: TypeAlias = Scripted | str | None
"""An answer's text; more with `Scripted`; `None` for an answer made up from the task."""
Subject: TypeAlias = Task[Any] | bytes | Path | str
"""A task; an image as bytes or file; a site key, captcha id, gt or kind of task; `*`."""
Answers: TypeAlias = str | Mapping[Any, Said] | Callable[[Work], Said] | Iterable[Said]
"""Keys are a `Subject`: said so, a `dict[bytes, str]` would not do, as a key's type is invariant."""

UNSOLVABLE: Final = Scripted(error=Reason.UNSOLVABLE)
"""The service works on the task in vain, in the words of whichever protocol asks."""

_MAX_IMAGE = 16 << 20


@define(eq=False)
class Fates:
    """Decides each task from the seed and what it is, whatever the order in which tasks come.

    Trio runs tasks in an order of its own choice, and the same test shall see the same answers.
    """

    seed: int
    script: Callable[[Work], Said]
    latency: Latency
    failure_rate: float = field(validator=[ge(0.0), le(1.0)])
    _seen: Counter[str] = field(factory=Counter[str])

    def __call__(self, work: Work) -> Scripted:
        """Return what a task comes to; the same task bought again is drawn anew."""
        chance = Random(f"{self.seed} {work.subject} {self._seen[work.subject]}")  # noqa: S311 - no secret
        self._seen[work.subject] += 1
        drawn = draw_latency(self.latency, chance)
        said = self.script(work)
        if said is None:
            said = UNSOLVABLE if chance.random() < self.failure_rate else Scripted()
        elif isinstance(said, str):
            said = Scripted(answer=said)
        return said if said.latency is not None else evolve(said, latency=drawn)


def script_of(answers: Answers | None) -> Callable[[Work], Said]:
    """Return what says how each accepted task ends.

    Raises `UsageError` for what is none of `Answers`, and for a task that names nothing.
    """
    if answers is None or isinstance(answers, str):
        return lambda _: answers
    if isinstance(answers, Mapping):
        return _by_subject(cast("Mapping[Subject, Said]", answers))
    if callable(answers):
        return answers
    if isinstance(answers, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] - public edge
        return _in_order(iter(answers))
    raise UsageError(f"answers={shorten(answers)}: give a mapping, a list, a function or a text")


def _by_subject(answers: Mapping[Subject, Said]) -> Callable[[Work], Said]:
    said = {_subject(subject): answer for subject, answer in answers.items()}
    return lambda work: said.get(work.subject, said.get(work.kind, said.get("*")))


def _in_order(answers: Iterator[Said]) -> Callable[[Work], Said]:
    return lambda _: next(answers, None)


def _subject(subject: Subject) -> str:
    """Return what stands for a task at the service (`Work.subject`)."""
    if isinstance(subject, str):
        return subject
    if isinstance(subject, bytes):
        return image_subject(subject)
    if isinstance(subject, Path):
        return image_subject(subject.read_bytes())
    if isinstance(subject, ImageToText):
        return image_subject(subject.load(_MAX_IMAGE))
    if isinstance(subject, Bls) and subject.images:
        return image_subject(*subject.images)
    names = ("site_key", "captcha_id", "gt", "page_url")
    found = next((value for name in names if (value := getattr(subject, name, None))), None)
    if found is None:
        raise UsageError(f"answers: {shorten(subject)} names no image, site key or captcha id")
    return str(found)
