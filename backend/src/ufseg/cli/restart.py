"""Starting the program again with settings that only count when a process begins."""

from __future__ import annotations

import os
import sys


def with_quick_allocator() -> None:
    """Go on in a new process with the allocator settings, unless they are set; a computing command calls it first."""
    from ufseg.networks.allocator import allocator_environment

    settings = allocator_environment()
    if any(os.environ.get(name) != value for name, value in settings.items()):
        arguments = [sys.executable, "-m", "ufseg.cli.main", *sys.argv[1:]]
        os.execve(sys.executable, arguments, {**os.environ, **settings})
