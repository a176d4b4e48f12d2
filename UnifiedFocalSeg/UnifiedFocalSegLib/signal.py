"""A list of callbacks, so that the logic can tell the widget about changes without knowing Qt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Signal:
    """Calls everything connected to it, in order, on the thread that emits (always the main thread here)."""

    def __init__(self) -> None:
        self._slots: list[Callable[..., Any]] = []

    def connect(self, slot: Callable[..., Any]) -> None:
        """Call `slot` at every emission from now on; connecting it again changes nothing."""
        if slot not in self._slots:
            self._slots.append(slot)

    def disconnect(self, slot: Callable[..., Any]) -> None:
        """Stop calling `slot`; nothing happens if it is not connected."""
        if slot in self._slots:
            self._slots.remove(slot)

    def emit(self, *arguments: Any) -> None:
        """Call every slot with `arguments`."""
        for slot in list(self._slots):
            slot(*arguments)
