"""One row of a table of faults: what is done to a stream of three images, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve, field, frozen

from solvestream import SolvestreamError
from tests.faults.service import Chooser
from tests.faults.world import Report, World

COUNT = 3
"""Images in each run. The fault strikes one of them unless the row says more."""


@frozen(kw_only=True)
class Case:
    """A fault, and what must come of it.

    Attributes:
        id: of `faults.json`.
        name: of the variant.
        service: the account's service.
        on, greet: the service's acts.
        options: of the account.
        client: options of the client.
        size: bytes of each image.
        at_once: the createTask service answers images at once.
        error: type of the results that fail; `None` where all succeed in the end.
        bad: how many fail.
        facts: attributes of each error.
        charges: what the ledger shows in the end.
        submits: submit requests begun at most, and at least one for each image.
        looks: looks at most; `None` for no bound but the reference's.
        httpx: what differs there, since httpx has less evidence.
        check: more to check.
    """

    id: str
    name: str = ""
    service: str = "captchaai"
    on: Mapping[str, Chooser] = field(factory=dict)
    greet: Chooser | None = None
    options: Mapping[str, Any] = field(factory=dict)
    client: Mapping[str, Any] = field(factory=dict)
    size: int = 0
    at_once: bool = True
    error: type[SolvestreamError] | None = None
    bad: int = 1
    facts: Mapping[str, Any] = field(factory=dict)
    charges: int = COUNT
    submits: int = COUNT
    looks: int | None = None
    httpx: Mapping[str, Any] = field(factory=dict)
    check: Callable[[World, Report], None] = lambda world, report: None

    def __str__(self) -> str:
        return f"{self.id}-{self.name}" if self.name else self.id

    def on_transport(self, transport: str) -> Case:
        """Return what is expected on a transport."""
        return evolve(self, **self.httpx) if transport == "httpx" else self

    def set_up(self, world: World) -> Any:
        """Tell the service what to do; returns the account."""
        service = world.service
        service.on.update(self.on)
        service.at_once = self.at_once
        if self.greet is not None:
            service.greet = self.greet
        options = dict(self.options)
        if "words" in options:
            service.words = options.pop("words")
        if self.size:
            options["max_image_bytes"] = 16 << 20
        return world.account(self.service, **options)

    def verify(self, world: World, report: Report) -> None:
        """Check what came of the run."""
        service = world.service
        bad = 0 if self.error is None else self.bad
        assert [type(error).__name__ for error in report.bad] == [
            self.error.__name__ for _ in range(bad) if self.error is not None
        ], report.bad
        assert len(report.good) == COUNT - bad
        for error in report.bad:
            for name, value in self.facts.items():
                assert getattr(error, name) == value, (name, error)
        assert sum(service.charges.values()) == self.charges
        assert service.begun["submit"] <= self.submits
        if self.looks is not None:
            assert service.begun["look"] <= self.looks
        self.check(world, report)
