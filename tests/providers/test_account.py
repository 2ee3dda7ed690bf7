"""What all accounts share: keys, addresses, names, pacing, the environment."""

from __future__ import annotations

import copy
import pickle
import traceback
from typing import Any

import attrs
import pytest

from solvestream._secret import Secret
from solvestream._wire import Response
from solvestream.errors import SolvestreamError, UsageError
from solvestream.providers._protocol import Pacing, Provider
from solvestream.providers.capsolver import CapSolver
from solvestream.providers.captchaai import CaptchaAI
from solvestream.providers.solvora import Solvora
from tests.providers.support import ACCOUNTS, KEY, Asked, build_task, image, outcome_of

FORMS = (KEY, KEY.replace("/", "%2F"))
SERVICES = [*ACCOUNTS]


def test_names_and_addresses_by_default():
    """Accounts are named for their service and know its address; Solvora has none."""
    assert (CaptchaAI("k").name, CaptchaAI("k").base_url) == (
        "captchaai",
        "https://ocr.captchaai.com",
    )
    assert (CapSolver("k").name, CapSolver("k").base_url) == (
        "capsolver",
        "https://api.capsolver.com",
    )
    assert Solvora("k", base_url="https://a.example").name == "solvora"
    with pytest.raises(TypeError, match="base_url"):
        Solvora("k")  # type: ignore[call-arg]


def test_reference_timing():
    """First looks, intervals, looks, deadlines and retention are the services' own."""
    captchaai = CaptchaAI("k").capabilities
    assert captchaai.pace("image") == Pacing(first_look=10, interval=5, max_looks=60, deadline=300)
    assert captchaai.pace("recaptcha_v3").first_look == 20
    assert captchaai.answer_ttl == {
        **dict.fromkeys(("recaptcha_v2", "recaptcha_v3"), 120),
        **dict.fromkeys(("geetest_v3", "geetest_v4"), 60),
        "turnstile": 300,
    }
    solvora = Solvora("k", base_url="https://a.example").capabilities
    assert solvora.pace("image") == Pacing(first_look=1, interval=1, max_looks=30, deadline=30)
    assert solvora.retention == 30
    assert not solvora.reports
    capsolver = CapSolver("k").capabilities
    assert capsolver.pace("raw") == Pacing(first_look=3, interval=3, max_looks=120, deadline=300)
    assert capsolver.retention == 300


@pytest.mark.parametrize("service", SERVICES)
def test_options_of_the_user_go_over_the_reference(service: str):
    """Own pacing holds for all kinds; slots and the image bound are passed on."""
    own = Pacing(first_look=0.1, interval=0.2, max_looks=3, deadline=4)
    account = ACCOUNTS[service](pacing=own, slots=7, max_image_bytes=999, name="mine")
    assert account.capabilities.pace("recaptcha_v3") == own
    assert account.capabilities.pace("image") == own
    assert account.capabilities.slots == 7
    assert account.capabilities.max_image_bytes == 999
    assert account.name == "mine"


def test_batches_are_off_for_captchaai_unless_asked():
    """CaptchaAI looks at one id a request; multi_id=True asks for up to 100."""
    assert CaptchaAI("k").capabilities.max_batch == 1
    assert CaptchaAI("k", multi_id=True).capabilities.max_batch == 100
    assert ACCOUNTS["2captcha"]().capabilities.max_batch == 100
    assert ACCOUNTS["2captcha"](multi_id=False).capabilities.max_batch == 1


@pytest.mark.parametrize("service", SERVICES)
def test_every_account_is_a_provider(service: str):
    """All six services have the protocol's attributes."""
    assert isinstance(ACCOUNTS[service](), Provider)


@pytest.mark.parametrize(
    "url",
    [
        "https://ocr.example.com",
        "https://ocr.example.com:8443/path/",
        "http://127.0.0.1:8000",
        "http://127.9.9.9",
        "http://localhost:1",
        "http://a.localhost",
        "http://[::1]:8080",
    ],
)
def test_addresses_that_are_taken(url: str):
    """Any https address is taken, and plain http on loopback."""
    assert CaptchaAI("k", base_url=url).base_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://ocr.example.com",
        "http://10.0.0.1",
        "http://localhost.evil.example",
        "http://0.0.0.0",
    ],
)
def test_plain_http_needs_to_be_asked_for(url: str):
    """The key never goes over an open wire unasked (K09)."""
    with pytest.raises(UsageError, match=r"base_url=.*allow_http=True"):
        CaptchaAI("k", base_url=url)
    assert CaptchaAI("k", base_url=url, allow_http=True).allow_http


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ocr.example.com",
        "ftp://x",
        "https://",
        "https://user:pw@x",
        "https://x/?a=b",
        "https://x/#f",
        "https://x:99999",
        "https://x:y",
        "https://ex ample",
        "https://exämple",
        "https://x/a b",
        "https://x/é",
        "https://[::1",
        None,
        b"https://x",
        5,
    ],
)
def test_addresses_that_are_none(url: Any):
    """Anything else is refused, naming the option and the shape, and not showing the value."""
    with pytest.raises(UsageError, match="base_url: no address") as caught:
        CaptchaAI("k", base_url=url)
    assert "user:pw" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\n"}, "name"),
        ({"slots": 0}, "slots=0"),
        ({"max_image_bytes": 0}, "max_image_bytes=0"),
        ({"pingback": "example.com"}, "pingback"),
        ({"pingback": "https://x/\n"}, "pingback"),
        ({"soft_id": "é"}, "soft_id"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], named: str):
    """An option out of range is a `UsageError` at construction that names it."""
    with pytest.raises(UsageError, match=named):
        CaptchaAI("k", **options)


@pytest.mark.parametrize("key", ["", "a b", "a\n", "é"])
def test_bad_keys_are_refused(key: str):
    """An empty key, or one with white space or non-ASCII, is refused (N18)."""
    with pytest.raises(UsageError, match="key"):
        CaptchaAI(key)


def test_a_secret_is_taken_as_it_is():
    """A key that is hidden already stays hidden."""
    assert CaptchaAI(Secret("k")).key == Secret("k")


def test_from_env(monkeypatch: pytest.MonkeyPatch):
    """Each account reads its own variables, and takes options beside them."""
    monkeypatch.setenv("CAPTCHAAI_API_KEY", "a")
    monkeypatch.setenv("CAPSOLVER_API_KEY", "b")
    monkeypatch.setenv("SOLVORA_API_KEY", "c")
    monkeypatch.setenv("SOLVORA_BASE_URL", "https://s.example")
    assert CaptchaAI.from_env(multi_id=True).key == Secret("a")
    assert CapSolver.from_env(name="x").name == "x"
    assert Solvora.from_env().base_url == "https://s.example"
    assert Solvora.from_env(base_url="https://t.example").base_url == "https://t.example"


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        (CaptchaAI, "CAPTCHAAI_API_KEY"),
        (CapSolver, "CAPSOLVER_API_KEY"),
        (Solvora, "SOLVORA_API_KEY"),
        (Solvora, "SOLVORA_BASE_URL"),
    ],
)
def test_from_env_names_what_is_missing(kind: Any, missing: str, monkeypatch: pytest.MonkeyPatch):
    """A missing or empty variable is a `UsageError` that names it."""
    for name in ("CAPTCHAAI_API_KEY", "CAPSOLVER_API_KEY", "SOLVORA_API_KEY"):
        monkeypatch.setenv(name, "k")
    monkeypatch.setenv("SOLVORA_BASE_URL", "https://s.example")
    for change in (lambda: monkeypatch.delenv(missing), lambda: monkeypatch.setenv(missing, "")):
        change()
        with pytest.raises(UsageError, match=missing):
            kind.from_env()


@pytest.mark.parametrize("service", SERVICES)
def test_an_account_shows_its_key_nowhere(service: str):
    """repr, str, format, copies and attrs' own dictionary hide the key; pickling is refused."""
    account = ACCOUNTS[service](name="me")
    shown = f"{account!r} {account!s} {account} {attrs.asdict(account)} {copy.copy(account)!r}"
    assert "'me'" in repr(account)
    assert not any(form in shown for form in FORMS)
    with pytest.raises(UsageError, match="pickled"):
        pickle.dumps(account)


@pytest.mark.parametrize("service", SERVICES)
def test_a_call_shows_its_key_nowhere(service: str):
    """The request of a call holds the key, and its repr does not."""
    account = ACCOUNTS[service]()
    task = build_task({"type": "ImageToText", "image": "png"})
    calls = [account.submit(task, image("png")), account.look([Asked("1", "image")])]
    for call in [*calls, account.balance()]:
        wire = call.request.target + call.request.body.decode(errors="replace")
        assert any(form in wire for form in FORMS)
        assert not any(form in repr(call) for form in FORMS)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "body",
    [
        "{}",
        "ERROR_NEW {}",
        "ERROR_WRONG_USER_KEY: {}",
        "ERROR_{}",
        '{{"status":0,"request":"ERROR_NEW","error_text":"{}"}}',
        '{{"status":"fail","result":"bad {}"}}',
        '{{"detail":"bad {}"}}',
        '{{"errorId":1,"errorCode":"ERROR_{}","errorDescription":"{}"}}',
        '{{"errorId":0,"taskId":"{}"}}',
        '{{"status":"ok","task_id":"{}"}}',
        "OK|{}",
        "{} | {}",
    ],
)
@pytest.mark.parametrize("status", [200, 401, 404, 429, 500])
def test_no_outcome_holds_a_key_the_service_echoes(service: str, body: str, status: int):
    """Outcomes, errors and their tracebacks with locals hold no key (K02, K03)."""
    for key in (KEY, "MADE_UP_KEY_0123456789"):
        account = attrs.evolve(ACCOUNTS[service](), key=key)
        forms = (key, key.replace("/", "%2F"))
        task = build_task({"type": "ImageToText", "image": "png"})
        calls = [account.submit(task, image("png")), account.balance()]
        calls += [account.report("1", correct=True)] if account.capabilities.reports else []
        calls += [account.threads()] if account.capabilities.threads else []
        for call in calls:
            for form in forms:
                response = Response(status, (), body.replace("{}", form).encode())
                shown = _all_of(outcome_of(call.read, response))
                assert not any(hidden in shown for hidden in forms)


def _all_of(outcome: object) -> str:
    if not isinstance(outcome, SolvestreamError):
        return f"{outcome!r} {outcome}"
    lines = traceback.TracebackException.from_exception(outcome, capture_locals=True)
    stacks = [frame for frame in lines.stack if "providers/" in frame.filename]
    ours = [frame.locals for frame in stacks if "tests" not in frame.filename]
    assert outcome.__cause__ is None
    assert outcome.__context__ is None
    return f"{outcome!r} {outcome} {vars(outcome)} {ours}"


@pytest.mark.parametrize("service", ["solvora", "capsolver", "2captcha"])
def test_calls_a_service_does_not_have_are_usage_errors(service: str):
    """Asking for slots, or for reports at Solvora, says that there is no such call."""
    account = ACCOUNTS[service]()
    assert not account.capabilities.threads
    with pytest.raises(UsageError, match=f"{service} has no call for threads"):
        account.threads()
    if not account.capabilities.reports:
        with pytest.raises(UsageError, match="has no call for report"):
            account.report("1", correct=True)
