"""What the tests of the protocol modules share: accounts, images, and vectors as plain values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from email import message_from_bytes
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import attrs

from solvestream import tasks
from solvestream._wire import Request, Response
from solvestream.errors import SolvestreamError
from solvestream.providers import createtask, inphp
from solvestream.providers._images import sniff
from solvestream.providers.capsolver import CapSolver
from solvestream.providers.captchaai import CaptchaAI
from solvestream.providers.dialects import ANTICAPTCHA, CAPMONSTER, TWOCAPTCHA
from solvestream.providers.solvora import Solvora

KEY = "made-up-key/0123456789"

IMAGES = {
    "png": b"\x89PNG\r\n\x1a\n" + b"\xfb\xff\xfe" * 8,
    "jpg": b"\xff\xd8\xff\xe0" + b"x" * 20,
    "gif": b"GIF89a" + b"x" * 20,
    "bmp": b"BM" + bytes(30),
    "webp": b"RIFF\x10\x00\x00\x00WEBP" + b"x" * 20,
    "pdf": b"%PDF-1.7 " + b"x" * 20,
}

ACCOUNTS: Mapping[str, Callable[..., Any]] = {
    "captchaai": partial(CaptchaAI, KEY),
    "solvora": partial(Solvora, KEY, base_url="https://ocr.example.com"),
    "capsolver": partial(CapSolver, KEY),
    "2captcha": partial(
        inphp.InPhp, KEY, base_url="https://2.example.com", name="2captcha", dialect=TWOCAPTCHA
    ),
    "anticaptcha": partial(
        createtask.CreateTask,
        KEY,
        base_url="https://anti.example.com",
        name="anticaptcha",
        dialect=ANTICAPTCHA,
    ),
    "capmonster": partial(
        createtask.CreateTask,
        KEY,
        base_url="https://monster.example.com/v1",
        name="capmonster",
        dialect=CAPMONSTER,
    ),
}


@attrs.frozen
class Asked:
    task_id: str
    kind: str


def image(name: str) -> bytes:
    """`png`, or `png*1000` for one of that many bytes."""
    start, _, size = name.partition("*")
    data = IMAGES.get(start, b"")
    return data.ljust(int(size), b"x") if size else data


def build_task(fields: Mapping[str, Any]) -> Any:
    """Build a task from plain values; `type` is its class."""
    values = dict(fields)
    kind = getattr(tasks, values.pop("type"))
    if "image" in values:
        values["image"] = image(values["image"])
    if "images" in values:
        values["images"] = tuple(map(image, values["images"]))
    if "proxy" in values and isinstance(values["proxy"], dict):
        values["proxy"] = tasks.Proxy(**values["proxy"])
    return kind(**values)


def call_of(account: Any, call: Mapping[str, Any]) -> Any:
    """Build the call a vector names: `{"submit": task}`, `{"look": [[id, kind]]}`, ..."""
    ((name, value),) = call.items()
    if name == "submit":
        task = build_task(value)
        return account.submit(task, getattr(task, "image", None))
    if name == "look":
        return account.look([Asked(*pair) for pair in value])
    if name == "report":
        return account.report(value["task_id"], correct=value["correct"])
    return getattr(account, name)()


def response_of(reply: Mapping[str, Any]) -> Response:
    """Build a reply; its body is text, JSON, or bytes as `hex`."""
    body = bytes.fromhex(reply["hex"]) if "hex" in reply else reply.get("body", "")
    if isinstance(body, dict | list):
        body = json.dumps(body)
    return Response(
        reply.get("status", 200),
        tuple((name, value) for name, value in reply.get("headers", {}).items()),
        body if isinstance(body, bytes) else body.encode(),
        delimited=reply.get("delimited", True),
    )


def plain_request(request: Request) -> dict[str, Any]:
    """Show a request as JSON, its body read by the standard library."""
    limits = request.limits
    found: dict[str, Any] = {
        "line": f"{request.method} {request.origin}{request.target}",
        "fresh": request.fresh,
        "limits": [limits.connect, limits.read, limits.total],
    }
    kind = request.content_type or ""
    if kind == "application/x-www-form-urlencoded":
        found["form"] = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    elif kind == "application/json":
        found["json"] = json.loads(request.body)
    elif kind:
        found["parts"] = plain_parts(request)
    return found


def plain_parts(request: Request) -> dict[str, str]:
    """Multipart as the standard library reads it: another eye than ours."""
    head = f"Content-Type: {request.content_type}\r\n\r\n".encode()
    parts: dict[str, str] = {}
    for part in message_from_bytes(head + request.body).get_payload():
        assert not isinstance(part, str)
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        name = str(part.get_param("name", header="content-disposition"))
        is_file = part.get_filename() is not None
        parts[name] = f"{sniff(data)} {part.get_content_type()}" if is_file else data.decode()
    return parts


def plain(value: object) -> Any:
    """An outcome as JSON: its type and what differs from the defaults; free text left out."""
    if isinstance(value, SolvestreamError):
        names = ("code", "retry_after", "field")
        given = {n: v for n in names if (v := getattr(value, n, None)) is not None}
        return {"raises": type(value).__name__, **given}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if not attrs.has(type(value)):
        return value
    found = {"type": type(value).__name__}
    for field in attrs.fields(type(value)):
        item = getattr(value, field.name)
        if item != field.default and field.name != "reason":
            found[field.name] = plain(item)
    return found


def outcome_of(read: Callable[[Response], object], response: Response) -> Any:
    """Read a reply; an error of ours is an outcome too."""
    try:
        return read(response)
    except SolvestreamError as error:
        return error
