"""Starting the program again with settings that only count when a process begins."""

from __future__ import annotations

import os
import sys


def with_computing_environment() -> None:
    """Go on in a new process with the settings that are missing; a computing command calls it first."""
    from ufseg.networks.process_environment import computing_environment

    missing = {name: value for name, value in computing_environment().items() if name not in os.environ}
    if missing:
        # Where the program was started from may hold files that are named like modules.
        missing["PYTHONSAFEPATH"] = "1"
        arguments = [sys.executable, "-m", "ufseg.cli.main", *sys.argv[1:]]
        os.execve(sys.executable, arguments, os.environ | missing)
