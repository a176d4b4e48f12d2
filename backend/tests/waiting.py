"""What would make a GPU's step wait for the GPU, seen on the CPU."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import Self

READING = ("item", "tolist", "cpu", "numpy", "__bool__", "__int__", "__float__", "__index__")
MAKING = (torch.tensor, torch.as_tensor)
DATA_DEPENDENT = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "bincount")


class Waiting:
    """Records, while it is entered, every operation after which a GPU would be waited for.

    That is reading a value, an operation whose result's shape depends on values, and a copy between CPU and device that
    is not said to be ``non_blocking``. The devices need not be there: what counts is that something is sent, not where.

    Args:
        allowed: parts of file names whose operations are on the CPU everywhere.
    """

    def __init__(self, *allowed: str) -> None:
        self.found: list[str] = []
        self._allowed = allowed
        self._modes = (_Calls(self.note), _Operations(self.note))

    def note(self, what: str) -> None:
        """Record it with the place in the sources."""
        frames = [f for f in traceback.extract_stack() if "tests" not in f.filename]
        if any(part in frame.filename for frame in frames for part in self._allowed):
            return
        own = [f for f in frames if "ufseg" in f.filename]
        where = f"{own[-1].filename}:{own[-1].lineno}" if own else "torch"
        self.found.append(f"{what} in {where}")

    def __enter__(self) -> Self:
        for mode in self._modes:
            mode.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for mode in reversed(self._modes):
            mode.__exit__(kind, error, trace)


class _Calls(TorchFunctionMode):
    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()
        self._note = note

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in READING:
            self._note(name)
        elif name == "to" and not kwargs.get("non_blocking") and any(_is_device(v) for v in (*args, *kwargs.values())):
            self._note("copy that waits")
        elif func in MAKING and kwargs.get("device") is not None:
            self._note("tensor made of Python values")
        return func(*args, **kwargs)


class _Operations(TorchDispatchMode):
    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()
        self._note = note

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func)
        if any(part in name for part in DATA_DEPENDENT):
            self._note(name)
        indices = args[1] if name.startswith("aten.index") and len(args) > 1 else None
        if isinstance(indices, (list, tuple)) and any(_is_mask(index) for index in indices):
            self._note("index by a mask")
        return func(*args, **(kwargs or {}))


def _is_device(value: object) -> bool:
    return isinstance(value, torch.device) or value in ("cpu", "cuda")


def _is_mask(index: object) -> bool:
    return isinstance(index, torch.Tensor) and index.dtype in (torch.bool, torch.uint8)
