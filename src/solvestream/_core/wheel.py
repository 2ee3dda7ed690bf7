"""One calendar of moments for thousands of waiting things.

Moments are rounded up to a multiple of `slack` and kept in one list per multiple; a heap
holds the multiples only. A waiting thing costs one reference instead of a heap entry or a
timer, adding is O(1), and what is due together comes out together, ready for one batch.
Nothing is removed singly: whoever takes a thing out looks whether it still matters, and a
sweep throws out at once what does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from itertools import chain
from typing import Generic, TypeVar

T = TypeVar("T")


class Wheel(Generic[T]):
    """Things by the moment they are due; never early, late by at most `slack` seconds.

    Attributes:
        slack: seconds.
        next: the first moment anything is due; infinity when nothing waits.
    """

    __slots__ = ("_buckets", "_heap", "_size", "next", "slack")

    def __init__(self, slack: float) -> None:
        self.slack = slack
        self._buckets: dict[int, tuple[int, list[T]]] = {}
        self._heap: list[int] = []
        self._size = 0
        self.next = math.inf

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[T]:
        return chain.from_iterable(things for _, things in self._buckets.values())

    def __repr__(self) -> str:
        return f"<Wheel {len(self)} things, next at {self.next}>"

    def add(self, when: float, thing: T) -> int:
        """Put a thing at a moment, and return its tick; one in the past is due at once.

        Whoever moves a thing keeps its newest tick: entries that come out at another are old.
        """
        self._size += 1
        index = math.ceil(when / self.slack)
        bucket = self._buckets.get(index)
        if bucket is None:
            self._buckets[index] = (index, [thing])
            heappush(self._heap, index)
            self.next = self._heap[0] * self.slack
            return index
        bucket[1].append(thing)
        return bucket[0]  # one number for all that hold on to it

    def sweep(self, matters: Callable[[T], bool]) -> None:
        """Throw out all that no longer matters; costs as much as there are things."""
        for tick, (index, things) in self._buckets.items():
            self._buckets[tick] = (index, [thing for thing in things if matters(thing)])
        self._size = sum(len(things) for _, things in self._buckets.values())

    def pop_due(self, now: float) -> Iterator[tuple[int, list[T]]]:
        """Take out everything due, in order of its moment: ticks, and what was put at each."""
        while self.next <= now:
            tick, due = self._buckets.pop(heappop(self._heap))
            self._size -= len(due)
            self.next = self._heap[0] * self.slack if self._heap else math.inf
            yield tick, due
