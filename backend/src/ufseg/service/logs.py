"""Logs on standard error and in the workspace. They name ids, never names of cases, subjects or files."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from ufseg.workspace.disk import storage_errors

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_BYTES, _KEPT = 5 << 20, 3


def start_logging(workspace: Path) -> None:
    """Log to standard error and to ``logs/service.log`` of the workspace.

    Raises:
        StorageError: the log cannot be written.
    """
    folder = workspace / "logs"
    with storage_errors(workspace):
        folder.mkdir(parents=True, exist_ok=True)
        file = RotatingFileHandler(folder / "service.log", maxBytes=_BYTES, backupCount=_KEPT, encoding="utf-8")
    logging.basicConfig(level=logging.INFO, format=_FORMAT, handlers=[logging.StreamHandler(), file])
