"""Stable keys: the same task has the same `job_key` in every run, so that it is bought once.

A key is made of what is asked for: kind, fields, and the bytes of images, wherever they lie.
Tag, truth, deadline and priority are no part of it, nor is the place in the input. Of tasks
that are all the same, as tokens for one page, the second has a key of its own, and so on.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs
from attrs import define, evolve, field

from solvestream import ImageToText, InvalidTask, Proxy
from solvestream.cli.fields import MAX_BYTES, AnyTask

_ASIDE = {"tag", "deadline", "job_key", "priority"}


@define
class Keyed:
    """Gives tasks their keys, and leaves out those that are finished.

    Takes about 100 bytes of memory for each task it has seen.

    Attributes:
        finished: keys of what need not be done again.
        skipped: tasks that were left out.
    """

    finished: Container[str]
    skipped: int = 0
    _seen: Counter[int] = field(factory=Counter[int])

    def of(self, tasks: Iterable[AnyTask]) -> Iterator[AnyTask]:
        """Yield the tasks that are not finished, each with its key. Reads images from disk."""
        for task in tasks:
            key = task.job_key or self._key(task)
            if key is not None and key in self.finished:
                self.skipped += 1
            else:
                yield evolve(task, job_key=key)

    def _key(self, task: AnyTask) -> str | None:
        """Return a task's own key; `None` for one that fails by itself, and costs nothing."""
        try:
            task.check()
            digest = _digest(task)
        except InvalidTask:
            return None
        number = int.from_bytes(digest[:8])
        self._seen[number] += 1
        count = self._seen[number]
        return digest.hex() if count == 1 else f"{digest.hex()}-{count}"


def _digest(task: AnyTask) -> bytes:
    fields = {
        one.name: value
        for one in attrs.fields(type(task))
        if one.name not in _ASIDE and (value := getattr(task, one.name)) != one.default
    }  # a field that a later release adds changes no key
    text = json.dumps([task.kind, fields], sort_keys=True, default=_plain)
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _plain(value: object) -> Any:
    if isinstance(value, Path):
        value = ImageToText(value).load(MAX_BYTES)
    if isinstance(value, bytes):
        return hashlib.blake2b(value, digest_size=16).hexdigest()
    assert isinstance(value, Proxy)
    return attrs.asdict(value)
