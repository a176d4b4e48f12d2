"""The command line in processes of its own, as a user runs it, but for how they start; see `forking`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import SimpleITK as sitk

from ufseg.images.phantom import write_phantom_dataset

from .forking import Forking

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def ufseg() -> Run:
    """Run ``ufseg`` with arguments; returns the finished process with text output."""

    forking = Forking()

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        words = list(map(str, arguments))
        return subprocess.CompletedProcess(
            words, *forking.run(words, os.environ | {"COLUMNS": "200"} | environment, 120)
        )

    return run


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic dataset folder: the middle of oblique phantoms; not to be written to."""
    folder = tmp_path_factory.mktemp("phantom")
    write_phantom_dataset(folder, cases=6, seed=1)
    for path in [*(folder / "images").iterdir(), *(folder / "labels").iterdir()]:
        # A training step on whole phantoms takes seconds on a busy machine.
        sitk.WriteImage(sitk.ReadImage(str(path))[6:38, 6:38, 2:26], str(path))
    return folder


@pytest.fixture(scope="session")
def model(ufseg: Run, phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder trained for an epoch; not to be written to."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    done = ufseg("train", phantom, "--output", folder, "--epochs", 2, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    return folder
