"""The pytest plugin, run by pytest in pytest as a user's suite would run it."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ("pytester",)

OPTIONS = (
    *("-p", "no:looptime_plugin", "-p", "no:cacheprovider"),
    *("-p", "no:solvestream", "-p", "solvestream.testing.pytest_plugin"),  # installed or not
    *("-W", "error"),
)
IMAGE = r"""
import pytest
from solvestream import ImageToText
pytestmark = pytest.mark.anyio
IMAGE = b"\x89PNG\r\n\x1a\npicture"
"""


@pytest.fixture
def run(pytester: pytest.Pytester):
    """Run a test module in a pytest of its own; return its outcomes."""

    def run(code: str, prelude: str = IMAGE) -> dict[str, int]:
        pytester.makepyfile(prelude + code)
        return pytester.runpytest_inprocess(*OPTIONS).parseoutcomes()

    return run


def test_a_client_and_its_service_are_there(run):
    """An async test asks for the client, and for the service to look at the books."""
    code = """
async def test_crawler(solvestream_client, solvestream_service):
    result = await solvestream_client.solve(ImageToText(IMAGE))
    assert result.ok
    assert solvestream_service.ledger.accepted == 1
    assert (await solvestream_client.balance())["captchaai"].amount < 1_000
"""
    outcomes = run(code)
    assert outcomes.pop("passed") >= 2  # asyncio and trio
    assert not outcomes


def test_the_service_may_be_one_of_ones_own(run):
    """Overriding the fixture gives the client's service answers, slots and time."""
    code = """
from solvestream.testing import FakeService, virtual_time

@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return virtual_time(request.param)

@pytest.fixture
def solvestream_service():
    return FakeService(answers="W9h5K", latency=600.0)

async def test_ten_minutes(solvestream_client):
    result = await solvestream_client.solve(ImageToText(IMAGE, deadline=700))
    assert result.unwrap().text == "W9h5K"
    assert result.elapsed >= 600
"""
    assert run(code) == {"passed": 2}


def test_a_plain_test_may_use_the_service_alone(run):
    """The service needs no async runner; `client()` is for whichever runner there is."""
    code = """
import asyncio
import pytest

def test_plain(solvestream_service):
    async def main():
        async with solvestream_service.client() as client:
            return await client.balance()
    assert asyncio.run(main())
"""
    assert run(code, prelude="") == {"passed": 1}


def test_the_fixtures_are_listed_with_what_they_are_for(pytester):
    """`pytest --fixtures` shows both, each with a sentence."""
    result = pytester.runpytest_inprocess(*OPTIONS, "--fixtures")
    result.stdout.fnmatch_lines(["*solvestream_service*", "*A service in memory*"])
    result.stdout.fnmatch_lines(["*solvestream_client*", "*An open client*"])


def test_the_plugin_costs_a_test_run_nothing():
    """Loading it imports neither a client nor a service nor anything of extras."""
    heavy = ["anyio", "attrs", "asyncio", "httpx", "respx", "trio", "solvestream.client"]
    before = (
        "import sys, pytest; before = set(sys.modules); import solvestream.testing.pytest_plugin"
    )
    code = f"{before}; print([m for m in {heavy} if m in set(sys.modules) - before])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
