"""How long the panel's handlers keep the GUI thread: every slot that was connected to a signal, timers too.

What counts is the time that a handler would take on an idle machine: the time by the clock less the time for which the
thread was ready to run and another process had the processor (Linux tells it for each thread). So computing counts,
waiting for an answer, a lock or the disk counts, and a busy machine does not. Where the kernel does not tell, all of
the clock's time counts.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCHEDULER = Path("/proc/thread-self/schedstat")
# The bound.
LONGEST_SECONDS = 0.05


@dataclass(frozen=True)
class Handler:
    """One call of a slot.

    Args:
        name: of the slot.
        seconds: it would have taken on an idle machine.
        clock_seconds: it has taken.
    """

    name: str
    seconds: float
    clock_seconds: float


class Stalls:
    """Calls of slots, the longest first."""

    def __init__(self) -> None:
        self._calls: list[Handler] = []
        self._depth = 0
        self.watching = False

    @property
    def longest(self) -> list[Handler]:
        """The five longest."""
        return sorted(self._calls, key=lambda call: -call.seconds)[:5]

    @property
    def count(self) -> int:
        """Number of calls."""
        return len(self._calls)

    @contextmanager
    def watch(self) -> Iterator[Stalls]:
        """Measure what happens inside this block."""
        self._calls.clear()
        self.watching = True
        try:
            yield self
        finally:
            self.watching = False

    def timed(self, slot: Callable[..., Any]) -> Callable[..., Any]:
        """A slot whose calls are measured while `watching`; one that is called by another counts for that."""

        if not hasattr(getattr(slot, "__func__", slot), "__code__"):
            return slot  # Qt's own
        accepted = _accepted(slot)

        @functools.wraps(slot)
        def call(*arguments: Any) -> Any:
            arguments = arguments[:accepted]
            if not self.watching or self._depth:
                return slot(*arguments)
            self._depth += 1
            waited, begun = _waited(), time.monotonic()
            try:
                return slot(*arguments)
            finally:
                self._depth -= 1
                clock = time.monotonic() - begun
                name = getattr(slot, "__qualname__", repr(slot))
                self._calls.append(Handler(name, clock - (_waited() - waited), clock))

        return call


def _accepted(slot: Callable[..., Any]) -> int | None:
    """How many of a signal's arguments a slot takes, as Qt finds out by itself; None for all."""
    kinds = [parameter.kind for parameter in inspect.signature(slot).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(kind in positional for kind in kinds)


def _waited() -> float:
    """Seconds for which this thread was ready to run and did not."""
    try:
        return int(_SCHEDULER.read_text(encoding="utf-8").split()[1]) / 1e9
    except OSError:
        return 0.0
