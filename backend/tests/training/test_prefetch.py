"""Fetching ahead."""

from __future__ import annotations

import threading

import pytest

from ufseg.training.prefetch import Prefetch


@pytest.mark.parametrize("ahead", [False, True])
def test_steps_come_in_any_order(ahead: bool) -> None:
    made: list[int] = []

    def make(step: int) -> int:
        made.append(step)
        return step * step

    data = Prefetch(make, ahead)
    assert [data.take(step) for step in (0, 1, 2, 7, 8)] == [0, 1, 4, 49, 64]
    data.close()
    assert made.count(2) == 1


def test_the_next_step_is_made_meanwhile_in_another_thread() -> None:
    arrived = threading.Event()

    def make(step: int) -> str:
        if step == 1:
            arrived.set()
        return threading.current_thread().name

    data = Prefetch(make, ahead=True)
    assert data.take(0) == threading.current_thread().name
    assert arrived.wait(10)
    assert data.take(1).startswith("prefetch")
    data.close()


def test_an_error_ahead_is_raised_where_its_step_is_taken() -> None:
    def make(step: int) -> int:
        if step == 1:
            raise OSError("the disk is gone")
        return step

    data = Prefetch(make, ahead=True)
    assert data.take(0) == 0
    with pytest.raises(OSError, match="the disk is gone"):
        data.take(1)
    data.close()
