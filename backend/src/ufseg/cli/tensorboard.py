"""Training curves for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import Self

from ufseg.errors import InputError
from ufseg.progress import Progress


class TensorBoardCurves:
    """Writes the scalars of progress reports while used as a context manager; call it with each report.

    Args:
        folder: for ``tensorboard --logdir``.

    Raises:
        InputError: the package tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise InputError(
                "Curves for TensorBoard need the package tensorboard, which is not installed. Install it with "
                "pip install 'ufseg[curves]', or leave --tensorboard out."
            ) from error
        self._writer: Any = SummaryWriter(str(folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def __call__(self, progress: Progress) -> None:
        """Write one report."""
        step = progress.scalars.get("step")
        if step is None:
            return
        for name, value in progress.scalars.items():
            if name != "step":
                self._writer.add_scalar(f"training/{name}", value, int(step))
