"""The picture of the training curve, kept up to date while it trains."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from ufseg.errors import StorageError
from ufseg.progress import Progress


class LiveCurve:
    """Draws the curve anew, in a thread of its own, whenever a checkpoint was written; call it with each report.

    While used as a context manager; at its end what was stopped is drawn once more.

    Args:
        checkpoint: file of the training.
        picture: PNG to write.
    """

    def __init__(self, checkpoint: Path, picture: Path) -> None:
        self._checkpoint, self._picture = checkpoint, picture
        self._drawn = _changed(checkpoint)
        self._pool = ThreadPoolExecutor(1, "curve")
        self._drawing: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()
        if error is not None and _changed(self._checkpoint) != self._drawn:
            _draw(self._checkpoint, self._picture)

    def __call__(self, progress: Progress) -> None:
        """Draw if there is something new."""
        changed = _changed(self._checkpoint)
        if changed == self._drawn or (self._drawing is not None and not self._drawing.done()):
            return
        self._drawn = changed
        self._drawing = self._pool.submit(_draw, self._checkpoint, self._picture)


def _changed(path: Path) -> int | None:
    with suppress(OSError):
        return path.stat().st_mtime_ns
    return None


def _draw(checkpoint: Path, picture: Path) -> None:
    from ufseg.training.checkpoint import read_header
    from ufseg.training.curve_figure import write_curve

    # A curve that cannot be drawn stops no training; that the disk is full is said when the next file is written.
    with suppress(OSError, StorageError):
        write_curve([point.model_dump(exclude_none=True) for point in read_header(checkpoint).history], picture)
