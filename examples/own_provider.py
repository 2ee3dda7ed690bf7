"""A protocol module of your own for a service that has none: `python own_provider.py a.png`."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from pathlib import Path
from re import fullmatch
from typing import Any, NoReturn
from urllib.parse import urlencode

from solvestream import Balance, Client, Pacing, ProtocolError, RawTask, Text, UsageError
from solvestream.providers import (
    Accepted,
    Call,
    Capabilities,
    Origin,
    Pending,
    Request,
    Response,
    Solved,
    Unknown,
)

FORM = "application/x-www-form-urlencoded"
ORIGIN, KEY = Origin.parse(os.environ["SOLVESTREAM_URL"])[0], os.environ["CAPTCHAAI_API_KEY"]


class PlainText:
    """An account at a service that says `OK|id`, later `CAPCHA_NOT_READY` or `OK|text`."""

    name = "plain"
    capabilities = Capabilities(
        kinds=frozenset({"raw"}), pacing={"": Pacing(first_look=0.2)}, reports=False
    )

    def submit(self, task: Any, image: bytes | None) -> Call[Any]:
        """Ask for the work. It costs money: `fresh` keeps it off a connection gone stale."""
        body = urlencode({"key": KEY, **task.fields}).encode()
        return Call(Request("POST", ORIGIN, "/in.php", body, FORM, fresh=True), self._read_submit)

    def look(self, asked: Any) -> Call[Any]:
        """Ask for the answer."""
        query = urlencode({"key": KEY, "action": "get", "id": asked[0].task_id})
        return Call(Request("GET", ORIGIN, f"/res.php?{query}"), self._read_look)

    def _none(self, *_: object, **__: object) -> NoReturn:
        raise UsageError("plain has no such call")

    report = threads = _none

    def balance(self) -> Call[Any]:
        """Ask for the money left."""
        query = urlencode({"key": KEY, "action": "getbalance"})
        return Call(Request("GET", ORIGIN, f"/res.php?{query}"), self._read_balance)

    def _read_balance(self, reply: Response) -> Balance:
        text = reply.body.decode(errors="replace")
        if not fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text):
            raise ProtocolError("plain: this is no balance")
        return Balance(float(text), "USD", text)

    def _read_submit(self, reply: Response) -> Accepted | Unknown:
        said, _, task_id = reply.body.decode(errors="replace").partition("|")
        whole = reply.status == 200 and said == "OK" and fullmatch("[0-9]{1,20}", task_id)
        return Accepted(task_id, verified=reply.delimited) if whole else Unknown("no id")

    def _read_look(self, reply: Response) -> list[Any]:
        said, _, text = reply.body.decode(errors="replace").partition("|")
        not_yet = Pending() if said == "CAPCHA_NOT_READY" else Unknown("neither text nor wait")
        return [Solved(Text(text)) if said == "OK" else not_yet]


async def main(fields: dict[str, str]) -> None:
    """Print what the service says to fields of its own."""
    async with Client(PlainText()) as client:
        print((await client.solve(RawTask(fields))).unwrap())


BODY = base64.b64encode(Path(sys.argv[1]).read_bytes()).decode()
asyncio.run(main({"method": "base64", "body": BODY}))
