"""Logs: sentences on standard error, JSON lines in the workspace.

They name ids, never names of cases, subjects or files.
"""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from datetime import datetime, timezone
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from ufseg.workspace.disk import storage_errors

REQUEST: ContextVar[str | None] = ContextVar("request", default=None)
"""Id of the request under way, where there is one."""

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_BYTES, _KEPT = 5 << 20, 3


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the request's id, and what ``extra={"fields": …}`` has."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        request = REQUEST.get()
        if request is not None:
            line["request"] = request
        line |= {k: v for k, v in getattr(record, "fields", {}).items() if v is not None}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def start_logging(workspace: Path) -> None:
    """Log to standard error and to ``logs/service.jsonl`` of the workspace.

    Raises:
        StorageError: the log cannot be written.
    """
    folder = workspace / "logs"
    with storage_errors(workspace):
        folder.mkdir(parents=True, exist_ok=True)
        file = RotatingFileHandler(folder / "service.jsonl", maxBytes=_BYTES, backupCount=_KEPT, encoding="utf-8")
    file.setFormatter(JsonFormatter())
    shown = logging.StreamHandler()
    shown.setFormatter(logging.Formatter(_FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[shown, file])
