"""The next step's data, fetched while a GPU computes the present one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Data = TypeVar("Data")


class Prefetch(Generic[Data]):
    """Calls a function of the step, for the next step already while the present one is worked on.

    Args:
        make: makes the data of a step; called in a thread of its own if `ahead`.
        ahead: whether to work ahead. Where the CPU computes the steps, there is nothing to gain.
    """

    def __init__(self, make: Callable[[int], Data], ahead: bool) -> None:
        self._make = make
        self._pool = ThreadPoolExecutor(1, "prefetch") if ahead else None
        self._next: tuple[int, Future[Data]] | None = None

    def take(self, step: int) -> Data:
        """The data of a step; what `make` raises is raised here."""
        if self._pool is None:
            return self._make(step)
        waiting, self._next = self._next, None
        data = waiting[1].result() if waiting is not None and waiting[0] == step else self._make(step)
        self._next = (step + 1, self._pool.submit(self._make, step + 1))
        return data

    def close(self) -> None:
        """Make nothing more; what is under way is waited for."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
