"""Files of a comparison: written whole or not at all, failures told in words."""

from __future__ import annotations

from pathlib import Path

from ufseg.errors import StorageError
from ufseg.networks.model_folder import write_atomic


def write_text(path: Path, text: str) -> None:
    """Write a file, making its folder; raises StorageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text.encode())
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}. Free some space or choose another folder."
        ) from error


def read_bytes(path: Path) -> bytes:
    """Read a file; raises StorageError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}.") from error
