"""Findings about this computer and about workspaces that are well or ill."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from small_disk import small_disk_at
from tiny_models import write_squares_model

from ufseg.doctor import machine, places
from ufseg.workspace import Workspace


def _run(workspace: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ufseg.cli.main", "doctor", "--workspace", str(workspace), *options]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, env=os.environ | environment)


def test_it_looks_at_everything_and_changes_nothing(tmp_path: Path) -> None:
    done = _run(tmp_path / "w", "--json")
    findings = {f["check"]: f for f in json.loads(done.stdout)}
    assert set(findings) >= {
        "Python", "libraries", "GPU", "precision", "memory", "permissions", "disk space", "writing", "workspace",
        "finished models", "port",
    }  # fmt: skip
    assert all(f["sentence"].endswith((".", ")", ".)")) for f in findings.values())
    assert all(f["next_step"] for f in findings.values() if f["state"] != "ok")
    assert "convolution ran" in findings["GPU"]["sentence"]
    assert done.returncode == any(f["state"] == "problem" for f in findings.values())
    assert list(tmp_path.iterdir()) == []


def test_a_problem_is_a_sentence_with_a_next_step_and_status_1(tmp_path: Path) -> None:
    model = tmp_path / "models" / "squares"
    write_squares_model(model)
    (model / "weights.safetensors").write_bytes(b"damaged")
    done = _run(tmp_path / "w", UFSEG_MODELS=str(tmp_path / "models"))
    assert done.returncode == 1
    assert "problem  finished models: The weights of the model squares" in done.stdout
    assert "Restore them from a copy" in done.stdout


def test_a_workspace_is_read_and_a_damaged_one_is_a_problem(tmp_path: Path) -> None:
    with Workspace(tmp_path / "w"):
        pass
    (finding,) = places.database(tmp_path / "w", None)
    assert (finding.state, "0 tasks" in finding.sentence) == ("ok", True)
    (tmp_path / "w" / "workspace.sqlite").write_bytes(b"no database" * 1000)
    for left in (tmp_path / "w").glob("workspace.sqlite-*"):
        left.unlink()
    (finding,) = places.database(tmp_path / "w", None)
    assert finding.state == "problem"


def test_an_older_database_is_not_migrated(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "workspace.sqlite")) as connection:
        dump = Path(__file__).parents[1] / "workspace" / "versions" / "2.sql"
        connection.executescript(dump.read_text(encoding="utf-8"))
    (finding,) = places.database(tmp_path, None)
    assert finding.state == "problem"
    assert "'ufseg workspace migrate'" in finding.sentence
    with closing(sqlite3.connect(tmp_path / "workspace.sqlite")) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(2,)]


def test_a_port_that_is_taken_is_a_problem() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        (finding,) = places.port(taken.getsockname()[1])
    assert finding.state == "problem"
    assert "Choose another one" in finding.sentence


def test_a_small_disk_is_a_problem(tmp_path: Path) -> None:
    with small_disk_at(tmp_path / "disk", "8m") as disk:
        states = {f.check: f.state for f in places.disk(disk / "w")}
    assert states["disk space"] == "problem"


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_a_folder_for_everyone_is_a_warning(tmp_path: Path) -> None:
    for mode, state in ((0o755, "warning"), (0o700, "ok")):
        tmp_path.chmod(mode)
        assert {f.check: f.state for f in places.disk(tmp_path)}["permissions"] == state


def test_a_missing_or_old_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = ["numpy>=999", "no-such-library>=1", "pytest>=999; extra == 'test'"]
    monkeypatch.setattr(machine.metadata, "requires", lambda name: needed)
    (finding,) = [f for f in machine.installation() if f.check == "libraries"]
    assert finding.state == "problem"
    assert "and >=999 is needed" in finding.sentence
    assert "no-such-library is missing" in finding.sentence
    assert "pytest" not in finding.sentence
    assert Requirement(needed[0]).name == "numpy"


def test_file_systems_are_told_apart(tmp_path: Path) -> None:
    if shutil.which("mount") is None or not Path("/proc/mounts").is_file():
        pytest.skip("needs /proc/mounts")
    assert places.file_system(Path("/proc")) == "proc"
    assert places.file_system(tmp_path) not in (None, "proc")
