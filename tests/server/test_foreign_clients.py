"""Other people's published clients, unchanged, get their answers from our service.

Each runs in a process of its own, in a virtual environment made once per set of versions under
pytest's cache. What each prints last is one line of JSON with what it got.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from solvestream.server import Account, LocalService, Settings, simulated_text, simulated_token
from tests.server.support import PAGE, in_base64, rendered

pytestmark = pytest.mark.foreign

CLIENTS = (
    "2captcha-python==2.1.2",
    "captchaai==1.0.1",
    "capsolver==1.0.7",
    "python-rucaptcha==6.8.2",
)
KEY = "made-up-key-00000000000000000000"
PICTURE = rendered("W9h5K")
TEXT = simulated_text(PICTURE)
TOKEN = simulated_token("site")

PRELUDE = """
import asyncio, base64, json, sys, time
import requests

url, key, page, file = sys.argv[1:]
image = open(file, "rb").read()
body = base64.b64encode(image).decode()

# Their fixed pauses of 1 to 20 s are shortened; nothing else of a client is touched.
nap, doze = time.sleep, asyncio.sleep
time.sleep = lambda seconds: nap(min(seconds, 0.02))
asyncio.sleep = lambda seconds, result=None: doze(min(seconds, 0.02), result)

def without_tls():
    request = requests.Session.request
    requests.Session.request = lambda self, method, url, **more: request(
        self, method, url.replace("https://", "http://"), **more)
"""


@pytest.fixture(scope="module")
def python(request: pytest.FixtureRequest) -> Path:
    """Return the interpreter of an environment that has the clients; make it if need be."""
    version = f"{CLIENTS} {sys.version_info[:2]}"
    name = f"foreign-{hashlib.sha256(version.encode()).hexdigest()[:12]}"
    place = Path(request.config.cache.mkdir(name))
    interpreter = place / "bin" / "python"
    done = place / "complete"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        quiet = ["-q", "--disable-pip-version-check"]
        subprocess.run([interpreter, "-m", "pip", "install", *quiet, *CLIENTS], check=True)
        done.touch()
    return interpreter


@pytest.fixture(scope="module", params=[True, False], ids=["immediate", "by id"])
def service(request):
    """Return a service; /createTask answers images at once, or by id."""
    accounts = (Account(key=KEY, usd=5.0, slots=20),)
    with LocalService(Settings(accounts=accounts, immediate=request.param)) as service:
        yield service


@pytest.fixture
def got(service, python, tmp_path):
    """Return what a client's program printed last."""
    file = tmp_path / "picture.png"
    file.write_bytes(PICTURE)

    def run(program: str):
        command = [python, "-c", PRELUDE + textwrap.dedent(program), service.url, KEY, PAGE, file]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_2captcha_python_sync(got):
    """Upload, base64, tokens, balance and report of 2captcha-python; it knows https only."""
    told = got("""
        without_tls()
        from twocaptcha import TwoCaptcha
        client = TwoCaptcha(key, server=url.removeprefix("http://"), pollingInterval=1)
        told = {
            "file": client.normal(file, numeric=0, minLen=1, maxLen=20),
            "base64": client.normal(body),
            "v2": client.recaptcha("site", page)["code"],
            "v3": client.recaptcha("site", page, version="v3", action="a", score=0.3)["code"],
            "turnstile": client.turnstile("site", page)["code"],
            "geetest": client.geetest("site", "challenge", page)["code"],
            "geetest_v4": client.geetest_v4("site", page)["code"],
            "balance": client.balance(),
        }
        told["report"] = client.report(told["file"]["captchaId"], True)
        extended = TwoCaptcha(key, server=url.removeprefix("http://"), extendedResponse=True)
        told["extended"] = extended.normal(file)["code"]
        print(json.dumps(told))
    """)
    assert (told["file"]["code"], told["base64"]["code"], told["extended"]) == (TEXT, TEXT, TEXT)
    assert {told["v2"], told["v3"], told["turnstile"]} == {TOKEN}
    assert told["geetest"].endswith("|jordan")
    assert "pass_token" in told["geetest_v4"]
    assert 0.0 < told["balance"] < 5.0
    assert told["report"] == "OK_REPORT_RECORDED"


def test_2captcha_python_hears_an_error(got):
    """Its own exception carries our code."""
    told = got("""
        without_tls()
        from twocaptcha import TwoCaptcha
        from twocaptcha.api import ApiException
        try:
            TwoCaptcha("unknown", server=url.removeprefix("http://")).normal(file)
        except ApiException as error:
            print(json.dumps(str(error)))
    """)
    assert told == "ERROR_KEY_DOES_NOT_EXIST"


def test_captchaai_sync_and_async(got):
    """The vendor's own client: threadsinfo at the start, images, every token it knows."""
    told = got("""
        from captchaai import AsyncCaptchaAI, CaptchaAI
        proxy = {"proxy": "user:pass@127.0.0.1:9", "proxytype": "HTTP"}
        client = CaptchaAI(key, base_url=url)
        told = {
            "threads": client.threads_info(),
            "image": client.normal(image).solution,
            "v2": client.recaptcha_v2("site", page).solution,
            "v3": client.recaptcha_v3("site", page, action="a").solution,
            "turnstile": client.turnstile("site", page).solution,
            "geetest": client.geetest("site", "challenge", page).solution,
        }
        enterprise = client.recaptcha_v2("site", page, enterprise=True)
        clearance = client.cloudflare_challenge(page, **proxy)
        told["bound"] = [[r.solution, r.user_agent] for r in (enterprise, clearance)]

        async def main():
            async with await AsyncCaptchaAI.create(key, base_url=url) as client:
                return (await client.normal(image)).solution

        told["async"] = asyncio.run(main())
        print(json.dumps(told))
    """)
    assert told["threads"]["threads"] == 20
    assert (told["image"], told["async"]) == (TEXT, TEXT)
    assert {told["v2"], told["v3"], told["turnstile"]} == {TOKEN}
    assert set(told["geetest"]) == {"geetest_challenge", "geetest_validate", "geetest_seccode"}
    enterprise, clearance = told["bound"]
    assert enterprise[0] == TOKEN
    assert clearance[0] == simulated_token(PAGE)
    assert enterprise[1] == clearance[1]
    assert enterprise[1].startswith("Mozilla/5.0")


def test_capsolver(got):
    """CapSolver's own client: images, tokens, balance, and its exception for our error."""
    told = got("""
        import capsolver
        capsolver.api_base, capsolver.api_key = url, key
        told = {
            "image": capsolver.solve({"type": "ImageToTextTask", "body": body})["text"],
            "v2": capsolver.solve({"type": "ReCaptchaV2TaskProxyLess", "websiteURL": page,
                                   "websiteKey": "site"})["gRecaptchaResponse"],
            "balance": capsolver.balance()["balance"],
        }
        try:
            capsolver.solve({"type": "ImageToTextTask", "body": "***"})
        except capsolver.InvalidRequestError as error:
            told["error"] = error.json_body["errorCode"]
        print(json.dumps(told))
    """)
    assert (told["image"], told["v2"], told["error"]) == (TEXT, TOKEN, "ERROR_INVALID_IMAGE")
    assert 0.0 < told["balance"] < 5.0


def test_python_rucaptcha_by_its_captchaai_path(got):
    """python-rucaptcha as a CaptchaAI client: multipart for everything, /solve.php too."""
    told = got("""
        from python_rucaptcha.captchaai import CaptchaAI
        from python_rucaptcha.core.captchaai import CaptchaAIFile
        from python_rucaptcha.image_captcha import ImageCaptcha
        from python_rucaptcha.turnstile import Turnstile

        def aimed(client):
            client.params.url_request, client.params.url_response = url + "/in.php", url + "/res.php"
            return client

        mine = {"rucaptcha_key": key, "service_type": "captchaai", "sleep_time": 1}
        turnstile = Turnstile(websiteURL=page, websiteKey="site", userAgent=None, **mine)
        told = {
            "image": aimed(ImageCaptcha(**mine)).captcha_handler(captcha_file=file),
            "async": asyncio.run(
                aimed(ImageCaptcha(**mine)).aio_captcha_handler(captcha_base64=image)),
            "turnstile": aimed(turnstile).captcha_handler(),
        }
        print(json.dumps(told))
    """)
    assert told["image"]["solution"]["request"] == TEXT
    assert told["async"]["solution"]["request"] == TEXT
    assert told["turnstile"]["solution"]["token"] == TOKEN


def test_python_rucaptcha_by_its_create_task_path(got):
    """The same client as a createTask client: an id, then looks until ready."""
    told = got("""
        from python_rucaptcha.image_captcha import ImageCaptcha
        from python_rucaptcha.re_captcha import ReCaptcha

        def aimed(client):
            client.params.url_request = url + "/createTask"
            client.params.url_response = url + "/getTaskResult"
            return client

        mine = {"rucaptcha_key": key, "service_type": "rucaptcha", "sleep_time": 1}
        recaptcha = ReCaptcha(websiteURL=page, websiteKey="site",
                              method="RecaptchaV2TaskProxyless", **mine)
        told = {
            "image": aimed(ImageCaptcha(**mine)).captcha_handler(captcha_file=file),
            "async": asyncio.run(
                aimed(ImageCaptcha(**mine)).aio_captcha_handler(captcha_base64=image)),
            "recaptcha": aimed(recaptcha).captcha_handler(),
        }
        print(json.dumps(told))
    """)
    assert told["image"]["solution"]["text"] == TEXT
    assert told["async"]["solution"]["text"] == TEXT
    assert told["recaptcha"]["solution"]["gRecaptchaResponse"] == TOKEN


def test_the_ledger_knows_what_they_did(service):
    """Whatever ran before was accepted, paid for, and handed out."""
    counts = service.ledger()["accounts"]["local"]
    assert counts["accepted"] == counts["taken"]
    assert in_base64(PICTURE) not in repr(counts)
