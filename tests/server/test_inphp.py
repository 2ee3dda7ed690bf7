from __future__ import annotations

import json

import pytest

from solvestream.server import Latency, Scripted, simulated_text, simulated_token
from tests.server.support import KEY, PAGE, Caller, in_base64, picture

pytestmark = pytest.mark.anyio

TOKENS = {
    "recaptcha_v2": {"method": "userrecaptcha", "googlekey": "site", "pageurl": PAGE},
    "recaptcha_v3": {
        "method": "userrecaptcha",
        "googlekey": "site",
        "pageurl": PAGE,
        "version": "v3",
        "action": "login",
        "min_score": "0.3",
    },
    "recaptcha_enterprise": {
        "method": "userrecaptcha",
        "googlekey": "site",
        "pageurl": PAGE,
        "enterprise": 1,
    },
    "turnstile": {"method": "turnstile", "sitekey": "site", "pageurl": PAGE},
    "cloudflare": {"method": "cloudflare_challenge", "sitekey": "site", "pageurl": PAGE},
    "geetest_v3": {"method": "geetest", "gt": "site", "challenge": "c", "pageurl": PAGE},
    "geetest_v4": {"method": "geetest", "gt": "site", "version": 4, "pageurl": PAGE},
    "bls": {"method": "bls", "sitekey": "site", "pageurl": PAGE},
}


async def test_an_image_is_accepted_looked_at_and_answered_as_text():
    """The plain dialogue of PROTOCOLS.md 1: id, not ready, answer."""
    caller = Caller(latency=Latency(low=4.0))
    ok, task_id = (await caller.put_image()).split("|")
    assert ok == "OK"
    assert await caller.ask("get", id=task_id) == "CAPCHA_NOT_READY"
    caller.clock.now += 4.0
    assert await caller.ask("get", id=task_id) == f"OK|{simulated_text(picture())}"


async def test_json_1_gives_the_same_dialogue_in_status_and_request():
    """With json=1 each reply is a JSON object with status and request."""
    caller = Caller(latency=Latency(low=4.0))
    accepted = json.loads(await caller.put_image(json=1))
    assert accepted["status"] == 1
    task_id = accepted["request"]
    assert json.loads(await caller.ask("get", id=task_id, json=1)) == {
        "status": 0,
        "request": "CAPCHA_NOT_READY",
    }
    caller.clock.now += 4.0
    answer = json.loads(await caller.ask("get", id=task_id, json=1))
    assert answer == {"status": 1, "request": simulated_text(picture())}


async def test_an_uploaded_file_is_the_same_task_as_its_base64():
    """Multipart with `file` and the base64 form reach the same answer."""
    caller = Caller()
    reply = await caller.http.post(
        "/in.php", data={"key": KEY, "method": "post"}, files={"file": ("a.png", picture())}
    )
    assert await caller.ask("get", id=reply.text[3:]) == f"OK|{simulated_text(picture())}"


async def test_a_submit_by_get_and_a_look_by_post_are_understood():
    """Other clients submit tokens by GET and look by multipart POST."""
    caller = Caller()
    submit = await caller.http.get("/in.php", params={"key": KEY, **TOKENS["turnstile"]})
    fields = {"key": KEY, "action": "get", "id": submit.text[3:]}
    look = await caller.http.post("/res.php", files={k: (None, v) for k, v in fields.items()})
    assert look.text == f"OK|{simulated_token('site')}"


@pytest.mark.parametrize("kind", TOKENS)
async def test_each_token_task_is_accepted_under_its_kind(kind):
    """Every row of the task table is taken in as what it is."""
    caller = Caller()
    assert (await caller.put(**TOKENS[kind])).startswith("OK|")
    [task] = caller.ledger(tasks=True)["tasks"]
    assert (task["kind"], task["subject"], task["charged"]) == (kind, "site", 0.002)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("geetest_v3", "challenge:{d},validate:{r},seccode:{r}|jordan"),
        ("cloudflare", "cf_clearance=token-{d};user_agent=Mozilla/5.0 (solvestream local service)"),
        ("recaptcha_v2", "token-{d}"),
    ],
)
async def test_answers_with_names_have_their_text_form(kind, text):
    """GeeTest answers are pairs with colons, Cloudflare's with equals signs."""
    caller = Caller()
    task_id = (await caller.put(**TOKENS[kind]))[3:]
    digest = simulated_token("site").removeprefix("token-")
    expected = text.format(d=digest, r=digest[::-1])
    assert await caller.ask("get", id=task_id) == f"OK|{expected}"


async def test_json_answers_of_geetest_are_json_inside_request():
    """With json=1 GeeTest comes as a JSON text, named as the field names it."""
    caller = Caller()
    third = (await caller.put(**TOKENS["geetest_v3"]))[3:]
    fourth = (await caller.put(**TOKENS["geetest_v4"]))[3:]
    parts = json.loads(json.loads(await caller.ask("get", id=third, json=1))["request"])
    assert set(parts) == {"geetest_challenge", "geetest_validate", "geetest_seccode"}
    parts = json.loads(json.loads(await caller.ask("get", id=fourth, json=1))["request"])
    assert parts["captcha_id"] == "site"


@pytest.mark.parametrize("kind", ["recaptcha_enterprise", "cloudflare"])
async def test_json_answers_bound_to_a_browser_say_which(kind):
    """Enterprise and Cloudflare answers carry result and user_agent beside request."""
    caller = Caller()
    task_id = (await caller.put(**TOKENS[kind]))[3:]
    answer = json.loads(await caller.ask("get", id=task_id, json=1))
    assert answer["result"] == simulated_token("site")
    assert answer["user_agent"].startswith("Mozilla/5.0")


async def test_several_ids_are_answered_in_order_in_one_reply():
    """ids= gives answers, not-readies and errors, joined by bars and without OK."""
    caller = Caller(script={"turnstile": Scripted(latency=60.0)})
    ready = (await caller.put_image())[3:]
    pending = (await caller.put(**TOKENS["turnstile"]))[3:]
    ids = f"{ready},{pending},1"
    expected = f"{simulated_text(picture())}|CAPCHA_NOT_READY|ERROR_WRONG_CAPTCHA_ID"
    assert await caller.ask("get", ids=ids) == expected
    assert json.loads(await caller.ask("get", ids=ids, json=1)) == {
        "status": 1,
        "request": expected,
    }


async def test_get2_adds_the_price():
    """action=get2 is the answer with what it cost in USD."""
    caller = Caller()
    task_id = (await caller.put_image())[3:]
    assert await caller.ask("get2", id=task_id) == f"OK|{simulated_text(picture())}|0.000500"
    assert json.loads(await caller.ask("get2", id=task_id, json=1))["price"] == "0.000500"


async def test_balance_threads_and_reports_are_told_in_their_own_forms():
    """The account calls of PROTOCOLS.md 1."""
    caller = Caller(account={"usd": 1.5, "slots": 5}, latency=Latency(low=9.0))
    task_id = (await caller.put_image())[3:]
    assert await caller.ask("getbalance") == "1.499500"
    assert json.loads(await caller.ask("getbalance", json=1)) == {
        "status": 1,
        "request": "1.499500",
    }
    assert json.loads(await caller.ask("threadsinfo")) == {"threads": "5", "working_threads": 1}
    assert await caller.ask("reportgood", id=task_id) == "OK_REPORT_RECORDED"
    assert await caller.ask("reportbad", id=task_id) == "OK_REPORT_RECORDED"
    counts = caller.ledger()
    assert (counts["reported_good"], counts["reported_bad"]) == (1, 1)


async def test_solve_php_answers_an_image_in_one_call():
    """/solve.php holds the connection and hands out the answer itself."""
    caller = Caller()
    data = {"key": KEY, "method": "base64", "body": in_base64(picture())}
    reply = await caller.http.post("/solve.php", data=data)
    assert reply.text == f"OK|{simulated_text(picture())}"
    reply = await caller.http.post("/solve.php", data={**data, "json": 1})
    assert reply.json() == {"status": 1, "request": simulated_text(picture())}


async def test_solve_php_takes_images_only():
    """/solve.php refuses tokens and failures as /in.php and /res.php would."""
    caller = Caller(script={"image": Scripted(error="ERROR_CAPTCHA_UNSOLVABLE")})
    token = await caller.http.post("/solve.php", data={"key": KEY, **TOKENS["turnstile"]})
    assert token.text == "ERROR_BAD_PARAMETERS"
    data = {"key": KEY, "method": "base64", "body": in_base64(picture())}
    assert (await caller.http.post("/solve.php", data=data)).text == "ERROR_CAPTCHA_UNSOLVABLE"
    data["key"] = "unknown"
    assert (await caller.http.post("/solve.php", data=data)).text == "ERROR_KEY_DOES_NOT_EXIST"


IMAGE = in_base64(picture())
BAD_SUBMITS = [
    ({"method": ""}, "ERROR_BAD_PARAMETERS"),
    ({"method": "telepathy"}, "ERROR_BAD_PARAMETERS"),
    ({"method": "base64"}, "ERROR_ZERO_CAPTCHA_FILESIZE"),
    ({"method": "base64", "body": "***"}, "ERROR_UPLOAD"),
    ({"method": "base64", "body": in_base64(b"plain text")}, "ERROR_IMAGE_TYPE_NOT_SUPPORTED"),
    (
        {"method": "base64", "body": in_base64(picture() + bytes(102_400))},
        "ERROR_TOO_BIG_CAPTCHA_FILESIZE",
    ),
    ({"method": "base64", "body": IMAGE, "numeric": 5}, "ERROR_BAD_PARAMETERS"),
    ({"method": "base64", "body": IMAGE, "minLen": 9, "maxLen": 3}, "ERROR_BAD_PARAMETERS"),
    ({"method": "base64", "body": IMAGE, "max_len": 21}, "ERROR_BAD_PARAMETERS"),
    ({"method": "base64", "body": IMAGE, "proxy": "h:1"}, "ERROR_BAD_PARAMETERS"),
    ({"method": "post"}, "ERROR_UPLOAD"),
    ({"method": "userrecaptcha", "pageurl": PAGE}, "ERROR_GOOGLEKEY"),
    ({"method": "userrecaptcha", "googlekey": "k"}, "ERROR_PAGEURL"),
    ({"method": "turnstile", "sitekey": "k", "pageurl": "shop.example"}, "ERROR_PAGEURL"),
    ({"method": "turnstile", "pageurl": PAGE}, "ERROR_GOOGLEKEY"),
    ({"method": "cloudflare_challenge", "pageurl": PAGE}, "ERROR_BAD_PARAMETERS"),
    ({"method": "geetest", "gt": "k", "pageurl": PAGE}, "ERROR_BAD_PARAMETERS"),
    ({"method": "geetest", "version": 4, "pageurl": PAGE}, "ERROR_BAD_PARAMETERS"),
    ({"method": "bls", "pageurl": PAGE}, "ERROR_BAD_PARAMETERS"),
    ({**TOKENS["turnstile"], "proxy": "nonsense"}, "ERROR_BAD_PROXY"),
    ({**TOKENS["turnstile"], "proxy": "h:1", "proxytype": "PIGEON"}, "ERROR_BAD_PROXY"),
]


@pytest.mark.parametrize(("fields", "code"), BAD_SUBMITS)
async def test_bad_submits_are_refused_by_name_and_free(fields, code):
    """Each kind of bad input has its code, in both forms, and costs nothing."""
    caller = Caller()
    assert await caller.put(**fields) == code
    assert json.loads(await caller.put(**fields, json=1)) == {"status": 0, "request": code}
    counts = caller.ledger()
    assert (counts["submitted"], counts["accepted"], counts["charged"]) == (2, 0, 0.0)


async def test_a_file_that_is_no_image_by_name_and_content_is_named_so():
    """ERROR_WRONG_FILE_EXTENSION is for files; an image under any name passes."""
    caller = Caller()
    data = {"key": KEY, "method": "post"}
    text = await caller.http.post("/in.php", data=data, files={"file": ("notes.txt", b"notes")})
    assert text.text == "ERROR_WRONG_FILE_EXTENSION"
    image = await caller.http.post("/in.php", data=data, files={"file": ("a.bin", picture())})
    assert image.text.startswith("OK|")


@pytest.mark.parametrize(
    "proxy",
    ["host.example:8080", "HTTP:host.example:8080:user:pass", "user:pass@host.example:8080"],
)
async def test_a_proxy_is_taken_in_every_spelling_of_the_field(proxy):
    """Token tasks come with `type:host:port:user:pass` or `user:pass@host:port`."""
    caller = Caller()
    fields = {**TOKENS["turnstile"], "proxy": proxy, "proxytype": "HTTP"}
    assert (await caller.put(**fields)).startswith("OK|")


async def test_the_spellings_of_the_field_are_taken_too():
    """geetest_v4, BLS as nine images, and Cloudflare by proxy without a site key."""
    caller = Caller()
    cells = {f"image_base64_{n}": f"data:image/png;base64,{IMAGE}" for n in range(1, 10)}
    field = [
        {"method": "geetest_v4", "captcha_id": "c", "pageurl": PAGE},
        {"method": "bls", "instructions": "pick 7", "pageurl": PAGE, **cells},
        {"method": "cloudflare_challenge", "pageurl": PAGE, "proxy": "h:1", "proxytype": "HTTP"},
        {"method": "base64", "body": f"data:image/png;base64,{IMAGE}", "min_len": 2, "max_len": 9},
    ]
    for fields in field:
        assert (await caller.put(**fields)).startswith("OK|")
    cells["image_base64_3"] = "***"
    broken = {"method": "bls", "instructions": "pick 7", "pageurl": PAGE, **cells}
    assert await caller.put(**broken) == "ERROR_UPLOAD"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"action": "get", "id": "1"}, "ERROR_WRONG_USER_KEY"),
        ({"key": "unknown", "action": "get", "id": "1"}, "ERROR_KEY_DOES_NOT_EXIST"),
        ({"key": "\x00", "action": "get", "id": "1"}, "ERROR_WRONG_USER_KEY"),
        ({"key": KEY}, "ERROR_EMPTY_ACTION"),
        ({"key": KEY, "action": "dance"}, "ERROR_EMPTY_ACTION"),
        ({"key": KEY, "action": "get"}, "ERROR_WRONG_ID_FORMAT"),
        ({"key": KEY, "action": "get", "id": "x1"}, "ERROR_WRONG_ID_FORMAT"),
        ({"key": KEY, "action": "get", "id": "1"}, "ERROR_WRONG_CAPTCHA_ID"),
        ({"key": KEY, "action": "reportbad", "id": "1"}, "ERROR_WRONG_CAPTCHA_ID"),
        ({"key": KEY, "action": "reportbad", "id": "x"}, "ERROR_WRONG_ID_FORMAT"),
    ],
)
async def test_bad_questions_have_their_codes(query, code):
    """Each wrong question to /res.php is refused by name, in both forms."""
    caller = Caller()
    assert (await caller.http.get("/res.php", params=query)).text == code
    reply = await caller.http.get("/res.php", params={**query, "json": "1"})
    assert reply.json() == {"status": 0, "request": code}


async def test_a_body_that_cannot_be_parsed_is_refused():
    """A multipart body without its boundary is ERROR_UPLOAD, a question without fields a bad key."""
    caller = Caller()
    headers = {"content-type": "multipart/form-data; boundary=x"}
    submit = await caller.http.post("/in.php", content=b"no parts", headers=headers)
    assert submit.text == "ERROR_UPLOAD"
    ask = await caller.http.post("/res.php", content=b"no parts", headers=headers)
    assert ask.text == "ERROR_WRONG_USER_KEY"


async def test_another_account_cannot_see_a_task():
    """An id is unknown to every key but its own."""
    caller = Caller()
    task_id = (await caller.put_image())[3:]
    query = {"key": "another-made-up-key", "action": "get", "id": task_id}
    assert (await caller.http.get("/res.php", params=query)).text == "ERROR_WRONG_CAPTCHA_ID"


@pytest.mark.parametrize(
    "code", ["ERROR_CAPTCHA_UNSOLVABLE", "ERROR_BAD_DUPLICATES", "ERROR: 1003"]
)
async def test_a_scripted_error_comes_at_the_look_and_is_not_charged(code):
    """A failed task says why in both forms and in a batch, and its price is given back."""
    caller = Caller(script={"image": Scripted(error=code)})
    task_id = (await caller.put_image())[3:]
    assert await caller.ask("get", id=task_id) == code
    assert await caller.ask("get2", id=task_id) == code
    assert await caller.ask("get", ids=task_id) == code
    assert caller.ledger()["charged"] == 0.0


async def test_slots_are_refused_beyond_their_number_and_freed_by_answers():
    """A submit beyond the slots is refused; one more passes once an answer is ready."""
    caller = Caller(account={"slots": 2}, latency=Latency(low=5.0))
    replies = [await caller.put_image(picture(n)) for n in range(3)]
    assert [reply[:2] for reply in replies] == ["OK", "OK", "ER"]
    assert replies[2] == "ERROR_NO_SLOT_AVAILABLE"
    caller.clock.now += 5.0
    assert (await caller.put_image(picture(3))).startswith("OK|")
    counts = caller.ledger()
    assert counts["refused"] == {"no_slot": 1}
    assert (counts["accepted"], counts["working"], counts["peak_working"]) == (3, 1, 2)


async def test_an_empty_balance_is_refused():
    """What the balance does not cover is ERROR_ZERO_BALANCE, and nothing is owed."""
    caller = Caller(account={"usd": 0.0007})
    assert (await caller.put_image()).startswith("OK|")
    assert await caller.put_image() == "ERROR_ZERO_BALANCE"
    assert caller.ledger()["balance"] == 0.0002
