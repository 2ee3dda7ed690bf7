"""A single service and a client in virtual time, for tests that need one scene and no chance."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, field

from solvestream import Client
from tests.simulation.loop import VirtualLoop
from tests.simulation.network import Network, TaskNetwork
from tests.simulation.speech import InPhpSpeech, Speech
from tests.simulation.story import Story
from tests.simulation.weather import Weather
from tests.simulation.wiring import wired
from tests.simulation.world import Service

T = TypeVar("T")


@define(eq=False)
class Stage:
    """One service, fair weather unless told otherwise."""

    speech: Speech = field(factory=InPhpSpeech)
    loop: VirtualLoop = field(factory=VirtualLoop)
    story: Story = field(factory=lambda: Story(1))
    seed: int = 1
    by_task: bool = False
    weather: Weather = field(init=False)
    service: Service = field(init=False)
    networks: list[Network] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.weather = Weather(random.Random(self.seed), latency=(0.02, 0.06), cold=0.0)
        self.service = Service(self.speech, self.weather, self.loop, self.story)

    @property
    def ledger(self) -> Any:
        """The service's books."""
        return self.service.ledger

    def network(self, connections: int) -> Any:
        """Return a transport."""
        network = Network({self.speech.host: self.service}, connections, 1, self.loop)
        self.networks.append(network)
        return TaskNetwork(network) if self.by_task else network

    def client(self, *, journal: Path | None = None, pacing: Any = None, **options: Any) -> Client:
        """Return a client of the service."""
        account = self.speech.account(pacing=pacing)
        if journal is not None:
            options["journal"] = journal
        return Client(account, http=partial(self.network), **options)

    def run(self, play: Callable[[Stage], Awaitable[T]]) -> T:
        """Run a scene to its end; nothing may be left of it."""

        async def scene() -> T:
            return await play(self)

        try:
            with wired(self.seed, lambda: self.loop):
                result = self.loop.run(scene())
                assert self.loop.errors == []
                return result
        finally:
            self.loop.bury()
