"""The command line (extra `cli`): tasks in, results out, and what is in a journal or an account.

Importing this costs nothing; what a command needs is imported when it runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: all went well. 1: something failed, or nobody reads the output any more. 2: called wrongly,
    an extra is not installed, or a `--fail-if` holds. 130: stopped by Ctrl-C or SIGTERM.

    Args:
        arguments: what follows the command's name; default: `sys.argv[1:]`.
    """
    from solvestream.cli.extras import MissingExtra, need  # noqa: PLC0415 - imported when used

    try:
        need("cli")
        from solvestream.cli.app import run  # noqa: PLC0415 - the extra is there

        return run(sys.argv[1:] if arguments is None else arguments)
    except MissingExtra as error:
        print(f"solvestream: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever reads has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
