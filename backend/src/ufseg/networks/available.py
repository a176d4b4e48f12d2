"""Where model folders that can be used by their name lie. Importing this imports no torch."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ufseg.errors import NotFoundError, StorageError
from ufseg.networks.model_folder import DESCRIPTION_FILE, WEIGHTS_FILE, ModelDescription, read_description

VARIABLE = "UFSEG_MODELS"
"""Environment variable: folders of model folders, separated as in PATH."""
_PACKAGE = Path(__file__).resolve().parents[1]
# Of the wheel, into which the build copies them, and of a checkout.
_WITH_THE_PACKAGE = (_PACKAGE / "bundled_models", _PACKAGE.parents[2] / "Resources" / "Models")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")


@dataclass(frozen=True)
class AvailableModel:
    """A model folder that is found by its name.

    Args:
        name: the folder's own name.
        folder: holds ``model.json`` and ``weights.safetensors``.
        description: what ``model.json`` says.
    """

    name: str
    folder: Path
    description: ModelDescription

    @property
    def size_bytes(self) -> int:
        """Length of the weights' file."""
        return (self.folder / WEIGHTS_FILE).stat().st_size


def search_folders(more: Sequence[Path] = ()) -> list[Path]:
    """Folders that are looked through for model folders, the first to have a name wins.

    Args:
        more: folders that the user named, looked through right after those of ``UFSEG_MODELS``.
    """
    named = [Path(part) for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]
    folders = [path.expanduser().resolve() for path in (*named, *more, *_WITH_THE_PACKAGE)]
    return [path for path in dict.fromkeys(folders) if path.is_dir()]


def available_models(more: Sequence[Path] = ()) -> tuple[list[AvailableModel], list[str]]:
    """All models that can be used by name, in order of their names.

    Args:
        more: see `search_folders`.

    Returns:
        The models, and a sentence for each folder that holds a model which cannot be read.
    """
    found: dict[str, AvailableModel] = {}
    problems: list[str] = []
    for folder in search_folders(more):
        for path in sorted(folder.iterdir()):
            if path.name in found or not _NAME.match(path.name) or not (path / DESCRIPTION_FILE).is_file():
                continue
            if not (path / WEIGHTS_FILE).is_file():
                problems.append(f"{path} holds no {WEIGHTS_FILE}. Restore it from a copy.")
                continue
            try:
                found[path.name] = AvailableModel(path.name, path, read_description(path))
            except StorageError as error:
                problems.append(str(error))
    return [found[name] for name in sorted(found)], problems


def find_model(name: str, more: Sequence[Path] = ()) -> AvailableModel:
    """The model of this name; nothing that looks like a path is ever followed.

    Raises:
        NotFoundError: there is none; those that exist are listed.
    """
    models, problems = available_models(more)
    for model in models:
        if model.name == name:
            return model
    known = ", ".join(model.name for model in models) or "none"
    broken = f" Not readable: {' '.join(problems)}" if problems else ""
    raise NotFoundError(
        f"There is no model named {name[:100]!r}. Available: {known}. Name one of them, or set {VARIABLE} to the "
        f"folder that holds its folder.{broken}"
    )
