"""Small JSON files that are written whole or not at all."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

# On Windows a file cannot be replaced while somebody reads it: another Slicer, a virus scanner.
_PATIENCE_SECONDS = 2.0


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace a file atomically; after a crash the old or the new content is there. May raise OSError."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            json.dump(content, stream, indent=2)
            stream.flush()
            os.fsync(stream.fileno())
        _replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _replace(temporary: Path, path: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            temporary.replace(path)
        except PermissionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def read_json(path: Path) -> dict[str, Any] | None:
    """Content of a file that `write_json` wrote; None if it is missing or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
