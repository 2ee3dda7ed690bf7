"""A browser for the tests that need one, and an open page."""

from __future__ import annotations

import os

import pytest

from solvestream.observe.report import page
from tests.observe.report.browser import INSTALL, Browser, find
from tests.observe.report.runs import ZONE, run_of


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A real browser: CI has one, and a machine of one's own may do without."""
    program = find()
    if program is None and os.environ.get("CI") == "true":
        pytest.fail(f"CI needs a browser: {INSTALL}")
    if program is None:
        pytest.skip(f"no Chromium here: {INSTALL}")
    one = Browser(program, tmp_path_factory.mktemp("profile"))
    yield one
    one.close()


@pytest.fixture(scope="session")
def large():
    """Fifty thousand tasks, as many as a page shows at most."""
    return run_of(50_000)


@pytest.fixture(scope="session")
def large_page(large):
    """The page of these."""
    return page(large, zone=ZONE)


@pytest.fixture
def opened(browser, tmp_path):
    """Open the page of a run, or one that is made, in the browser."""
    tabs = []

    def opened(what, **options):
        path = tmp_path / f"{len(tabs)}.html"
        path.write_bytes(what if isinstance(what, bytes) else page(what, zone=ZONE))
        tabs.append(browser.open(path, **options))
        return tabs[-1]

    yield opened
    for tab in tabs:
        tab.close()
