"""Something under way: its progress, its end, and the means to stop it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Any

from .errors import OperationCancelled
from .signal import Signal
from .translation import tr as _

RUNNING, SUCCEEDED, FAILED, CANCELLED = "running", "succeeded", "failed", "cancelled"


class Control:
    """What a worker thread has of its operation: report progress, notice a cancel."""

    def __init__(self, report: Callable[..., None]) -> None:
        self.cancelled = threading.Event()
        self._report = report

    def report(
        self,
        fraction: float | None = None,
        stage: str | None = None,
        eta_seconds: float | None = None,
        scalars: dict[str, float] | None = None,
    ) -> None:
        """Tell the main thread how far the work is; None leaves a value as it was."""
        self._report(fraction, stage, eta_seconds, scalars)

    def check(self) -> None:
        """Raise OperationCancelled if the user asked to stop."""
        if self.cancelled.is_set():
            raise OperationCancelled(_("Stopped."))

    def sleep(self, seconds: float) -> None:
        """Wait, but wake at once on a cancel."""
        self.cancelled.wait(seconds)


# A step runs in a worker thread; a script yields steps and runs between them on the main thread.
Step = Callable[[Control], Any]
Script = Generator[Step, Any, Any]


class Operation:
    """One user action in progress. All attributes are read and changed on the main thread only.

    Attributes:
        kind: what is done: "start", "segment", "submit", "retrain", …
        title: the same for people, with the names of what it is done to.
        state: "running", "succeeded", "failed" or "cancelled".
        cancelling: a cancel was asked for and has not taken effect yet.
        fraction: 0 to 1.
        stage: what is being done now.
        eta_seconds: estimated remaining time, or None.
        scalars: latest numbers of a training, such as its loss.
        result: what the operation gave, once it succeeded.
        error: a sentence, once it failed.
        changed: emitted with the operation at each progress.
        finished: emitted with the operation once, when it ends.
    """

    def __init__(self, kind: str, title: str, control: Control) -> None:
        self.kind = kind
        self.title = title
        self.state = RUNNING
        self.cancelling = False
        self.fraction = 0.0
        self.stage = ""
        self.eta_seconds: float | None = None
        self.scalars: dict[str, float] = {}
        self.result: Any = None
        self.error: str | None = None
        self.changed = Signal()
        self.finished = Signal()
        self.control = control

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.state == RUNNING

    def cancel(self) -> None:
        """Ask to stop; it ends as "cancelled" shortly after, unless it ends otherwise first."""
        if self.running and not self.cancelling:
            self.cancelling = True
            self.stage = _("Stopping")
            self.control.cancelled.set()
            self.changed.emit(self)

    def update(self, fraction, stage, eta_seconds, scalars) -> None:
        """Take over a report of the worker thread."""
        if not self.running:
            return
        if fraction is not None:
            self.fraction = min(max(float(fraction), 0.0), 1.0)
        if stage is not None and not self.cancelling:
            self.stage = stage
        self.eta_seconds = eta_seconds
        if scalars:
            self.scalars = dict(scalars)
        self.changed.emit(self)

    def end(self, state: str, result: Any = None, error: str | None = None) -> None:
        """Finish; later calls change nothing."""
        if not self.running:
            return
        self.state, self.result, self.error = state, result, error
        self.eta_seconds = None
        if state == SUCCEEDED:
            self.fraction = 1.0
        self.stage = {SUCCEEDED: _("Done"), FAILED: _("Failed"), CANCELLED: _("Stopped")}[state]
        self.changed.emit(self)
        self.finished.emit(self)
