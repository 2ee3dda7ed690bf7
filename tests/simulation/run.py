"""One run: a world and its users drawn from a seed, some lives of a client, and the story."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from attrs import define, field

from solvestream import Client, SolvestreamError, Ticket
from tests.simulation.loop import Stuck, VirtualLoop
from tests.simulation.network import Network, TaskNetwork
from tests.simulation.speech import CreateTaskSpeech, InPhpSpeech, SolvoraSpeech, Speech
from tests.simulation.story import Life, Story
from tests.simulation.user import Visit
from tests.simulation.weather import Weather, draw_weather
from tests.simulation.wiring import LoopWriter, wired
from tests.simulation.world import Service

START = 1000.0
ROUNDS = 8
"""How often tickets are taken up again at the end."""

SERVICES: tuple[tuple[Callable[[], Speech], ...], ...] = (
    (InPhpSpeech,),
    (InPhpSpeech,),
    (partial(InPhpSpeech, json=True),),
    (partial(InPhpSpeech, multi=True),),
    (partial(InPhpSpeech, multi=True),),
    (partial(InPhpSpeech, multi=True, json=True),),
    (CreateTaskSpeech,),
    (SolvoraSpeech,),
    (InPhpSpeech, CreateTaskSpeech),
    (partial(InPhpSpeech, multi=True), SolvoraSpeech),
    (InPhpSpeech, CreateTaskSpeech, SolvoraSpeech),
)


@define(eq=False)
class Run:
    """A run and what it draws.

    Attributes:
        seed: of all chance.
        jobs: tasks that users hand over, about.
        journal: file of the client's journal; `None` for none.
        by_task: the transport has no `begin`, as httpx has none.
        client_class: what is put to the test: `Client`, or a naive one.
    """

    seed: int
    jobs: int = 200
    journal: Path | None = None
    client_class: Callable[..., Any] = Client
    keep: bool = False
    weather: Callable[[random.Random, float], Weather] = draw_weather
    services_from: tuple[tuple[Callable[[], Speech], ...], ...] = SERVICES
    chance: random.Random = field(init=False)
    loop: VirtualLoop = field(init=False)
    story: Story = field(init=False)
    services: dict[str, Service] = field(factory=dict)
    options: dict[str, Any] = field(factory=dict)
    networks: list[Network] = field(factory=list)
    lives: int = 1
    by_task: bool = False
    tickets: dict[tuple[str, str], Ticket] = field(factory=dict)
    labels: itertools.count[int] = field(factory=lambda: itertools.count(1))
    keyed: dict[int, dict[str, Any]] = field(factory=dict)
    visit: Visit = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.story = Story(self.seed, keep=self.keep)
        self.loop = VirtualLoop(START, START + 100_000)
        chance = self.chance
        for build in chance.choice(self.services_from):
            speech = build()
            weather = self.weather(chance, START)
            self.services[speech.host] = Service(speech, weather, self.loop, self.story)
        self.options = {
            "connections": chance.choice((3, 8, 64, 64)),
            "max_in_flight": chance.choice((None, None, 3, 30)),
        }
        self.lives = chance.choice((1, 1, 2, 3))
        if self.journal is not None:
            self.lives += 1  # the last one reads what the journal still holds
        self.by_task = chance.random() < 0.15

    @property
    def speeches(self) -> list[Speech]:
        """Protocols spoken."""
        return [service.speech for service in self.services.values()]

    def go(self) -> Run:
        """Run all lives; what went wrong is in the story.

        No garbage is collected meanwhile: when that happens is no function of the seed.
        """
        gc.disable()
        try:
            with wired(self.seed, lambda: self.loop) as writers:
                for number in range(1, self.lives + 1):
                    if self._live(number, last=number == self.lives):
                        self._crash(writers[-1:])
        except Stuck as stuck:
            self.story.breaches.append(f"G4: hangs: {stuck}; {self._waiting()}")
        except SolvestreamError as error:
            self.story.breaches.append(f"G4: a user got {type(error).__name__}: {error}")
        finally:
            self.loop.bury()
            gc.enable()
        return self

    def _waiting(self) -> str:
        return ", ".join(sorted(str(task.get_coro()) for task in self.loop.tasks()))[:400]

    # Lives

    def _live(self, number: int, *, last: bool) -> bool:
        """Run one life; tells whether it ended in a crash."""
        life = Life(number, self.loop.moment)
        self.story.lives.append(life)
        for service in self.services.values():
            service.banned_until = 0.0
        main = self._one_life(life, last=last)
        if not last and self.chance.random() < (0.3 if self.journal is None else 0.7):
            seconds = self.chance.choice((0.1, 2.0, 15.0, 60.0)) * self.chance.random()
            if self.loop.run_until_crash(main, seconds):
                return True
        else:
            self.loop.run(main)
        self._look_for_leftovers(life)
        return False

    def _crash(self, writers: list[LoopWriter]) -> None:
        """Drop the loop and the client as they are, and go on in a new loop."""
        self.story.lives[-1].end = "crashed"
        self.story.lives[-1].ended = self.loop.moment
        self.networks[-1].crash()
        for writer in writers:
            writer.crash()
        visit, self.visit.story = self.visit, Story(self.seed)  # the dead tell no tales
        self.tickets = visit.pawned | visit.waiting
        old, self.loop = self.loop, VirtualLoop(self.loop.moment, self.loop.until)
        for service in self.services.values():
            service.loop = self.loop
        old.bury()

    def _network(self, life: int, connections: int) -> Any:
        network = Network(self.services, connections, life, self.loop)
        self.networks.append(network)
        return TaskNetwork(network) if self.by_task else network

    async def _one_life(self, life: Life, *, last: bool) -> None:
        accounts = [speech.account() for speech in self.speeches]
        extra: dict[str, Any] = {} if self.journal is None else {"journal": self.journal}
        http = partial(self._network, life.number)
        client = self.client_class(*accounts, http=http, **self.options, **extra)
        await client.start()
        self.visit = visit = self._visit(client, life)
        teller = asyncio.ensure_future(visit.teller())
        users = [asyncio.ensure_future(user) for user in self._users(visit)]
        if last or self.chance.random() < (0.3 if self.journal is None else 0.5):
            await asyncio.gather(*users)
            await self._redeem(visit, rounds=ROUNDS if last else 1)
        else:
            await asyncio.wait(users, timeout=self.chance.random() * 60)
        teller.cancel()
        life.closing = self.loop.moment
        life.tickets = await client.aclose()
        await asyncio.gather(*users)
        await asyncio.gather(teller, return_exceptions=True)
        life.end, life.ended = "closed", self.loop.moment
        life.statistics = client.statistics()
        self.tickets = visit.pawned | {(t.account, t.task_id): t for t in life.tickets}

    def _visit(self, client: Any, life: Life) -> Visit:
        tokens = not isinstance(self.speeches[0], SolvoraSpeech)
        chance = random.Random(self.chance.random())
        visit = Visit(
            client,
            self.speeches[0].task,
            chance,
            self.story,
            self.loop,
            life.number,
            self.labels,
            tokens,
        )
        visit.pawned = dict(self.tickets)
        visit.keyed = self.keyed
        return visit

    def _users(self, visit: Visit) -> list[Coroutine[Any, Any, None]]:
        """Deal this life's tasks out to users."""
        users: list[Coroutine[Any, Any, None]] = []
        if self.journal is not None and visit.life == self.lives:
            return users
        left = max(1, self.jobs // self.lives)
        if self.journal is not None and visit.life > 1:
            users.append(visit.resumer())
            keyed = [one for one in self.keyed.items() if self.chance.random() < 0.3]
            users += [visit.again(label, options) for label, options in keyed]
        while left > 0:
            count = min(left, self.chance.choice((1, 5, 20, 100)))
            left -= count
            kind = self.chance.choice((visit.reader, visit.reader, visit.solver, visit.ticketer))
            users.append(kind(count))
        for ticket in self.tickets.values():
            if self.chance.random() < 0.3:
                users.append(self._early(visit, ticket))
        return users

    async def _early(self, visit: Visit, ticket: Ticket) -> None:
        await visit.redeem(ticket, patience=visit.patience())

    async def _redeem(self, visit: Visit, rounds: int) -> None:
        """Take up all tickets there are, until none is left."""
        for _ in range(rounds):
            await asyncio.sleep(100)
            if self.journal is not None:
                await visit.resume()
            found = {(t.account, t.task_id): t for t in visit.client.tickets()}
            tickets = visit.pawned | found
            if not tickets:
                return
            await asyncio.gather(*(visit.redeem(ticket) for ticket in tickets.values()))

    def _look_for_leftovers(self, life: Life) -> None:
        life.leftovers += [repr(task) for task in self.loop.tasks()]
        life.leftovers += [f"on the wire: {one.asked}" for one in self.networks[-1].on_wire]
        for context in self.loop.errors:
            self.story.breaches.append(f"loop: {context.get('exception') or context['message']!r}")
        self.loop.errors.clear()
