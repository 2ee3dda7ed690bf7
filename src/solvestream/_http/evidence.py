"""What the events of httpcore's `trace` extension prove about one exchange through httpx.

Exceptions do not tell what left: `ReadError` means both "never read" and "fully processed"
(TRUST.md). The trace does, but only where nobody on our side interfered: after a time-out, a
cancellation or a close of the client by its owner, what waits in the layers below may still leave
before they abort. So a request whose writing began is `UNKNOWN` until the trace says better:

- `ALL`: the last step of writing is complete.
- `PART`: a step of writing failed because the operating system reported the connection dead. That
  proves something for HTTP/1.1 only: under HTTP/2 another exchange may have written our bytes.

The trace also tells what to do about two faults of httpcore 1.0.9 when it is cancelled while it
connects: at the end it loses a pool slot for good, so the deadline waits meanwhile (connecting has
time-outs of its own); and during the TLS handshake it leaves the socket open, so we close that.
"""

from __future__ import annotations

from typing import Any, Final

import anyio
from attrs import define

from solvestream._wire import Sent

_START: Final = "send_request_headers.started"
_FAILURES: Final = frozenset(
    {"http11.send_request_headers.failed", "http11.send_request_body.failed"}
)
_OPENED: Final = frozenset({"connect_tcp.complete", "connect_unix_socket.complete"})
_CONNECTING: Final = (
    "connect_tcp.",
    "connect_unix_socket.",
    "setup_socks5_connection.complete",
    "start_tls.",
)
_UNBOUNDED: Final = frozenset(
    {_START, "setup_socks5_connection.started", "send_connection_init.complete"}
)
"""What follows these has no time-out below us, or none over all: a peer may drip its bytes, HTTP/2
waits for a free stream, and httpcore 1.0.9 for a SOCKS proxy that may never answer."""


@define(eq=False)
class Evidence:
    """What is known of one exchange. It moves the deadline of `scope`, which bounds the exchange.

    Nothing is ever taken back: a transport which tries several times has sent what it once sent.

    Attributes:
        scope: what the exchange runs in.
        end: when to give up, on anyio's clock.
        bodiless: the headers are all there is to send.
        begun: the request was handed to the layers below.
    """

    scope: anyio.CancelScope
    end: float
    bodiless: bool
    begun: bool = False
    _seen: bool = False
    _tunnel: bool = False
    _opening: Any = None
    _before: Sent = Sent.NOTHING
    _now: Sent = Sent.NOTHING

    async def trace(self, name: str, info: dict[str, Any]) -> None:
        """Take one event of httpcore: `<module>.<step>.<started|complete|failed>`."""
        self._seen = True
        step = name.partition(".")[2]
        if step == _START:
            self._opening = None  # the connection is httpcore's to close
            self._tunnel = getattr(info.get("request"), "method", b"") == b"CONNECT"
        elif step in _OPENED:
            self._opening = info.get("return_value")
        self._bound(step)
        if self._tunnel:
            return  # the proxy's own exchange, with nothing of the request in it
        if step == _START:
            self._before = self._worst()
            self._now = Sent.UNKNOWN
        elif step == f"send_request_{'headers' if self.bodiless else 'body'}.complete":
            self._now = Sent.ALL
        elif name in _FAILURES and self._now is Sent.UNKNOWN and _is_dead(info.get("exception")):
            self._now = Sent.PART

    async def hang_up(self) -> None:
        """After a cancellation, close the connection that httpcore was still opening."""
        if self._opening is not None:
            with anyio.move_on_after(1.0, shield=True):
                await self._opening.aclose()

    def sent(self, *, never: bool = False) -> Sent:
        """Say how much left; `never` if a connect failure is proof that nothing did."""
        worst = self._worst()
        if worst is Sent.NOTHING and self.begun and not self._seen and not never:
            return Sent.UNKNOWN
        return worst

    def _worst(self) -> Sent:
        """Return the worst of all attempts for the verdict; `UNKNOWN` is the highest."""
        return max(self._before, self._now)

    def _bound(self, step: str) -> None:
        """Lift the deadline while connecting, and set it again for what nobody else bounds."""
        if step in _UNBOUNDED:
            self.scope.deadline = self.end
        elif step.startswith(_CONNECTING) or (
            self._tunnel and step == "receive_response_headers.complete"
        ):
            self.scope.deadline = float("inf")


def _is_dead(exc: BaseException | None) -> bool:
    """Whether a reset or a broken pipe is at the root of a failure."""
    while exc is not None and exc.__cause__ is not None:
        exc = exc.__cause__
    return isinstance(exc, (ConnectionResetError, BrokenPipeError))
