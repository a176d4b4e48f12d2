"""The environment that a program runs from is held while it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ufseg.cli.holding import environment_held

fcntl = pytest.importorskip("fcntl")


def _is_free(path: Path) -> bool:
    with path.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_held_while_it_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with environment_held():  # made by somebody else: nothing to hold
        assert list(tmp_path.iterdir()) == []
    description = tmp_path / "ufseg-environment.json"
    description.write_text("{}", encoding="utf-8")
    with environment_held(), environment_held():
        assert not _is_free(description)
        subprocess.run([sys.executable, "-c", ""], check=True)  # a child that ends frees nothing
        assert not _is_free(description)
    assert _is_free(description)
