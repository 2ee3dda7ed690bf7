"""Test what you built on solvestream: no network, no key, no money, no waiting.

* `FakeService`: a service in memory, for a client of yours or for `solvestream_client`.
* `virtual_time`: backends for anyio on which waiting takes no time.
* `respx_routes`: the same service behind respx, for tests that mock at HTTP level.
* `check_provider`: whether a protocol module of your own keeps the rules.
* `solvestream.testing.pytest_plugin`: fixtures `solvestream_service` and `solvestream_client`.

Names are loaded when they are first used, so the plugin costs a test run next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from solvestream.server import Fault, Scripted
    from solvestream.server.work import Work
    from solvestream.testing.answers import UNSOLVABLE
    from solvestream.testing.clock import VirtualLoop, virtual_time
    from solvestream.testing.conformance import Conformance, Finding, NotConforming, check_provider
    from solvestream.testing.mocks import respx_routes
    from solvestream.testing.service import Bought, FakeService, Ledger

__all__ = [
    "UNSOLVABLE",
    "Bought",
    "Conformance",
    "FakeService",
    "Fault",
    "Finding",
    "Ledger",
    "NotConforming",
    "Scripted",
    "VirtualLoop",
    "Work",
    "check_provider",
    "respx_routes",
    "virtual_time",
]

_HOMES = {
    "solvestream.server": ("Fault", "Scripted"),
    "solvestream.server.work": ("Work",),
    "solvestream.testing.answers": ("UNSOLVABLE",),
    "solvestream.testing.clock": ("VirtualLoop", "virtual_time"),
    "solvestream.testing.conformance": (
        "Conformance",
        "Finding",
        "NotConforming",
        "check_provider",
    ),
    "solvestream.testing.mocks": ("respx_routes",),
    "solvestream.testing.service": ("Bought", "FakeService", "Ledger"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # to a type checker, a module with `__getattr__` has every name

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_HOME[name]), name)
        return value


def __dir__() -> list[str]:
    return __all__
