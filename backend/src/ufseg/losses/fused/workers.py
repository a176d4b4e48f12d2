"""Threads that each work through blocks of voxels on their own.

PyTorch splits every single operation over all cores and waits for the slowest. For hundreds of operations on small
blocks that waiting costs as much as the work, and many times more beside another busy program. Here each thread does
all operations of a block by itself, and they wait for each other once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")

MOST_WORKERS = 8
"""Python's interpreter lock leaves little to gain beyond."""

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None


def _one_thread_per_operation() -> None:
    torch.set_num_threads(1)  # of the operations called from this thread


def _workers() -> ThreadPoolExecutor:
    """The pool, kept for the life of the process."""
    global _pool
    with _lock:
        if _pool is None:
            threads = torch.get_num_threads()
            _pool = ThreadPoolExecutor(MOST_WORKERS, "ufseg-loss", initializer=_one_thread_per_operation)
            started = threading.Barrier(MOST_WORKERS)
            list(_pool.map(lambda _: started.wait(), range(MOST_WORKERS)))
            torch.set_num_threads(threads)  # the number is also what threads started from now on will have
        return _pool


def _forget_pool() -> None:
    """A forked process has no threads but its own."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def share_out(work: Callable[[Sequence[Item]], None], items: Sequence[Item]) -> None:
    """Call `work` with parts of `items` in several threads, as many as PyTorch would use here.

    Args:
        work: is called without gradient mode; what it raises is raised here.
        items: cut into consecutive parts of nearly equal length.
    """
    count = min(torch.get_num_threads(), len(items), MOST_WORKERS)
    if count <= 1:
        work(items)
        return

    inference = torch.is_inference_mode_enabled()  # each thread has modes of its own

    def part(index: int) -> None:
        with torch.inference_mode(inference), torch.no_grad():
            work(items[index * len(items) // count : (index + 1) * len(items) // count])

    list(_workers().map(part, range(count)))
