"""Shared by the service's tests: a clock to turn, small images, and one caller per protocol."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import httpx
from attrs import define
from PIL import Image, ImageDraw, ImageFont

from solvestream.server import Account, Settings, create_app

KEY = "made-up-key-00000000000000000000"
PAGE = "https://shop.example/login"


def picture(number: int = 0) -> bytes:
    """Return something that begins as a PNG does: enough for the simulator."""
    return b"\x89PNG\r\n\x1a\n" + b"picture %d" % number


def in_base64(image: bytes) -> str:
    """Return an image as the services want it in a text field."""
    return base64.b64encode(image).decode()


def rendered(text: str, size: int = 24, *, form: str = "PNG", ink: str = "black") -> bytes:
    """Return an image of a text in Pillow's own font."""
    font = ImageFont.load_default(size=size)
    box = ImageDraw.Draw(Image.new("RGB", (1, 1))).multiline_textbbox((0, 0), text, font=font)
    image = Image.new("RGB", (int(box[2]) + 16, int(box[3]) + 16), "white")
    ImageDraw.Draw(image).text((8, 8), text, fill=ink, font=font)
    return encoded(image, form)


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    """Return an image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


@define
class Clock:
    """Seconds that pass when told to."""

    now: float = 1_000.0

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.now


class Caller:
    """A service in this process, and calls to it with the right key."""

    def __init__(self, *, account: dict[str, Any] | None = None, **settings: Any) -> None:
        script = settings.pop("script_function", None)
        mine = Account(**{"key": KEY, "name": "mine", **(account or {})})
        other = Account(key="another-made-up-key", name="other")
        self.clock = Clock()
        self.app = create_app(
            Settings(accounts=(mine, other), **settings), script=script, clock=self.clock
        )
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app), base_url="http://service.test"
        )

    def ledger(self, *, tasks: bool = False) -> dict[str, Any]:
        """Return this account's counts, or the whole ledger with its tasks."""
        told = self.app.book.ledger(self.clock.now, tasks=tasks)
        return told if tasks else told["accounts"]["mine"]

    async def put(self, **fields: str | int) -> str:
        """POST /in.php."""
        reply = await self.http.post("/in.php", data={"key": KEY, **fields})
        return reply.text

    async def put_image(self, image: bytes | None = None, **fields: str | int) -> str:
        """Submit an image by /in.php and return the whole reply."""
        body = in_base64(picture() if image is None else image)
        return await self.put(method="base64", body=body, **fields)

    async def ask(self, action: str, **fields: str | int) -> str:
        """GET /res.php."""
        query = {"key": KEY, "action": action, **fields}
        return (await self.http.get("/res.php", params=query)).text

    async def post(self, path: str, **body: Any) -> httpx.Response:
        """POST JSON with the key, as the createTask family does."""
        return await self.http.post(path, json={"clientKey": KEY, **body})

    async def create(self, image: bytes | None = None, **task: Any) -> httpx.Response:
        """POST /createTask for an image."""
        body = in_base64(picture() if image is None else image)
        return await self.post(
            "/createTask", task={"type": "ImageToTextTask", "body": body, **task}
        )

    async def upload(self, image: bytes | None = None, key: str = KEY) -> httpx.Response:
        """POST /api/ocr/solve."""
        files = {"image": ("picture.png", picture() if image is None else image)}
        return await self.http.post("/api/ocr/solve", params={"api": key}, files=files)

    async def fetch(self, task_id: str, key: str = KEY) -> httpx.Response:
        """GET /api/ocr/result/{task_id}."""
        return await self.http.get(f"/api/ocr/result/{task_id}", params={"api": key})


CallerFactory = Callable[..., Caller]
