"""The panel: its parts, the timer that brings the backend's answers in, and the parameter node."""

from __future__ import annotations

import qt

from .backend_part import BackendPart
from .cases_part import CasesPart
from .correction_part import CorrectionPart
from .example_part import ExamplePart
from .models_part import ModelsPart
from .review_part import ReviewPart
from .segment_part import SegmentPart
from .training_part import TrainingPart

# Short enough that a segmentation shows up at once, long enough to cost nothing.
_DRAIN_MILLISECONDS = 30


class Panel:
    """Connects the .ui file with the logic.

    Args:
        ui: controls of the .ui file by name.
        logic: FocalSegLogic.
        parameters: wrapper of the parameter node; replaced with `use_parameters` when the scene changes, and kept
            while the user is in another module, so that what ends meanwhile still has a place to go.
    """

    def __init__(self, ui, logic, parameters) -> None:
        self.ui, self.logic, self.parameters = ui, logic, parameters
        self._closing = False
        self.backend = BackendPart(ui, logic, self._on_backend_ready, self.update)
        self.segment = SegmentPart(self)
        self.example = ExamplePart(self)
        self.review = ReviewPart(self)
        self.correction = CorrectionPart(self)
        self.cases = CasesPart(self)
        self.training = TrainingPart(self)
        self.models = ModelsPart(self)
        self._parts = (self.review, self.correction, self.cases, self.training, self.models)
        logic.backend_changed.connect(self.update)
        self._timer = qt.QTimer()
        self._timer.setInterval(_DRAIN_MILLISECONDS)
        self._timer.connect("timeout()", logic.process_events)
        self._timer.start()
        self.update()

    def use_parameters(self, parameters) -> None:
        """Take another scene's parameter node."""
        self._closing = False
        self.parameters = parameters
        self.update()

    def enter(self) -> None:
        """The user opened the module: have the backend ready soon."""
        self.backend.start_if_set_up()
        for part in self._parts:
            part.enter()
        self.update()

    def exit(self) -> None:
        """The user opened another module: leave keys and views to it; work under way goes on."""
        for part in self._parts:
            part.exit()

    def scene_closing(self) -> None:
        """The scene closes: let go of its nodes, and stop what would put something into it."""
        self._closing = True
        self.logic.scene_closing()
        for part in self._parts:
            part.scene_closing()

    def update(self) -> None:
        """Bring every control up to date; while the scene closes there is nothing that could be shown."""
        if self._closing:
            return
        self.backend.update()
        for part in (self.segment, self.example, *self._parts):
            part.update()

    def close(self) -> None:
        """Stop everything; the panel goes away."""
        self._timer.stop()
        for part in self._parts:
            part.close()
        self.backend.close()
        self.logic.backend_changed.disconnect(self.update)
        self.logic.close(finish_trainings=self.training.goes_on)

    def _on_backend_ready(self) -> None:
        self.segment.refresh_tasks()
        self.example.refresh()
        self.update()
