"""The files of which the panel is made."""

from __future__ import annotations

import slicer.util

_FILES = ("ReviewPanel", "CorrectionPanel", "CasesPanel", "TrainingPanel", "ModelsPanel")


def load_panels(main, resource_path) -> None:
    """Load every panel's .ui file into the main one.

    Args:
        main: the loaded main .ui file.
        resource_path: the module widget's `resourcePath`.
    """
    layout = slicer.util.findChild(main, "panelsWidget").layout()
    for name in _FILES:
        layout.addWidget(slicer.util.loadUI(resource_path(f"UI/{name}.ui")))
