"""Serving on a socket under uvicorn: in the foreground, or as the child of `LocalService`."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from .app import create_app
from .extras import need
from .faults import EXTENSION
from .settings import Settings

if TYPE_CHECKING:
    import uvicorn
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


def run(
    settings: Settings,
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; blocks.

    Args:
        settings: what it is told.
        host: address to listen on; default loopback.
        port: 0 to 65535; 0 picks a free one.
        ready: called with the URL once the service answers; by default the URL is printed.

    Raises `MissingExtra` when uvicorn or the reader is not installed, `OSError` when the port is
    taken.
    """
    with _listen(host, port) as listener:
        _serve(settings, listener, ready or (lambda url: _say(f"solvestream serves on {url}")))


def run_child() -> None:
    """Serve as the child of `LocalService`: settings from standard input, the URL to output."""
    settings = Settings.from_json(sys.stdin.readline())
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    with _listen("127.0.0.1", 0) as listener:
        _serve(settings, listener, lambda url: tell(url=url))


def tell(**message: str) -> None:
    """Write one line of JSON to the parent."""
    _say(json.dumps(message))


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the one line that tells where the service is


def _leave_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=4096)


def _serve(settings: Settings, listener: socket.socket, ready: Callable[[str], None]) -> None:
    """Serve until told to stop; call `ready(url)` once the service answers."""
    need("uvicorn")
    import uvicorn  # noqa: PLC0415 - an extra, and wanted by servers only

    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            ready(url)

    Server(_config(settings)).run(sockets=[listener])


def _config(settings: Settings) -> uvicorn.Config:
    import uvicorn  # noqa: PLC0415 - as above

    return uvicorn.Config(
        create_app(settings),
        http=_protocol(),
        ws="none",
        lifespan="on",
        access_log=False,  # a request line holds the key
        log_config=None,
        log_level="error",
        server_header=False,
        timeout_keep_alive=settings.keep_alive,
        timeout_graceful_shutdown=1,
    )


def _protocol() -> type[HttpToolsProtocol]:
    """Return uvicorn's HTTP protocol, made to hand its transport to the application."""
    need("httptools")
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # noqa: PLC0415 - as above

    class Protocol(HttpToolsProtocol):
        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.scope["extensions"] = {EXTENSION: {"transport": self.transport}}

    return Protocol
