"""Files that change hands in the backend's spool folder, which is in memory where the system has such a disk."""

from __future__ import annotations

import secrets
import threading
from pathlib import Path

from .nrrd import Body


def hand_over(body: Body, folder: Path) -> tuple[str, str] | None:
    """Write an image into `folder`, for the backend to take; its name there and the SHA-256 of the scene's memory.

    The backend compares the hash with what was written, so that a volume that changed meanwhile is noticed.

    Returns:
        None if the folder has no room or cannot be written: the image must be sent then.
    """
    name = f"{secrets.token_hex(16)}.nrrd"
    path = folder / name
    digests: list[str] = []
    hashing = threading.Thread(target=lambda: digests.append(body.sha256()), daemon=True)
    try:
        # Hashing and writing let Python's lock go, so that both run at once.
        hashing.start()
        with path.open("xb", buffering=0) as file:
            for piece in body:
                rest = piece
                while rest:
                    rest = rest[file.write(rest) :]
    except OSError:
        path.unlink(missing_ok=True)
        return None
    except BaseException:  # the upload was stopped
        path.unlink(missing_ok=True)
        raise
    finally:
        hashing.join()
    return name, digests[0]


def collect(folder: Path, name: str) -> bytes | None:
    """The bytes of a file that the backend has put into `folder`, from where it is removed; None if it is not there."""
    path = folder / Path(name).name
    try:
        content = path.read_bytes()
        path.unlink()
    except OSError:
        return None
    return content
