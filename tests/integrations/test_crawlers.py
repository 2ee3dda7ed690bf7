"""Scrapy and Crawlee for real: each crawls a local site in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
from scrapy.exceptions import NotConfigured
from scrapy.settings import Settings
from scrapy.statscollectors import StatsCollector

from solvestream import CaptchaAI, Client, UsageError
from solvestream.events import GateChanged, TaskAccepted, TaskEnded, TaskRefused
from solvestream.integrations.scrapy import Solving, client_of
from tests.integrations.hosting import EXAMPLES, environment
from tests.integrations.site import expected, serving_site


@pytest.fixture
def site():
    with serving_site() as site:
        yield site


def run(service, *command):
    """Run a crawl to its end; return what it prints, and what it logs."""
    done = subprocess.run(
        [sys.executable, *command],
        env=environment(service),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert service.key not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def submitted(service):
    return service.ledger()["accounts"]["local"]["submitted"]


def test_a_scrapy_crawl_reads_every_image_once(service, site):
    """Items hold the texts, the crawl's own stats the counts; the client closes with the spider."""
    before = submitted(service)
    spider = EXAMPLES / "scrapy_spider.py"
    command = ("runspider", spider, "-a", f"site={site}", "-O", "-:jsonl", "--loglevel", "INFO")
    out, log = run(service, "-W", "error::ResourceWarning", "-m", "scrapy", *command)
    items = [json.loads(line) for line in out.splitlines()]
    texts = expected(site)
    assert {item["image"]: item["text"] for item in items} == texts
    assert len(items) == len(texts) == submitted(service) - before
    assert f"'solvestream/solved': {len(texts)}" in log
    assert f"'solvestream/accepted': {len(texts)}" in log
    assert "'finish_reason': 'finished'" in log


ELSEWHERE = """
import asyncio
from scrapy_spider import ImageToText, Receipts, client_of

class Wrong(Receipts):
    async def read(self, response):
        call = client_of(self).solve(ImageToText(response.body))
        try:
            await asyncio.to_thread(asyncio.run, call)
        except Exception as error:
            yield {"error": type(error).__name__}
"""


def test_a_callback_in_a_thread_is_told_where_the_client_belongs(service, site, tmp_path):
    """Scrapy owns the loop: another one in a thread gets `WrongLoop`, and the crawl goes on."""
    spider = tmp_path / "wrong.py"
    spider.write_text(f"import sys; sys.path.append({str(EXAMPLES)!r}){ELSEWHERE}")
    command = ("runspider", spider, "-a", f"site={site}", "-O", "-:jsonl", "--loglevel", "ERROR")
    out, _ = run(service, "-m", "scrapy", *command)
    assert out.splitlines() == ['{"error": "WrongLoop"}'] * len(expected(site))


def test_a_crawlee_crawl_reads_every_image_once(service, site):
    """Its handlers share the client that is around `crawler.run()`; no key is in its log."""
    pytest.importorskip("crawlee")
    before = submitted(service)
    out, _ = run(service, EXAMPLES / "crawlee_crawler.py", site)
    lines = dict(line.split(": ") for line in out.splitlines() if ".png" in line)
    texts = {image.removeprefix(site): text for image, text in expected(site).items()}
    assert lines == texts
    assert submitted(service) - before == len(texts)


def test_events_become_stats():
    """Each thing that happens is counted under a name of its own."""
    stats = StatsCollector(SimpleNamespace(settings=Settings()))
    solving = Solving(lambda on_event: Client(CaptchaAI("key"), on_event=on_event), stats)
    where = {"at": 0.0, "job_key": "k", "account": "captchaai"}
    ended = {"kind": "image", "code": None, "charged": "yes", "elapsed": 2.0, "solving": None}
    ended |= {"looks": 1, "expires_at": None, "redelivered": False} | where
    for event in (
        TaskAccepted(**where, task_id="1", seconds=0.1),
        TaskRefused(**where, code="ERROR_NO_SLOT_AVAILABLE", seconds=0.1),
        TaskEnded(**ended, ok=True, error=None, cost=0.25),
        TaskEnded(**ended, ok=True, error=None, cost=0.5),
        TaskEnded(**ended, ok=False, error="TaskFailed", cost=None),
        GateChanged(at=0.0, account="captchaai", open=False, limit=1.0),
    ):
        solving.on_event(event)
    assert stats.get_stats() == {
        "solvestream/accepted": 1,
        "solvestream/refused": 1,
        "solvestream/solved": 2,
        "solvestream/failed/TaskFailed": 1,
        "solvestream/elapsed_max": 2.0,
        "solvestream/spent_usd": 0.75,
    }


def test_without_its_settings_it_stays_away_and_says_what_to_do():
    """A crawl without the client works; a spider that asks for it is told which settings."""
    crawler = SimpleNamespace(settings=Settings(), get_extension=lambda kind: None)
    with pytest.raises(NotConfigured, match="SOLVESTREAM_CLIENT"):
        Solving.from_crawler(crawler)
    with pytest.raises(UsageError, match="SOLVESTREAM_CLIENT"):
        client_of(SimpleNamespace(crawler=crawler))
