from __future__ import annotations

import pytest

from solvestream.server import Latency, Scripted, simulated_text, simulated_token
from tests.server.support import PAGE, Caller, in_base64, picture

pytestmark = pytest.mark.anyio


async def test_an_image_is_answered_at_once_and_can_be_fetched_again():
    """/createTask is ready with a solution; its id works at /getTaskResult for 5 minutes."""
    caller = Caller()
    reply = (await caller.create()).json()
    assert (reply["errorId"], reply["status"]) == (0, "ready")
    assert reply["solution"] == {"text": simulated_text(picture()), "confidence": 0.99}
    again = (await caller.post("/getTaskResult", taskId=reply["taskId"])).json()
    assert again["solution"] == reply["solution"]
    assert "taskId" not in again
    caller.clock.now += 300.0
    gone = await caller.post("/getTaskResult", taskId=reply["taskId"])
    assert (gone.status_code, gone.json()["errorCode"]) == (400, "ERROR_TASK_NOT_FOUND")


async def test_images_can_be_made_to_wait_for_a_look():
    """With immediate=False an image gets an id, is processing, and then ready."""
    caller = Caller(immediate=False, latency=Latency(low=3.0))
    reply = (await caller.create()).json()
    assert (reply["status"], "solution" in reply) == ("idle", False)
    look = (await caller.post("/getTaskResult", taskId=reply["taskId"])).json()
    assert look["status"] == "processing"
    caller.clock.now += 3.0
    look = (await caller.post("/getTaskResult", taskId=reply["taskId"])).json()
    assert (look["status"], look["solution"]["text"]) == ("ready", simulated_text(picture()))


async def test_the_number_module_answers_up_to_nine_images():
    """module=number with images is answered in solution.answers, in order."""
    caller = Caller()
    images = [picture(n) for n in range(9)]
    bodies = [in_base64(image) for image in images]
    task = {"type": "ImageToTextTask", "module": "number", "images": bodies}
    reply = (await caller.post("/createTask", task=task)).json()
    assert reply["solution"] == {"answers": [simulated_text(image) for image in images]}
    task["images"] = [*bodies, bodies[0]]
    assert (await caller.post("/createTask", task=task)).json()["errorCode"] == (
        "ERROR_INVALID_TASK_DATA"
    )


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ({"type": "ReCaptchaV2TaskProxyLess", "websiteKey": "k"}, "gRecaptchaResponse"),
        ({"type": "RecaptchaV3TaskProxyless", "websiteKey": "k"}, "gRecaptchaResponse"),
        ({"type": "AntiTurnstileTaskProxyLess", "websiteKey": "k"}, "token"),
        ({"type": "AntiCloudflareTask", "websiteKey": "k"}, "token"),
    ],
)
async def test_token_tasks_get_an_id_and_then_a_token(task, name):
    """Tokens are looked at, whatever the family calls the task."""
    caller = Caller()
    reply = (await caller.post("/createTask", task={"websiteURL": PAGE, **task})).json()
    look = (await caller.post("/getTaskResult", taskId=reply["taskId"])).json()
    assert look["solution"][name] == simulated_token("k")


@pytest.mark.parametrize(
    ("task", "names"),
    [
        ({"type": "GeeTestTaskProxyLess", "gt": "k", "challenge": "c"}, {"challenge", "validate"}),
        ({"type": "GeeTestTaskProxyLess", "captchaId": "k"}, {"captcha_id", "lot_number"}),
    ],
)
async def test_geetest_solutions_have_their_parts(task, names):
    """GeeTest answers come by name, version 4 if there is a captchaId."""
    caller = Caller()
    reply = (await caller.post("/createTask", task={"websiteURL": PAGE, **task})).json()
    look = (await caller.post("/getTaskResult", taskId=reply["taskId"])).json()
    assert names <= set(look["solution"])


async def test_balance_and_feedback():
    """/getBalance tells USD; /feedbackTask records the verdict."""
    caller = Caller(account={"usd": 2.0})
    task_id = (await caller.create()).json()["taskId"]
    balance = (await caller.post("/getBalance")).json()
    assert balance == {"errorId": 0, "balance": 1.9995, "packages": []}
    reply = await caller.post("/feedbackTask", taskId=task_id, result={"invalid": True})
    assert reply.json()["errorId"] == 0
    assert caller.ledger()["reported_bad"] == 1
    for wrong in ({}, {"result": []}, {"result": {"invalid": 1}}):
        reply = await caller.post("/feedbackTask", taskId=task_id, **wrong)
        assert reply.json()["errorCode"] == "ERROR_BAD_REQUEST"
    reply = await caller.post("/feedbackTask", taskId="no", result={"invalid": True})
    assert reply.json()["errorCode"] == "ERROR_TASK_NOT_FOUND"


BODY = in_base64(picture())
BAD_TASKS = [
    (None, "ERROR_BAD_REQUEST"),
    ([], "ERROR_BAD_REQUEST"),
    ({}, "ERROR_INVALID_TASK_DATA"),
    ({"type": "TelepathyTask"}, "ERROR_TASK_NOT_SUPPORTED"),
    ({"type": "ImageToTextTask"}, "ERROR_INVALID_IMAGE"),
    ({"type": "ImageToTextTask", "body": "***"}, "ERROR_INVALID_IMAGE"),
    ({"type": "ImageToTextTask", "body": in_base64(b"words")}, "ERROR_INVALID_IMAGE"),
    (
        {"type": "ImageToTextTask", "body": in_base64(picture() + bytes(102_400))},
        "ERROR_INVALID_IMAGE",
    ),
    ({"type": "ImageToTextTask", "body": BODY, "module": "chess"}, "ERROR_UNKNOWN_QUESTION"),
    ({"type": "ImageToTextTask", "body": BODY, "score": 2}, "ERROR_INVALID_TASK_DATA"),
    ({"type": "ImageToTextTask", "module": "number", "images": "x"}, "ERROR_INVALID_TASK_DATA"),
    ({"type": "ReCaptchaV2Task", "websiteKey": "k"}, "ERROR_INVALID_TASK_DATA"),
    ({"type": "ReCaptchaV2Task", "websiteURL": PAGE}, "ERROR_INVALID_TASK_DATA"),
]


@pytest.mark.parametrize(("task", "code"), BAD_TASKS)
async def test_bad_tasks_are_refused_with_http_400_and_free(task, code):
    """Each kind of bad task has its code and description, and costs nothing."""
    caller = Caller()
    reply = await caller.post("/createTask", task=task)
    told = reply.json()
    assert (reply.status_code, told["errorId"], told["errorCode"]) == (400, 1, code)
    assert told["errorDescription"]
    assert caller.ledger()["charged"] == 0.0


@pytest.mark.parametrize("path", ["/createTask", "/getTaskResult", "/getBalance", "/feedbackTask"])
async def test_every_call_wants_a_known_key_and_a_json_object(path):
    """A wrong key and a body that is no JSON object have their codes on every call."""
    caller = Caller()
    known = [
        ({"clientKey": "unknown"}, "ERROR_KEY_DOES_NOT_EXIST"),
        ({}, "ERROR_KEY_DENIED_ACCESS"),
        ({"clientKey": 7}, "ERROR_KEY_DENIED_ACCESS"),
        ([], "ERROR_BAD_REQUEST"),
    ]
    for body, code in known:
        assert (await caller.http.post(path, json=body)).json()["errorCode"] == code
    for content in (b"", b"{", b"[" * 100_000, b"9" * 5_000):
        reply = await caller.http.post(path, content=content)
        assert reply.json()["errorCode"] == "ERROR_BAD_REQUEST"


@pytest.mark.parametrize("task_id", [None, "", True, 1.5, []])
async def test_a_task_id_of_the_wrong_type_is_invalid(task_id):
    """Only texts and numbers are task ids."""
    reply = await Caller().post("/getTaskResult", taskId=task_id)
    assert reply.json()["errorCode"] == "ERROR_TASKID_INVALID"


async def test_a_number_is_looked_up_as_text():
    """A numeric taskId, as python-rucaptcha may send, is unknown rather than wrong."""
    reply = await Caller().post("/getTaskResult", taskId=17)
    assert reply.json()["errorCode"] == "ERROR_TASK_NOT_FOUND"


async def test_a_scripted_error_is_the_reply_itself_and_free():
    """An image that fails at once is refused in the submit's own reply, uncharged."""
    caller = Caller(script={"*": Scripted(error="ERROR_TASK_TIMEOUT")})
    reply = await caller.create()
    assert (reply.status_code, reply.json()["errorCode"]) == (400, "ERROR_TASK_TIMEOUT")
    assert caller.ledger()["charged"] == 0.0


async def test_money_and_slots_have_their_codes():
    """No balance is ERROR_ZERO_BALANCE; no slot is the family's ERROR_RATE_LIMIT."""
    poor = Caller(account={"usd": 0.0})
    assert (await poor.create()).json()["errorCode"] == "ERROR_ZERO_BALANCE"
    busy = Caller(account={"slots": 0})
    assert (await busy.create()).json()["errorCode"] == "ERROR_RATE_LIMIT"
