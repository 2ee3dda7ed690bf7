"""Use a service nobody has written a module for: `python own_provider.py photo.png`.

A protocol module builds requests and reads any replies. Set SOLVESTREAM_URL, CAPTCHAAI_API_KEY.
"""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlencode

from solvestream import Call, Capabilities, Client, Pacing, RawTask, Request, Text, UsageError
from solvestream._outcomes import Accepted, Pending, Solved, Unknown
from solvestream._wire import Origin, Response

ORIGIN, KEY = Origin.parse(os.environ["SOLVESTREAM_URL"])[0], os.environ["CAPTCHAAI_API_KEY"]


class PlainText:
    """An account at a service that says `OK|id`, later `CAPCHA_NOT_READY` or `OK|text`."""

    name = "plain"
    capabilities = Capabilities(kinds=frozenset({"raw"}), pacing={"": Pacing(first_look=0.2)})

    def submit(self, task: Any, image: bytes | None) -> Call[Any]:
        """Ask for the work. It costs money: `fresh` keeps it off a connection gone stale."""
        form = (
            urlencode({"key": KEY, **task.fields}).encode(),
            "application/x-www-form-urlencoded",
        )
        return Call(Request("POST", ORIGIN, "/in.php", *form, fresh=True), self._read_submit)

    def look(self, asked: Any) -> Call[Any]:
        """Ask for the answer."""
        query = urlencode({"key": KEY, "action": "get", "id": asked[0].task_id})
        return Call(Request("GET", ORIGIN, f"/res.php?{query}"), self._read_look)

    def _none(self, *_: object, **__: object) -> NoReturn:
        raise UsageError("plain has no such call")

    balance = report = threads = _none

    def _read_submit(self, reply: Response) -> Accepted | Unknown:
        said, _, task_id = reply.body.decode(errors="replace").partition("|")
        return Accepted(task_id) if said == "OK" else Unknown("no id")

    def _read_look(self, reply: Response) -> list[Any]:
        said, _, text = reply.body.decode(errors="replace").partition("|")
        not_yet = Pending() if said == "CAPCHA_NOT_READY" else Unknown("neither text nor wait")
        return [Solved(Text(text)) if said == "OK" else not_yet]


async def main(image: bytes) -> None:
    """Print what the service says about an image, sent in fields of its own."""
    fields = {"method": "base64", "body": base64.b64encode(image).decode()}
    async with Client(PlainText()) as client:
        print((await client.solve(RawTask(fields))).unwrap())


asyncio.run(main(Path(sys.argv[1]).read_bytes()))
