"""How to install, and remembering it for the next time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .installed import describe
from .places import Places
from .records import read_json


@dataclass(frozen=True)
class Options:
    """How to install.

    Args:
        torch: ``"auto"``, or a build: ``"cpu"``, ``"cu130"``, ``"cu126"``.
        wheels: folder with wheel files, looked into before any index.
        offline: use nothing but `wheels` and what was downloaded before.
        python: interpreter of the environment; found, or downloaded by uv, if None.
        needed: bytes that must be free before the start; estimated if None.
        variables: for the programs that are run; this process's own if None.
    """

    torch: str = "auto"
    wheels: Path | None = None
    offline: bool = False
    python: Path | None = None
    needed: int | None = None
    variables: Mapping[str, str] | None = None


def from_anywhere(options: Options) -> Options:
    """The same with absolute paths, since uv runs in a folder of its own."""
    wheels, python = options.wheels, options.python
    return replace(
        options,
        wheels=None if wheels is None else wheels.absolute(),
        python=None if python is None else python.absolute(),
    )


def kept(options: Options) -> dict[str, Any]:
    """What is remembered of the options."""
    return {
        "torch": options.torch,
        "wheels": None if options.wheels is None else str(options.wheels),
        "offline": options.offline,
        "python": None if options.python is None else str(options.python),
    }


def remembered(places: Places) -> Options:
    """The options of the installation that was broken off, or else of the last one.

    An interpreter that is gone is left out, so that another is found; so is a wheel folder, unless nothing else may be
    used.
    """
    state = read_json(places.state) or {}
    current = places.current()
    description = (None if current is None else describe(current)) or {}
    sources = [description, read_json(places.pointer) or {}]
    sources.insert(2 if state.get("error") else 0, state)
    options = next((source["options"] for source in sources if isinstance(source.get("options"), dict)), {})
    wheels, python = options.get("wheels"), options.get("python")
    offline = bool(options.get("offline"))
    return Options(
        torch=str(options.get("torch", "auto")),
        wheels=Path(wheels) if wheels and (offline or Path(wheels).is_dir()) else None,
        offline=offline,
        python=Path(python) if python and Path(python).exists() else None,
    )
