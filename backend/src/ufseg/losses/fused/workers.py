"""Threads for compiled code, which runs without Python's interpreter lock."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None


def _workers() -> ThreadPoolExecutor:
    """The pool, kept for the life of the process; it starts a thread only when all others are at work."""
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(os.cpu_count() or 1, "ufseg-loss")
        return _pool


def _forget_pool() -> None:
    """A forked process has no threads but its own."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def share_out(work: Callable[[Item], None], items: Sequence[Item]) -> None:
    """Call `work` with each item in several threads, as many as PyTorch would use here; what it raises is raised."""
    threads = min(torch.get_num_threads(), len(items), os.cpu_count() or 1)
    if threads <= 1:
        for item in items:
            work(item)
        return

    left = iter(items)

    def some() -> None:
        while True:
            with _lock:
                item = next(left, None)
            if item is None:
                return
            work(item)

    # this thread works too, so that a busy pool delays nothing
    others = [_workers().submit(some) for _ in range(threads - 1)]
    some()
    for other in others:
        other.result()
