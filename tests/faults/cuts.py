"""Chance against verdicts: real connections cut anywhere, plain and TLS, on both transports.

    python -m tests.faults.cuts --trials 10000 --seed 1

A relay cuts, stalls, floods or corrupts each connection at a random byte; deadlines strike too. A
verdict is unsafe if it says that a submit was free (`not_sent`, `incomplete`, `rejected`, or told
`charged="no"`) while the ledger shows that the service took the money, or if an image was paid twice.
The naive client, which sends again after whatever went wrong, must be caught by the same check.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import ssl
import sys
import time
from collections import Counter
from types import SimpleNamespace
from typing import cast

import pytest
import trustme
from attrs import define, field

from solvestream import SolvestreamError
from solvestream._core import planner
from tests.faults.canary import Canary
from tests.faults.clock import VirtualLoop
from tests.faults.relay import At, Do, Relay, Wire
from tests.faults.world import FREE, Certified, World, judge_naively, task

BATCH = 20
"""Submits at once in one world."""


@define
class Tally:
    """What came of all trials."""

    verdicts: Counter[str] = field(factory=Counter)
    paid: int = 0
    unsafe: list[str] = field(factory=list)
    shown: list[str] = field(factory=list)

    @property
    def trials(self) -> int:
        """How many there were."""
        return self.verdicts.total()


CUTS = ("reset", "reset", "end", "hang", "wait")
CORRUPTIONS = ("flip", "insert")


def wire(chance: random.Random, length: int, *, tls: bool) -> Wire:
    """Draw what one connection is like: most have an incident somewhere within a request.

    A plain request is not corrupted, as it might then be paid for in the name of another.
    """

    def incident(most: int, kinds: tuple[str, ...]) -> tuple[At, ...]:
        byte = chance.choice((chance.randrange(400), chance.randrange(most)))
        do = cast("Do", chance.choice(kinds))
        return (At(byte, do, chance.randbytes(7), chance.uniform(0, 40)),)

    both = CUTS + CORRUPTIONS
    up = incident(length, both if tls else CUTS) if chance.random() < 0.5 else ()
    down = incident(300, both) if chance.random() < 0.4 else ()
    return Wire(up=up, down=down, slices=chance.choice((1 << 16, 1 << 16, 1460, 50)))


async def batch(world: World, chance: random.Random, tally: Tally, count: int) -> None:
    """Submit some images, each through whatever connection it gets, and judge what is told."""
    size = chance.choice((0, 0, 3_000, 300_000))
    world.service.room = 1 << 16
    await world.open()
    length, tls = 600 + size * 4 // 3, world.certified is not None
    relay = Relay(world.service.port, lambda n: wire(chance, length, tls=tls))
    await world.through(relay)
    account = world.account("capsolver", max_image_bytes=16 << 20)
    async with world.client(account) as client:
        solving = [client.solve(task(n, size, deadline=500.0)) for n in range(count)]
        told = await asyncio.gather(*solving, return_exceptions=True)
    judge(world, told, tally)
    for one in world._https:
        await one.aclose()
    await relay.stop()
    await world.service.stop()


def judge(world: World, told: list, tally: Tally) -> None:
    """Compare what callers were told with the ledger."""
    for label, one in enumerate(told):
        error = one if isinstance(one, SolvestreamError) else None
        if error is None and isinstance(one, BaseException):
            raise one
        verdict = "solved" if error is None else error.verdict or type(error).__name__
        tally.verdicts[verdict] += 1
        paid = world.service.charges[label]
        tally.paid += paid
        free = error is not None and (error.charged == "no" or error.verdict in FREE)
        if paid > 1 or (paid and free):
            tally.unsafe.append(f"image {label}: {verdict}, paid {paid} times: {error}")
        world.canary.look(one)
    tally.shown += world.canary.found


def certificates() -> Certified:
    """Make TLS contexts."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return Certified(server, client)


def cut(trials: int, seed: int, *, naive: bool = False, transports=("pool", "httpx")) -> Tally:
    """Run trials over both transports, plain and TLS, in turn."""
    certified = certificates()
    tally = Tally()
    kinds = [(one, tls) for one in transports for tls in (None, certified)]
    with pytest.MonkeyPatch.context() as patch:
        clock = SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time())
        patch.setattr("httpcore._async.http11.time", clock)
        if naive:
            patch.setattr(planner, "judge", judge_naively)
        number = 0
        while tally.trials < trials:
            chance = random.Random(f"{seed}-{number}")
            patch.setattr(
                "solvestream.client.random",
                SimpleNamespace(Random=lambda one=chance: random.Random(one.random())),
            )
            transport, tls = kinds[number % len(kinds)]
            world = World(transport, Canary(), patch, tls)
            count = min(BATCH, trials - tally.trials)
            with asyncio.Runner(loop_factory=VirtualLoop) as runner:
                runner.run(batch(world, chance, tally, count))
            number += 1
    return tally


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--naive", action="store_true", help="the positive control")
    options = parser.parse_args()
    started = time.monotonic()
    tally = cut(options.trials, options.seed, naive=options.naive)
    counts = ", ".join(f"{name} {count}" for name, count in tally.verdicts.most_common())
    print(f"seed {options.seed}: {tally.trials} submits in {time.monotonic() - started:.0f} s")
    print(f"told: {counts}; paid {tally.paid}")
    print(f"unsafe verdicts: {len(tally.unsafe)}; key shown: {len(tally.shown)} times")
    print("\n".join(tally.unsafe[:20]))
    return int(bool(tally.unsafe or tally.shown))


if __name__ == "__main__":
    sys.exit(main())
