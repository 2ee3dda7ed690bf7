"""A real Chromium without a screen, driven over its DevTools pipe: no port, no further package."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import time
from pathlib import Path

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
INSTALL = "apt-get install -y chromium-headless-shell"
OPTIONS = (
    *("--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"),
    *("--no-first-run", "--disable-dev-shm-usage", "--hide-scrollbars"),
)
HANG = 60.0
"""Seconds after which a browser that says nothing has failed."""


def find() -> str | None:
    """Return the path of a browser that is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """A browser's process, and what it says."""

    def __init__(self, program: str, profile: Path):
        self._number = 0
        self._rest = b""
        self.events: list[dict] = []
        from_us, self._write = _pipe()
        self._read, to_us = _pipe()
        null = os.open(os.devnull, os.O_RDWR)
        moves = [(null, 0), (null, 1), (null, 2), (from_us, 3), (to_us, 4)]
        actions = [(os.POSIX_SPAWN_DUP2, old, new) for old, new in moves]
        words = [program, *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        self.pid = os.posix_spawn(program, words, os.environ, file_actions=actions)
        for one in (from_us, to_us, null):
            os.close(one)

    def close(self):
        """End the process, and wait for that."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._read)
        os.close(self._write)

    def call(self, method: str, session: str | None = None, **parameters) -> dict:
        """Have the browser do something; returns its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (reply := self._next()).get("id") != self._number:
            self.events.append(reply)
        assert "error" not in reply, reply["error"]
        return reply["result"]

    def wait(self, method: str, session: str):
        """Wait until the browser tells of something."""
        while not any(
            one.get("method") == method and one.get("sessionId") == session for one in self.events
        ):
            self.events.append(self._next())

    def _next(self) -> dict:
        until = time.monotonic() + HANG
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], until - time.monotonic())
            data = os.read(self._read, 1 << 20) if ready else b""
            assert data, "the browser says nothing any more"
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def open(self, path: Path, **options) -> Page:
        """Open a file in a new tab, and wait until it is loaded."""
        return Page(self, path, **options)


class Page:
    """A tab with a file in it."""

    def __init__(self, browser: Browser, path: Path, *, dark=False, scripts=True, width=1100):
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        browser.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        browser.wait("Page.loadEventFired", self._session)
        if scripts:
            self.ready = self.evaluate(READY)

    def call(self, method: str, **parameters) -> dict:
        """Have the browser do something with the tab."""
        return self._browser.call(method, self._session, **parameters)

    def evaluate(self, text: str):
        """Return the value of a script's expression; a promise's once it is kept."""
        options = {"returnByValue": True, "awaitPromise": True}
        done = self.call("Runtime.evaluate", expression=text, **options)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def complaints(self) -> list[str]:
        """Return what stands on the console: errors, warnings, whatever scripts printed."""
        methods = {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"}
        events = [one for one in self._browser.events if one.get("method") in methods]
        return [json.dumps(one) for one in events if one["sessionId"] == self._session]

    def requests(self) -> list[str]:
        """Return the addresses the page asked for, its own among them."""
        sent = "Network.requestWillBeSent"
        events = [one for one in self._browser.events if one.get("method") == sent]
        return [one["params"]["request"]["url"] for one in events]

    def picture(self) -> bytes:
        """Return the whole page as PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(shot["data"])

    def key(self, name: str):
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name)

    def click(self, x: float, y: float):
        """Press the mouse's button at a place of the window."""
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def close(self):
        """Close the tab."""
        self.call("Page.close")


READY = """new Promise((done) => {
  const look = () => {
    const [mark] = performance.getEntriesByName("ready");
    if (mark) done(mark.startTime); else setTimeout(look, 5);
  };
  look();
})"""
"""Milliseconds from the start of loading to the first drawing of the list."""


def _pipe() -> tuple[int, int]:
    """Return a pipe with numbers above those that the browser's ends get."""
    ends = []
    for one in os.pipe():
        ends.append(fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 100))
        os.close(one)
    return ends[0], ends[1]
