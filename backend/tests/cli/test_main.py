"""Start of the program: quick, and helpful about mistakes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ufseg import __version__

from .conftest import Run


def test_help_names_the_commands(ufseg: Run) -> None:
    shown = ufseg("--help")
    assert shown.returncode == 0
    for command in ("serve", "tasks", "cases", "train", "predict", "evaluate", "models"):
        assert command in shown.stdout


def test_help_imports_nothing_heavy() -> None:
    """Importing torch takes seconds, so the commands do it only when they compute."""
    code = (
        "import sys, ufseg.cli.main; "
        "print([m for m in ('torch', 'monai', 'SimpleITK', 'matplotlib', 'fastapi', 'sqlalchemy') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert shown.stdout.strip() == "[]"


def test_version(ufseg: Run) -> None:
    assert ufseg("--version").stdout.strip() == f"ufseg {__version__}"


def test_unknown_command_is_a_usage_error(ufseg: Run) -> None:
    assert ufseg("segment").returncode == 2


def test_output_survives_a_locale_without_the_signs_it_uses(ufseg: Run, tmp_path: Path) -> None:
    shown = ufseg("tasks", "create", "Läsion", "--class", "×=1", "--workspace", tmp_path, PYTHONIOENCODING="ascii")
    assert shown.returncode == 0, shown.stderr
    listed = ufseg("tasks", "list", "--workspace", tmp_path, PYTHONIOENCODING="ascii")
    assert listed.returncode == 0, listed.stderr


def test_help_shows_the_defaults_it_names(ufseg: Run) -> None:
    """Rich would take words in brackets for markup and leave them out."""
    training = ufseg("train", "--help", COLUMNS="200").stdout
    assert "5m if left out" in training
    assert '"train": [case ids], "val": [case ids]' in training
    assert "ufseg[curves]" in training
    assert '"train": [ids], "test": [ids]' in ufseg("compare-losses", "--help", COLUMNS="200").stdout
    assert "UFSEG_WORKSPACE" in ufseg("serve", "--help").stdout
    assert "in use if left out" in ufseg("models", "export", "--help").stdout


def test_a_computing_command_names_itself_in_usage_errors(ufseg: Run, tmp_path: Path) -> None:
    done = ufseg("predict", "scan.nii.gz", "--output", tmp_path)
    assert done.returncode == 2
    assert "Usage: ufseg predict" in done.stderr
