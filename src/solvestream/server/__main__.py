"""`python -m solvestream.server`: serve in the foreground, or as the child of `LocalService`."""

from __future__ import annotations

import argparse
import contextlib
import sys

from .serving import run, run_child, tell
from .settings import Settings


def main(arguments: list[str] | None = None) -> int:
    """Run the service as the arguments say; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m solvestream.server", description=__doc__)
    parser.add_argument("--settings-from-stdin", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--engine", choices=("read", "simulate"), default="read")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    chosen = parser.parse_args(arguments)
    as_child = chosen.settings_from_stdin
    try:
        with contextlib.suppress(KeyboardInterrupt):
            if as_child:
                run_child()
            else:
                run(Settings(engine=chosen.engine), chosen.host, chosen.port)
    except (ImportError, OSError, ValueError) as error:
        if as_child:
            tell(error=str(error))
        else:
            print(error, file=sys.stderr)  # noqa: T201 - a command's own error line
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
