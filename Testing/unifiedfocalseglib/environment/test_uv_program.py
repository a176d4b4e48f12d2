"""Where uv comes from."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from UnifiedFocalSegLib.environment import Places, uv_program
from UnifiedFocalSegLib.environment.uv_program import find_uv
from UnifiedFocalSegLib.errors import SetupError


@pytest.fixture
def uv() -> Path:
    """The real one."""
    found = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("uv is not installed here")
    return Path(found)


@pytest.fixture
def elsewhere(uv, tmp_path, monkeypatch) -> Places:
    """A Python without uv beside it."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "root").mkdir()
    monkeypatch.setattr(uv_program.sys, "executable", str(tmp_path / "bin" / "python"))
    return Places(tmp_path / "root")


def test_on_the_path(elsewhere, uv):
    assert find_uv(elsewhere, os.environ | {"PATH": str(uv.parent)}) == uv


def test_in_the_wheel_folder(elsewhere, uv, tmp_path):
    with zipfile.ZipFile(tmp_path / "uv-0.13.9-py3-none-any.whl", "w") as archive:
        archive.write(uv, "uv-0.13.9.data/scripts/uv")
    found = find_uv(elsewhere, {"PATH": ""}, tmp_path, offline=True)
    assert found.parent == elsewhere.uv
    (tmp_path / "uv-0.13.9-py3-none-any.whl").unlink()
    assert find_uv(elsewhere, {"PATH": ""}) == found, "fetched once"


def test_wheels_of_other_systems_are_passed_over(elsewhere, uv, tmp_path):
    for name, content in (("9_other", b"not for this computer"), ("1_own", uv.read_bytes())):
        with zipfile.ZipFile(tmp_path / f"uv-0.13.{name}.whl", "w") as archive:
            archive.writestr("uv-0.13.9.data/scripts/uv", content)
    assert find_uv(elsewhere, {"PATH": ""}, tmp_path, offline=True).parent == elsewhere.uv


def test_a_damaged_wheel_of_uv(elsewhere, tmp_path):
    (tmp_path / "uv-0.13.9-py3-none-any.whl").write_bytes(b"PK")
    with pytest.raises(SetupError, match=r"uv-0\.13\.9-py3-none-any\.whl is damaged .* install again"):
        find_uv(elsewhere, {"PATH": ""}, tmp_path, offline=True)


def test_nowhere(tmp_path, monkeypatch):
    monkeypatch.setattr(uv_program, "_NAME", "no-such-uv")
    (tmp_path / "root").mkdir()
    with pytest.raises(SetupError, match=r"could not be fetched \(.*\)\. Put a wheel of uv into .*wheels"):
        find_uv(Places(tmp_path / "root"), {"PATH": ""}, tmp_path / "wheels", offline=True)
    assert list((tmp_path / "root").iterdir()) == []
