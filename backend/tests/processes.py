"""Processes as the operating system sees them, from /proc."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def until(condition: Callable[[], bool], seconds: float = 40) -> None:
    """Wait for a condition; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited for more than {seconds} s"
        time.sleep(0.02)


def command_lines() -> dict[int, tuple[int, str]]:
    """Process id → parent's id and command line, of all that run now; zombies are left out."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if fields[0] != "Z":
                found[int(folder.name)] = (int(fields[1]), command)
    return found


def workers(parent: int, kind: str = "") -> list[int]:
    """Ids of the worker processes (for jobs of this kind) that `parent` started."""
    return [
        pid
        for pid, (above, command) in command_lines().items()
        if above == parent and f"ufseg.engine.worker --kind {kind}" in command
    ]


def running(pid: int) -> bool:
    """Whether a process runs."""
    return pid in command_lines()
