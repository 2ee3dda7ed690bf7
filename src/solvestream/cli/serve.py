"""`solvestream serve`: the local service in the foreground."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import partial
from typing import Any, Literal

from attrs import evolve

from solvestream import UsageError
from solvestream.cli.extras import CannotRun
from solvestream.server import DEFAULT_KEY, Account, Latency, Settings, run


def serve(settings: Settings, *, host: str, port: int) -> int:
    """Serve until Ctrl-C; return 0. Raises `CannotRun` when the service cannot start."""
    try:
        with suppress(KeyboardInterrupt):
            run(settings, host, port, ready=partial(_tell, settings.accounts[0].key))
    except OSError as error:
        raise CannotRun(f"{host}:{port}: {error.strerror or error}; see --host, --port") from None
    return 0


def settings(
    *,
    engine: Literal["read", "simulate"],
    key: str | None,
    slots: int | None,
    max_image_bytes: int,
    **simulated: Any,
) -> Settings:
    """Return the service's settings from the command's options; `None` is its default.

    Raises `UsageError` for a bad value, and for one that the engine has no use for.
    """
    simulated = {name: value for name, value in simulated.items() if value is not None}
    if simulated and engine != "simulate":
        names = ", ".join(f"--{name.replace('_', '-')}" for name in simulated)
        raise UsageError(f"{names}: only with --engine simulate; images are read for real")
    if "latency" in simulated:
        simulated["latency"] = latency(simulated["latency"])
    mine = Account() if key is None else Account(key=key)
    mine = mine if slots is None else evolve(mine, slots=slots)
    try:
        return Settings(
            accounts=(mine,), engine=engine, max_image_bytes=max_image_bytes, **simulated
        )
    except ValueError as error:
        raise UsageError(str(error.args[0])) from None


def latency(text: str) -> Latency:
    """Read `LOW:HIGH`, or one number, in seconds. Raises `UsageError`."""
    low, colon, high = text.partition(":")
    try:
        if not colon:
            return Latency(low=float(low))
        return Latency(shape="uniform", low=float(low), high=float(high))
    except ValueError:
        raise UsageError(
            f"--latency={text}: give LOW:HIGH in seconds, as 2:6, or one number"
        ) from None


def _tell(key: str, url: str) -> None:
    shown = repr(key) if key == DEFAULT_KEY else "KEY"
    print(f"solvestream serves on {url}", flush=True)
    print(
        f"""\
Accounts at this service:
  CaptchaAI({shown}, base_url={url!r})
  Solvora({shown}, base_url={url!r})
  CapSolver({shown}, base_url={url!r})
or: CAPSOLVER_API_KEY={shown} solvestream solve --service capsolver --base-url {url} FILES
""",
        file=sys.stderr,
        flush=True,
    )
