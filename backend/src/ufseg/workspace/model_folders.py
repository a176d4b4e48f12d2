"""Model versions as the folders that training and inference read."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from ufseg.networks.model_folder import DESCRIPTION_FILE, WEIGHTS_FILE
from ufseg.workspace.disk import storage_errors
from ufseg.workspace.records import ModelVersion
from ufseg.workspace.store import ContentStore


class ModelFolders:
    """Folders under ``models`` of a workspace. They are derived: deleting them loses nothing."""

    def __init__(self, folder: Path, store: ContentStore) -> None:
        self._folder = folder / "models"
        self._store = store

    def folder(self, version: ModelVersion) -> Path:
        """The version's folder with ``model.json`` and ``weights.safetensors``, made if absent.

        Raises:
            StorageError: a stored file is damaged, or the disk is full.
        """
        target = self._folder / version.id
        if target.is_dir():
            return target
        weights = self._store.verified(version.weights, ".safetensors")
        description = self._store.verified(version.description, ".json")
        unfinished = self._folder / f".{version.id}-{secrets.token_hex(4)}"
        with storage_errors(self._folder.parent, weights.stat().st_size):
            try:
                unfinished.mkdir(parents=True)
                _link(description, unfinished / DESCRIPTION_FILE)
                _link(weights, unfinished / WEIGHTS_FILE)
                try:
                    os.replace(unfinished, target)
                except OSError:
                    if not target.is_dir():  # else another job's lane was quicker
                        raise
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
        return target


def _link(source: Path, target: Path) -> None:
    """The same file under another name; a copy on file systems without hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
