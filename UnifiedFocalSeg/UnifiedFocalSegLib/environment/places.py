"""Where the environment and what belongs to it lie."""

from __future__ import annotations

import json
import ntpath
import os
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT_VARIABLE = "UFSEG_ENVIRONMENT"
_VERBATIM = "\\\\?\\"
_VERBATIM_SHARE = "\\\\?\\UNC"


@dataclass(frozen=True)
class Places:
    """Folders and files below one root.

    ``current.json`` names the one environment in use and is replaced atomically; everything else may be half made.

    Args:
        root: folder of the user's own; made when something is installed.
    """

    root: Path

    @property
    def pointer(self) -> Path:
        """Names the environment in use."""
        return self.root / "current.json"

    @property
    def state(self) -> Path:
        """What the last installation is doing or did."""
        return self.root / "state.json"

    @property
    def lock(self) -> Path:
        """Held by the process that installs."""
        return self.root / "install.lock"

    @property
    def environments(self) -> Path:
        """One folder for each attempt."""
        return self.root / "environments"

    @property
    def uv(self) -> Path:
        """The uv that was fetched because there was none."""
        return self.root / "uv"

    @property
    def cache(self) -> Path:
        """What uv has downloaded: an installation that was stopped goes on from it."""
        return self.root / "cache"

    @property
    def pythons(self) -> Path:
        """Interpreters that uv has downloaded."""
        return self.root / "pythons"

    @property
    def settings(self) -> Path:
        """uv's settings here, so that no project's in a folder above apply."""
        return self.root / "uv.toml"

    @property
    def folders(self) -> tuple[Path, ...]:
        """All folders that an installation makes below the root."""
        return (self.environments, self.uv, self.cache, self.pythons)

    def current(self) -> Path | None:
        """Folder of the environment in use, None if none is whole."""
        try:
            name = json.loads(self.pointer.read_text(encoding="utf-8"))["environment"]
        except (OSError, ValueError, KeyError, TypeError):  # missing or damaged: nothing is in use
            return None
        return self.environments / Path(str(name)).name

    def python(self) -> Path | None:
        """Interpreter of the environment in use, None without one."""
        folder = self.current()
        return None if folder is None else python_of(folder)


def python_of(environment: Path) -> Path:
    """Interpreter of a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def site_packages(environment: Path) -> Path | None:
    """Folder of a virtual environment's packages; None if it has none."""
    found = [environment / "Lib" / "site-packages", *environment.glob("lib/python*/site-packages")]
    return next((path for path in found if path.is_dir()), None)


def long_path(path: Path, windows: bool = os.name == "nt") -> str:
    """An absolute path in the form in which Windows takes more than 260 characters; PyTorch's licences have them."""
    if not windows:
        return str(path)
    plain = ntpath.normpath(str(path))
    if plain.startswith(_VERBATIM):
        return plain
    return _VERBATIM_SHARE + plain[1:] if plain.startswith("\\\\") else _VERBATIM + plain


def default_root() -> Path:
    """Where the environment is made unless `ROOT_VARIABLE` names another folder: the user's data folder."""
    chosen = os.environ.get(ROOT_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    if os.name == "nt":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "UnifiedFocalSeg" / "environment"
