"""The wire: our own connection pool for asyncio, and httpx for everything else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import sniffio

if TYPE_CHECKING:
    from solvestream._wire import Transport

_MOCKED: Final = (
    ("httpcore", "AsyncConnectionPool", "handle_async_request"),
    ("httpx", "AsyncHTTPTransport", "handle_async_request"),
    ("httpx", "AsyncClient", "_transport_for_url"),
)
"""What respx and pytest-httpx replace."""


def open_transport(http: object | None = None, *, connections: int = 64) -> Transport:
    """Choose the transport: our pool on asyncio, else httpx.

    Args:
        http: an `httpx.AsyncClient` or `httpx.AsyncBaseTransport` (or httpx2's) to go through.
            It stays the caller's to close.
        connections: to one origin at a time. Default 64; through httpx at most 16.

    httpx is taken when `http` is given, under trio, and while respx or pytest-httpx has put a
    mock into httpx, so that such tests just work. Raises `TypeError` for an unfit `http`.
    """
    # Both are imported here, since `import solvestream` must load neither asyncio nor httpx.
    if http is not None or _backend() == "trio" or _is_mocked():
        from solvestream._http.httpx_adapter import HttpxTransport  # noqa: PLC0415 - see above

        return HttpxTransport(http, max_exchanges=min(connections, 16))
    from solvestream._http.pool import Pool  # noqa: PLC0415 - see above

    return Pool(max_connections=connections)


def _backend() -> str:
    try:
        return sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        return "none"


def _is_mocked() -> bool:
    """Whether somebody else's function stands in for one of httpx's.

    Tracing tools wrap rather than replace: their wrappers keep the module of the original.
    """
    for module, owner, method in _MOCKED:
        found = getattr(getattr(sys.modules.get(module), owner, None), method, None)
        if found is not None and found.__module__.partition(".")[0] != module:
            return True
    return False
