"""The files of which the panel is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
import slicer.util

_FILES = (
    "BackendPanel",
    "SegmentPanel",
    "ReviewPanel",
    "CorrectionPanel",
    "CasesPanel",
    "TrainingPanel",
    "ModelsPanel",
    "BackendSettingsPanel",
)


def load_panels(resource_path: Callable[[str], str]) -> Any:
    """Load the main .ui file with every panel's in it; returns the main widget.

    Args:
        resource_path: the module widget's `resourcePath`.
    """
    main = slicer.util.loadUI(resource_path("UI/UnifiedFocalSeg.ui"))
    layout = slicer.util.findChild(main, "panelsWidget").layout()
    for name in _FILES:
        panel = slicer.util.loadUI(resource_path(f"UI/{name}.ui"))
        layout.addWidget(panel)
        panel.setMRMLScene(slicer.mrmlScene)  # the main widget hands its scene to its own .ui file's widgets only
    main.setMRMLScene(slicer.mrmlScene)
    return main
