"""A bounded part of `python -m tests.client.cancel`, its positive control, and what it found."""

from __future__ import annotations

import asyncio

import pytest

from solvestream import CaptchaAI, Client
from solvestream._journal.journal import Journal
from tests.client.callers import WAYS, native, scope, twice
from tests.client.cancel import run
from tests.virtual import ASYNCIO

SEED = 20261122


def test_nothing_is_missing_after_cuts_at_random():
    """Of 300 calls cut anyhow, native and anyio, none leaves an orphan, a connection or a task."""
    tally = run(300, SEED)
    assert tally.found == []
    assert tally.paid > 300
    assert tally.cut.keys() >= {"solve", "submit", "wait", "read", "iterate", "balance", "aclose"}
    assert len(tally.ways) == len(WAYS) + 1


def test_a_client_that_owns_nothing_is_found_out():
    """The positive control orphans paid tasks and loses items, and the same audit says so."""
    tally = run(40, SEED, naive=True)
    assert tally.orphans
    assert tally.lost


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", [ASYNCIO])
@pytest.mark.parametrize("journal", [False, True])
@pytest.mark.parametrize("cancel", [native, twice, scope])
async def test_opening_cut_at_any_step_leaves_nothing(
    anyio_backend, monkeypatch, tmp_path, cancel, journal
):
    """As nobody has the client then, it has ended by itself, and its journal is free again."""

    async def at_once(self, path):
        return Journal.open(path)

    monkeypatch.setattr(Client, "_open_journal", at_once)
    path = tmp_path / "run.db" if journal else None
    before = asyncio.all_tasks()
    cuts = []
    for step in range(8):
        client = Client(CaptchaAI("key"), journal=path)
        cuts.append(await cancel(client.start(), 0, step))
        if not cuts[-1]:
            await client.aclose()
        await asyncio.sleep(1)
        assert asyncio.all_tasks() == before
    assert {*cuts} == {True, False}
