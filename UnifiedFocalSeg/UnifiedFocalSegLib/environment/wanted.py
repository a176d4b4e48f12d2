"""What has to be installed: the backend's sources that came with the extension, and the lock of all else."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from UnifiedFocalSegLib.errors import SetupError
from UnifiedFocalSegLib.translation import tr as _

PYTHONS = ">=3.10,<3.14"
LOCK = "requirements.lock"
_VERSION = re.compile(r"""__version__ = ["']([^"']+)["']""")


@dataclass(frozen=True)
class Wanted:
    """What has to be installed.

    Args:
        sources: folder with the backend's ``pyproject.toml``, ``src`` and lock.
    """

    sources: Path

    @property
    def lock(self) -> Path:
        """Every package but the backend's own, with versions and hashes; PyTorch with its version only."""
        return self.sources / LOCK

    @cached_property
    def digest(self) -> str:
        """SHA-256 of lock and sources: another one means that the extension was updated.

        Raises:
            SetupError: a file of the extension is missing or cannot be read.
        """
        sha256 = hashlib.sha256()
        for path in self.files():
            sha256.update(path.relative_to(self.sources).as_posix().encode() + b"\0")
            sha256.update(hashlib.sha256(_content(path)).digest())
        return sha256.hexdigest()

    @cached_property
    def version(self) -> str:
        """The backend's version."""
        found = _VERSION.search(_content(self.sources / "src" / "ufseg" / "_version.py").decode(errors="replace"))
        return found.group(1) if found else "unknown"

    def files(self) -> list[Path]:
        """What the backend is built from, and the lock."""
        source = self.sources / "src"
        code = sorted(p for p in source.rglob("*") if p.is_file() and _is_source(p.relative_to(source)))
        return [self.sources / "pyproject.toml", self.sources / "README.md", self.lock, *code]


def shipped() -> Wanted:
    """What came with this extension, installed or as a checkout.

    Raises:
        SetupError: the extension is incomplete.
    """
    library = Path(__file__).resolve().parents[2]
    for folder in (library / "UnifiedFocalSegBackend", library.parent / "backend"):
        if (folder / LOCK).is_file() and (folder / "pyproject.toml").is_file():
            return Wanted(folder)
    raise SetupError(
        _("The backend's sources are not beside {folder}. Install the extension again.").format(folder=library)
    )


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SetupError(
            _("The extension's file {path} cannot be read ({reason}). Install the extension again.").format(
                path=path, reason=error.strerror or error
            )
        ) from error


def _is_source(path: Path) -> bool:
    """Whether it belongs to the extension; hidden files come from file managers and editors."""
    foreign = ("__pycache__", "Thumbs.db", "desktop.ini")
    return not any(part in foreign or part.startswith(".") or part.endswith(".egg-info") for part in path.parts)
