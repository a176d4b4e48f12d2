"""The logic for scripts, as ``slicer.modules.unifiedfocalseg.logic()``.

For a scripted module that is an object of C++ without any of the module's functions; the Python logic belongs to the
module's panel. So the functions are put onto that object. VTK keeps such attributes as long as the object lives.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import slicer.util

from .logic import FocalSegLogic

OFFERED = (
    "case_rows",
    "close",
    "connect",
    "create_task",
    "examine_setup",
    "fetch",
    "history",
    "import_folder",
    "install_backend",
    "install_model",
    "open_case",
    "promote",
    "retrain",
    "rollback",
    "segment",
    "show_3d",
    "start_backend",
    "stop_backend",
    "submit_correction",
    "tasks",
    "wait",
)


def offer_to_scripts(module_logic: Any, name: str) -> None:
    """Let the functions of a module's Python logic be called on its C++ logic.

    Args:
        module_logic: what the module's ``logic()`` returns.
        name: of the module. Its panel is made at the first call, and both share one backend.
    """
    for function in OFFERED:
        setattr(module_logic, function, _forward(name, function))


def _forward(name: str, function: str) -> Callable[..., Any]:
    @functools.wraps(getattr(FocalSegLogic, function))
    def call(*arguments: Any, **options: Any) -> Any:
        return getattr(slicer.util.getModuleWidget(name).logic, function)(*arguments, **options)

    return call
